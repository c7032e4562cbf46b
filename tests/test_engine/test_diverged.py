"""A training that has become NaN ends, and names what it was trained on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.own_data import make_own_data, own_config
from mmcv.transforms import BaseTransform
from mmengine.runner import Runner
from mmseg.registry import TRANSFORMS
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_cosda.engine.diverged import TrainedStep, images_of, require_numbers
from mmseg_cosda.errors import UserError


@TRANSFORMS.register_module()
class NoNumbersInOne(BaseTransform):  # type: ignore[misc]
    """Makes one image NaN, as a division by its own range does."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        results["img"] = results["img"].astype("float32")
        if results["img_path"].endswith("1.png"):
            results["img"] /= 0 * results["img"]
        return results


@pytest.mark.filterwarnings("ignore:(invalid value|divide by zero)")
@pytest.mark.parametrize("domain", ["source", "target"])
def test_one_image_without_numbers(tmp_path: Path, domain: str) -> None:
    root = make_own_data(tmp_path / "data")
    cfg = own_config(root, tmp_path / "work", iterations=12)
    data = cfg.train_dataloader.dataset
    data[domain].pipeline.insert(-1, dict(type="NoNumbersInOne"))
    cfg.default_hooks.checkpoint = dict(type="CheckpointHook", interval=6)
    cfg.default_hooks.logger.interval = 5
    runner = Runner.from_cfg(cfg)
    with pytest.raises(UserError) as caught:
        runner.train()
    text = str(caught.value)
    assert "the loss is nan at iteration" in text
    part = "source" if domain == "source" else "target/train"
    assert f"{root}/{part}/images/1.png ({domain})" in text
    assert not list((tmp_path / "work").glob("*.pth"))


class Training:
    """As much of a Runner as is looked at."""

    def __init__(self, weight: float) -> None:
        self.model = nn.Linear(1, 1)
        nn.init.constant_(self.model.weight, weight)


def steps(*losses: float) -> list[TrainedStep]:
    images = {"source": tuple(f"{i}.png" for i in range(6))}
    return [TrainedStep(i, images, loss) for i, loss in enumerate(losses, 1)]


@pytest.mark.parametrize(
    ("losses", "first"),
    [
        ((1.0, math.nan, math.nan), 2),
        ((math.inf, 1.0, math.nan), 3),  # the first was skipped in mixed precision
        ((1.0, math.inf, 1.0), 2),
    ],
)
def test_the_iteration_where_it_began(losses: tuple[float, ...], first: int) -> None:
    with pytest.raises(
        UserError, match=f"at iteration {first}, and 1 weights"
    ) as caught:
        require_numbers(Training(math.nan), steps(*losses))
    assert "(weight, ...)" in str(caught.value)
    assert "0.png, 1.png, 2.png, 3.png and 2 more (source)" in str(caught.value)


def test_what_may_go_on() -> None:
    require_numbers(Training(1.0), steps(1.0, math.inf, math.nan))  # steps were skipped
    require_numbers(None, steps(1.0, 2.0))  # nothing else is looked at


def test_images_of_a_batch() -> None:
    sample = SegDataSample(metainfo=dict(img_path="a.png"))
    domain = dict(inputs=[torch.zeros(3, 2, 2)], data_samples=[sample, SegDataSample()])
    assert images_of(dict(target=domain)) == {"target": ("a.png", "?")}
    assert images_of(domain) == {"": ("a.png", "?")}
    assert images_of(None) == images_of(dict(target=None)) == {}
