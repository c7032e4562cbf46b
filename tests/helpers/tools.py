"""The commands of tools/, as modules."""

from __future__ import annotations

import functools
from pathlib import Path
from types import ModuleType

from mmseg_cosda import commands

TOOLS = Path(__file__).parents[2] / "tools"


@functools.cache
def load_tool(name: str) -> ModuleType:
    """Return tools/NAME.py, loaded once for all tests of a process."""
    return commands.load_tool(name)
