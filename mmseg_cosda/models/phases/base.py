"""One iteration as a sequence of phases, each with a backward pass of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.logging import MessageHub
from torch import Tensor

from mmseg_cosda.models.teacher import TeacherLabels
from mmseg_cosda.option_checks import require_choices, require_integers
from mmseg_cosda.randomness import derive_seed

Losses = dict[str, Tensor]

DOMAINS = ("source", "target")


@dataclass(frozen=True)
class Step:
    """The batch of one iteration and what is derived from its number.

    Args:
        images: By domain, (B, 3, H, W) float32, normalized.
        samples: By domain, the host's ``SegDataSample`` of each image.
        seed: A function of (run seed, iteration), the same on all ranks, from which
            everything random in the step is derived; None outside a training, where
            nothing has to be repeatable.
        first_image: Index of this process's first image among those of all processes.
        iteration: Its number, from 0; None outside a training.
        ask_teacher: Labels target images, given those and their samples; None where
            ``model.teacher`` is.
    """

    images: Mapping[str, Tensor]
    samples: Mapping[str, list[Any]]
    seed: int | None = None
    first_image: int = 0
    iteration: int | None = None
    ask_teacher: Callable[[Tensor, list[Any]], TeacherLabels] | None = None

    def target_labels(self) -> TeacherLabels:
        """Return the teacher's labels of the target images.

        The teacher is asked once per step, however many phases need it. Labels that
        the data gives for an image, ground truth of some, come before the teacher's.

        Raises:
            ValueError: If there is no teacher.
        """
        return self._target_labels

    @cached_property
    def _target_labels(self) -> TeacherLabels:
        if self.ask_teacher is None:
            raise ValueError(NO_TEACHER)
        return self.ask_teacher(self.images["target"], self.samples["target"])


NO_TEACHER = (
    "a phase asks for a teacher's labels and model.teacher is None; give "
    'model.teacher=dict(type="EMATeacher", decay=0.999)'
)


class Phase(ABC):
    """A part of an iteration: one forward pass and its losses.

    A registered plain class without parameters, an entry of ``model.phases``. Its
    backward pass ends before the next phase begins, so that one phase's graph alone is
    alive at a time. Its constructor takes the options of its config.
    """

    align: bool = False
    """Whether it shows the alignments the target (their ``on_target``). One phase of a
    segmentor does, behind the source's."""

    start_iter: int = 0
    """The first iteration in which it runs; before, the teacher follows the student."""

    needs_teacher: bool = False
    """Whether it asks for ``step.target_labels()``."""

    @abstractmethod
    def losses(self, segmentor: Any, step: Step) -> Losses:
        """Run the forward pass.

        Args:
            segmentor: The ``UDAEncoderDecoder`` that trains: its ``run`` forwards a
                domain, its ``alignments`` hold the alignments by name.
            step: The iteration's batch.

        Returns:
            Keys that contain "loss" are summed and trained on, others are logged.
            Empty where the phase has nothing to do in this step.
        """


def make_step(
    images: Any,
    samples: Any,
    ask_teacher: Callable[[Tensor, list[Any]], TeacherLabels] | None = None,
) -> Step:
    """Make a step of what the preprocessor returns.

    Args:
        images: By domain, (B, 3, H, W) float32.
        samples: By domain, a ``SegDataSample`` of each image.
        ask_teacher: What labels target images; None for nothing.

    Returns:
        The step, with the seed of the running iteration.

    Raises:
        ValueError: If the batch isn't one of both domains.
    """
    if not isinstance(images, dict) or set(images) != set(DOMAINS):
        raise ValueError(
            "UDAEncoderDecoder trains on batches by domain; use DomainPairDataset "
            "as train_dataloader.dataset and UDADataPreprocessor as "
            "model.data_preprocessor"
        )
    first_image = get_rank() * len(images["source"])
    return Step(
        images,
        samples,
        current_step_seed(),
        first_image,
        current_iteration(),
        ask_teacher,
    )


def current_iteration() -> int | None:
    """Return the number of this iteration, from 0, None outside a Runner."""
    iteration = MessageHub.get_current_instance().get_info("iter")
    return None if iteration is None else int(iteration)


def current_step_seed() -> int | None:
    """Return the seed of this iteration, None outside a Runner.

    Returns:
        A function of (run seed, iteration), the same on all ranks, so that what is
        random in a step is the same whether or not the run was resumed.
    """
    seed = MessageHub.get_current_instance().get_info("seed")
    iteration = current_iteration()
    if seed is None or iteration is None:
        return None
    return derive_seed(int(seed), iteration)


def with_prefix(name: str, losses: Mapping[str, Tensor]) -> Losses:
    """Return losses under names that a part of the model leads.

    Args:
        name: The part.
        losses: By name.

    Examples:
        >>> with_prefix("cosine", {"loss": Tensor([1.0])})
        {'cosine.loss': tensor([1.])}
    """
    return {f"{name}.{key}": value for key, value in losses.items()}


def check_phase_options(owner: str, start_iter: int, **switches: bool) -> None:
    """Check the options that several phases share.

    Args:
        owner: The phase's type, for the error.
        start_iter: See :class:`Phase`.
        switches: What is on or off, such as ``align``.

    Raises:
        ValueError: If one is of no meaning.
    """
    require_integers(owner, 0, start_iter=start_iter)
    require_choices(owner, True, False, **switches)


def truth_of(images: Tensor, class_weight: bool) -> Tensor | None:
    """Return which pixels of a phase's images ``class_weight`` counts for.

    Args:
        images: (B, 3, H, W).
        class_weight: Whether it counts for labels that are guessed.

    Returns:
        None for all, or none, (B, 1, 1) bool.
    """
    if class_weight:
        return None
    return images.new_zeros((len(images), 1, 1), dtype=torch.bool)


def any_labels(samples: Iterable[Any]) -> bool:
    """Return whether any image of a domain has labels."""
    return any("gt_sem_seg" in sample for sample in samples)
