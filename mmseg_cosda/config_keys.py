"""Keys of ``--cfg-options`` that nothing would read."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmengine.runner import Runner

from mmseg_cosda.config_takers import find_taker
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
    "tta_model",
    "tta_pipeline",
)
MOST_NAMED = 3
MOST_LISTED = 12


def refuse_unread_keys(cfg: Mapping[str, Any], options: Iterable[str]) -> None:
    """Refuse options whose first key neither the config has nor the Runner reads.

    The host takes any: a training with ``max_iters=7`` in place of
    ``train_cfg.max_iters=7`` would run to the old end.

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


def refuse_used_variables(
    cfg: Mapping[str, Any], options: Iterable[str], used: Collection[str]
) -> None:
    """Refuse options that change a variable of the config's text, used by then.

    ``crop_size = (512, 512)`` in a config's file is copied into the transforms when the
    file is read; another value beside it would change nothing.

    Args:
        cfg: The config before the options.
        options: Dotted keys.
        used: Names that the config's files read themselves.

    Raises:
        UserError: Naming the keys that have the variable's value.

    Examples:
        >>> cfg = {"size": (64, 32), "model": {"test_cfg": {"crop_size": (64, 32)}}}
        >>> refuse_used_variables(cfg, ["size"], {"size"})
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: --cfg-options size: a variable of the config's
        file, which is used when that is read: change model.test_cfg.crop_size
    """
    read = {*inspect.signature(Runner).parameters, *READ_BESIDES} - {"test_pipeline"}
    loaders = [cfg.get(f"{split}_dataloader") or {} for split in ("test", "val")]
    if not any((loader.get("dataset") or {}).get("pipeline") for loader in loaders):
        read.add("test_pipeline")
    for option in options:
        first, _, rest = option.partition(".")
        if first in read or first not in cfg or first not in used:
            continue
        parts = {key: value for key, value in cfg.items() if key in read}
        keys = dict(_items(parts))
        same = [key for key, value in keys.items() if _is_same(value, cfg[first])]
        named = [key for key in keys if key.rpartition(".")[2] == first]
        meant = [key for key in same if key in named] or named or same
        meant.sort(key=lambda key: key.count("."))
        shown = [f"{key}.{rest}" if rest else key for key in meant[:MOST_NAMED]]
        raise UserError(
            f"--cfg-options {option}: a variable of the config's file, which is used "
            f"when that is read: change "
            + (" and ".join(shown) or "what it is used for, by its whole path")
        )


def refuse_unread_parts(
    before: Mapping[str, Any], after: Mapping[str, Any], options: Iterable[str]
) -> None:
    """Refuse options whose key, further down, nothing reads.

    A key that the config's file has itself is its author's; and whatever a class takes,
    by name or by ``**kwargs``, is fine.

    Args:
        before: The config without the options.
        after: The config with them.
        options: Dotted keys.

    Raises:
        UserError: Naming the nearest key.

    Examples:
        >>> cfg = {"randomness": {"sede": 1}}
        >>> refuse_unread_parts({}, cfg, ["randomness.sede"])
        Traceback (most recent call last):
        ...
        mmseg_cosda.errors.UserError: --cfg-options randomness.sede: nothing reads it;
        did you mean randomness.seed?
    """
    for option in options:
        parts = option.split(".")
        if _find(before, parts) is not _MISSING:
            continue
        for depth in range(1, len(parts)):
            value = _find(after, parts[:depth])
            if not isinstance(value, Mapping):
                continue
            if _find(before, parts[: depth + 1]) is not _MISSING:
                continue
            taker = find_taker(parts[:depth], value, after)
            key = parts[depth]
            if taker is None or key in taker.keys:
                continue
            near = difflib.get_close_matches(key, sorted(taker.keys), 1, 0.6)
            if taker.is_open and not difflib.get_close_matches(key, near, 1, 0.8):
                continue
            place, rest = ".".join(parts[:depth]), parts[depth + 1 :]
            if near:
                cure = f"did you mean {'.'.join([place, near[0], *rest])}?"
            elif taker.name.startswith("the "):
                cure = f"{taker.name} has no such key"
            else:
                known = sorted(taker.keys - {"_delete_", "_scope_", "self"})
                more = ", ..." if len(known) > MOST_LISTED else ""
                cure = f"{taker.name} takes {', '.join(known[:MOST_LISTED])}{more}"
            raise UserError(f"--cfg-options {option}: nothing reads it; {cure}")


_MISSING = object()


def _find(cfg: Any, parts: Sequence[str]) -> Any:
    """Return what lies at a path."""
    for part in parts:
        if isinstance(cfg, Mapping) and part in cfg:
            cfg = cfg[part]
        elif isinstance(cfg, list | tuple) and part.isdigit() and int(part) < len(cfg):
            cfg = cfg[int(part)]
        else:
            return _MISSING
    return cfg


def _is_same(value: Any, other: Any) -> bool:
    """Return whether a value was a variable's; a plain 1 or True is too common."""
    if other is None or (isinstance(other, bool | int) and other in (0, 1)):
        return False
    if isinstance(value, list | tuple) and isinstance(other, list | tuple):
        return list(value) == list(other)
    return bool(type(value) is type(other) and value == other)


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


def _dotted(value: Any) -> Iterator[str]:
    """Yield the dotted keys of a config's dicts and lists."""
    return (key for key, _ in _items(value))


def _items(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of a config's dicts and lists, with what they hold."""
    if isinstance(value, Mapping):
        items: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    else:
        return
    for key, inner in items:
        yield f"{prefix}{key}", inner
        yield from _items(inner, f"{prefix}{key}.")
