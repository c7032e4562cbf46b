"""What a converted checkpoint is, and whether it is all there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from mmseg_cosda.errors import UserError

State = dict[str, Tensor]


@dataclass(frozen=True)
class Converted:
    """A converted checkpoint and what was found out about it.

    Args:
        state_dict: Weights under the host's names, all that the network has.
        family: Whose public code writes such files.
        network: ``"deeplabv2"``, ``"fcn8s"``, ``"daformer"`` or ``"backbone"`` (an
            initialization).
        num_classes: Classes C; None for an initialization.
        dilations: Those of the summed branches; None without such a classifier.
        reason: How the number of branches was chosen; empty without branches.
        options: What the config of such a network needs to fit this one: values by
            key, beside dilations and classes.
        notes: What else there is to say, a line each.
    """

    state_dict: State
    family: str
    network: Literal["deeplabv2", "fcn8s", "daformer", "backbone"]
    num_classes: int | None = None
    dilations: tuple[int, ...] | None = None
    reason: str = ""
    options: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def complete(renamed: State, parts: Mapping[str, nn.Module]) -> State:
    """Check names and shapes against the networks; add counters that lack.

    Args:
        renamed: Weights under the host's names.
        parts: The networks by the prefix of their weights, built on any device.

    Returns:
        A copy of each weight, in the networks' order.

    Raises:
        UserError: If a weight is missing, is of another shape or belongs to nothing.
    """
    expected = {
        f"{part}.{name}": value
        for part, module in parts.items()
        for name, value in module.state_dict().items()
    }
    counters = {name for name in expected if name.endswith("num_batches_tracked")}
    missing = expected.keys() - counters - renamed.keys()
    unknown = renamed.keys() - expected.keys()
    wrong = {
        name
        for name in expected.keys() & renamed.keys()
        if expected[name].shape != renamed[name].shape
    }
    for what, names in (
        ("lacks", missing),
        ("has extra", unknown),
        ("mis-sizes", wrong),
    ):
        if names:
            raise UserError(
                f"the file looks like a public checkpoint, but {what} "
                f"{some(names)} (in the host's names)"
            )
    zero = torch.zeros((), dtype=torch.long)
    return {name: renamed.get(name, zero).clone() for name in expected}


def some(names: Iterable[str]) -> str:
    """List names for an error, three of them.

    Examples:
        >>> some(["d", "b", "a", "c"])
        'a, b, c and 1 more'
    """
    ordered = sorted(names)
    more = f" and {len(ordered) - 3} more" if len(ordered) > 3 else ""
    return ", ".join(ordered[:3]) + more if ordered else "nothing"
