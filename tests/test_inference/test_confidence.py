"""Probabilities by hand."""

from __future__ import annotations

import numpy as np
import torch

from mmseg_cosda.inference.confidence import upsampled_probabilities


def test_probabilities_are_upsampled_not_logits() -> None:
    logits = torch.tensor([[[[4.0, 0.0]], [[0.0, 0.0]]]])  # (1, 2, 1, 2)
    left, right = 1 / (1 + np.exp(-4)), 0.5
    for align_corners, weights in (
        (True, [1, 2 / 3, 1 / 3, 0]),
        (False, [1, 3 / 4, 1 / 4, 0]),
    ):
        result = upsampled_probabilities(logits, (1, 4), align_corners)
        expected = [w * left + (1 - w) * right for w in weights]
        np.testing.assert_allclose(result[0, 0, 0].numpy(), expected, rtol=1e-6)
    same = upsampled_probabilities(logits, (1, 2), align_corners=False)
    np.testing.assert_allclose(same.numpy(), logits.softmax(1).numpy())
