"""The files under configs/: what each says itself, and what it takes from others."""

from __future__ import annotations

import ast
import copy
import functools
import os
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from mmengine.config import Config

from helpers.shrink import CONFIGS


@functools.cache
def read_once(name: str) -> Config:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COSDA_DATA", raising=False)
        return Config.fromfile(CONFIGS / name)


def read(name: str) -> Config:
    """A config as it is without any environment variable, to be changed at will."""
    return copy.deepcopy(read_once(name))


def own_values(name: str) -> dict[str, Any]:
    """What a child's own text says; whatever it takes from its bases is a mock."""
    tree = ast.parse((CONFIGS / name).read_text())
    tree.body = [node for node in tree.body if not _names_bases(node)]
    values: dict[str, Any] = {"_base_": MagicMock()}
    exec(compile(tree, name, "exec"), values)
    return values


def files_opened(name: str) -> set[Path]:
    """The files that one opens to read a config to its end, besides itself."""
    return _closure(CONFIGS / name) - {CONFIGS / name}


def _closure(path: Path) -> set[Path]:
    bases: list[str] = []
    for node in ast.parse(path.read_text()).body:
        if _names_bases(node):
            found = ast.literal_eval(node.value)  # type: ignore[attr-defined]
            bases = [found] if isinstance(found, str) else found
    paths = [Path(os.path.normpath(path.parent / base)) for base in bases]
    return {path}.union(*map(_closure, paths))


def _names_bases(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_base_"
