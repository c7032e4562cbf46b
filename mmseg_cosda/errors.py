"""Errors that a user can make, told in one line."""

from __future__ import annotations

import sys
from collections.abc import Callable


class UserError(ValueError):
    """A mistake a user can mend: names the value, the place and the cure."""


def run_tool(main: Callable[[], object]) -> None:
    """Run a command-line tool; a user's mistake is one line and exit status 2.

    Args:
        main: The tool's entry point, called without arguments.

    Raises:
        SystemExit: With status 2 on a ``UserError``, ``ValueError`` or
            ``FileNotFoundError``, 130 when interrupted.
    """
    try:
        main()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
