"""Color jitter, against colorsys pixel by pixel and against kornia."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from helpers.augment_references import jiggled
from torch import Tensor

from mmseg_cosda.models.augment import ColorShift, draw_color_shift, shift_color

ORDERS = list(itertools.permutations(range(4)))


def picture(seed: int = 0) -> Tensor:
    """Colors of all kinds: random, black, white, grey, pure, two channels alike."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(3, 6, 8, generator=generator)
    image[:, 0, 0], image[:, 0, 1], image[:, 0, 2] = 0, 1, 0.4
    image[:, 1, :6] = torch.tensor(
        [[1, 0, 0, 1, 1, 0], [0, 1, 0, 1, 0, 1], [0, 0, 1, 0, 1, 1.0]]
    )
    image[1, 2] = image[0, 2]
    image[2, 3] = image[1, 3]
    return image


@pytest.mark.parametrize("order", ORDERS[::5])
@pytest.mark.parametrize("strength", [0.2, 0.25, 0.5])
def test_it_is_what_colorsys_gives(order: tuple[int, ...], strength: float) -> None:
    rng = np.random.default_rng(len(order))
    for _ in range(3):
        shift = draw_color_shift(strength, rng)._replace(order=order)
        image = picture()
        expected = jiggled(image, shift[:4], order)
        got = shift_color(image, shift).double()
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "shift",
    [
        ColorShift(1.2, 1, 1, 0),
        ColorShift(1, 0.8, 1, 0),
        ColorShift(1, 1, 1.5, 0),
        ColorShift(1, 1, 0.5, 0),
        ColorShift(1, 1, 1, 0.2),
        ColorShift(1, 1, 1, -0.5),
        *(ColorShift(0.85, 1.15, 1.2, -0.13, order) for order in ORDERS[::7]),
    ],
)
def test_it_is_what_kornia_gives(shift: ColorShift) -> None:
    augmentation = pytest.importorskip("kornia.augmentation")
    images = torch.stack([picture(0), picture(1)])
    jiggle = augmentation.ColorJiggle(0.5, 0.5, 0.5, 0.5, p=1.0)
    drawn = jiggle.forward_parameters(images.shape)
    for name in ("brightness", "contrast", "saturation", "hue"):
        drawn[f"{name}_factor"] = torch.full((2,), float(getattr(shift, name)))
    drawn["order"] = torch.tensor(shift.order)
    expected = jiggle(images, params=drawn)
    got = torch.stack([shift_color(image, shift) for image in images])
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def test_no_strength_changes_nothing() -> None:
    image = picture()
    shift = draw_color_shift(0.0, np.random.default_rng(0))
    torch.testing.assert_close(shift_color(image, shift), image, rtol=0, atol=1e-6)
    assert shift[:4] == (1, 1, 1, 0)


def test_the_input_stays_and_values_beyond_are_cut() -> None:
    image = 2 * picture() - 0.5
    before = image.clone()
    shift = ColorShift(1, 1, 1, 0)
    got = shift_color(image, shift)
    assert image.equal(before)
    torch.testing.assert_close(got, image.clamp(0, 1), rtol=0, atol=1e-6)


def test_factors_are_uniform_and_orders_equally_probable() -> None:
    rng = np.random.default_rng(0)
    shifts = [draw_color_shift(0.2, rng) for _ in range(4800)]
    factors = np.array([shift[:4] for shift in shifts]) - [1, 1, 1, 0]
    assert np.abs(factors).max() <= 0.2
    for column in factors.T:  # ten bins each: chi-square of 9 degrees, p = 0.001
        seen = np.histogram(column, 10, (-0.2, 0.2))[0]
        assert ((seen - 480) ** 2 / 480).sum() < 27.9
    correlation = np.corrcoef(factors.T) - np.eye(4)
    assert np.abs(correlation).max() < 0.06
    orders = Counter(shift.order for shift in shifts)
    assert set(orders) == set(ORDERS)
    assert sum((n - 200) ** 2 / 200 for n in orders.values()) < 49.7  # 23 degrees


@pytest.mark.parametrize("shape", [(4, 2, 2), (1, 2, 2), (2, 3, 2, 2)])
def test_what_has_no_colors_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"takes \(3, H, W\); set jitter_probability"):
        shift_color(torch.zeros(shape), ColorShift(1, 1, 1, 0))
