"""The files that a config is made of."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from mmengine.config import Config

_IN_TEXT = re.compile(r"\{\{\s*_base_\.(\w+)")


def config_files(config: Path) -> list[Path]:
    """Return a config's file and its bases', nearest first.

    Args:
        config: A file that the host reads.

    Returns:
        Those that can be found; a config of the host's newer style (``read_base``)
        has none but itself.
    """
    found, waiting = [], [Path(config)]
    while waiting:
        path = waiting.pop(0)
        if path in found or not path.is_file():
            continue
        found.append(path)
        try:
            names = Config._get_base_files(str(path))
            bases = [Config._get_cfg_path(name, str(path))[0] for name in names]
        except Exception:  # read already: whatever is wrong was told there
            continue
        waiting += [Path(base) for base in bases]
    return found


def names_used(files: Iterable[Path]) -> set[str]:
    """Return the names that the files of a config read themselves.

    Args:
        files: Of :func:`config_files`.

    Returns:
        Names of variables, as ``a`` in ``b = a`` and in ``b = _base_.a``.
    """
    used: set[str] = set()
    for path in files:
        if path.suffix != ".py":
            continue
        text = path.read_text("utf-8")
        used.update(_IN_TEXT.findall(text))
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                used.add(node.id)
            elif isinstance(node, ast.Attribute) and _is_base(node.value):
                used.add(node.attr)
    return used


def line_of(word: str, files: Iterable[Path]) -> tuple[Path, int] | None:
    """Return the file and line in which a config names something.

    Args:
        word: Such as a type.
        files: Of :func:`config_files`.
    """
    pattern = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)")
    for path in files:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if pattern.search(line.partition("#")[0]):
                return path, number
    return None


def _is_base(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "_base_"
