"""Padding of a domain's images and a look at its labels, before they move."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.toys import CLASSES, preprocessor, sample, segmentor_config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS


def build(**options: Any) -> Any:
    init_default_scope("mmseg")
    config = preprocessor()
    for name in ("source", "target"):
        config[name].update(options.pop(name, {}))
    return MODELS.build({**config, **options})


def batch(*sizes: tuple[int, int]) -> dict[str, Any]:
    images = [torch.zeros(3, *size, dtype=torch.uint8) for size in sizes]
    return {
        name: dict(
            inputs=[image.clone() for image in images],
            data_samples=[
                sample(
                    torch.zeros(size, dtype=torch.long) if name == "source" else None
                )
                for size in sizes
            ],
        )
        for name in ("source", "target")
    }


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        (dict(size=(24, 40)), ((24, 40), (24, 40))),
        (dict(size=[24, 40]), ((24, 40), (24, 40))),
        (dict(size_divisor=24), ((24, 48), (24, 48))),
        (dict(source=dict(size=(24, 40))), ((24, 40), (16, 32))),
        (dict(target=dict(size=(24, 40), size_divisor=1)), ((16, 32), (24, 40))),
        (dict(target=dict(size_divisor=None)), ((16, 32), (16, 32))),
    ],
)
def test_images_are_padded_to_a_size_or_a_divisor(
    options: dict[str, Any], shapes: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    data = build(**options)(batch((16, 32)), training=True)
    found = tuple(tuple(data["inputs"][n].shape[2:]) for n in ("source", "target"))
    assert found == shapes
    label = data["data_samples"]["source"][0].gt_sem_seg.data[0]
    assert tuple(label.shape) == shapes[0]
    assert (label[:16, :32] == 0).all()
    assert (label == 255).sum() == label.numel() - 16 * 32


def test_size_and_divisor_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"size=\(8, 8\) and size_divisor=8.*one of"):
        build(size=(8, 8), size_divisor=8)


@pytest.mark.parametrize("wrong", [CLASSES, -1, 254])
def test_a_label_of_no_class_is_told_before_it_moves(wrong: int) -> None:
    init_default_scope("mmseg")
    model = MODELS.build(segmentor_config())
    data = batch((16, 32))
    model.data_preprocessor(batch((16, 32)), True)  # right ones pass
    found = data["source"]["data_samples"][0]
    found.set_metainfo(dict(seg_map_path="labels/a.png"))
    found.gt_sem_seg.data[0, 3, 4] = wrong
    with pytest.raises(ValueError, match=rf"labels/a\.png.*{wrong}"):
        model.data_preprocessor(data, True)


def test_float_images_are_taken_as_they_are() -> None:
    data = batch((4, 6))
    image = torch.rand(3, 4, 6) * 300 - 20  # beyond 0..255, as a transfer leaves it
    data["source"]["inputs"] = [image.clone()]
    preprocess = build(source=dict(bgr_to_rgb=True))
    found = preprocess(data, training=True)["inputs"]["source"][0]
    torch.testing.assert_close(found, (image.flip(0) - 127.5) / 127.5)
