"""Pseudo-labels the naive way: all confidences in memory, one full sort per class."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from numpy.typing import NDArray
from torch import Tensor, nn


def sorted_thresholds(
    confidences: list[NDArray[Any]],
    labels: list[NDArray[Any]],
    num_classes: int,
    quantile: float = 0.5,
    cap: float = 0.9,
) -> NDArray[np.float64]:
    """tau_c = min(x[round(n q)], cap) of the ascending confidences x of class c."""
    thresholds = []
    confidence = np.concatenate([c.ravel() for c in confidences]).astype(np.float64)
    label = np.concatenate([p.ravel() for p in labels])
    for c in range(num_classes):
        x = np.sort(confidence[label == c])
        if len(x) == 0:
            thresholds.append(0.0)
            continue
        index = int(np.round(len(x) * quantile))
        thresholds.append(min(x[min(index, len(x) - 1)], cap))
    return np.array(thresholds)


def probabilities(model: Any, sample: dict[str, Any]) -> NDArray[Any]:
    """Of one image, (C, H, W): softmax, then upsampling."""
    with torch.no_grad():
        data = model.data_preprocessor(pseudo_collate([sample]), False)
        inputs: Tensor = data["inputs"]
        logits = model.decode_head(model.extract_feat(inputs))
        up = nn.Upsample(
            size=tuple(inputs.shape[2:]),
            mode="bilinear",
            align_corners=model.decode_head.align_corners,
        )
        found: NDArray[Any] = up(torch.exp(torch.log_softmax(logits, 1)))[0].numpy()
    return found


def predict(model: Any, sample: dict[str, Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Confidence and label of one image."""
    probability = probabilities(model, sample)
    return probability.max(axis=0), probability.argmax(axis=0)
