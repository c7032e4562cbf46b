"""From samples to images and labels."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.torcs2camvid.street_renderer.finish import (
    annotate,
    as_jpeg,
    as_png,
    expose,
)
from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.view import View, draw_view


@pytest.fixture
def view() -> View:
    return dataclasses.replace(draw_view(np.random.RandomState(0)), gain=1.0, gamma=1.0)


def test_a_pixel_is_the_mean_of_its_samples(view: View) -> None:
    samples = np.zeros((2, 4, 3), np.uint8)
    samples[:, :2, 0] = [[10, 20], [30, 40]]
    samples[:, 2:, 2] = 200
    np.testing.assert_array_equal(expose(samples, view), [[[25, 0, 0], [0, 0, 200]]])


def test_gain_and_gamma_act_in_this_order(view: View) -> None:
    samples = np.full((2, 2, 3), 100, np.uint8)
    image = expose(samples, dataclasses.replace(view, gain=1.1, gamma=0.9))
    assert image[0, 0, 0] == round(255 * (100 / 255 * 1.1) ** 0.9)
    bright = np.full((2, 2, 3), 250, np.uint8)
    assert expose(bright, dataclasses.replace(view, gain=1.1)).min() == 255


def test_labels_take_one_sample_of_each_pixel() -> None:
    samples = np.arange(16, dtype=np.uint8).reshape(4, 4) % 7
    np.testing.assert_array_equal(annotate(samples), samples[1::2, 1::2])


def pixels(labels: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(labels.astype(np.uint8), 2, 0), 2, 1)


@pytest.mark.parametrize(
    ("label", "gap", "closed"),
    [
        (Label.FENCE, 6, True),
        (Label.FENCE, 12, False),
        (Label.BICYCLIST, 8, True),
        (Label.POLE, 2, False),
    ],
)
def test_gaps_of_fences_and_bicycles_are_closed(
    label: Label, gap: int, closed: bool
) -> None:
    labels = np.full((40, 60), Label.ROAD, np.uint8)
    labels[:, 10:16] = labels[:, 16 + gap : 22 + gap] = label
    found = annotate(pixels(labels))
    assert (found[20, 16 : 16 + gap] == label).all() == closed
    assert found[20, 5] == Label.ROAD


def test_what_stands_in_front_of_a_gap_stays() -> None:
    labels = np.full((40, 60), Label.ROAD, np.uint8)
    labels[:, 10:16] = labels[:, 20:26] = Label.FENCE
    labels[15:25, 16:20] = Label.PEDESTRIAN
    found = annotate(pixels(labels))
    assert (found[15:25, 16:20] == Label.PEDESTRIAN).all()
    assert (found[5, 16:20] == Label.FENCE).all()


def test_files_hold_what_was_given() -> None:
    labels = np.arange(11, dtype=np.uint8)[None].repeat(4, 0)
    png = Image.open(io.BytesIO(as_png(labels)))
    assert png.mode == "L"
    np.testing.assert_array_equal(np.array(png), labels)
    jpeg = Image.open(io.BytesIO(as_jpeg(np.full((8, 8, 3), 90, np.uint8))))
    np.testing.assert_array_equal(np.array(jpeg), np.full((8, 8, 3), 90))
