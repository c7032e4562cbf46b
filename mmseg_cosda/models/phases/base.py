"""One iteration as a sequence of phases, each with a backward pass of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.dist import get_rank
from mmengine.logging import MessageHub
from torch import Tensor

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
    """

    images: Mapping[str, Tensor]
    samples: Mapping[str, list[Any]]
    seed: int | None = None
    first_image: int = 0


class Phase(ABC):
    """A part of an iteration: one forward pass and its losses.

    A registered plain class without parameters, an entry of ``model.phases``. Its
    backward pass ends before the next phase begins, so that one phase's graph alone is
    alive at a time. Its constructor takes the options of its config.
    """

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


def make_step(images: Any, samples: Any) -> Step:
    """Make a step of what the preprocessor returns.

    Args:
        images: By domain, (B, 3, H, W) float32.
        samples: By domain, a ``SegDataSample`` of each image.

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
    return Step(images, samples, current_step_seed(), first_image)


def current_step_seed() -> int | None:
    """Return the seed of this iteration, None outside a Runner.

    Returns:
        A function of (run seed, iteration), the same on all ranks, so that what is
        random in a step is the same whether or not the run was resumed.
    """
    hub = MessageHub.get_current_instance()
    seed, iteration = hub.get_info("seed"), hub.get_info("iter")
    if seed is None or iteration is None:
        return None
    return derive_seed(int(seed), int(iteration))


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


def any_labels(samples: Iterable[Any]) -> bool:
    """Return whether any image of a domain has labels."""
    return any("gt_sem_seg" in sample for sample in samples)
