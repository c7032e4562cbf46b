"""Keys of ``--cfg-options`` that nothing would read."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmengine.runner import Runner

from mmseg_cosda.errors import UserError

READ_BESIDES = (
    # By the Runner, out of the config and not as an argument.
    "activation_checkpointing",
    "compile",
    "efficient_conv_bn_eval",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "runner_type",
    "sync_bn",
    # By Config, and by tools and inferencers of the host.
    "custom_imports",
    "inference_model",
    "test_pipeline",
    "train_pipeline",
    "tta_model",
    "tta_pipeline",
    "val_pipeline",
)
MOST_NAMED = 3


def refuse_unread_keys(cfg: Mapping[str, Any], options: Iterable[str]) -> None:
    """Refuse options whose first key neither the config has nor the Runner reads.

    The host takes any: a training with ``max_iters=7`` in place of
    ``train_cfg.max_iters=7`` would run to the old end. What lies below a known key is
    the business of whatever is built of it, which refuses what it doesn't take.

    Args:
        cfg: The config before the options.
        options: Dotted keys.

    Raises:
        UserError: Naming the nearest key.

    Examples:
        >>> refuse_unread_keys({"train_cfg": {"max_iters": 400}}, ["max_iters"])
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: --cfg-options max_iters: nothing reads it; did you
        mean train_cfg.max_iters?
    """
    options = list(options)
    read = {*inspect.signature(Runner).parameters, *READ_BESIDES}
    known = {*cfg, *read}
    if "runner_type" in {*cfg, *options}:  # which may read more
        return
    for option in options:
        if option.partition(".")[0] in known:
            continue
        # A variable that the config's text has used by now is none to name.
        parts = {key: value for key, value in cfg.items() if key in read}
        near = _nearest(option, read, list(_dotted(parts)))
        cure = (
            f"did you mean {' or '.join(near)}?"
            if near
            else "give its whole path in the config, such as train_cfg.max_iters"
        )
        raise UserError(f"--cfg-options {option}: nothing reads it; {cure}")


def _nearest(option: str, read: set[str], keys: list[str]) -> list[str]:
    """Return the keys meant, most likely first: a place further down, else a typo."""
    deeper = [key for key in keys if key.endswith(f".{option}")]
    if deeper:
        return sorted(deeper, key=lambda key: key.count("."))[:MOST_NAMED]
    first, dot, rest = option.partition(".")
    close = difflib.get_close_matches(first, sorted(read), 1, 0.7)
    if close:
        return [f"{close[0]}{dot}{rest}"]
    by_name: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: key.count(".")):
        by_name.setdefault(key.rpartition(".")[2], key)
    last = option.rpartition(".")[2]
    return [by_name[name] for name in difflib.get_close_matches(last, by_name, 1, 0.7)]


def _dotted(value: Any, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of a config's dicts and lists."""
    if isinstance(value, Mapping):
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        return
    for key, inner in items:
        yield f"{prefix}{key}"
        yield from _dotted(inner, f"{prefix}{key}.")
