"""Mistakes of a config that show when its parts are built: one line each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmseg_cosda.config_files import config_files, line_of
from mmseg_cosda.config_takers import find_taker, of_type, registered_names
from mmseg_cosda.errors import UserError

_UNKNOWN = re.compile(r"(\w+) is not in the (?:[\w-]+::)?([\w ]+) registry")
_UNEXPECTED = re.compile(
    r"(\w+)(?:\.(\w+))?\(\) got an unexpected keyword argument '(\w+)'"
)
_MISSING = re.compile(r"(\w+)\.__init__\(\) missing \d+ required .*?: (.+)")
# What the host calls with a part of a config.
_PARTS = {
    "DataLoader": ("train_dataloader",),
    "clip_grad_norm_": ("optim_wrapper", "clip_grad"),
    "init_process_group": ("env_cfg", "dist_cfg"),
    "save_checkpoint": ("default_hooks", "checkpoint"),
    "set_multi_processing": ("env_cfg", "mp_cfg"),
    "set_randomness": ("randomness",),
}
_NO_TYPE = re.compile(r'must contain the key "type", but got (.+)', re.DOTALL)


@contextmanager
def config_mistakes(cfg: Any) -> Iterator[None]:
    """Turn what a config's author got wrong into one line with file and line.

    Args:
        cfg: The config whose parts are built within the block.

    Yields:
        Nothing.

    Raises:
        UserError: For an unknown type, a key that its class doesn't take, or one that
            it needs.
    """
    try:
        yield
    except (KeyError, TypeError) as error:
        found = explain(error, cfg)
        if found is None:
            raise
        raise UserError(found) from error


def explain(error: Exception, cfg: Any = None) -> str | None:
    """Say what a config's author got wrong.

    Args:
        error: Of building a part of it.
        cfg: The config; None where it isn't at hand.

    Returns:
        One line; None if the error is another.
    """
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    name = getattr(cfg, "filename", None)
    files = [] if name is None else config_files(Path(name))
    if unknown := _UNKNOWN.search(text):
        return _unknown_type(unknown[1], unknown[2], files)
    if "None is not a callable object" in text and cfg is not None:
        # The host's constructors of optimizers don't look.
        kinds = list(_optimizers(cfg.get("optim_wrapper")))
        wrong = [k for k in kinds if k not in registered_names("optimizer")]
        return _unknown_type(wrong[0], "optimizer", files) if wrong else None
    if unexpected := _UNEXPECTED.search(text):
        return _unexpected_key(unexpected[1], unexpected[2], unexpected[3], files)
    if missing := _MISSING.search(text):
        if of_type(missing[1]) is None:
            return None
        return f"{_place(missing[1], files)}{missing[1]} needs {missing[2]}"
    if untyped := _NO_TYPE.search(text):
        part = " ".join(untyped[1].split()).removesuffix(" None")
        return f"{_place(None, files)}a part of it has no type: {part}"
    return None


def _unknown_type(kind: str, registry: str, files: list[Path]) -> str:
    near = difflib.get_close_matches(kind, sorted(registered_names(registry)), 1, 0.6)
    cure = (
        f"did you mean {near[0]}?"
        if near
        else "import its module (custom_imports), or mend the name"
    )
    return f"{_place(kind, files)}no {registry} is called {kind!r}; {cure}"


def _unexpected_key(
    owner: str, function: str | None, key: str, files: list[Path]
) -> str | None:
    place = line_of(key, files)
    called = owner if function in (None, "__init__") else function
    part = _PARTS.get(called)
    taker = of_type(called) if part is None else find_taker(part, {}, {})
    owner = owner if part is None else ".".join(part)
    if place is None and (taker is None or key in taker.keys):
        return None  # nobody's config
    known = sorted(taker.keys) if taker is not None else []
    near = difflib.get_close_matches(key, known, 1, 0.6)
    cure = f"did you mean {near[0]!r}?" if near else "leave it out"
    return f"{_place(key, files)}{owner} takes no {key!r}; {cure}"


def _optimizers(wrapper: Any) -> Iterator[str]:
    """Yield the types of the optimizers of a config's wrapper."""
    for key, value in wrapper.items() if isinstance(wrapper, Mapping) else ():
        if key == "optimizer":
            yield str(value.get("type"))
        else:
            yield from _optimizers(value)


def _place(word: str | None, files: list[Path]) -> str:
    found = None if word is None else line_of(word, files)
    if found is not None:
        return f"config {found[0]}, line {found[1]}: "
    return f"config {files[0]}: " if files else ""
