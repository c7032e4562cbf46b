"""What tests of several parts of the model share."""

from __future__ import annotations

import pytest
from helpers.loss_problem import K, Q

from mmseg_cosda.models.fused import segments, tiles


@pytest.fixture(params=["segments", "small-segments", "tiles", "small-tiles"])
def sync_free(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Each path, with its usual chunks and with chunks that split toy sizes."""
    if request.param.startswith("small"):
        monkeypatch.setattr(segments, "_CHUNK_ROWS", 3)
        monkeypatch.setattr(segments, "_BLOCK_ROWS", 2)
        monkeypatch.setattr(tiles, "_TILE_ROWS", 3)
        monkeypatch.setattr(tiles, "_TILE_BYTES", 2 * Q * K * 8)
    return bool(request.param.endswith("tiles"))
