"""A config's pictures through host transforms have the pixels that ours give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.config_files import read
from helpers.prediction_project import write_photograph
from helpers.shrink import config_names
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.picture_pipeline import host_transforms, picture_pipeline


def loaded(pipeline: list[dict[str, Any]], path: Path) -> Any:
    init_default_scope("mmseg")
    packed = dict(type="PackSegInputs")
    pipeline = [t for t in pipeline if t["type"] != "PackSegInputs"]
    return Compose([*pipeline, packed])(dict(img_path=str(path), seg_fields=[]))


@pytest.mark.parametrize("size", [(31, 17), (80, 64), (50, 30)])
@pytest.mark.parametrize("kind", ["ResizePIL", "LoadResizedImage", "both"])
def test_pixels_are_the_same_bit_for_bit(
    tmp_path: Path, size: tuple[int, int], kind: str
) -> None:
    write_photograph(tmp_path / "a.png", (50, 30), 7)
    cached = dict(type="LoadResizedImage", size=size, cache_dir=str(tmp_path / "c"))
    resize = dict(type="ResizePIL", size=size)
    pipelines: dict[str, list[dict[str, Any]]] = {
        "ResizePIL": [dict(type="LoadImageFromFile"), resize],
        "LoadResizedImage": [dict(type="LoadResizedImage", size=size)],
        "both": [cached, resize],
    }
    ours = pipelines[kind]
    theirs = host_transforms(ours)
    assert [t["type"] for t in theirs] == ["LoadImageFromFile", "Resize"]
    expected = loaded(ours, tmp_path / "a.png")
    found = loaded(theirs, tmp_path / "a.png")
    assert found["inputs"].shape == (3, size[1], size[0])
    np.testing.assert_array_equal(found["inputs"], expected["inputs"])
    for key in ("ori_shape", "img_shape", "scale_factor"):
        assert found["data_samples"].metainfo[key] == pytest.approx(
            expected["data_samples"].metainfo[key]
        )


def test_every_shipped_config_reads_a_photograph(tmp_path: Path) -> None:
    photograph = write_photograph(tmp_path / "a.png", (90, 60))
    seen: set[str] = set()
    for name in config_names():
        pipeline = picture_pipeline(read(name))
        if repr(pipeline) not in seen:
            seen.add(repr(pipeline))
            sample = loaded(pipeline, tmp_path / "a.png")
            assert sample["data_samples"].ori_shape == photograph.shape[:2], name
    assert len(seen) > 1


def test_a_pipeline_that_loads_no_file_is_refused() -> None:
    cfg = dict(test_pipeline=[dict(type="LoadImageFromNDArray", to_float32=True)])
    assert picture_pipeline(cfg)[0]["to_float32"]  # the host's, a file loader too
    with pytest.raises(UserError, match="starts with PackSegInputs, which loads no"):
        picture_pipeline(dict(test_pipeline=[dict(type="PackSegInputs")]))
