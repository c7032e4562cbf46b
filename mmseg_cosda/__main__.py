"""``python -m mmseg_cosda NAME ...`` and ``mmseg-cosda NAME ...``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mmseg_cosda.commands import list_tools, load_tool
from mmseg_cosda.errors import run_tool


def main(args: Sequence[str] | None = None) -> None:
    """Run a command of ``tools/``; list them where none is named.

    Args:
        args: Its name and its arguments; those of the process where None.
    """
    words = sys.argv[1:] if args is None else list(args)
    if not words or words[0] in ("-h", "--help"):
        print(list_tools())
        return
    load_tool(words[0]).main(words[1:])


def run() -> None:
    """Run it, with a user's mistakes told in a line."""
    run_tool(main)


if __name__ == "__main__":
    run()
