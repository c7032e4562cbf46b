"""The commands in ``tools/``: found, named as this user types them, loaded and listed.

In a checkout they are ``python tools/NAME.py``; a wheel ships the same files in
``.mim/tools``, where ``mmseg-cosda NAME`` and ``python -m mmseg_cosda NAME`` find them.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

from mmseg_cosda.errors import UserError

PACKAGE = Path(__file__).resolve().parent
TOOLS = PACKAGE / ".mim" / "tools"
CONSOLE = "mmseg-cosda"


def in_checkout() -> bool:
    """Return whether the package lies in a checkout, beside its ``tools/``."""
    return TOOLS.resolve() == PACKAGE.parent / "tools"


def front() -> str | None:
    """Return what this user types before a command's name.

    Returns:
        "mmseg-cosda" or "python -m mmseg_cosda"; None where commands are files of a
        checkout.
    """
    started = Path(sys.argv[0])
    if started.stem == CONSOLE:
        return CONSOLE
    if started.name == "__main__.py" and started.resolve().parent == PACKAGE:
        return f"python -m {PACKAGE.name}"
    return None if in_checkout() else CONSOLE


def command(name: str) -> str:
    """Return a command as this user types it.

    Args:
        name: Its name, such as "train".

    Examples:
        >>> command("train")
        'python tools/train.py'
    """
    typed = front()
    return f"python tools/{name}.py" if typed is None else f"{typed} {name}"


def torchrun(name: str, processes: int | str = "N") -> str:
    """Return how this user starts a command in several processes.

    Args:
        name: The command's name.
        processes: How many.

    Examples:
        >>> torchrun("train", 4)
        'torchrun --nproc_per_node 4 tools/train.py'
    """
    target = f"tools/{name}.py" if front() is None else f"-m {PACKAGE.name} {name}"
    return f"torchrun --nproc_per_node {processes} {target}"


def as_typed(text: str) -> str:
    """Write the commands in a text as this user types them.

    Args:
        text: A text that names them as in a checkout, ``python tools/NAME.py``.

    Returns:
        The text, unchanged in a checkout.
    """
    if front() is None:
        return text
    text = re.sub(
        r"torchrun --nproc_per_node (\w+) tools/(\w+)\.py",
        lambda found: torchrun(found[2], found[1]),
        text,
    )
    return re.sub(r"(?:python )?tools/(\w+)\.py", lambda found: command(found[1]), text)


def tool_parser(name: str, about: str | None, epilog: str) -> argparse.ArgumentParser:
    """Return an empty parser whose help speaks of the command that this user has.

    Args:
        name: The command's name.
        about: What it does.
        epilog: More, and a line ``Example:`` with commands as in a checkout.
    """
    return argparse.ArgumentParser(
        prog=command(name),
        description=about,
        epilog=as_typed(epilog),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def find_tool(name: str) -> Path:
    """Return the file of a command.

    Raises:
        UserError: If there is no such command; it names the closest.
    """
    names = [path.stem for path in tool_files()]
    if name in names:
        return TOOLS / f"{name}.py"
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    cure = f"did you mean {near[0]}?" if near else f"choose from {', '.join(names)}"
    raise UserError(f"there is no command {name!r}: {cure}")


def tool_files() -> list[Path]:
    """Return the files of all commands, by name."""
    return sorted(TOOLS.glob("*.py"))


def load_tool(name: str) -> ModuleType:
    """Import a command's file; its ``main`` takes the arguments.

    Args:
        name: The command's name.

    Raises:
        UserError: If there is no such command.
    """
    spec = importlib.util.spec_from_file_location(f"tool_{name}", find_tool(name))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def list_tools() -> str:
    """Return the names of all commands, with a line on each."""
    files = tool_files()
    width = max(len(path.stem) for path in files)
    lines = [f"  {path.stem:{width}}  {_first_line(path)}" for path in files]
    typed = front() or CONSOLE
    return "\n".join(
        [
            f"usage: {typed} NAME ...",
            "",
            *lines,
            "",
            f"Arguments and an example of each: {typed} NAME --help. A config of this "
            "package is",
            f"{PACKAGE.name}::PATH, such as {PACKAGE.name}::cosda/deeplabv2_demo.py.",
        ]
    )


def _first_line(path: Path) -> str:
    """Return a file's docstring's first line, without importing the file."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return text.partition("\n")[0]
