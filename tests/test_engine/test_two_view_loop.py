"""The loops that predict every image twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.toy_runs import demo_config
from helpers.toys import build, head_config, sample, segmentor_config
from mmengine.config import ConfigDict
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModule
from mmengine.runner import Runner
from mmseg.registry import METRICS, MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_cosda.engine.two_view_loop import TwoViewValLoop, varied_batch
from mmseg_cosda.errors import UserError


@MODELS.register_module()
class PixelwiseBackbone(BaseModule):
    """The image itself: what stands on it predicts each pixel by its color alone."""

    def forward(self, inputs: Tensor) -> tuple[Tensor]:
        return (inputs,)


@METRICS.register_module()
class KeptSamples(BaseMetric):
    """Counts the pixels on which the two views agree, and keeps the shapes."""

    def process(self, data_batch: Any, data_samples: Any) -> None:
        for one in data_samples:
            prediction, view = (
                one[key]["data"] for key in ("pred_sem_seg", "view_sem_seg")
            )
            assert view.shape == prediction.shape
            self.results.append((prediction == view).float().mean().item())

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return dict(least=min(results))


PIXELWISE: dict[str, Any] = dict(
    backbone=dict(type="PixelwiseBackbone"),
    decode_head=head_config(in_channels=3, channels=3, num_classes=10),
)


def images(count: int = 2) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randint(256, (3, 16, 32), generator=generator).byte()
        for _ in range(count)
    ]
    return dict(inputs=inputs, data_samples=[sample(None) for _ in inputs])


def test_the_view_is_mirrored_and_resized_and_the_batch_stays() -> None:
    batch = images()
    before = [image.clone() for image in batch["inputs"]]
    mirrored = varied_batch(batch, mirror=True, scale=1)
    for image, view in zip(before, mirrored["inputs"], strict=True):
        assert torch.equal(view, image.flip(-1))
    smaller = varied_batch(batch, mirror=True, scale=0.75)
    assert {tuple(view.shape) for view in smaller["inputs"]} == {(3, 12, 24)}
    assert {view.dtype for view in smaller["inputs"]} == {torch.uint8}
    for view in smaller["data_samples"]:
        assert (view.img_shape, view.ori_shape) == ((12, 24), (16, 32))
        assert (view.flip, view.flip_direction) == (True, "horizontal")
    for one, image in zip(batch["data_samples"], before, strict=True):
        assert not one.flip
        assert torch.equal(batch["inputs"].pop(0), image)


def test_resizing_alone_mirrors_nothing() -> None:
    batch = images(1)
    batch["inputs"] = [torch.arange(32).expand(3, 16, 32) * 4]
    (view,) = varied_batch(batch, mirror=False, scale=0.5)["inputs"]
    assert (view[0, 0].diff() > 0).all()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_resizing_changes_no_brightness(dtype: torch.dtype) -> None:
    batch = images(1)
    for value in (7, 77, 177, 201, 253, *([0.3] if dtype == torch.float32 else [])):
        batch["inputs"] = [torch.full((3, 15, 31), value, dtype=dtype)]
        (view,) = varied_batch(batch, mirror=False, scale=0.7)["inputs"]
        torch.testing.assert_close(view, torch.full_like(view, value))


def test_a_stacked_batch_stays_stacked() -> None:
    batch = images()
    stacked = dict(batch, inputs=torch.stack(batch["inputs"]))
    expected = varied_batch(batch, mirror=True, scale=0.75)["inputs"]
    got = varied_batch(stacked, mirror=True, scale=0.75)["inputs"]
    assert torch.equal(got, torch.stack(expected))


@pytest.mark.parametrize("divisor", [1, 24], ids=["plain", "padded"])
def test_predictions_of_the_mirrored_view_lie_on_the_image(divisor: int) -> None:
    """A network that sees single pixels predicts the same for both, to the pixel."""
    rgb = dict(mean=[127.5] * 3, std=[127.5] * 3, test_cfg=dict(size_divisor=divisor))
    loader = dict(type="SegDataPreProcessor", **rgb)
    model = build(**{**PIXELWISE, "data_preprocessor": loader}).eval()
    batch = images()
    view = varied_batch(batch, mirror=True, scale=1)
    with torch.no_grad():
        pairs = list(zip(model.val_step(batch), model.val_step(view), strict=True))
    for one, other in pairs:
        prediction = one.pred_sem_seg.data
        assert torch.equal(prediction, other.pred_sem_seg.data)
        assert not torch.equal(prediction, prediction.flip(-1))


@pytest.mark.parametrize(("batch_size", "mirror"), [(1, True), (2, False)])
def test_loops_hand_the_view_to_metrics_and_change_nothing_else(
    tmp_path: Path, batch_size: int, mirror: bool
) -> None:
    """Through the host's Runner; mIoU and random numbers are the host's."""
    cfg = demo_config(tmp_path, 2)
    cfg.model = segmentor_config(**PIXELWISE)
    cfg.test_dataloader = cfg.val_dataloader
    cfg.test_dataloader.batch_size = batch_size
    miou = ConfigDict(type="SubsetIoUMetric")
    metrics, states = {}, []
    for name, loop in (("host", "TestLoop"), ("ours", "TwoViewTestLoop")):
        cfg.test_cfg = ConfigDict(type=loop)
        cfg.test_evaluator = [miou]
        if name == "ours":
            cfg.test_cfg.update(mirror=mirror, scale=1 if mirror else 0.5)
            cfg.test_evaluator.append(ConfigDict(type="KeptSamples"))
        cfg.experiment_name = f"{tmp_path.name}_{name}"
        metrics[name] = Runner.from_cfg(cfg).test()
        states.append(torch.get_rng_state())
    assert torch.equal(*states)
    least = metrics["ours"].pop("least")
    assert metrics["ours"] == pytest.approx(metrics["host"], nan_ok=True, abs=0)
    assert (least == 1) == mirror
    assert least > 0.3


@pytest.mark.parametrize("options", [dict(scale=0), dict(scale=1, mirror=False)])
def test_a_view_that_is_none_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"scale=\d.* of TwoViewValLoop"):
        TwoViewValLoop(None, None, None, **options)


def test_pipelines_that_vary_images_are_refused() -> None:
    batch = images()
    batch["data_samples"][1] = SegDataSample(metainfo=dict(flip=True))
    with pytest.raises(UserError, match=r"leave flips .*--tta"):
        varied_batch(batch, True, 0.75)
    augmented = images()
    augmented["inputs"] = [augmented["inputs"]]
    augmented["data_samples"] = [augmented["data_samples"]]
    with pytest.raises(UserError, match="take the host's loop"):
        varied_batch(augmented, True, 0.75)
