"""Config values of a command line, and which configs they are about."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmseg_cosda.commands import command
from mmseg_cosda.config import ConfigOption, read_config


def read_options(path: Path, options: Sequence[str]) -> Config:
    """Read a config and the values that a command line changes in it.

    Args:
        path: The config.
        options: ``key=value`` texts, as for ``--cfg-options``.

    Raises:
        UserError: If the config or an option can't be read.
    """
    parser = argparse.ArgumentParser(prog=command("reproduce"))
    parser.add_argument("--cfg-options", nargs="*", action=ConfigOption)
    changes = parser.parse_args(["--cfg-options", *options]).cfg_options
    return read_config(path, changes)


@functools.cache
def training_length(path: Path, options: tuple[str, ...]) -> int:
    """Return the iterations of a config with its options."""
    return int(read_options(path, options).train_cfg.max_iters)


@functools.cache
def method_parts(path: Path) -> frozenset[str]:
    """Return the keys of a config's teacher, reference, alignments and phases."""
    model = read_options(path, []).model
    single = [f"model.{key}" for key in ("teacher", "reference") if model.get(key)]
    named = [
        f"model.{group}.{name}"
        for group, default in (("alignments", ()), ("phases", ("source", "target")))
        for name, part in {**dict.fromkeys(default, ""), **model.get(group, {})}.items()
        if part is not None
    ]
    return frozenset([*single, *named])


def is_concerned(option: str, parts: frozenset[str]) -> bool:
    """Return whether an option is about what a config with these parts has."""
    keys = option.partition("=")[0].split(".")
    if keys[0] != "model" or keys[1:2] not in (
        ["alignments"],
        ["phases"],
        ["teacher"],
        ["reference"],
    ):
        return True
    return any(".".join(keys[:length]) in parts for length in (2, 3))
