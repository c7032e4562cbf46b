"""A user's mistakes are told in one line, before anything is predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from helpers.comparison_project import compare, make_comparison, tool
from helpers.pseudo_label_project import METAINFO, write_config
from helpers.toys import CLASSES, build, head_config
from mmengine.config import Config

from mmseg_cosda.errors import UserError, run_tool


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_comparison(tmp_path, monkeypatch)


def other_net(path: Path) -> None:
    model = build(decode_head=head_config(num_classes=CLASSES + 1))
    torch.save({"state_dict": model.state_dict()}, path)


def other_order(path: Path) -> None:
    content = torch.load("a.pth")
    classes = METAINFO["classes"][::-1]
    torch.save({**content, "meta": {"dataset_meta": {"classes": classes}}}, path)


@pytest.mark.parametrize(
    ("names", "args", "message"),
    [
        ("ax", [], "checkpoint x.pth is of another model than the config"),
        ("ap", [], "p.pth has the classes of val_dataloader.dataset in another order"),
        ("ay", [], "checkpoint y.pth does not exist"),
        ("az", [], "checkpoint z.pth"),
        ("aa", [], "--checkpoints: a is there twice"),
        ("a", [], "--checkpoints: one alone differs from nothing"),
        (
            "ab",
            ["--images", "ulm_9"],
            "--images ulm_9: no image has that name; closest",
        ),
        ("ab", ["--images", "ulm_1", "--limit", "1"], "--limit and --images"),
        ("ab", ["--rows", "0"], "--rows 0: must be at least 1"),
        ("ab", ["--batch-size", "0"], "--batch-size 0: must be at least 1"),
        ("ab", ["--width", "99"], "--width 99: must be from 1 to 50"),
        ("ab", ["--out", "a.gif"], "--out a.gif: must end with"),
        ("ab", ["--device", "warp"], "--device warp: this machine has no"),
        (
            "ab",
            ["--cfg-options", "val_dataloader.dataset.pipeline=[]"],
            "val_dataloader.dataset is of type BaseSegDataset",
        ),
        (
            "ab",
            ["--cfg-options", "val_dataloader.dataset.data_root=away"],
            "check its data_root",
        ),
        (
            "ab",
            ["--cfg-options", "val_dataloader.dataset.metainfo.classes=[a,b]"],
            "palette does not match classes",
        ),
    ],
)
def test_a_mistake_is_one_line(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    names: str,
    args: list[str],
    message: str,
) -> None:
    other_net(project / "x.pth")
    other_order(project / "p.pth")
    (project / "z.pth").write_bytes(b"no weights")

    def never(*_: Any) -> None:
        raise AssertionError("predicted before the mistake was found")

    monkeypatch.setattr(tool, "predict_maps", never)
    with pytest.raises(ValueError):  # noqa: PT011 (the message is checked below)
        compare(*args, names=names)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run_tool(lambda: compare(*args, names=names))
    assert stop.value.code == 2
    errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not Path("out").exists()


def change_pipeline(index: int, *transforms: dict[str, Any]) -> None:
    config = Config.fromfile("config.py").to_dict()
    config["val_dataloader"]["dataset"]["pipeline"][index : index + 1] = transforms
    write_config(Path("config.py"), config)


def test_labels_are_needed_at_the_size_of_the_evaluation(project: Path) -> None:
    change_pipeline(2)
    with pytest.raises(UserError, match="loads no labels"):
        compare()
    resize = dict(type="Resize", scale=(32, 16), keep_ratio=False)
    change_pipeline(1, dict(type="LoadAnnotations"), resize)
    with pytest.raises(UserError, match=r"labels of \(16, 32\).* at \(24, 40\)"):
        compare()


def test_a_damaged_image_is_named(project: Path) -> None:
    (project / "images" / "ulm" / "ulm_1_img.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"image .*ulm_1_img\.png"):
        compare()
    compare("--images", "ulm_2")


def test_images_of_several_sizes_need_batches_of_one(project: Path) -> None:
    image = np.zeros((24, 80, 3), np.uint8)
    cv2.imwrite(str(project / "images" / "bonn" / "bonn_1_img.png"), image)
    label = np.zeros((24, 80), np.uint8)
    cv2.imwrite(str(project / "labels" / "bonn" / "bonn_1_gt.png"), label)
    resize = dict(type="Resize", scale=(32, 16), keep_ratio=True)
    change_pipeline(1, resize)
    with pytest.raises(UserError, match="take --batch-size 1"):
        compare("--batch-size", "2")
    compare("--rows", "7")


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    assert "python tools/compare_predictions.py" in capsys.readouterr().out
