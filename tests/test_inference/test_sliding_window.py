"""Pseudo-labels by windows: those of the host's test, a strip of them in memory."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from helpers.toys import preprocessor, segmentor_config
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_cosda.inference import sliding_window
from mmseg_cosda.inference.confidence import predict_confidence


def build(crop: tuple[int, int], stride: tuple[int, int], **options: Any) -> Any:
    init_default_scope("mmseg")
    torch.manual_seed(0)
    slide = dict(mode="slide", crop_size=crop, stride=stride)
    config = ConfigDict(segmentor_config(test_cfg=slide, **options))
    return MODELS.build(config).eval()


def images(height: int, width: int, number: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    meta = dict(img_shape=(height, width), ori_shape=(height, width), flip=False)
    return dict(
        inputs=[
            torch.as_tensor(rng.integers(0, 256, (3, height, width), np.uint8))
            for _ in range(number)
        ],
        data_samples=[SegDataSample(metainfo=meta) for _ in range(number)],
    )


@pytest.mark.parametrize(
    ("size", "crop", "stride"),
    [
        ((40, 56), (16, 24), (8, 16)),
        ((41, 57), (16, 24), (11, 24)),
        ((40, 56), (16, 16), (4, 4)),  # a row of windows reaches three others
        ((12, 20), (16, 24), (8, 16)),  # smaller than a window
        ((40, 20), (16, 24), (16, 24)),
    ],
)
def test_labels_and_probabilities_are_those_of_the_hosts_windows(
    size: tuple[int, int],
    crop: tuple[int, int],
    stride: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sliding_window, "_ROWS", 5)
    model = build(crop, stride)
    found = predict_confidence(model, images(*size, number=2))
    with torch.no_grad():
        tested = model.test_step(images(*size, number=2))
    assert len(found) == len(tested) == 2
    for (label, confidence), result in zip(found, tested, strict=True):
        logits = result.seg_logits.data
        assert label.equal(result.pred_sem_seg.data[0].byte())
        torch.testing.assert_close(confidence, logits.softmax(0).amax(0))
    assert len(found[0][0].unique()) > 1


def test_several_models_are_the_mean_of_what_each_has_of_its_windows() -> None:
    models = []
    for scale in (1.0, 4.0, -2.0):
        model = build((16, 24), (8, 16))
        with torch.no_grad():
            model.decode_head.conv_seg.weight.mul_(scale)
        models.append(model)
    first, *others = models
    found = predict_confidence(first, images(40, 56, number=2), others)
    with torch.no_grad():
        tested = [model.test_step(images(40, 56, number=2)) for model in models]
    for (label, confidence), *results in zip(found, *tested, strict=True):
        several = [result.seg_logits.data.softmax(0) for result in results]
        mean = torch.stack(several).mean(0)
        torch.testing.assert_close(confidence, mean.amax(0))
        assert label.equal(mean.argmax(0).byte())
        assert not label.equal(results[0].pred_sem_seg.data[0].byte())


def test_a_preprocessor_that_pads_sees_the_whole_image() -> None:
    branch = preprocessor()
    branch["target"]["test_cfg"] = dict(size=(48, 64))
    model = build((16, 24), (8, 16), data_preprocessor=branch)
    (label, confidence), *_ = predict_confidence(model, images(40, 56))
    assert label.shape == confidence.shape == (40, 56)
    with torch.no_grad():
        tested = model.test_step(images(40, 56))[0]
    assert label.equal(tested.pred_sem_seg.data[0].byte())


MEASURE = """
import resource, sys
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
import mmseg_cosda
from mmseg_cosda.inference.confidence import predict_confidence
from mmseg_cosda.inference.low_memory import return_freed_memory

side, classes = int(sys.argv[1]), int(sys.argv[2])
init_default_scope("mmseg")
torch.set_num_threads(1)
return_freed_memory()
branch = dict(type="SegDataPreProcessor", mean=[1.0] * 3, std=[2.0] * 3, size_divisor=1)
model = MODELS.build(dict(
    type="EncoderDecoder",
    data_preprocessor=dict(branch, size_divisor=None),
    backbone=dict(type="MobileNetV2", widen_factor=0.1, out_indices=(3, 4)),
    decode_head=dict(
        type="FCNHead", in_channels=16, channels=16, num_convs=0, concat_input=False,
        in_index=1, num_classes=classes, norm_cfg=dict(type="BN"),
    ),
    test_cfg=dict(mode="slide", crop_size=(512, 512), stride=(341, 341)),
)).eval()


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def batch(side):
    sample = SegDataSample(metainfo=dict(img_shape=(side, side)))
    return dict(
        inputs=[torch.zeros(3, side, side, dtype=torch.uint8)], data_samples=[sample]
    )


predict_confidence(model, batch(512))
before = peak()
predict_confidence(model, batch(side))
print("MiB", peak() - before)
"""


def measured(side: int, classes: int) -> float:
    """Return the MiB that a tile takes above the model, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-c", MEASURE, str(side), str(classes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split("MiB")[-1])


def test_a_large_tile_takes_a_strip_of_logits() -> None:
    side, classes = 1536, 19
    whole = side * side * (classes + 1 + 3) * 4 / 2**20  # the host's, in float32
    image = side * side * (3 + 1 + 4) / 2**20  # pixels, labels, probabilities
    strip = 512 * side * classes * 4 / 2**20
    assert measured(side, classes) < image + 2.5 * strip < 0.9 * whole


if __name__ == "__main__":
    for number in (6, 19):
        print(f"6000x6000, {number} classes: {measured(6000, number):.0f} MiB")
