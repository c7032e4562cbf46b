"""The picture of what a training sees: augmented pairs with colored labels."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.config_files import read
from helpers.shrink import make_folders, shrink
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from mmseg_cosda.errors import UserError
from mmseg_cosda.visualization.pairs import draw_samples, draw_training_samples
from mmseg_cosda.visualization.panels import Legend

ROOT = Path(__file__).resolve().parents[2]
LEGEND = Legend(["road", "car", "tree"], [(9, 0, 0), (0, 9, 0), (0, 0, 9)], 255)


def packed(labels: Any = None) -> dict[str, Any]:
    sample = SegDataSample(metainfo=dict(img_path="a/b.png"))
    if labels is not None:
        sample.gt_sem_seg = PixelData(data=torch.tensor([labels]))
    blue = torch.tensor([200.0, 0.0, 10.0]).view(3, 1, 1).expand(3, 1, 2)  # BGR
    return dict(inputs=blue, data_samples=sample)


def shown(axis: Any) -> list[Any]:
    pixels: list[Any] = axis.images[0].get_array().tolist()
    return pixels


def test_images_labels_and_names_are_shown() -> None:
    pair = dict(source=packed([[0, 255]]), target=packed())
    figure = draw_samples([pair, pair], LEGEND)
    upper, lower = figure.subfigs
    axes = upper.axes
    assert len(axes) == 8
    assert [axis.get_title() for axis in axes[:4:2]] == ["source", "target"]
    assert shown(axes[0]) == [[[10, 0, 200]] * 2]
    assert shown(axes[1]) == [[[9, 0, 0], [0, 0, 0]]]
    assert shown(axes[3]) == [[[255] * 3] * 2]
    assert axes[3].get_xlabel() == "no labels"
    assert axes[0].get_xlabel() == "b.png"
    names = [text.get_text() for text in lower.legends[0].get_texts()]
    assert names == ["road", "ignored"]


def test_a_config_of_the_host_has_one_domain() -> None:
    figure = draw_samples([packed([[1, 2]])], LEGEND)
    assert len(figure.subfigs[0].axes) == 2


def test_it_is_what_a_run_of_the_config_draws_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folders(tmp_path)
    monkeypatch.chdir(tmp_path)
    cfg = shrink(read("cosda/deeplabv2_demo.py")).to_dict()
    state = torch.get_rng_state()
    for name in ("a.png", "b.png"):
        draw_training_samples(cfg, name, rows=2)
    assert torch.get_rng_state().equal(state)
    cfg["randomness"]["seed"] = 5
    draw_training_samples(cfg, "c.png", rows=2)
    first, again, other = (
        np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "abc"
    )
    # matplotlib's layout differs in its last bits: single pixels fall to a neighbor.
    assert (first != again).mean() < 1e-4
    assert first.shape != other.shape or (first != other).mean() > 1e-2


def test_the_checker_draws_the_demo_and_finds_nothing_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shrink(read("cosda/deeplabv2_demo_no-pl.py")).dump("demo.py")
    main = runpy.run_path(str(ROOT / "tools" / "check_dataset.py"))["main"]
    main(["demo.py", "--picture", "pairs.png", "--workers", "1"])
    out = capsys.readouterr().out
    assert "training samples: pairs.png" in out
    assert "no such image" not in out
    assert Image.open("pairs.png").width > 500


def test_what_cannot_be_drawn_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--picture a\.jpg"):
        draw_training_samples({}, "a.jpg")
    with pytest.raises(UserError, match="no train_dataloader"):
        draw_training_samples({}, "a.png")
