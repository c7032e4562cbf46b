"""No text of a checkpoint is executed when the host builds a model from it alone.

Resuming with both training scripts is tested in test_host/test_stock_scripts.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from mmseg.apis import MMSegInferencer
from mmseg.registry import MODELS

import mmseg_cosda  # noqa: F401  (registers the loaders)
from mmseg_cosda.checkpoint import load_checkpoint_file

DEMO = Path(__file__).parents[2] / "configs" / "cosda" / "deeplabv2_demo_no-pl.py"


def ordinary() -> dict[str, Any]:
    """A small checkpoint with the texts that the host writes."""
    cfg = Config.fromfile(DEMO)
    cfg.test_dataloader.dataset.pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": "PackSegInputs"},
    ]
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    text = cfg.pretty_text
    return {
        "meta": {"cfg": text, "iter": 2, "dataset_meta": model_meta()},
        "message_hub": {"log_scalars": {}, "runtime_info": {"cfg": text, "iter": 1}},
        "state_dict": model.state_dict(),
    }


def model_meta() -> dict[str, Any]:
    names = [f"class {i}" for i in range(10)]
    return {"classes": names, "palette": [[i, i, i] for i in range(10)]}


def runs(marker: Path) -> str:
    return f"import os; os.mkdir({str(marker)!r})\nmodel = dict(type='EncoderDecoder')"


def test_meta_config_is_left_out_and_all_else_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    content = ordinary()
    old = {**content["meta"], "config": runs(tmp_path / "ran")}
    torch.save({**content, "meta": old}, path)
    for loaded in (
        load_checkpoint_file(path),
        CheckpointLoader.load_checkpoint(str(path), map_location="cpu"),
    ):
        assert loaded["meta"] == content["meta"]
        assert loaded["message_hub"] == content["message_hub"]
        assert loaded["state_dict"].keys() == content["state_dict"].keys()


def test_files_that_are_no_dict_of_dicts_are_read_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    for content in ([1], {"meta": None}, {"meta": ["cfg"], "message_hub": "cfg"}, {}):
        torch.save(content, path)
        assert load_checkpoint_file(path) == content


def test_the_inferencer_builds_an_ordinary_checkpoint_s_model(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    content = ordinary()
    torch.save(content, path)
    inferencer = MMSegInferencer(None, weights=str(path), device="cpu")
    for name, value in inferencer.model.state_dict().items():
        assert torch.equal(value, content["state_dict"][name]), name
    result = inferencer(np.zeros((64, 64, 3), np.uint8), return_datasamples=True)
    assert result.pred_sem_seg.shape == (64, 64)


def evil_texts(marker: Path) -> list[str]:
    """What the host turns into code, from a program to mere literals."""
    folder = marker.parent
    for name in ("beside", "antimodule"):
        (folder / f"{name}.py").write_text(runs(marker))
    model = "model = dict(type='EncoderDecoder')"
    return [
        runs(marker),
        f"model = dict(type='os.mkdir', path={str(marker)!r})",
        f"_base_ = {str(folder / 'beside.py')!r}\n{model}",
        f"custom_imports = dict(imports=['antimodule'])\n{model}",
        "model = dict(type='antimodule')",
        f"""a=["{{{{$NOT_SET:","","}}}}"];b="];open('{marker}','w').close()#"\n""",
    ]


@pytest.mark.parametrize("place", ["meta", "message_hub"])
@pytest.mark.parametrize("index", range(6))
def test_the_inferencer_runs_no_text(
    index: int, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "antimodule", raising=False)
    marker = tmp_path / "ran"
    text = {"cfg": evil_texts(marker)[index]}
    hub = {"runtime_info": text} if place == "message_hub" else {}
    content = {"meta": text if place == "meta" else {}, "message_hub": hub}
    path = tmp_path / "a.pth"
    torch.save({**content, "state_dict": {}}, path)
    told = ""
    try:
        MMSegInferencer(None, weights=str(path), device="cpu")
    except Exception as error:
        told = str(error)
    assert not marker.exists()  # first of all
    assert told == "Cannot find the config in the checkpoint."


def test_the_warning_is_one_line_and_names_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "mmseg_cosda.checkpoint.host_text.print_log",
        lambda message, **_: said.append(message),
    )
    path = tmp_path / "a.pth"
    torch.save({"meta": {"cfg": "a = 1\nimport os"}, "state_dict": {}}, path)
    assert load_checkpoint_file(path)["meta"] == {}
    (line,) = said
    assert "\n" not in line
    assert f"{path}: meta.cfg is left out" in line
    assert "line 2: `import os`" in line
