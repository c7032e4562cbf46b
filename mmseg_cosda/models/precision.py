"""In which precision features are compared; imports torch alone."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """Return float64 if a tensor is, else float32: 16 bits would move the choice."""
    double = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if double else torch.float32


def without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    """Keep autocast from narrowing the products, where the device knows it."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
