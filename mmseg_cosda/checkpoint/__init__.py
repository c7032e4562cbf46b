"""Checkpoints: read as data, checked for damage, converted from public code.

Conversion builds networks, so it is imported by its own name,
``mmseg_cosda.checkpoint.conversion``.
"""

from __future__ import annotations

from mmseg_cosda.checkpoint.config_literals import parse_config_literals
from mmseg_cosda.checkpoint.integrity import check_zip_members, refuse_wrong_digest
from mmseg_cosda.checkpoint.loading import (
    MapLocation,
    load_checkpoint_file,
    only_training_state,
    plain_errors,
)

__all__ = [
    "MapLocation",
    "check_zip_members",
    "load_checkpoint_file",
    "only_training_state",
    "parse_config_literals",
    "plain_errors",
    "refuse_wrong_digest",
]
