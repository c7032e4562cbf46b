"""The crop by the host's name: its own where there are labels, and without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mmseg.datasets.transforms import RandomCrop as HostRandomCrop
from mmseg.registry import TRANSFORMS

SIZE: Any = (5, 7)


def photo(seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)


@pytest.mark.parametrize("ratio", [1.0, 0.75, 0.3])
def test_with_labels_it_is_the_hosts_draws_included(ratio: float) -> None:
    labels = (photo(1)[..., 0] // 200).astype(np.uint8)
    results: list[object] = []
    for kind in (
        HostRandomCrop(SIZE, ratio),
        TRANSFORMS.build(dict(type="RandomCrop", crop_size=SIZE, cat_max_ratio=ratio)),
    ):
        np.random.seed(3)
        sample = dict(img=photo(), gt_seg_map=labels, seg_fields=["gt_seg_map"])
        cropped = kind(sample)
        results.append((cropped["img"].tolist(), cropped["gt_seg_map"].tolist()))
        results.append(np.random.randint(1 << 30))  # as much was drawn
    assert results[:2] == results[2:]


def test_without_labels_the_condition_is_skipped() -> None:
    crop = TRANSFORMS.build(dict(type="RandomCrop", crop_size=SIZE, cat_max_ratio=0.75))
    found = []
    for kind in (crop, HostRandomCrop(SIZE)):
        np.random.seed(5)
        found.append(kind(dict(img=photo(), seg_fields=[]))["img"])
    np.testing.assert_array_equal(*found)
    assert found[0].shape == (5, 7, 3)
    assert crop(dict(img=photo()[:3]))["img"].shape == (3, 7, 3)  # smaller than it
