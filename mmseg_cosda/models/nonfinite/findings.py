"""What is said of an iteration whose losses or gradients are not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.dist import all_gather_object

MOST_NAMED = 4
"""Images of a domain, and terms, that a message names."""

GRADIENT = "the gradient of "
"""Leads the name of a parameter among the values."""

Images = Mapping[str, tuple[str, ...]]


class SeenStep(NamedTuple):
    """What a process knows of an iteration.

    Args:
        iteration: Its number, from 1.
        images: Paths or virtual names of what it was trained on, by domain.
        values: Each loss by name, and a value of each parameter's gradient.
    """

    iteration: int
    images: Images
    values: Mapping[str, float]

    @property
    def bad(self) -> dict[str, float]:
        """The losses that are not finite; where all are, the gradients."""
        bad = {k: v for k, v in self.values.items() if not math.isfinite(v)}
        losses = {k: v for k, v in bad.items() if not k.startswith(GRADIENT)}
        return losses or bad


def images_of(samples: Mapping[str, Iterable[Any]]) -> dict[str, tuple[str, ...]]:
    """Name the images of a step.

    Args:
        samples: By domain, the ``SegDataSample`` of each image.

    Returns:
        Paths or virtual names by domain, "?" where a sample has none.
    """
    return {name: tuple(_paths(domain)) for name, domain in samples.items()}


def _paths(samples: Iterable[Any]) -> Iterator[str]:
    for sample in samples:
        yield str(getattr(sample, "metainfo", {}).get("img_path", "?"))


def of_all_processes(step: SeenStep | None) -> SeenStep | None:
    """Return the first bad iteration that any process saw. All must call.

    Args:
        step: This process' first bad iteration, None for none.

    Returns:
        The same on each process: images and values of those that saw it.
    """
    found = [each for each in all_gather_object(step) if each is not None]
    if not found:
        return None
    first = min(each.iteration for each in found)
    values: dict[str, float] = {}
    images: dict[str, tuple[str, ...]] = {}
    for each in found:
        if each.iteration == first:
            values.update(each.bad)
            for domain, paths in each.images.items():
                images[domain] = images.get(domain, ()) + paths
    return SeenStep(first, images, values)


def describe(step: SeenStep) -> str:
    """Name iteration, terms and images of a bad step.

    Args:
        step: With a value that is not finite.

    Examples:
        >>> describe(SeenStep(7, {"source": ("a.png",)}, {"loss_ce": math.nan}))
        'not finite at iteration 7: loss_ce is nan. Images of that iteration: a.png
        (source)'
    """
    terms = [f"{key} is {value}" for key, value in step.bad.items()]
    images = "; ".join(
        f"{_listed(paths)} ({domain})" for domain, paths in step.images.items()
    )
    return (
        f"not finite at iteration {step.iteration:,}: {_listed(terms)}. Images of that "
        f"iteration: {images or 'unknown'}"
    )


def _listed(texts: Sequence[str]) -> str:
    text = ", ".join(texts[:MOST_NAMED])
    more = len(texts) - MOST_NAMED
    return f"{text} and {more} more" if more > 0 else text
