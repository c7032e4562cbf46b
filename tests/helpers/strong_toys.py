"""A segmentor that only writes down what it is run on, and steps with a teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor

from helpers.toys import CLASSES, preprocessor, sample
from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch
from mmseg_cosda.models.phases import Step
from mmseg_cosda.models.teacher import TeacherLabels

__all__ = ["CLASSES", "IGNORE", "Net", "made_step", "of_process", "padded"]

IGNORE = 255
SIZE = (16, 32)


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
        truth: Tensor | None,
    ) -> tuple[DomainBatch, dict[str, Tensor]]:
        self.seen = dict(
            images=images,
            samples=samples,
            labels=labels,
            weight=weight,
            divisor=divisor,
            pixels=pixels,
            truth=truth,
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


def made_step(seed: int = 0, images: int = 1, device: str = "cpu") -> Step:
    """A step of random images in [-1, 1]; labels in blocks, of which some ignored."""
    generator = torch.Generator().manual_seed(100 + seed)

    def maps(high: int) -> Tensor:
        small = torch.randint(high, (images, 4, 8), generator=generator)
        return small.repeat_interleave(4, 1).repeat_interleave(4, 2)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(images, *shape, generator=generator)

    truth = maps(CLASSES + 1)
    truth = truth.masked_fill(truth == CLASSES, IGNORE).to(device)
    pictures = {
        name: (2 * uniform(3, *SIZE) - 1).to(device) for name in ("source", "target")
    }
    samples = {
        "source": [sample(each) for each in truth],
        "target": [sample(None) for _ in range(images)],
    }
    taught = TeacherLabels(
        labels=maps(CLASSES).to(device),
        confidence=uniform(*SIZE).to(device),
        weight=uniform(*SIZE).to(device),
        confident=(uniform(*SIZE) > 0.3).to(device),
    )
    step = Step(pictures, samples, seed)
    return with_teacher(step, taught)


def with_teacher(step: Step, taught: TeacherLabels) -> Step:
    """The step, whose teacher says this."""
    return replace(step, ask_teacher=lambda images, samples: taught)


def of_process(step: Step, image: int) -> Step:
    """The part of the step that the process of one image has."""
    part = slice(image, image + 1)
    alone = replace(
        step,
        images={name: value[part] for name, value in step.images.items()},
        samples={name: value[part] for name, value in step.samples.items()},
        first_image=image,
    )
    taught = [value[part] for value in step.target_labels()]
    return with_teacher(alone, TeacherLabels(*taught))


def padded(step: Step, name: str, right: int = 0, bottom: int = 0) -> Step:
    """The step, of which the images of a domain end in padding."""
    for each in step.samples[name]:
        each.set_metainfo({"padding_size": [0, right, 0, bottom]})
    if name == "source":
        return step
    taught = step.target_labels()
    inside = torch.ones(SIZE, dtype=torch.bool)
    inside[SIZE[0] - bottom :], inside[:, SIZE[1] - right :] = False, False
    confident = taught.confident & inside.to(taught.confident.device)
    return with_teacher(step, taught._replace(confident=confident))
