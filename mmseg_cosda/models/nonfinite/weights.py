"""Whether a network's weights are finite."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from mmseg_cosda.errors import UserError


def bad_weights(model: nn.Module) -> list[str]:
    """Name the weights and running statistics that hold NaN or infinity.

    Args:
        model: On any device; on one without values none is bad.
    """
    return [
        key
        for key, value in _weights(model)
        if not value.is_meta and not bool(value.isfinite().all())
    ]


def _weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    for prefix, module in model.named_modules():
        if isinstance(module, _NormBase):
            yield from module.named_buffers(prefix, recurse=False)


def require_finite_weights(model: nn.Module, place: str, cure: str) -> None:
    """Refuse a network whose weights are no numbers: it predicts one class everywhere.

    Args:
        model: The network.
        place: What it is or where it comes from, which leads the error.
        cure: Which ends it.

    Raises:
        UserError: Naming the first of them.

    Examples:
        >>> import torch
        >>> net = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(net.weight, torch.nan)
        >>> require_finite_weights(net, "a.pth", "take another")
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: a.pth: not finite: 1 of its weights hold NaN or
        infinity (weight); take another
    """
    bad = bad_weights(model)
    if bad:
        names = ", ".join(bad[:3]) + (", ..." if len(bad) > 3 else "")
        raise UserError(
            f"{place}: not finite: {len(bad)} of its weights hold NaN or infinity "
            f"({names}); {cure}"
        )
