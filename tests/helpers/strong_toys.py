"""A segmentor that only writes down what it is run on, and steps with a teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor

from helpers.toys import CLASSES, preprocessor, sample
from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch

__all__ = ["CLASSES", "IGNORE", "Net", "TaughtStep", "made_step", "padded", "whole"]

IGNORE = 255
SIZE = (16, 32)


class Teaching(SimpleNamespace):
    """What the teacher says of a step's target images."""

    labels: Tensor
    weight: Tensor
    confident: Tensor


@dataclass(frozen=True)
class TaughtStep:
    """A ``Step`` whose teacher has spoken."""

    images: Mapping[str, Tensor]
    samples: Mapping[str, list[Any]]
    teaching: Teaching
    seed: int | None = 0
    first_image: int = 0

    def target_labels(self) -> Teaching:
        return self.teaching


class Seeing(BaseAlignment):
    """Keeps what it is shown of the target."""

    def __init__(self, seen: list[DomainBatch]) -> None:
        super().__init__()
        self.seen = seen

    def on_target(self, domain: DomainBatch) -> dict[str, Tensor]:
        self.seen.append(domain)
        return {"loss": domain.logits.new_tensor(7.0)}


class Net:
    """Its ``run`` keeps what it is given, as ``seen``."""

    def __init__(
        self,
        mean: Sequence[float] | None = (127.5,) * 3,
        std: Sequence[float] | None = (127.5,) * 3,
        source_mean: Sequence[float] | None = None,
        device: str = "cpu",
    ) -> None:
        config = preprocessor()
        for name in ("source", "target"):
            config[name] = {**config[name], "mean": mean, "std": std}
        if source_mean is not None:
            config["source"]["mean"] = source_mean
        self.data_preprocessor: Any = MODELS.build(config).to(device)
        self.decode_head = SimpleNamespace(num_classes=CLASSES, ignore_index=IGNORE)
        self.aligned: list[DomainBatch] = []
        self.alignments = torch.nn.ModuleDict({"cosine": Seeing(self.aligned)})
        self.seen: dict[str, Any] = {}
        self.logits = torch.empty(0)

    def run(
        self,
        name: str,
        images: Tensor,
        samples: list[Any],
        step: Any,
        *,
        labels: Tensor,
        weight: Tensor,
        divisor: str,
        pixels: Tensor | None,
    ) -> tuple[DomainBatch, dict[str, Tensor]]:
        self.seen = dict(
            images=images,
            samples=samples,
            labels=labels,
            weight=weight,
            divisor=divisor,
            pixels=pixels,
        )
        generator = torch.Generator().manual_seed(0)
        shape = (len(images), CLASSES, SIZE[0] // 4, SIZE[1] // 4)
        self.logits = torch.randn(shape, generator=generator).to(images.device)
        domain = DomainBatch({}, self.logits, labels, SIZE, True, IGNORE, 0, 0, pixels)
        loss = images.new_tensor(2.0)
        accuracy = images.new_tensor([50.0])
        return domain, {
            f"{name}.decode.loss_ce": loss,
            f"{name}.decode.acc_seg": accuracy,
        }


def made_step(seed: int = 0, images: int = 1, device: str = "cpu") -> TaughtStep:
    """A step of random images in [-1, 1]; labels in blocks, of which some ignored."""
    generator = torch.Generator().manual_seed(100 + seed)

    def maps(high: int) -> Tensor:
        small = torch.randint(high, (images, 4, 8), generator=generator)
        return small.repeat_interleave(4, 1).repeat_interleave(4, 2)

    truth = maps(CLASSES + 1)
    truth = truth.masked_fill(truth == CLASSES, IGNORE).to(device)
    pictures = {
        name: (2 * torch.rand(images, 3, *SIZE, generator=generator) - 1).to(device)
        for name in ("source", "target")
    }
    teaching = Teaching(
        labels=maps(CLASSES).to(device),
        weight=torch.rand(images, *SIZE, generator=generator).to(device),
        confident=(torch.rand(images, *SIZE, generator=generator) > 0.3).to(device),
    )
    samples = {
        "source": [sample(each) for each in truth],
        "target": [sample(None) for _ in range(images)],
    }
    return TaughtStep(pictures, samples, teaching, seed)


def whole(step: TaughtStep, image: int | None = None, **changes: Any) -> TaughtStep:
    """The step, or the part of it that the process of one image has."""
    if image is None:
        return replace(step, **changes)
    part = slice(image, image + 1)
    taught = {name: value[part] for name, value in vars(step.teaching).items()}
    return replace(
        step,
        images={name: value[part] for name, value in step.images.items()},
        samples={name: value[part] for name, value in step.samples.items()},
        teaching=Teaching(**taught),
        first_image=image,
        **changes,
    )


def padded(step: TaughtStep, name: str, right: int = 0, bottom: int = 0) -> TaughtStep:
    """The step, of which the images of a domain end in padding."""
    for each in step.samples[name]:
        each.set_metainfo({"padding_size": [0, right, 0, bottom]})
    if name == "target":
        outside = torch.zeros(SIZE, dtype=torch.bool)
        outside[SIZE[0] - bottom :], outside[:, SIZE[1] - right :] = True, True
        outside = outside.to(step.teaching.confident.device)
        step.teaching.confident = step.teaching.confident & ~outside
    return step
