from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np
import pytest
import torch
from mmseg.registry import TRANSFORMS
from torch import Tensor

from mmseg_cosda.datasets.transforms.fourier_transfer import (
    FourierTransfer,
    Mode,
    swap_low_amplitudes,
)
from mmseg_cosda.errors import UserError


def noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def pair(source: Tensor, target: Tensor) -> dict[str, Any]:
    return {"source": dict(inputs=source), "target": dict(inputs=target)}


def low(frequency: int, length: int, band: int, mode: Mode) -> bool:
    """Whether a frequency, 0 to length - 1, is within -b to b - 1, or to b."""
    highest = band if mode == "symmetric" else band - 1
    return frequency <= highest or frequency >= length - band


def swapped_by_loops(source: Any, target: Any, band: int, mode: Mode) -> Any:
    """One channel, by the definition of the DFT."""
    H, W = len(source), len(source[0])

    def transform(image: Any, k: int, m: int, sign: int) -> complex:
        return sum(
            image[y][x] * cmath.exp(sign * 2j * math.pi * (k * y / H + m * x / W))
            for y in range(H)
            for x in range(W)
        )

    mixed = [[0j] * W for _ in range(H)]
    for k in range(H):
        for m in range(W):
            own, other = transform(source, k, m, -1), transform(target, k, m, -1)
            inside = low(k, H, band, mode) and low(m, W, band, mode)
            amplitude = abs(other) if inside else abs(own)
            mixed[k][m] = amplitude * cmath.exp(1j * cmath.phase(own))
    return [
        [transform(mixed, y, x, 1).real / (H * W) for x in range(W)] for y in range(H)
    ]


def swapped_by_numpy(
    source: Any, target: Any, band: int, mode: Mode
) -> tuple[Any, int]:
    """By whole complex spectra, of which the real part is taken; how many bins."""
    H, W = source.shape[-2:]
    own, other = np.fft.fft2(source), np.fft.fft2(target)
    rows = [low(k, H, band, mode) for k in range(H)]
    columns = [low(k, W, band, mode) for k in range(W)]
    inside = np.outer(rows, columns)
    amplitude = np.where(inside, np.abs(other), np.abs(own))
    mixed = np.fft.ifft2(amplitude * np.exp(1j * np.angle(own)))
    return mixed.real, int(inside.sum())


@pytest.mark.parametrize("mode", ["corner", "symmetric"])
@pytest.mark.parametrize(
    ("size", "band"), [((5, 7), 1), ((5, 7), 2), ((6, 9), 2), ((4, 6), 2), ((8, 4), 2)]
)
def test_a_swap_is_that_of_the_definition(
    size: tuple[int, int], band: int, mode: Mode
) -> None:
    source, target = noise(*size).double(), noise(*size, seed=1).double()
    expected = swapped_by_loops(source.tolist(), target.tolist(), band, mode)
    found = swap_low_amplitudes(source, target, band, mode)
    torch.testing.assert_close(
        found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-10
    )


@pytest.mark.parametrize(("mode", "bins"), [("corner", 100), ("symmetric", 121)])
def test_the_public_size_and_band(mode: Mode, bins: int) -> None:
    source, target = noise(3, 512, 1024), noise(3, 512, 1024, seed=1)
    transfer = FourierTransfer(beta=0.01, mode=mode)
    found = transfer(pair(source, target))["source"]["inputs"]
    expected, counted = swapped_by_numpy(source.numpy(), target.numpy(), 5, mode)
    assert counted == bins
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("beta", "band"), [(0.01, 5), (0.05, 25), (0.09, 46)])
def test_the_papers_bands(beta: float, band: int) -> None:
    source, target = noise(1, 512, 600), noise(1, 512, 600, seed=1)
    found = FourierTransfer(beta)(pair(source, target))["source"]["inputs"]
    expected = swap_low_amplitudes(source.float(), target.float(), band)
    assert found.equal(expected)
    other = swap_low_amplitudes(source.float(), target.float(), band + 1)
    assert not found.equal(other)


def test_only_the_source_image_changes() -> None:
    source, target = noise(3, 20, 30), noise(3, 20, 30, seed=1)
    sample = pair(source.clone(), target.clone())
    sample["source"]["data_samples"] = labels = object()
    found = FourierTransfer(beta=0.1)(sample)
    assert found["target"]["inputs"].equal(target)
    assert found["source"]["data_samples"] is labels
    assert sample["source"]["inputs"].equal(source)
    assert not found["source"]["inputs"].equal(source.float())
    shift = found["source"]["inputs"].mean((1, 2)) - target.float().mean((1, 2))
    assert shift.abs().max() < 1e-3  # the mean is the lowest amplitude
    assert found["source"]["inputs"].min() < 0  # not clamped


def test_an_image_without_contrast_has_phases_of_zero() -> None:
    flat, target = torch.zeros(3, 16, 16, dtype=torch.uint8), noise(3, 16, 16)
    found = FourierTransfer(beta=0.1)(pair(flat, target))["source"]["inputs"]
    expected, _ = swapped_by_numpy(flat.numpy(), target.numpy(), 1, "corner")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_wrong_options_are_refused() -> None:
    for beta in (0, -0.1, 0.51, "0.1", None):
        with pytest.raises(ValueError, match=r"beta=.*above 0 and at most 0\.5"):
            FourierTransfer(beta=beta)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mode='center', choose 'corner' or"):
        FourierTransfer(mode="center")  # type: ignore[arg-type]


def test_images_of_two_sizes_are_refused_with_the_cure() -> None:
    transfer = FourierTransfer(beta=0.1)
    with pytest.raises(UserError, match=r"30x20x3, the target image 30x24x3.*Crop"):
        transfer(pair(noise(3, 20, 30), noise(3, 24, 30)))
    with pytest.raises(UserError, match=r"no packed target image.*PackSegInputs"):
        transfer({"source": dict(inputs=noise(3, 20, 30)), "target": dict(img=0)})


@pytest.mark.parametrize("side", [20, 96, 99, 128])
def test_a_band_of_nothing_is_refused_with_the_least_beta(side: int) -> None:
    sample = pair(noise(1, side, 200), noise(1, side, 200, seed=1))
    with pytest.raises(UserError, match=rf"beta=0\.001 .* 200x{side}x1") as caught:
        FourierTransfer(beta=0.001)(sample)
    least = float(str(caught.value).split("take beta=")[1].split()[0])
    assert least < 1.1 / side
    changed = FourierTransfer(least)(sample)["source"]["inputs"]
    assert not changed.equal(sample["source"]["inputs"].float())


def test_it_is_built_from_a_config() -> None:
    built = TRANSFORMS.build(dict(type="FourierTransfer", beta=0.05))
    assert repr(built) == "FourierTransfer(beta=0.05, mode='corner')"
