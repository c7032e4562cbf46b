"""One domain's images through a segmentor, as its alignments see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from mmseg_cosda.models.alignments.base import DomainBatch
from mmseg_cosda.models.padding import unpadded_pixels as unpadded_pixels
from mmseg_cosda.models.taps import record_taps


def see_domain(
    model: Any,
    inputs: Tensor,
    labels: Tensor | None = None,
    paths: Iterable[str] | None = None,
    step_seed: int = 0,
) -> DomainBatch:
    """Forward images through backbone and decode head, and record feature maps.

    Args:
        model: A ``UDAEncoderDecoder``, in the mode (train or eval) that it is in.
        inputs: Preprocessed images, (B, 3, H, W).
        labels: Their ground truth or pseudo-labels, (B, H, W); None for none.
        paths: Tap paths of the maps; None for those of the alignments.
        step_seed: What randomness of the step is derived from.

    Returns:
        What an alignment sees.

    Raises:
        ValueError: If the module of a path does not run.
    """
    wanted = list(alignment_paths(model) if paths is None else paths)
    with record_taps(model, wanted) as features:
        logits = model.decode_head(model.extract_feat(inputs))
    return make_domain_batch(model, inputs, features, logits, labels, wanted, step_seed)


def alignment_paths(model: Any) -> list[str]:
    """Return the tap paths of all alignments of a segmentor."""
    return [path for each in model.alignments.values() for path in each.feature_paths]


def reference_paths(model: Any) -> list[str]:
    """Return the tap paths of the frozen reference that alignments ask for."""
    paths = [
        path for each in model.alignments.values() for path in each.reference_paths
    ]
    return list(dict.fromkeys(paths))


def make_domain_batch(
    model: Any,
    inputs: Tensor,
    features: Mapping[str, Tensor],
    logits: Tensor,
    labels: Tensor | None,
    paths: Iterable[str],
    step_seed: int = 0,
    first_image: int = 0,
    pixels: Tensor | None = None,
    reference: Mapping[str, Tensor] | None = None,
) -> DomainBatch:
    """Put together what an alignment sees of images that were forwarded.

    Args:
        model: The segmentor.
        inputs: The images, (B, 3, H, W).
        features: Recorded maps by tap path.
        logits: The decode head's output, (B, C, h', w').
        labels: Ground truth or pseudo-labels, (B, H, W); None for none.
        paths: The tap paths that must have been recorded.
        step_seed: What randomness of the step is derived from.
        first_image: Index of the first image among those of all processes.
        pixels: Which pixels are an image's own, (B, H, W) bool; None for all.
        reference: The frozen reference's maps by tap path; None for none.

    Returns:
        The domain's batch, its labels on the images' device.

    Raises:
        ValueError: If a path was not recorded, since its module did not run.
    """
    missing = sorted(set(paths) - set(features))
    if missing:
        raise ValueError(
            f"tap features {missing}: these modules do not run in training; "
            "name modules on the way from the image to the decode head"
        )
    return DomainBatch(
        features=features,
        logits=logits,
        labels=None if labels is None else labels.to(inputs.device),
        image_size=(inputs.shape[-2], inputs.shape[-1]),
        align_corners=model.align_corners,
        ignore_index=model.decode_head.ignore_index,
        step_seed=step_seed,
        first_image=first_image,
        pixels=pixels,
        reference=reference or {},
    )
