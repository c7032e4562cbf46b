"""What tests of plans and of their execution share."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.pretended_training import write_tools


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder whose tools only pretend to train."""
    write_tools(tmp_path)
    return tmp_path
