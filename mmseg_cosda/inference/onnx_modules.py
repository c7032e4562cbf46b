"""Modules whose ONNX graph holds for every image size, in place of torch's.

The exporter writes the sizes of the traced image into the graph of torch's own, or
refuses them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MASKS = ("attn_mask", "key_padding_mask")


class AveragePools(nn.Module):
    """Adaptive average pooling as two products of matrices.

    Row i averages the positions from floor(i n / m) to ceil((i + 1) n / m) - 1 of n,
    for m parts.

    Args:
        size: Parts of height and width.

    Examples:
        >>> x = torch.rand(1, 2, 5, 7)
        >>> expected = nn.AdaptiveAvgPool2d((2, 3))(x)
        >>> torch.allclose(AveragePools((2, 3))(x), expected)
        True

    Source: ``torch.nn.AdaptiveAvgPool2d``.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Pool maps (B, C, H, W) to (B, C, *size)."""
        rows = _averages(x.shape[2], self.size[0], x)
        columns = _averages(x.shape[3], self.size[1], x)
        return rows @ x @ columns.t()


def _averages(length: int, parts: int, like: Tensor) -> Tensor:
    """Return (parts, length) weights, each row summing to one."""
    index = torch.arange(parts, device=like.device)[:, None]
    place = torch.arange(length, device=like.device)[None]
    begin = torch.div(index * length, parts, rounding_mode="floor")
    end = torch.div((index + 1) * length + parts - 1, parts, rounding_mode="floor")
    inside = ((place >= begin) & (place < end)).to(like.dtype)
    return inside / inside.sum(dim=1, keepdim=True)


class Attention(nn.Module):
    """``nn.MultiheadAttention`` without masks, its shapes taken from its inputs.

    Args:
        module: Whose weights it takes; all of one width.

    Examples:
        >>> module = nn.MultiheadAttention(8, 2).eval()
        >>> q, kv = torch.rand(5, 3, 8), torch.rand(4, 3, 8)
        >>> expected = module(q, kv, kv)[0]
        >>> torch.allclose(Attention(module)(q, kv, kv)[0], expected, atol=1e-6)
        True

    Source: "Attention Is All You Need", section 3.2.2.
    """

    def __init__(self, module: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads, self.batch_first = module.num_heads, module.batch_first
        self.weights, self.biases = module.in_proj_weight, module.in_proj_bias
        self.out_proj = module.out_proj

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, **options: Any
    ) -> tuple[Tensor, None]:
        """Attend: (L, B, E) queries, (S, B, E) keys and values; or B first."""
        if any(options.get(name) is not None for name in MASKS):
            raise ValueError("a mask of attention can't be exported")
        inputs = [query, key, value]
        if not self.batch_first:
            inputs = [x.transpose(0, 1) for x in inputs]
        biases = [None] * 3 if self.biases is None else self.biases.chunk(3)
        q, k, v = (
            F.linear(x, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip(
                inputs, self.weights.chunk(3), biases, strict=True
            )
        )
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        attended = (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
        result = self.out_proj(attended)
        return (result if self.batch_first else result.transpose(0, 1)), None


def make_exportable(model: nn.Module) -> None:
    """Replace what the exporter can't write for every size; changed in place."""
    for name, child in model.named_children():
        if isinstance(child, nn.AdaptiveAvgPool2d) and _parts(child) is not None:
            setattr(model, name, AveragePools(_parts(child) or (1, 1)))
        elif isinstance(child, nn.MultiheadAttention) and _is_plain(child):
            setattr(model, name, Attention(child))
        else:
            make_exportable(child)


def _parts(pool: nn.AdaptiveAvgPool2d) -> tuple[int, int] | None:
    size: Any = pool.output_size
    height, width = size if isinstance(size, tuple) else (size, size)
    return None if height is None or width is None else (height, width)


def _is_plain(attention: nn.MultiheadAttention) -> bool:
    extras = (attention.bias_k, attention.bias_v)
    return attention._qkv_same_embed_dim and extras == (None, None)
