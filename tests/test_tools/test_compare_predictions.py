"""The tool's whole way, against predictions and counts made pixel by pixel."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from helpers.comparison_project import PALETTE, compare, make_comparison, tool
from helpers.pseudo_label_project import NAMES
from helpers.shrink import CONFIGS, shrink
from helpers.toys import build
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image

UInt8 = npt.NDArray[np.uint8]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_comparison(tmp_path, monkeypatch)


def shown_rows(monkeypatch: pytest.MonkeyPatch, *args: str, names: str = "abc") -> Any:
    rows: list[Any] = []

    def record(shown: Any, *options: Any) -> Any:
        rows.extend(shown)
        return drawn(shown, *options)

    drawn = tool.draw_panels
    with monkeypatch.context() as patch:
        patch.setattr(tool, "draw_panels", record)
        compare(*args, names=names)
    return rows


def read(path: str) -> Any:
    return cv2.imread(path, cv2.IMREAD_UNCHANGED)


def naive_prediction(name: str, checkpoint: str) -> UInt8:
    """Network, bilinear upsampling to the image's size, argmax."""
    model = build()
    model.load_state_dict(torch.load(checkpoint)["state_dict"])
    model.eval()
    image = cv2.resize(read(f"images/{name}_img.png"), (32, 16))
    inputs = (torch.from_numpy(image).permute(2, 0, 1)[None].float() - 127.5) / 127.5
    with torch.no_grad():
        logits = model.decode_head(model.backbone(inputs))
        for size in ((16, 32), (24, 40)):
            logits = F.interpolate(logits, size, mode="bilinear", align_corners=True)
    return logits[0].argmax(0).to(torch.uint8).numpy()


def counts(name: str, checkpoints: str) -> tuple[float, list[float], list[UInt8]]:
    """Share of labelled pixels that differ, accuracies, predictions: pixel by pixel."""
    truth = read(f"labels/{name}_gt.png")
    maps = [naive_prediction(name, f"{c}.pth") for c in checkpoints]
    differ = labelled = 0
    right = [0] * len(maps)
    for y in range(24):
        for x in range(40):
            if truth[y, x] == 255:
                continue
            labelled += 1
            found = [label[y, x] for label in maps]
            differ += len(set(found)) > 1
            right = [n + (f == truth[y, x]) for n, f in zip(right, found, strict=True)]
    return 100 * differ / labelled, [100 * n / labelled for n in right], maps


@pytest.mark.parametrize("batch_size", ["1", "3"])
def test_the_images_that_differ_most_are_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch, batch_size: str
) -> None:
    expected = {name: counts(name, "abc") for name in NAMES}
    order = sorted(NAMES, key=lambda name: -expected[name][0])
    assert expected[order[2]][0] - expected[order[3]][0] > 0.2  # a clear choice
    rows = shown_rows(monkeypatch, "--rows", "3", "--batch-size", batch_size)
    assert [row.name for row in rows] == order[:3]
    for row in rows:
        share, accuracies, maps = expected[row.name]
        assert row.note == f"{share:.1f} % differ"
        ours = [score.accuracy for score in row.scores]
        np.testing.assert_allclose(ours, accuracies, atol=0.2)
        for predicted, naive in zip(row.predictions, maps, strict=True):
            assert (predicted != naive).mean() < 0.002  # ties of rounding
        truth = read(f"labels/{row.name}_gt.png")
        np.testing.assert_array_equal(row.truth, truth)


def test_the_largest_gains_of_the_last_over_the_first(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sorted(NAMES)[:5]
    gains = {}
    for name in names:
        _, accuracies, _ = counts(name, "ac")
        gains[name] = accuracies[1] - accuracies[0]
    order = sorted(names, key=lambda name: -gains[name])
    args = ("--by", "improvement", "--limit", "5", "--rows", "9")
    rows = shown_rows(monkeypatch, *args, names="ac")
    assert [row.name for row in rows] == order
    assert rows[0].note == f"accuracy {gains[order[0]]:+.1f} points"


def test_named_images_are_shown_in_their_order(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ("--images", "ulm_2", "top.v1", "--rows", "1")
    rows = shown_rows(monkeypatch, *args, names="b")
    assert [(row.name, row.note) for row in rows] == [("ulm/ulm_2", ""), ("top.v1", "")]
    image = read("images/ulm/ulm_2_img.png")[..., ::-1].astype(int)
    assert np.abs(rows[0].picture.astype(int) - image).mean() < 20  # it was resized


def test_the_file_shows_the_datasets_colors(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare("--rows", "2")
    assert "2 of 7 images: out/compared.png" in capsys.readouterr().out
    assert [path.name for path in Path("out").iterdir()] == ["compared.png"]
    pixels = np.asarray(Image.open("out/compared.png").convert("RGB"))
    assert pixels.shape[1] == 2160  # both columns, 7.2 inches at 300 dpi
    column = pixels[:, 432:864]  # ground truth, the second of five
    found = [(column == color).all(-1).sum() for color in PALETTE]
    colored = sum((column == color).all(-1).sum(1) for color in PALETTE)
    black = (column[colored > 200] == 0).all(-1).sum()  # lines with labels, no legend
    assert min(found) > 0.15 * sum(found)  # random labels: a quarter each
    assert black == 0  # the ignored three of 24 lines hold no class
    ignored = (column == 0).all(-1).sum()
    assert 0.8 < ignored / (sum(found) * 3 / 21) < 1.5  # and letters


def test_one_model_is_in_memory_at_a_time(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models: list[Any] = []

    def load(*args: Any) -> Any:
        gc.collect()
        assert all(model() is None for model in models)
        loaded = load_model(*args)
        models.append(weakref.ref(loaded))
        return loaded

    load_model = tool.load_model
    monkeypatch.setattr(tool, "load_model", load)
    compare("--limit", "1")
    assert len(models) == 6  # each once to see that it fits, once to predict


def test_the_demo_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = shrink(Config.fromfile(CONFIGS / "cosda" / "deeplabv2_demo.py"))
    config.dump("config.py")
    for seed, name in enumerate("ab"):
        torch.manual_seed(seed)
        model = MODELS.build(config.model)
        model.init_weights()
        torch.save({"state_dict": model.state_dict()}, f"{name}.pth")
    rows = shown_rows(monkeypatch, names="ab")
    names = {row.name for row in rows}
    assert names == {"target_val_00000", "target_val_00001"}
    assert rows[0].picture.shape == (32, 64, 3)
    assert Path("out/compared.png").is_file()
