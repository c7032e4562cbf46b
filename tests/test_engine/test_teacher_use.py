"""A model that was trained with a teacher: evaluated, exported, predicting, loaded."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import mmseg
import numpy as np
import pytest
import torch
from helpers.method_runs import method_config
from helpers.prediction_project import write_photograph
from helpers.tools import load_tool
from helpers.toy_runs import train_to_end
from mmengine.config import Config
from mmseg.apis import inference_model, init_model
from mmseg.registry import MODELS
from PIL import Image
from torch import Tensor

from mmseg_cosda.models.teacher import EMATeacher

STOCK = Path(mmseg.__file__).parent / ".mim" / "tools"
OWN = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, a checkpoint of its training, and a photograph."""
    root = tmp_path_factory.mktemp("trained")
    cfg = method_config(root / "work", 3)
    cfg.optim_wrapper.optimizer.lr = 0.05
    cfg.test_dataloader = cfg.val_dataloader
    cfg.dump(str(root / "config.py"))
    train_to_end(cfg)
    source_only = Config.fromfile(root / "config.py")
    for part in ("phases", "teacher", "alignments"):
        source_only.model.pop(part)
    source_only.dump(str(root / "source_only.py"))
    write_photograph(root / "photo.png", (64, 32))
    return root


@pytest.fixture
def no_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*_: Any) -> None:
        raise AssertionError("a teacher is built")

    monkeypatch.setattr(EMATeacher, "build", build)


def weights(root: Path, branch: str) -> dict[str, Tensor]:
    state = torch.load(root / "work" / "iter_3.pth", weights_only=False)["state_dict"]
    prefix = {"student": "", "teacher": "teacher."}[branch]
    return {
        key.removeprefix(prefix): value
        for key, value in state.items()
        if key.startswith((f"{prefix}backbone.", f"{prefix}decode_head."))
    }


def logits(root: Path, branch: str) -> Tensor:
    """What one of the two says of the photograph, layer by layer."""
    net = MODELS.build(Config.fromfile(root / "source_only.py").model)
    net.load_state_dict(weights(root, branch), strict=True)
    net.eval()
    with Image.open(root / "photo.png") as image:
        pixels = torch.from_numpy(np.array(image.convert("RGB")))
    bgr = pixels.flip(-1).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        small = net.decode_head(net.backbone((bgr - 127.5) / 127.5))
    found: Tensor = torch.nn.functional.interpolate(
        small, (32, 64), mode="bilinear", align_corners=True
    )
    return found[0]


def run_test(script: Path, *args: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCAL_RANK", "0")
        patch.setattr(sys, "argv", [str(script), *map(str, args)])
        patch.setattr("mmengine.runner.runner.collect_env", dict)
        runpy.run_path(str(script), run_name="__main__")


def test_student_and_teacher_differ(trained: Path) -> None:
    assert not logits(trained, "student").allclose(logits(trained, "teacher"))


@pytest.mark.skipif(not STOCK.is_dir(), reason="this mmseg has no .mim/tools")
@pytest.mark.usefixtures("no_teacher")
def test_both_test_scripts_evaluate_the_student(trained: Path, tmp_path: Path) -> None:
    """As a config without a teacher does; what they write down is the same."""
    checkpoint = trained / "work" / "iter_3.pth"
    found: list[dict[str, Any]] = []
    for name, folder in (("config", STOCK), ("config", OWN), ("source_only", STOCK)):
        work = tmp_path / str(len(found))
        config = trained / f"{name}.py"
        # The host keeps one log file per name, which is of the second it started in.
        named = ("--cfg-options", f"experiment_name=run_{work.name}")
        run_test(folder / "test.py", config, checkpoint, "--work-dir", work, *named)
        (file,) = work.glob("*/*.json")
        found.append(json.loads(file.read_text()))
        (log,) = work.glob("*/*.log")
        if name == "source_only":  # passed over without a word
            assert "teacher" not in log.read_text()
    assert found[0]["mIoU"] > 0
    times = ("time", "data_time")
    measured = [{k: v for k, v in each.items() if k not in times} for each in found]
    assert measured[0] == measured[1] == measured[2]


@pytest.mark.usefixtures("no_teacher")
@pytest.mark.parametrize("branch", ["student", "teacher"])
def test_what_is_exported_predicts_as_its_branch(
    branch: str, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "net.pth"
    checkpoint = str(trained / "work" / "iter_3.pth")
    load_tool("export").main([checkpoint, str(out), "--weights", branch])
    model = init_model(str(out.with_suffix(".py")), str(out), device="cpu")
    found = inference_model(model, str(trained / "photo.png"))
    expected = logits(trained, branch)
    torch.testing.assert_close(found.seg_logits.data, expected)
    assert found.pred_sem_seg.data[0].equal(expected.argmax(0))
    folder = tmp_path / "predicted"
    arguments = [str(out.with_suffix(".py")), str(out), str(trained / "photo.png")]
    load_tool("predict").main([*arguments, "--out", str(folder), "--device", "cpu"])
    with Image.open(folder / "labels" / "photo.png") as image:
        assert np.array_equal(np.asarray(image), expected.argmax(0))


@pytest.mark.usefixtures("no_teacher")
def test_the_checkpoint_predicts_as_the_student(trained: Path, tmp_path: Path) -> None:
    config, checkpoint = trained / "config.py", trained / "work" / "iter_3.pth"
    arguments = [str(config), str(checkpoint), str(trained / "photo.png")]
    folder = tmp_path / "predicted"
    load_tool("predict").main([*arguments, "--out", str(folder), "--device", "cpu"])
    with Image.open(folder / "labels" / "photo.png") as image:
        expected = logits(trained, "student").argmax(0)
        assert np.array_equal(np.asarray(image), expected)


@pytest.mark.parametrize("name", ["source_only", "config"])
def test_a_training_starts_from_it(name: str, trained: Path, tmp_path: Path) -> None:
    """Source-only without a word of the teacher; with one, it begins as a copy."""
    cfg = Config.fromfile(trained / f"{name}.py")
    cfg.work_dir = str(tmp_path)
    cfg.visualizer.name, cfg.log_level = str(tmp_path), "INFO"
    cfg.load_from = str(trained / "work" / "iter_3.pth")
    cfg.train_cfg.max_iters = 1
    state = train_to_end(cfg)["state_dict"]
    if name == "config":
        for key, value in weights(trained, "student").items():
            if "norm" not in key:
                assert state[f"teacher.{key}"].equal(value), key
        return
    (log,) = tmp_path.glob("*/*.log")
    shown = log.read_text().split("Load checkpoint")[1]
    assert "teacher" not in shown
    assert not any(key.startswith("teacher") for key in state)
