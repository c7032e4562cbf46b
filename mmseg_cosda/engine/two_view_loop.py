"""Validation and test that predict every image twice: as it is, and as it is varied."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmengine.runner import BaseLoop, TestLoop, ValLoop
from mmengine.runner.amp import autocast
from mmengine.structures import PixelData
from mmseg.registry import LOOPS
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_cosda.errors import UserError


class _TwoViews(BaseLoop):
    """What both loops share; the host's loop stands behind it."""

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        evaluator: Any,
        fp16: bool = False,
        mirror: bool = True,
        scale: float = 0.75,
    ) -> None:
        if scale <= 0 or (scale == 1 and not mirror):
            raise ValueError(
                f"scale={scale}, mirror={mirror} of {type(self).__name__}: the scale "
                "must be positive; mirror=True or another scale than 1 makes a view"
            )
        super().__init__(runner, dataloader, evaluator, fp16)
        self.mirror, self.scale = mirror, scale

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Predict the other view of a batch, then do as the host does."""
        step = self.runner.model.val_step
        with autocast(enabled=self.fp16):
            views = step(varied_batch(data_batch, self.mirror, self.scale))
        for sample, view in zip(data_batch["data_samples"], views, strict=True):
            sample.set_data(dict(view_sem_seg=PixelData(data=view.pred_sem_seg.data)))
        del views  # its logits, before the image's own are there
        super().run_iter(idx, data_batch)


@LOOPS.register_module()
class TwoViewValLoop(_TwoViews, ValLoop):
    """The host's ``ValLoop``, which also predicts a mirrored, smaller view of an image.

    The view's prediction, brought back to the image's own pixels, goes with the sample
    as ``view_sem_seg``; ``UnsupervisedScoreMetric`` compares the two. Nothing else
    changes, but that an image is predicted twice.

    Args:
        runner: The Runner.
        dataloader: Of validation, or its config.
        evaluator: Metrics, or their configs.
        fp16: Whether to predict under autocast. Default False.
        mirror: Whether the view is mirrored, left to right. Default True.
        scale: The view's size over the image's. Default 0.75.

    Raises:
        ValueError: For a view that is the image itself.
        UserError: At use, for a pipeline that has varied the images already.

    Examples:
        >>> from mmseg.registry import LOOPS
        >>> LOOPS.get("TwoViewValLoop").__name__
        'TwoViewValLoop'
    """


@LOOPS.register_module()
class TwoViewTestLoop(_TwoViews, TestLoop):
    """The host's ``TestLoop``, with the view of :class:`TwoViewValLoop`.

    Args:
        runner: The Runner.
        dataloader: Of the test, or its config.
        evaluator: Metrics, or their configs.
        fp16: Whether to predict under autocast. Default False.
        mirror: Whether the view is mirrored, left to right. Default True.
        scale: The view's size over the image's. Default 0.75.

    Raises:
        ValueError: For a view that is the image itself.
        UserError: At use, for a pipeline that has varied the images already.
    """


def varied_batch(
    data_batch: dict[str, Any], mirror: bool, scale: float
) -> dict[str, Any]:
    """Return a batch with mirrored and resized images, without ground truth.

    The host mirrors predictions of samples that say ``flip`` back, and resizes them to
    ``ori_shape``: predictions of the view lie on the image's own pixels.

    Args:
        data_batch: ``inputs``, a list of (3, H, W) images or a stacked tensor, and
            ``data_samples``; left as it is.
        mirror: Whether to mirror left to right.
        scale: The view's size over the image's.

    Returns:
        A batch of the same form.

    Raises:
        UserError: For a batch that isn't a plain one, such as test-time augmentation's.
    """
    inputs, samples = data_batch["inputs"], data_batch["data_samples"]
    flipped = any(getattr(s, "flip", False) for s in samples if hasattr(s, "metainfo"))
    if flipped or not all(isinstance(image, Tensor) for image in inputs):
        raise UserError(
            "a loop of two views (val_cfg, test_cfg) needs images as they are: leave "
            "flips and test-time augmentation (--tta) out of the test pipeline, or "
            'take the host\'s loop, dict(type="ValLoop") or dict(type="TestLoop")'
        )
    images = [_varied(image, mirror, scale) for image in inputs]
    batch = torch.stack(images) if isinstance(inputs, Tensor) else images
    views = [
        _described(sample, image, mirror)
        for sample, image in zip(samples, images, strict=True)
    ]
    return {"inputs": batch, "data_samples": views}


def _varied(image: Tensor, mirror: bool, scale: float) -> Tensor:
    """Return the view of a (3, H, W) image, of its dtype."""
    if mirror:
        image = image.flip(-1)
    if scale == 1:
        return image
    size = [max(1, round(scale * length)) for length in image.shape[-2:]]
    resized = F.interpolate(
        image[None].float(), size=size, mode="bilinear", antialias=scale < 1
    )[0]
    if not image.is_floating_point():
        resized = resized.round()
    return resized.to(image.dtype)


def _described(sample: Any, image: Tensor, mirror: bool) -> SegDataSample:
    """Return the description of a view, whose predictions the host brings back."""
    shape = tuple(image.shape[-2:])
    described: dict[str, Any] = dict(img_shape=shape, pad_shape=shape)
    if mirror:
        described.update(flip=True, flip_direction="horizontal")
    return SegDataSample(metainfo={**sample.metainfo, **described})
