"""DAFormer's network as arithmetic on a state_dict under the public names.

Written from the description of the networks alone: torch.nn.functional on tensors,
nothing of the package or of the host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from helpers.public_networks import batch_norm

State = Mapping[str, Tensor]

B5_DEPTHS = (3, 6, 40, 3)
B5_WIDTHS = (64, 128, 320, 512)
REDUCTIONS = (8, 4, 2, 1)
DILATIONS = (1, 6, 12, 18)
Shapes = Iterator[tuple[str, tuple[int, ...]]]


def mit_shapes(depths: Sequence[int], widths: Sequence[int]) -> Shapes:
    """Yield the public names of a Mix Transformer and their shapes."""
    before = 3
    for i, (depth, k, r) in enumerate(zip(depths, widths, REDUCTIONS, strict=True), 1):
        kernel = 7 if i == 1 else 3
        yield f"patch_embed{i}.proj.weight", (k, before, kernel, kernel)
        yield f"patch_embed{i}.proj.bias", (k,)
        yield from pair(f"patch_embed{i}.norm", (k,), k)
        for j in range(depth):
            block = f"block{i}.{j}"
            yield from pair(f"{block}.norm1", (k,), k)
            yield from pair(f"{block}.attn.q", (k, k), k)
            yield from pair(f"{block}.attn.kv", (2 * k, k), 2 * k)
            yield from pair(f"{block}.attn.proj", (k, k), k)
            if r > 1:
                yield from pair(f"{block}.attn.sr", (k, k, r, r), k)
                yield from pair(f"{block}.attn.norm", (k,), k)
            yield from pair(f"{block}.norm2", (k,), k)
            yield from pair(f"{block}.mlp.fc1", (4 * k, k), 4 * k)
            yield from pair(f"{block}.mlp.dwconv.dwconv", (4 * k, 1, 3, 3), 4 * k)
            yield from pair(f"{block}.mlp.fc2", (k, 4 * k), k)
        yield from pair(f"norm{i}", (k,), k)
        before = k


def head_shapes(widths: Sequence[int], channels: int, classes: int) -> Shapes:
    """Yield the public names of DAFormer's head and their shapes."""
    yield from pair("conv_seg", (classes, channels, 1, 1), classes)
    for i, k in enumerate(widths):
        yield from pair(f"embed_layers.{i}.proj", (channels, k), channels)
    whole = len(widths) * channels
    for i, d in enumerate(DILATIONS):
        branch = f"fuse_layer.aspp_modules.{i}"
        if d == 1:
            yield from conv_norm(branch, (channels, whole, 1, 1))
        else:
            yield from conv_norm(f"{branch}.depthwise_conv", (whole, 1, 3, 3))
            yield from conv_norm(f"{branch}.pointwise_conv", (channels, whole, 1, 1))
    fused = len(DILATIONS) * channels
    yield from conv_norm("fuse_layer.bottleneck", (channels, fused, 3, 3))


def pair(name: str, weight: tuple[int, ...], bias: int) -> Shapes:
    yield f"{name}.weight", weight
    yield f"{name}.bias", (bias,)


def conv_norm(name: str, weight: tuple[int, ...]) -> Shapes:
    yield f"{name}.conv.weight", weight
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.bn.{part}", (weight[0],)
    yield f"{name}.bn.num_batches_tracked", ()


def random_weights(shapes: Shapes, generator: torch.Generator) -> dict[str, Tensor]:
    """Draw weights that keep activations in range."""
    state = {}
    for name, shape in shapes:
        if not shape:
            state[name] = torch.tensor(7)
            continue
        value = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            value.mul_((1 / value[0].numel()) ** 0.5)
        elif name.endswith(("weight", "running_var")):
            value.mul_(0.1).abs_().add_(0.7)
        else:
            value.mul_(0.1)
        state[name] = value
    return state


def public_state(
    depths: Sequence[int] = B5_DEPTHS,
    widths: Sequence[int] = B5_WIDTHS,
    channels: int = 256,
    classes: int = 19,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Random weights of the whole network: backbone.* and decode_head.*."""
    generator = torch.Generator().manual_seed(seed)
    parts = {
        "backbone": mit_shapes(depths, widths),
        "decode_head": head_shapes(widths, channels, classes),
    }
    return {
        f"{part}.{name}": value
        for part, shapes in parts.items()
        for name, value in random_weights(shapes, generator).items()
    }


def part_of(state: State, prefix: str) -> dict[str, Tensor]:
    """The weights whose names begin with a prefix, without it."""
    return {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}


def mix_transformer(state: State, image: Tensor, heads: Sequence[int]) -> list[Tensor]:
    """Return the four maps, (B, k_i, h_i, w_i)."""

    def linear(name: str, x: Tensor) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(name: str, x: Tensor) -> Tensor:
        mean, var = x.mean(-1, keepdim=True), x.var(-1, correction=0, keepdim=True)
        scaled = (x - mean) / torch.sqrt(var + 1e-6)
        return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]

    def attention(name: str, x: Tensor, size: tuple[int, int], stage: int) -> Tensor:
        b, n, k = x.shape
        reduction, count = REDUCTIONS[stage], heads[stage]
        q, seen = linear(f"{name}.q", x), x
        if reduction > 1:
            weight, bias = state[f"{name}.sr.weight"], state[f"{name}.sr.bias"]
            grid = x.transpose(1, 2).reshape(b, k, *size)
            small = F.conv2d(grid, weight, bias, stride=reduction)
            seen = norm(f"{name}.norm", small.flatten(2).transpose(1, 2))
        keys, values = linear(f"{name}.kv", seen).split(k, dim=-1)
        q, keys, values = (
            t.reshape(b, -1, count, k // count).transpose(1, 2)
            for t in (q, keys, values)
        )
        similar = q @ keys.transpose(-2, -1) / (k // count) ** 0.5
        mixed = similar.softmax(-1) @ values
        return linear(f"{name}.proj", mixed.transpose(1, 2).reshape(b, n, k))

    def mlp(name: str, x: Tensor, size: tuple[int, int]) -> Tensor:
        b, _, _ = x.shape
        x = linear(f"{name}.fc1", x)
        hidden = x.shape[-1]
        weight = state[f"{name}.dwconv.dwconv.weight"]
        bias = state[f"{name}.dwconv.dwconv.bias"]
        grid = x.transpose(1, 2).reshape(b, hidden, *size)
        grid = F.conv2d(grid, weight, bias, padding=1, groups=hidden)
        return linear(f"{name}.fc2", F.gelu(grid.flatten(2).transpose(1, 2)))

    maps, x = [], image
    for stage in range(4):
        i = stage + 1
        kernel = state[f"patch_embed{i}.proj.weight"].shape[-1]
        x = F.conv2d(
            x,
            state[f"patch_embed{i}.proj.weight"],
            state[f"patch_embed{i}.proj.bias"],
            stride=4 if stage == 0 else 2,
            padding=kernel // 2,
        )
        size = (x.shape[-2], x.shape[-1])
        tokens = norm(f"patch_embed{i}.norm", x.flatten(2).transpose(1, 2))
        j = 0
        while f"block{i}.{j}.norm1.weight" in state:
            block = f"block{i}.{j}"
            seen = norm(f"{block}.norm1", tokens)
            tokens = tokens + attention(f"{block}.attn", seen, size, stage)
            seen = norm(f"{block}.norm2", tokens)
            tokens = tokens + mlp(f"{block}.mlp", seen, size)
            j += 1
        tokens = norm(f"norm{i}", tokens)
        x = tokens.transpose(1, 2).reshape(len(x), -1, *size)
        maps.append(x)
    return maps


def daformer_head(state: State, maps: Sequence[Tensor]) -> Tensor:
    """Return the logits at the first map's size, without dropout."""

    def conv_norm_relu(
        name: str, x: Tensor, dilation: int = 1, groups: int = 1
    ) -> Tensor:
        weight = state[f"{name}.conv.weight"]
        padding = dilation * (weight.shape[-1] // 2)
        x = F.conv2d(x, weight, None, 1, padding, dilation, groups)
        return F.relu(batch_norm(state, f"{name}.bn", x))

    size = maps[0].shape[2:]
    embedded = []
    for i, x in enumerate(maps):
        weight, bias = (state[f"embed_layers.{i}.proj.{k}"] for k in ("weight", "bias"))
        x = torch.einsum("bkhw,ek->behw", x, weight) + bias[:, None, None]
        embedded.append(F.interpolate(x, size, mode="bilinear", align_corners=False))
    fused = torch.cat(embedded, 1)
    branches = []
    for i, d in enumerate(DILATIONS):
        name = f"fuse_layer.aspp_modules.{i}"
        if d == 1:
            branches.append(conv_norm_relu(name, fused))
            continue
        x = conv_norm_relu(f"{name}.depthwise_conv", fused, d, fused.shape[1])
        branches.append(conv_norm_relu(f"{name}.pointwise_conv", x))
    x = conv_norm_relu("fuse_layer.bottleneck", torch.cat(branches, 1))
    return F.conv2d(x, state["conv_seg.weight"], state["conv_seg.bias"])
