"""Which values of a config differ from those of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmseg_cosda.checkpoint import parse_config_literals
from mmseg_cosda.errors import UserError

NAMED = ("model", "train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler")
"""First keys of the values that decide what is trained."""
UNNAMED = ("num_workers", "persistent_workers", "pin_memory", "prefetch_factor")
"""Last keys of those that decide how fast."""


def changed_values(text: Any, cfg: Any) -> Iterator[str]:
    """Name the values of a config that differ from a checkpoint's.

    Args:
        text: The config in the checkpoint, as text; not executed. Anything else names
            nothing.
        cfg: The config of now.

    Yields:
        ``key old -> new``, of what is trained; not where files and logs lie.
    """
    if not isinstance(text, str):
        return
    try:
        then = dict(leaves(parse_config_literals(text)))
    except UserError:
        return
    now = dict(leaves(cfg.to_dict() if hasattr(cfg, "to_dict") else dict(cfg)))
    for key in sorted(then.keys() | now.keys()):
        parts = key.split(".")
        if parts[0] not in NAMED or parts[-1] in UNNAMED:
            continue
        old, new = then.get(key), now.get(key)
        if old != new:
            yield f"{key} {old} -> {new}"


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a nested config by dotted key; positions count in lists."""
    if isinstance(value, Mapping) and value:
        parts: Any = value.items()
    elif isinstance(value, (list, tuple)) and any(
        isinstance(v, Mapping) for v in value
    ):
        parts = enumerate(value)
    else:
        yield key, plain(value)
        return
    for name, part in parts:
        yield from leaves(part, f"{key}.{name}" if key else str(name))


def plain(value: Any) -> Any:
    """Return a value in which tuples are lists, as files of configs mix them."""
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value
