"""Log files that can't be written: an error with the file's name."""

from __future__ import annotations

import functools
import logging
import sys
from typing import Any


def watch_log_files(logger: Any) -> None:
    """Let a full disk end a training at its log, in place of a traceback per line.

    Letters that the system's encoding lacks are written by their numbers.

    Args:
        logger: The Runner's.
    """
    for handler in logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            continue
        if handler.stream is not None and hasattr(handler.stream, "reconfigure"):
            handler.stream.reconfigure(errors="backslashreplace")
        handler.handleError = functools.partial(  # type: ignore[method-assign]
            _end_or_tell, handler
        )


def _end_or_tell(handler: logging.FileHandler, record: logging.LogRecord) -> None:
    error = sys.exc_info()[1]
    if isinstance(error, OSError):
        raise OSError(error.errno, error.strerror, handler.baseFilename) from error
    logging.Handler.handleError(handler, record)
