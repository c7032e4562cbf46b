"""The whole tool on a tiny project, against a naive implementation."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from pseudo_label_project import (
    NAMES,
    Project,
    make_project,
    write_checkpoint,
    write_config,
)
from pseudo_label_reference import predict, sorted_thresholds

import mmseg_cosda.pseudo_labels.generation as generation
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.pseudo_labels.prediction import predict_confidence
from mmseg_cosda.pseudo_labels.sources import TargetImages, load_model, target_config

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "generate_pseudo_labels.py"


def load_tool() -> Any:
    spec = importlib.util.spec_from_file_location("generate_pseudo_labels", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load_tool()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make_project(tmp_path)


def generate(project: Project, *options: str) -> dict[str, Any]:
    tool.main([*project.command, "--device", "cpu", "--workers", "0", *options])
    return dict(json.loads((project.out / "report.json").read_text()))


def change(project: Project, **options: Any) -> None:
    config = Config.fromfile(project.config)
    config.merge_from_dict(options)
    write_config(project.config, config.to_dict())


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def labels(folder: Path) -> list[np.ndarray[Any, Any]]:
    names = sorted(f"{name}_img.png" for name in NAMES)
    return [np.array(Image.open(folder / name)) for name in names]


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


class PowerCutError(Exception):
    """As a power cut, but inside the process."""


def interrupt_after(
    images: int, target: Callable[..., Any], calls: list[int]
) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if len(calls) == images:
            raise PowerCutError
        calls.append(1)
        return target(*args, **kwargs)

    return wrapped


def count_forwards(monkeypatch: pytest.MonkeyPatch, stop: int = 99) -> list[int]:
    calls: list[int] = []
    wrapped = interrupt_after(stop, predict_confidence, calls)
    monkeypatch.setattr(generation, "predict_confidence", wrapped)
    return calls


@pytest.mark.parametrize("batch_size", ["1", "2"])
def test_interrupted_in_inference_it_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch, batch_size: str
) -> None:
    options = ["--batch-size", batch_size, "--evaluate"]
    generate(project, *options)
    whole = files(project.out)
    shutil.rmtree(project.out)
    with monkeypatch.context() as patch:
        count_forwards(patch, stop=2)
        with pytest.raises(PowerCutError):
            generate(project, *options)
    assert not list(project.out.rglob("*.png"))
    done = sorted((project.out / ".unfinished").glob("*.gz"))
    done[-1].unlink()  # a batch of which a part was written is predicted again
    with monkeypatch.context() as patch:
        calls = count_forwards(patch)
        generate(project, *options)
    assert len(calls) == -(-7 // int(batch_size)) - 2 + 1
    assert files(project.out) == whole


def test_interrupted_while_writing_it_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(project)
    whole = files(project.out)
    shutil.rmtree(project.out)
    with monkeypatch.context() as patch:
        patch.setattr(generation, "_png", interrupt_after(3, generation._png, []))
        with pytest.raises(PowerCutError):
            generate(project)
    assert not (project.out / "report.json").exists()
    calls = count_forwards(monkeypatch)
    generate(project)
    assert not calls
    assert files(project.out) == whole
    picture = project.root / "pictures" / "report.png"
    generate(project, "--picture", str(picture))  # complete: only drawn again
    assert not calls
    assert picture.read_bytes().startswith(b"\x89PNG")


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


KILLED = """
import os, signal, sys
import mmseg_cosda.pseudo_labels.generation as generation
from mmseg_cosda.pseudo_labels.spool import Spool
import importlib.util
spec = importlib.util.spec_from_file_location("tool", sys.argv[1])
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)
png, written = generation._png, []
def kill_after_two(label):
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(1)
    return png(label)
generation._png = kill_after_two
tool.main(sys.argv[2:])
"""


def test_killed_by_the_system_it_goes_on(project: Project) -> None:
    torch.set_num_threads(1)
    generate(project)
    whole = files(project.out)
    shutil.rmtree(project.out)
    command = [sys.executable, "-c", KILLED, str(TOOL), *project.command]
    done = subprocess.run(
        [*command, "--device", "cpu", "--workers", "0"],
        env=environment(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr.decode()
    assert (project.out / ".unfinished").exists()
    generate(project)
    assert files(project.out) == whole


def test_two_processes_give_what_one_gives(project: Project) -> None:
    torch.set_num_threads(1)
    generate(project, "--evaluate")
    whole = files(project.out)
    shutil.rmtree(project.out)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc_per_node", "2"]
    options = ["--device", "cpu", "--workers", "0", "--evaluate"]
    done = subprocess.run(
        [*command, str(TOOL), *project.command, *options],
        env=environment(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert files(project.out) == whole


def test_another_checkpoint_is_refused_until_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        count_forwards(patch, stop=2)
        with pytest.raises(PowerCutError):
            generate(project)
    write_checkpoint(project.checkpoint, seed=1)
    with pytest.raises(UserError, match=r"another run \(weights .*--overwrite"):
        generate(project)
    with pytest.raises(UserError, match=r"quantile 0\.5 there, 0\.4 here"):
        generate(project, "--quantile", "0.4")
    generate(project, "--overwrite")
    mixed = files(project.out)
    shutil.rmtree(project.out)
    generate(project)
    assert files(project.out) == mixed


def test_full_resolution_logits_are_taken_as_they_are(project: Project) -> None:
    """A head as FCN-8s': its logits have the input's size."""
    change(project, **{"model.decode_head.type": "FullResolutionHead"})
    report = generate(project)
    assert labels(project.out)[0].shape == (16, 32)
    assert 0.3 < report["share_kept"] < 0.7


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
    with pytest.raises(UserError, match=r"config .*config\.py: SyntaxError"):
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


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    assert "python tools/generate_pseudo_labels.py" in capsys.readouterr().out
