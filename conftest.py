"""Registers the package before pytest imports its modules for their doctests."""

from __future__ import annotations

import mmseg_cosda  # noqa: F401
