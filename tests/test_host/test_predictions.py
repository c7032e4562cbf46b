"""Every shipped config predicts a photograph, and its test writes what it predicts.

The host is called as its users call it: ``init_model`` and ``inference_model``,
``MMSegInferencer``, and both test scripts.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
import torch
from helpers.config_files import read
from helpers.folders import CITYSCAPES_STEMS, save_image
from helpers.shrink import every_config, make_folders, names_to_predict, shrink
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.registry import DATASETS, MODELS
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
STOCK = Path(mmseg.__file__).parent / ".mim" / "tools"
CITY = CITYSCAPES_STEMS["val"][0]
PHOTO = (50, 34)  # (W, H), of no dataset's size


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    make_folders(root)
    save_image(root / "photo.png", *PHOTO, 1)
    return root


def checkpoint(cfg: Config, path: Path) -> str:
    """Save a model's random weights as a training saves them, a teacher's too."""
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    if model.teacher is not None:
        model.teacher.build(model)
        for weight in model.teacher.parameters():
            weight.data.fill_(torch.nan)  # that would be seen
    dataset = DATASETS.build({**cfg.test_dataloader.dataset, "lazy_init": True})
    meta = dict(dataset_meta=dataset.metainfo)
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return str(path)


@pytest.mark.parametrize("name", every_config(names_to_predict()))
def test_a_config_predicts_a_photograph(
    name: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(data)
    cfg = shrink(read(name))
    assert cfg.test_pipeline == cfg.test_dataloader.dataset.pipeline
    assert cfg.tta_model.type == "SegTTAModel"
    weights = checkpoint(cfg, tmp_path / "weights.pth")
    assert Compose(cfg.copy().tta_pipeline)(dict(img_path="photo.png"))
    size = (1, PHOTO[1], PHOTO[0])

    model = init_model(cfg.copy(), weights, device="cpu")
    assert "teacher" not in capsys.readouterr().out  # passed over without a word
    assert not any(key.startswith(("teacher", "ref")) for key in model.state_dict())
    by_path = inference_model(model, "photo.png").pred_sem_seg.data
    assert by_path.shape == size
    array = np.asarray(Image.open("photo.png").convert("RGB"))[..., ::-1]  # BGR
    by_array = inference_model(model, np.ascontiguousarray(array)).pred_sem_seg.data
    assert by_array.equal(by_path)

    inferencer = MMSegInferencer(cfg.copy(), weights, device="cpu")
    inferencer.show_progress = False  # an argument in newer hosts alone
    out = tmp_path / "out"
    found = inferencer("photo.png", out_dir=str(out))["predictions"]
    assert torch.as_tensor(found).equal(by_path[0])
    assert Image.open(out / "vis" / "photo.png").size == PHOTO
    assert len(list((out / "pred").iterdir())) == 1


def run_test(script: Path, args: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_RANK", "0")
        patch.setattr(sys, "argv", [str(script), *args])
        runpy.run_path(str(script), run_name="__main__")


@pytest.mark.skipif(not STOCK.is_dir(), reason="this mmseg has no .mim/tools")
@pytest.mark.parametrize(
    ("name", "mirrored", "written"),
    [
        ("cosda/deeplabv2_demo_no-pl.py", False, "target_val_00000.png"),
        ("source_only/deeplabv2_demo.py", True, "target_val_00000.png"),
        ("cosda/deeplabv2_torcs2camvid_no-pl.py", True, "0.png"),
        ("cosda/fcn8s_gta2cs_no-pl.py", False, f"{CITY}_leftImg8bit.png"),
    ],
)
def test_both_test_scripts_write_the_same_pictures(
    name: str,
    mirrored: bool,
    written: str,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(data)
    # What costs the host more time than the test: no part of it.
    monkeypatch.setattr("mmengine.runner.runner.collect_env", dict)
    cfg = shrink(read(name))
    config = tmp_path / "config.py"
    weights = checkpoint(cfg, tmp_path / "weights.pth")
    found: list[dict[str, bytes]] = []
    for which, script in (("stock", STOCK), ("ours", ROOT / "tools")):
        # The host keeps visualizers by name, for the whole process.
        cfg.experiment_name = f"{tmp_path.name}-{which}"
        cfg.visualizer.name = cfg.experiment_name
        cfg.dump(str(config))
        out, shown = tmp_path / which / "out", tmp_path / which / "shown"
        args = [str(config), weights, "--work-dir", str(tmp_path / which / "work")]
        args += ["--out", str(out), "--show-dir", str(shown)]
        run_test(script / "test.py", args + ["--tta"] * mirrored)
        found.append({str(f.relative_to(out)): f.read_bytes() for f in files(out)})
        pictures = [f.parent.name + "/" + f.stem for f in files(shown)]
        parents = {str(Path(each).parent) for each in found[-1]}
        assert len(pictures) == len(found[-1])
        for parent in parents - {"."}:
            assert any(each.startswith(f"{parent}/test_") for each in pictures)
    assert found[0] == found[1]
    assert written in found[0]


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.png"))
