"""The blur, against a convolution with the whole published kernel."""

from __future__ import annotations

import pytest
import torch
from helpers.augment_references import blurred, published_kernel

from mmseg_cosda.models.augment import blur
from mmseg_cosda.models.augment.blur import kernel_size


@pytest.mark.parametrize("sigma", [0.15, 0.3, 0.7, 1.15, 3.0])
@pytest.mark.parametrize("size", [(260, 140), (37, 61), (21, 9), (1, 1)])
def test_it_is_the_published_convolution(size: tuple[int, int], sigma: float) -> None:
    generator = torch.Generator().manual_seed(0)
    image = 2 * torch.randn(2, *size, generator=generator)
    before = image.clone()
    got = blur(image, sigma)
    assert image.equal(before)
    torch.testing.assert_close(got.double(), blurred(image, sigma), rtol=0, atol=2e-6)


def test_the_published_sizes() -> None:
    assert [kernel_size(n) for n in range(1, 2000)] == [
        published_kernel(n) for n in range(1, 2000)
    ]


def test_a_point_spreads_evenly_and_keeps_its_sum() -> None:
    image = torch.zeros(1, 141, 141)
    image[0, 70, 70] = 1
    got = blur(image, 1.15)[0]
    assert got.sum() == pytest.approx(1, abs=1e-6)
    for turned in (got.flip(0), got.flip(1), got.T):
        torch.testing.assert_close(got, turned)
    spread = torch.arange(141.0) - 70
    assert (got.sum(0) * spread**2).sum() == pytest.approx(1.15**2, rel=1e-4)


def test_under_autocast_it_stays_in_float32() -> None:
    image = torch.randn(3, 70, 80)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = blur(image, 1.0)
    assert got.equal(blur(image, 1.0))
