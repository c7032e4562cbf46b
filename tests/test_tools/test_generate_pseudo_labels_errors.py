"""A user's mistakes are told in one line."""

from __future__ import annotations

import shutil
import zlib

import cv2
import numpy as np
import pytest
import torch
from helpers.pseudo_label_project import Project
from helpers.pseudo_label_tool import change, generate, tool
from mmengine import Config
from mmseg.registry import DATASETS

from mmseg_cosda.errors import UserError, run_tool


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--picture", "report.txt"], "take one of svg, png, pdf"),
        (["--quantile", "2"], r"quantile=2.0 must lie in \[0, 1\]"),
        (["--device", "cuda:77"], "--device cuda:77: this machine has no such device"),
        (
            ["--cfg-options", "model.decode_head.num_classes=5"],
            "of another model than the config",
        ),
        (
            ["--cfg-options", "train_dataloader.dataset.target=None"],
            "no target domain",
        ),
        (
            ["--cfg-options", "train_dataloader.dataset.target.dataset.data_root=away"],
            "target dataset BaseSegDataset.*away.*check its data_root",
        ),
        (
            ["--cfg-options", "test_dataloader.dataset.pipeline=[]"],
            "no test pipeline",
        ),
    ],
)
def test_a_mistake_is_one_line(
    project: Project,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    match: str,
) -> None:
    with pytest.raises(ValueError, match=match):
        generate(project, *options)
    with pytest.raises(SystemExit) as caught:
        run_tool(lambda: generate(project, *options))
    assert caught.value.code == 2
    assert capsys.readouterr().err.strip().count("\n") == 0
    assert not project.out.exists()


def test_missing_files_are_named(project: Project) -> None:
    with pytest.raises(UserError, match=r"config nowhere\.py does not exist"):
        tool.main(["nowhere.py", "x.pth", "--out", str(project.out)])
    with pytest.raises(UserError, match=r"checkpoint x\.pth does not exist"):
        tool.main([str(project.config), "x.pth", "--out", str(project.out)])
    project.config.write_text("model = dict(")
    with pytest.raises(UserError, match=r"config .*config\.py, line 1: SyntaxError"):
        generate(project)


def test_missing_weights_are_named(project: Project) -> None:
    weights = torch.load(project.checkpoint)["state_dict"]
    del weights["decode_head.conv_seg.weight"]
    torch.save(weights, project.checkpoint)
    with pytest.raises(UserError, match=r"decode_head\.conv_seg\.weight"):
        generate(project)


def test_a_corrupt_image_is_named(project: Project) -> None:
    (project.root / "images" / "ulm" / "ulm_1_img.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"image .*ulm_1_img\.png"):
        generate(project, "--workers", "1")


def test_images_of_several_sizes_need_batches_of_one(project: Project) -> None:
    path = project.root / "images" / "bonn" / "bonn_1_img.png"
    cv2.imwrite(str(path), np.zeros((24, 80, 3), np.uint8))
    change(
        project,
        **{"test_dataloader.dataset.pipeline.1": dict(keep_ratio=True)},
    )
    with pytest.raises(UserError, match="take --batch-size 1"):
        generate(project, "--batch-size", "2")
    generate(project, "--overwrite")


def test_evaluate_needs_labels(project: Project) -> None:
    shutil.rmtree(project.root / "labels")
    with pytest.raises(UserError, match=r"_gt\.png"):
        generate(project, "--evaluate")
    images = Config.fromfile(project.config).train_dataloader.dataset.target.dataset
    del images.data_prefix["seg_map_path"]
    change(
        project,
        **{"train_dataloader.dataset.target.dataset": {**images, "_delete_": True}},
    )
    with pytest.raises(UserError, match=r"no ground truth; add .*seg_map_path"):
        generate(project, "--evaluate")
    generate(project, "--overwrite")


def test_a_checkpoint_of_another_order_of_classes(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    content = torch.load(project.checkpoint)
    classes = ["class1", "class0", "class2", "class3"]
    content["meta"] = {"dataset_meta": {"classes": classes}}
    torch.save(content, project.checkpoint)
    with pytest.raises(UserError, match=r"model\.pth has the classes of the target da"):
        generate(project)
    assert not project.out.exists()
    content["meta"] = {"dataset_meta": {"classes": sorted(classes)}}
    torch.save(content, project.checkpoint)
    generate(project)
    assert "class" not in capsys.readouterr().err
    content["meta"] = {}  # the same weights: nothing is left to do
    torch.save(content, project.checkpoint)
    generate(project)
    assert "model.pth names no classes: its outputs are" in capsys.readouterr().err


def test_a_finished_label_that_changed(project: Project) -> None:
    generate(project)
    label = project.out / "ulm" / "ulm_1_img.png"
    whole = label.read_bytes()
    label.write_bytes(b"")
    with pytest.raises(UserError, match=r"1 of 7 .*ulm_1_img\.png is empty .0 bytes"):
        generate(project)
    report = generate(project, "--overwrite")
    assert label.read_bytes() == whole
    stat = label.stat()
    size, time, crc = report["files"]["ulm/ulm_1_img.png"].split()
    assert (int(size), int(time)) == (stat.st_size, stat.st_mtime_ns)
    assert int(crc, 16) == zlib.crc32(whole)
    assert report["made_by"]["classes"] == [c["name"] for c in report["classes"]]
    # The training's dataset reads the same report.
    target = Config.fromfile(project.config).train_dataloader.dataset.target
    DATASETS.build(target)
    label.write_bytes(whole[:-1])
    with pytest.raises(UserError, match=r"1 of 7 .*ulm_1_img\.png has \d+ bytes"):
        DATASETS.build(target)
