"""The commands of tools/, as modules."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).parents[2] / "tools"


@functools.cache
def load_tool(name: str) -> ModuleType:
    """Return tools/NAME.py, loaded once for all tests of a process."""
    spec = importlib.util.spec_from_file_location(f"tool_{name}", TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
