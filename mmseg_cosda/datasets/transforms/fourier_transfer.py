"""The target's style on a source image: its low Fourier amplitudes (FDA)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from torch import Tensor

from mmseg_cosda.errors import UserError
from mmseg_cosda.option_checks import require_choices

Mode = Literal["corner", "symmetric"]


def swap_low_amplitudes(
    source: Tensor, target: Tensor, band: int, mode: Mode = "corner"
) -> Tensor:
    r"""Give an image the low amplitudes of another, and keep its phases.

    .. math::
        x = \operatorname{Re} \mathcal{F}^{-1}\left(
            [M |\mathcal{F}(x^t)| + (1 - M) |\mathcal{F}(x^s)|]
            \, e^{i \arg \mathcal{F}(x^s)} \right)

    per channel, with M = 1 at the frequencies -b to b - 1 of both axes (``"corner"``)
    or -b to b (``"symmetric"``). The row and the column of -b have no partner in
    ``"corner"``: their change counts by half, its other half is the imaginary part that
    is dropped. The result isn't clamped, so it may leave [0, 255].

    Args:
        source: x^s, (..., H, W) floating point.
        target: x^t, of the same shape.
        band: b, 1 to half the shorter side.
        mode: The frequencies that are swapped.

    Returns:
        x, as ``source``.

    Source: eq. 1 of Yang and Soatto, FDA, 2020.

    Examples:
        >>> dark, bright = torch.full((1, 4, 4), 10.0), torch.full((1, 4, 4), 90.0)
        >>> swap_low_amplitudes(dark, bright, band=1).mean().item()
        90.0
    """
    height, width = source.shape[-2:]
    rows, columns = torch.arange(-band, band + 1), torch.arange(band + 1)
    low = rows % height
    spectrum = _low_columns(source, band)
    own = spectrum[..., low, :]
    other = _low_columns(target, band)[..., low, :]
    # Real images: a frequency's amplitude is that of its negative.
    swapped = torch.polar(other.abs(), own.angle())
    weight = _share(rows, columns, (height, width), band, mode).to(source.dtype)
    change = torch.zeros_like(spectrum)
    change[..., low, :] = weight * (swapped - own)
    return source + torch.fft.irfft(torch.fft.ifft(change, dim=-2), n=width)


def _low_columns(image: Tensor, band: int) -> Tensor:
    """Return columns 0 to b of the spectrum, (..., H, b + 1); -b to -1 mirror them."""
    return torch.fft.fft(torch.fft.rfft(image)[..., : band + 1], dim=-2)


def _share(
    rows: Tensor, columns: Tensor, size: tuple[int, int], band: int, mode: Mode
) -> Tensor:
    """Return how much of each pair of frequencies k, -k is swapped: 0, 0.5 or 1."""
    count = 2 * band + (mode == "symmetric")

    def inside(row: Tensor, column: Tensor) -> Tensor:
        near_row = (row + band) % size[0] < count
        return near_row[:, None] & ((column + band) % size[1] < count)

    return (inside(rows, columns).float() + inside(-rows, -columns).float()) / 2


@TRANSFORMS.register_module()
class FourierTransfer(BaseTransform):
    """Train on source images with the low Fourier amplitudes of their target image.

    A transform of pairs, for ``DomainPairDataset(pair_transforms=[...])``: it sees
    packed samples, images of 0 to 255 that are not normalized (of mean-free images the
    mean's amplitude would be swapped under the sign of another mean). Labels and the
    target stay as they are; nothing is drawn at random. Both images are of one size:
    a ``RandomCrop`` to the target's size serves a larger source. 10 ms per pair of
    1024x512 on a core of a loading process.

    Modified key: ``source.inputs``, from (K, H, W) uint8 to float32.

    Args:
        beta: L of the paper: b = floor(L min(H, W)) frequencies on each side of zero
            are swapped, see :func:`swap_low_amplitudes`. Default 0.01; the paper trains
            three models, with 0.01, 0.05 and 0.09.
        mode: ``"corner"`` (default) swaps the frequencies -b to b - 1, as the public
            training does; ``"symmetric"`` -b to b, as the public demo.

    Raises:
        ValueError: If ``beta`` or ``mode`` is out of range.
        UserError: At use, if the images differ in size, or are so small that b is 0.

    Examples:
        >>> transfer = FourierTransfer(beta=0.1)
        >>> pair = {
        ...     domain: dict(inputs=torch.full((3, 16, 32), gray, dtype=torch.uint8))
        ...     for domain, gray in dict(source=10, target=90).items()
        ... }
        >>> transfer(pair)["source"]["inputs"].mean().item()
        90.0
    """

    def __init__(self, beta: float = 0.01, mode: Mode = "corner") -> None:
        if not isinstance(beta, int | float) or not 0 < beta <= 0.5:
            raise ValueError(
                f"FourierTransfer: beta={beta!r} must be above 0 and at most 0.5, the "
                "highest frequency; the paper's values are 0.01, 0.05 and 0.09"
            )
        require_choices("FourierTransfer", "corner", "symmetric", mode=mode)
        self.beta, self.mode = beta, mode

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Transfer the style within a pair.

        Args:
            results: ``dict(source=..., target=...)``, packed samples.

        Returns:
            The pair with another source image.

        Raises:
            UserError: See the class.
        """
        source, target = (_image(results, name) for name in ("source", "target"))
        if source.shape != target.shape:
            raise UserError(
                f"FourierTransfer: the source image is {_size(source)}, the target "
                f"image {_size(target)} (width x height x channels), but a swap needs "
                "one size; end both pipelines in the same size before PackSegInputs, "
                'e.g. by dict(type="RandomCrop", crop_size=(H, W)) in the larger one'
            )
        swapped = swap_low_amplitudes(source, target, self._band(source), self.mode)
        return {**results, "source": {**results["source"], "inputs": swapped}}

    def _band(self, image: Tensor) -> int:
        shorter = min(image.shape[-2:])
        band = math.floor(shorter * self.beta)
        if band == 0:
            least = math.ceil(1e4 / shorter) / 1e4
            raise UserError(
                f"FourierTransfer: beta={self.beta} leaves nothing to swap in an image "
                f"of {_size(image)}, {shorter} x {self.beta} is below 1; take beta="
                f"{least} or more, or larger images"
            )
        return band

    def __repr__(self) -> str:
        return f"FourierTransfer(beta={self.beta}, mode={self.mode!r})"


def _image(pair: Mapping[str, Any], name: str) -> Tensor:
    """Return a domain's image, (K, H, W) float32."""
    image = pair.get(name, {}).get("inputs")
    if not isinstance(image, Tensor):
        raise UserError(
            f"FourierTransfer: the pair has no packed {name} image; use it in "
            "DomainPairDataset(pair_transforms=[...]), behind pipelines that end in "
            "PackSegInputs"
        )
    return image.float()


def _size(image: Tensor) -> str:
    channels, height, width = image.shape
    return f"{width}x{height}x{channels}"
