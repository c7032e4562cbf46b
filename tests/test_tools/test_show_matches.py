"""The whole tool on a tiny demo, its figures computed again from the images."""

from __future__ import annotations

import json
import math
import re
import shutil
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from helpers.shrink import CONFIGS, shrink
from helpers.tools import load_tool
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

import mmseg_cosda.matches.source as source
from mmseg_cosda.config import read_config
from mmseg_cosda.datasets import DemoStreetsDataset
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.inference.loading import load_model
from mmseg_cosda.models.taps import record_taps

THRESHOLD, CAPACITY = 0.75, 6


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("show_matches")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's config at toy size, random weights that predict several classes."""
    root = tmp_path_factory.mktemp("demo")
    cfg = shrink(Config.fromfile(CONFIGS / "cosda/deeplabv2_demo_no-pl.py"))
    cfg.train_dataloader.dataset.source.length = 6
    cfg.model.alignments.cosine.taps.layer4.threshold = THRESHOLD
    cfg.model.alignments.cosine.queue_size = CAPACITY
    cfg.dump(root / "demo.py")
    cfg = read_config(str(root / "demo.py"))
    torch.manual_seed(0)
    model = MODELS.build({**cfg.model, "alignments": {}})
    for parameter in model.decode_head.parameters():
        torch.nn.init.normal_(parameter, 0, 3)
    torch.save({"state_dict": model.state_dict()}, root / "demo.pth")
    return root


def run(tool: ModuleType, demo: Path, *options: str) -> dict[str, Any]:
    out = demo / "out" / "matches.png"
    command = [str(demo / "demo.py"), str(demo / "demo.pth"), "--out", str(out)]
    command += ["--json", str(demo / "matches.json"), "--device", "cpu", *options]
    tool.main(command)
    return dict(json.loads((demo / "matches.json").read_text()))


def forward(model: Any, sample: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Rows of the last map and its predictions, both in raster order."""
    batch = model.data_preprocessor(pseudo_collate([sample]), False)
    with torch.no_grad(), record_taps(model, ["backbone[-1]"]) as maps:
        logits = model.decode_head(model.extract_feat(batch["inputs"]))
    return maps["backbone[-1]"][0].flatten(1).t(), logits.argmax(1).flatten()


def cell(point: list[float], size: tuple[int, int] = (5, 9)) -> int:
    """The pixel of a map, (h, w) of 32 x 64 pixels, that has its center at a point."""
    row = (point[1] + 0.5) * size[0] / 32 - 0.5
    column = (point[0] + 0.5) * size[1] / 64 - 0.5
    assert abs(row - round(row)) < 0.01
    assert abs(column - round(column)) < 0.01
    return round(row) * size[1] + round(column)


def test_matches_are_found_again_in_the_images(tool: ModuleType, demo: Path) -> None:
    report = run(tool, demo, "--count", "2", "--source-images", "5", "--patches", "2")
    cfg = read_config(str(demo / "demo.py"))
    model = load_model(cfg, str(demo / "demo.pth"), "cpu")
    sources = source.SourceImages(cfg, 0)
    targets = DATASETS.build(cfg.val_dataloader.dataset)
    classes = list(targets.metainfo["classes"])
    names = [sources.name(i) for i in range(6)]
    assert len(report["source_images"]) == 5
    seen = 0
    for index, image in enumerate(report["images"]):
        assert image["name"] == f"target_val_{index:05d}"
        sample = targets[index]
        rows, predicted = forward(model, sample)
        assert len(rows) == 5 * 9
        for close in image["close"]:
            pixel = cell(close["point"])
            label = classes.index(close["class"])
            assert predicted[pixel] == label
            for match in close["matches"]:
                assert names[match["index"]] == match["image"]
                origin = sources.sample(match["index"])
                features, classified = forward(model, origin)
                row = cell(match["point"])
                assert classified[row] == label
                cosine = F.cosine_similarity(rows[pixel], features[row], dim=0)
                assert match["similarity"] == pytest.approx(float(cosine), abs=1e-4)
                assert match["selected"] == (match["similarity"] > THRESHOLD)
                seen += 1
    assert seen > 4


def naive(demo: Path, numbers: list[int]) -> dict[str, list[float]]:
    """Selected pairs, and those that are right, from all pairs of two target images."""
    cfg = read_config(str(demo / "demo.py"))
    model = load_model(cfg, str(demo / "demo.pth"), "cpu")
    sources = source.SourceImages(cfg, 0)
    queue: dict[int, list[Tensor]] = {}
    for number in numbers:
        sample = sources.sample(number)
        features, classified = forward(model, sample)
        truth = nearest(sample["data_samples"].gt_sem_seg.data[0])
        for row, (c, y) in enumerate(zip(classified, truth, strict=True)):
            if c == y:
                queue.setdefault(int(c), []).append(features[row])
    targets = DATASETS.build(cfg.val_dataloader.dataset)
    sums: dict[str, list[float]] = {"all": [0, 0, 0, 0, 0]}
    for index in range(2):
        rows, predicted = forward(model, targets[index])
        truth = nearest(targets[index]["data_samples"].gt_sem_seg.data[0])
        for t, c, y in zip(rows, predicted.tolist(), truth, strict=True):
            newest = queue.get(c, [])[-CAPACITY:]
            cosines = [F.cosine_similarity(t, d, dim=0) for d in newest]
            above = sum(float(m) > THRESHOLD for m in cosines)
            for key in ("all", targets.metainfo["classes"][c]):
                entry = sums.setdefault(key, [0, 0, 0, 0, 0])
                terms = (1, above > 0, len(cosines), above, above * (y == c))
                for i, term in enumerate(terms):
                    entry[i] += term
    return sums


def nearest(labels: Tensor, size: tuple[int, int] = (5, 9)) -> list[int]:
    h, w = size
    return [
        int(labels[math.floor(i * 32 / h), math.floor(j * 64 / w)])
        for i in range(h)
        for j in range(w)
    ]


def test_figures_equal_a_naive_count(tool: ModuleType, demo: Path) -> None:
    report = run(tool, demo, "--source-images", "6", "--pixels", "0")
    names = report["source_images"]
    numbers = [int(Path(name).stem.rsplit("_", 1)[1]) for name in names]
    sums = naive(demo, numbers)
    entries = {"all": report["overall"], **report["classes"]}
    assert sums["all"][3] > 20  # something is selected, not everything
    assert sums["all"][3] < sums["all"][2]
    assert 0 < sums["all"][4] < sums["all"][3]
    for key, entry in entries.items():
        pixels, pulled, pairs, selected, right = sums.get(key, [0] * 5)
        assert entry["pixels"] == pixels
        assert entry["pairs"] == pairs
        for name, part, whole in (
            ("pulled", pulled, pixels),
            ("selected", selected, pairs),
            ("match_precision", right, selected),
        ):
            expected = part / whole if whole else None
            assert entry[name] == pytest.approx(expected, abs=1e-9), (key, name)


def test_the_picture_has_panels_for_each_image(
    tool: ModuleType, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tool, demo, "--count", "1", "--source-images", "2", "--pixels", "2")
    one = np.asarray(Image.open(demo / "out/matches.png").convert("RGB"))
    text = capsys.readouterr().out
    assert "match precision, %" in text
    assert "no source feature of" in text
    assert [path.name for path in (demo / "out").iterdir()] == ["matches.png"]
    run(tool, demo, "--count", "2", "--source-images", "2", "--pixels", "2")
    two = np.asarray(Image.open(demo / "out/matches.png").convert("RGB"))
    assert one.shape[1] == two.shape[1] == 1584
    assert two.shape[0] > 1.6 * one.shape[0]
    assert not (two == 255).all(axis=2).mean() > 0.8


def test_training_images_and_dataset_order(tool: ModuleType, demo: Path) -> None:
    report = run(
        tool, demo, "--split", "train", "--images", "target_train_00001.png",
        "--source-order", "dataset", "--source-images", "3",
    )  # fmt: skip
    assert [image["name"] for image in report["images"]] == ["target_train_00001"]
    names = [path.rpartition("/")[2] for path in report["source_images"]]
    assert names == [f"source_train_{i:05d}.png" for i in range(3)]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--count", "0"], "--count 0: must be positive"),
        (["--count", "3"], "--count 3: there are 2 target images"),
        (["--source-images", "7"], "--source-images 7: the source has 6 images"),
        (["--per-class", "0"], "--per-class 0: must be positive"),
        (["--patches", "9"], "--patches 9: from 1 to 8 fit"),
        (["--patch-size", "1"], "--patch-size 1: must be at least 4 pixels"),
        (["--pixels", "-1"], "--pixels -1: must not be negative"),
        (["--seed", "-1"], "--seed -1: must not be negative"),
        (["--tap", "layer9"], "--tap layer9: the cosine loss has layer4"),
        (["--alignment", "c"], "no cosine loss 'c'.*give --alignment, one of cosine"),
        (["--images", "nowhere"], "--images nowhere: no image has that name"),
        (["--out", "a.txt"], "--out a.txt: must end with .png, .pdf or .svg"),
        (["--device", "cuda:77"], "--device cuda:77: this machine has no such device"),
        (
            ["--cfg-options", "model.alignments.cosine=None"],
            r"no cosine loss.*holds nothing.*one of configs/cosda/",
        ),
        (
            ["--cfg-options", "model.alignments.cosine.split_target=False"],
            r"--cfg-options model\.alignments\.cosine\.split_target=True",
        ),
        (
            ["--cfg-options", "model.alignments.cosine.class_wise=False"],
            r"alignments\.cosine\.class_wise=False",
        ),
        (
            ["--cfg-options", "model.decode_head.num_classes=5"],
            "of another model than the config",
        ),
        (
            ["--cfg-options", "model.alignments.cosine.num_classes=5"],
            "numbers of classes differ: the model 10, the cosine loss 5",
        ),
        (
            ["--cfg-options", "train_dataloader.dataset.source=None"],
            "no source domain",
        ),
        (["--cfg-options", "val_dataloader=None"], "no validation images"),
    ],
)
def test_a_mistake_is_one_line(
    tool: ModuleType,
    demo: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    match: str,
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_tool(lambda: run(tool, demo, *options))
    assert caught.value.code == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    assert re.search(match, line)


def test_another_order_of_classes(tool: ModuleType, demo: Path, tmp_path: Path) -> None:
    shutil.copy(demo / "demo.py", tmp_path)
    classes = DemoStreetsDataset.METAINFO["classes"][::-1]
    content = torch.load(demo / "demo.pth")
    content["meta"] = {"dataset_meta": {"classes": classes}}
    torch.save(content, tmp_path / "demo.pth")
    with pytest.raises(UserError, match=r"demo\.pth has the classes of the target da"):
        run(tool, tmp_path)
    model = Namespace(out_channels=2)
    domains = {"source": ["road", "sky"], "target": ["sky", "road"]}
    with pytest.raises(UserError, match=r"source .there. .*: id 0 is 'road' there"):
        tool.check_classes(model, Namespace(num_classes=2), domains)


def test_a_config_without_a_cosine_loss_says_which_have_one(
    tool: ModuleType, demo: Path
) -> None:
    config = CONFIGS / "adversarial/deeplabv2_demo_no-pl.py"
    with pytest.raises(
        UserError,
        match=r"holds adversarial \(AdversarialLoss\)\. Take one of configs/co",
    ):
        tool.main([str(config), str(demo / "demo.pth"), "--out", "a.png"])


def test_help_has_an_example(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    assert "python tools/show_matches.py" in capsys.readouterr().out
