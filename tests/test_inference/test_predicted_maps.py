"""Label maps in memory."""

from __future__ import annotations

import numpy as np

from mmseg_cosda.inference.predicted_maps import LabelMaps


def test_maps_come_back_as_they_were() -> None:
    rng = np.random.default_rng(0)
    shapes = ((7, 5), (1, 1), (30, 40))
    labels = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    kept = LabelMaps(labels)
    for ours, expected in zip(kept, labels, strict=True):
        np.testing.assert_array_equal(ours, expected)
