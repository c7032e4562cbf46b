"""User-facing errors, printed on one line."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

TRACEBACK = "MMSEG_COSDA_TRACEBACK"
"""Environment variable: set to 1, a tool's error comes with its traceback."""


class UserError(ValueError):
    """A mistake a user can mend: names the value, the place and the cure."""


def run_tool(main: Callable[[], object]) -> None:
    """Run a command-line tool; a user's mistake is one line and exit status 2.

    A ``UserError`` says all there is to know. Of another ``ValueError`` the message
    may say too little, so the line names the variable that shows the traceback.

    Args:
        main: The tool's entry point, called without arguments.

    Raises:
        SystemExit: With status 2 on a ``UserError``, ``ValueError`` or
            ``FileNotFoundError``, 130 when interrupted.
    """
    try:
        main()
    except KeyboardInterrupt as error:
        print(f"interrupted {error}".strip(), file=sys.stderr)
        sys.exit(130)
    except (ValueError, FileNotFoundError) as error:
        hint = ""
        if os.environ.get(TRACEBACK, "0") not in {"", "0"}:
            traceback.print_exc()
        elif not isinstance(error, UserError):
            hint = f" ({TRACEBACK}=1 shows where)"
        print(f"error: {error}{hint}", file=sys.stderr)
        sys.exit(2)
