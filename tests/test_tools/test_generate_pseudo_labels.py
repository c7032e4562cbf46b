"""The whole tool on a tiny project, against a naive implementation."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
from helpers.pseudo_label_project import NAMES, Project
from helpers.pseudo_label_reference import predict, sorted_thresholds
from helpers.pseudo_label_tool import change, files, generate, labels, tool
from mmengine.config import Config
from PIL import Image

from mmseg_cosda.config import target_config
from mmseg_cosda.inference.images import TargetImages
from mmseg_cosda.inference.loading import load_model


@pytest.mark.parametrize(
    ("options", "quantile", "cap"),
    [
        ([], 0.5, 0.9),
        (["--quantile", "0.2", "--cap", "0.55", "--batch-size", "3"], 0.2, 0.55),
        (["--quantile", "0.9", "--cap", "1", "--comparison", "ge"], 0.9, 1.0),
    ],
)
def test_files_equal_a_naive_implementation(
    project: Project, options: list[str], quantile: float, cap: float
) -> None:
    report = generate(project, *options)
    cfg = Config.fromfile(project.config)
    pipeline = [
        t for t in cfg.test_dataloader.dataset.pipeline if t.type[:5] != "LoadA"
    ]
    images = TargetImages(target_config(cfg), pipeline)
    model = load_model(cfg, str(project.checkpoint), "cpu")
    confidence, label = zip(*(predict(model, images[i]) for i in range(7)), strict=True)
    tau = sorted_thresholds([*confidence], [*label], 4, quantile, cap)
    assert tau[3] == 0  # never predicted
    found = [entry["threshold"] for entry in report["classes"]]
    np.testing.assert_allclose(found, tau, rtol=0, atol=1e-5)
    undecided = 0
    for ours, p, c in zip(labels(project.out), confidence, label, strict=True):
        assert ours.shape == (16, 32)
        assert ours.dtype == np.uint8
        sure = np.abs(p - tau[c]) > 1e-5
        expected = np.where(p > tau[c], c, 255)
        np.testing.assert_array_equal(ours[sure], expected[sure])
        undecided += int((~sure).sum())
    assert undecided <= 4


def test_names_mode_and_folder_are_as_documented(project: Project) -> None:
    report = generate(project)
    expected = {f"{name}_img.png" for name in NAMES}
    assert set(files(project.out)) == expected | {"report.json", "report.svg"}
    assert all(Image.open(project.out / name).mode == "L" for name in expected)
    assert report["images"] == 7
    assert report["pixels"] == 7 * 16 * 32
    assert report["share_kept"] == pytest.approx(0.5, abs=0.01)  # the median


def test_ground_truth_is_never_read(project: Project) -> None:
    shutil.rmtree(project.root / "labels")
    generate(project)


def test_quality_equals_naive_counts(project: Project) -> None:
    quality = generate(project, "--evaluate")
    right = kept = 0
    true_of_0 = label_0 = both_0 = 0
    for name, ours in zip(sorted(NAMES), labels(project.out), strict=True):
        truth = cv2.imread(str(project.root / "labels" / f"{name}_gt.png"), -1)
        truth = np.array(
            Image.fromarray(truth).resize((32, 16), Image.Resampling.NEAREST)
        )
        valid = (truth != 255) & (ours != 255)
        kept += int(valid.sum())
        right += int((valid & (truth == ours)).sum())
        label_0 += int((valid & (ours == 0)).sum())
        true_of_0 += int((valid & (truth == 0)).sum())
        both_0 += int((valid & (ours == 0) & (truth == 0)).sum())
    assert quality["quality"]["accuracy"] == pytest.approx(right / kept, abs=1e-6)
    iou = both_0 / (label_0 + true_of_0 - both_0)
    assert quality["classes"][0]["iou"] == pytest.approx(iou, abs=1e-6)
    assert quality["classes"][0]["accuracy"] == pytest.approx(
        both_0 / label_0, abs=1e-6
    )


def test_full_resolution_logits_are_taken_as_they_are(project: Project) -> None:
    """A head as FCN-8s': its logits have the input's size."""
    change(project, **{"model.decode_head.type": "FullResolutionHead"})
    report = generate(project)
    assert labels(project.out)[0].shape == (16, 32)
    assert 0.3 < report["share_kept"] < 0.7


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    assert "python tools/generate_pseudo_labels.py" in capsys.readouterr().out
