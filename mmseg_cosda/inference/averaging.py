"""The mean of several trained nets' weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.checkpoint_classes import require_classes
from mmseg_cosda.inference.checkpoint_content import require_finite
from mmseg_cosda.preflight.loaded_classes import classes_of

KEPT = ("cfg", "dataset_meta")
LEFT_OUT = ("alignments.", "teacher.")
STATISTICS = ".running_mean"
FAR = 0.3
"""Below this cosine of a layer nets hardly began with one model: second stages of
torcs2camvid have 0.88 and more, trainings from different random weights 0.0."""


def predicting(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint that the net itself is made of.

    Examples:
        >>> list(predicting({"backbone.w": torch.ones(1), "teacher.w": torch.ones(1)}))
        ['backbone.w']
    """
    return {
        key: value
        for key, value in weights.items()
        if isinstance(value, Tensor) and not key.startswith(LEFT_OUT)
    }


def average_weights(
    states: Sequence[Mapping[str, Tensor]], names: Sequence[str]
) -> dict[str, Tensor]:
    r"""Return the mean of the weights of nets that one training path led to.

    .. math:: \bar\theta = \frac{1}{M} \sum_{m=1}^{M} \theta_m

    Nets that were trained on from one model mostly lie in one basin, where their mean
    is as good as the mean of their predictions ("Model soups", Wortsman et al., 2022);
    nets from different random weights don't.

    Args:
        states: M state_dicts, at least one.
        names: What to call them in errors.

    Returns:
        Under the same names, of the same dtypes: means taken in float64, and what is no
        float (a count of batches) as it is in the first.

    Raises:
        UserError: If one lacks a weight, or has one of another shape.

    Examples:
        >>> nets = [{"w": torch.zeros(2)}, {"w": torch.ones(2)}]
        >>> average_weights(nets, ["a.pth", "b.pth"])
        {'w': tensor([0.5000, 0.5000])}
    """
    first = states[0]
    for name, state in zip(names[1:], states[1:], strict=True):
        keys = {*first, *state}
        other = [
            key
            for key in sorted(keys)
            if key not in first
            or key not in state
            or first[key].shape != state[key].shape
        ]
        if other:
            shown = ", ".join(other[:3]) + (", ..." if len(other) > 3 else "")
            raise UserError(
                f"checkpoint {name} is of another net than {names[0]}: {len(other)} of "
                f"{len(keys)} weights are missing or of another shape ({shown}); only "
                "trainings that began with one model can be averaged"
            )
    return {
        key: torch.stack([state[key].double() for state in states])
        .mean(dim=0)
        .to(value.dtype)
        if value.is_floating_point()
        else value.clone()
        for key, value in first.items()
    }


def average_checkpoints(
    contents: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, Any]:
    """Return a checkpoint with the mean of several ones' weights.

    Args:
        contents: With ``state_dict`` and ``meta``, at least one.
        names: What to call them in errors.

    Returns:
        ``state_dict``, without alignments and teachers, and ``meta`` with the first's
        config and classes and what was averaged (``averaged_from``).

    Raises:
        UserError: If they are of different nets, name other classes or another order of
            them, or hold NaN or infinite weights.
    """
    states = [predicting(content["state_dict"]) for content in contents]
    classes = classes_of(contents[0]["meta"])
    for name, state, content in zip(names, states, contents, strict=True):
        require_finite(state, name)
        if classes:
            require_classes(
                content["meta"], name, f"the first checkpoint {names[0]}", classes
            )
    meta = contents[0]["meta"]
    return {
        "state_dict": average_weights(states, names),
        "meta": {
            **{key: meta[key] for key in KEPT if key in meta},
            "averaged_from": list(names),
        },
    }


def farthest(states: Sequence[Mapping[str, Tensor]]) -> tuple[str, float]:
    r"""Return the layer in which nets resemble each other least.

    Layers of nets that were trained on from one model keep their direction; those that
    began with different random weights are perpendicular.

    Args:
        states: At least two state_dicts with the same names and shapes.

    Returns:
        Name and least cosine :math:`\theta_1^\top \theta_m / (|\theta_1| |\theta_m|)`
        of a weight with two or more dimensions; ``("", 1.0)`` without any.

    Examples:
        >>> one, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
        >>> farthest([{"a": one, "b": one}, {"a": one, "b": other}])
        ('b', 0.0)
    """
    first = states[0]
    cosines = [
        (float(cosine_similarity(value.flatten(), state[key].flatten(), dim=0)), key)
        for state in states[1:]
        for key, value in first.items()
        if value.is_floating_point() and value.dim() > 1
    ]
    cosine, key = min(cosines, default=(1.0, ""))
    return key, cosine


def has_moving_statistics(states: Sequence[Mapping[str, Tensor]]) -> bool:
    """Return whether BatchNorm statistics differ, which aren't those of the mean net.

    Examples:
        >>> a, b = ({"bn.running_mean": torch.full((1,), x)} for x in (0.0, 1.0))
        >>> has_moving_statistics([a, a]), has_moving_statistics([a, b])
        (False, True)
    """
    first = states[0]
    return any(
        not torch.equal(state[key], first[key])
        for state in states[1:]
        for key in first
        if key.endswith(STATISTICS)
    )
