"""The rules of the house on who may import whom."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mmseg_cosda"

# A room may import those before it.
ORDER = (
    "datasets",
    "evaluation",
    "preflight",
    "models",
    "checkpoint",
    "engine",
    "inference",
    "pseudo_labels",
    "matches",
    "visualization",
    "reproduce",
)


def imports(path: Path) -> set[str]:
    """Names of the modules that a file imports, outside the standard library."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {n for n in names if n.split(".")[0] not in sys.stdlib_module_names}


def closure(module: str) -> set[str]:
    """Modules that a module of ours reaches through our own modules."""
    seen: set[str] = set()
    todo = [module]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        path = PACKAGE.parent / (name.replace(".", "/") + ".py")
        if path.is_file():
            todo += imports(path)
    return seen


def rooms() -> set[str]:
    """Direct subpackages."""
    return {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def own_imports(path: Path) -> set[str]:
    """First names below the package that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        ours = [name.split(".") for name in names if name.startswith("mmseg_cosda.")]
        found |= {parts[1] for parts in ours}
    return found


def rooms_imported(room: str) -> set[str]:
    """Other rooms that a room's files import, themselves or through a root module."""
    todo, seen, found = [*(PACKAGE / room).rglob("*.py")], set(), set()
    while todo:
        path = todo.pop()
        seen.add(path)
        for name in own_imports(path):
            found |= {name} & rooms()
            module = PACKAGE / f"{name}.py"
            if module.is_file() and module not in seen:
                todo.append(module)
    return found - {room}


def test_every_room_has_its_place() -> None:
    assert rooms() <= set(ORDER), "give the new room a place in ORDER"


def test_no_two_rooms_import_each_other() -> None:
    edges = {(room, other) for room in rooms() for other in rooms_imported(room)}
    assert not {edge for edge in edges if edge[::-1] in edges}


def test_rooms_import_one_way() -> None:
    edges = {(room, other) for room in rooms() for other in rooms_imported(room)}
    assert not {edge for edge in edges if ORDER.index(edge[0]) < ORDER.index(edge[1])}


@pytest.mark.parametrize("module", ["functional", "memory"])
def test_the_maths_imports_torch_alone(module: str) -> None:
    reached = closure(f"mmseg_cosda.models.{module}")
    foreign = {name.split(".")[0] for name in reached} - {"torch", "mmseg_cosda"}
    assert foreign == set()


@pytest.mark.parametrize("pattern", ["functional.py", "fused/*.py"])
def test_the_kernel_knows_nothing_else_of_ours(pattern: str) -> None:
    paths = sorted((PACKAGE / "models").glob(pattern))
    assert paths
    for path in paths:
        for name in imports(path):
            ours = name.startswith("mmseg_cosda.models.fused.")
            assert ours or name.split(".")[0] == "torch", f"{path}: {name}"


def test_the_memory_knows_no_loss() -> None:
    reached = closure("mmseg_cosda.models.memory")
    assert not any(
        "loss" in name or "functional" in name[6:]
        for name in reached - {"torch.nn.functional"}
    )


@pytest.mark.parametrize("folder", ["datasets", "evaluation"])
def test_data_imports_nothing_from_models(folder: str) -> None:
    for path in (PACKAGE / folder).rglob("*.py"):
        assert not any("mmseg_cosda.models" in name for name in imports(path)), path


def test_losses_know_neither_samples_nor_segmentors() -> None:
    for path in (PACKAGE / "models" / "alignments").glob("*.py"):
        names = imports(path)
        assert not any("structures" in n or "segmentors" in n for n in names), path


@pytest.mark.parametrize("folder", ["backbones", "decode_heads"])
def test_backbones_and_heads_never_hear_of_a_target(folder: str) -> None:
    for path in (PACKAGE / "models" / folder).glob("*.py"):
        assert "target" not in path.read_text().lower(), path


@pytest.mark.parametrize(
    "folder", ["models", "pseudo_labels", "evaluation", "engine", "visualization"]
)
def test_the_ignore_index_is_written_once(folder: str) -> None:
    for path in (PACKAGE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and type(node.value) is int:
                assert node.value != 255, f"{path}:{node.lineno}"


def test_nothing_that_is_shipped_imports_what_is_not() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert not any(
            n.split(".")[0] in ("benchmarks", "tools") for n in imports(path)
        )
