"""Random weights under public names, and the tool that converts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from helpers.tools import TOOLS, load_tool

TOOL = TOOLS / "convert_checkpoint.py"
State = dict[str, Tensor]
tool = load_tool("convert_checkpoint")


def convert(state: object, folder: Path, *options: str) -> dict[str, Any]:
    source, out = folder / "in.pth", folder / "out" / "model.pth"
    torch.save(state, source)
    tool.main([str(source), str(out), *options])
    content: dict[str, Any] = torch.load(out, weights_only=True)
    return content


def classifier(name: str, channels: int, trained: int, num_classes: int = 19) -> State:
    """Four branches, of which the first ``trained`` have left N(0, 0.01)."""
    state = {}
    for i in range(4):
        scale = 0.02 if i < trained else 0.01
        weight = torch.randn(num_classes, channels, 3, 3) * scale
        state[f"{name}.conv2d_list.{i}.weight"] = weight
        state[f"{name}.conv2d_list.{i}.bias"] = torch.randn(num_classes)
    return state
