"""How long processes wait for one another."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from mmseg_cosda.errors import UserError

OPTION = "env_cfg.dist_cfg.timeout"
"""Seconds; a config's, which the host's own start of processes reads too."""

# As torch says that a process didn't answer, and that one is gone.
_FROZEN = re.compile(r"timed out|timeout", re.IGNORECASE)
_GONE = re.compile(
    r"connection (closed|reset|refused)|broken pipe|remote process|socket",
    re.IGNORECASE,
)


def process_timeout(cfg: Mapping[str, Any]) -> timedelta | None:
    """Return how long a config lets processes wait for one another.

    Args:
        cfg: A whole config.

    Returns:
        The time; None for torch's own.

    Raises:
        UserError: If it is no positive number of seconds.

    Examples:
        >>> process_timeout(dict(env_cfg=dict(dist_cfg=dict(timeout=90))))
        datetime.timedelta(seconds=90)
    """
    seconds = ((cfg.get("env_cfg") or {}).get("dist_cfg") or {}).get("timeout")
    if seconds is None:
        return None
    if isinstance(seconds, timedelta):
        return seconds
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise UserError(f"{OPTION}={seconds!r}: give seconds, such as 1800")
    if seconds <= 0:
        raise UserError(f"{OPTION}={seconds}: must be positive seconds")
    return timedelta(seconds=seconds)


def lost_process(error: Exception, cfg: Mapping[str, Any]) -> str | None:
    """Say in a line that another process doesn't answer, or is gone.

    Args:
        error: What a collective operation raised.
        cfg: The run's config.

    Returns:
        The line; None for another error.
    """
    text = str(error)
    if _FROZEN.search(text):
        limit = process_timeout(cfg)
        waited = "" if limit is None else f" for {limit.total_seconds():g} s"
        return (
            f"another process did not answer{waited}: it is frozen, or far slower than "
            f"this one. The run ends; {OPTION}=SECONDS is how long processes wait"
        )
    if _GONE.search(text):
        return "another process has ended: what it printed says why"
    return None
