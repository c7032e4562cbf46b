"""Checkpoints to compare on a few images, and the tool that does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.pseudo_label_project import (
    METAINFO,
    images_config,
    write_checkpoint,
    write_config,
    write_images,
)
from helpers.tools import load_tool
from helpers.toys import segmentor_config

PALETTE = [[200, 10, 10], [10, 200, 10], [10, 10, 200], [200, 200, 10]]
tool = load_tool("compare_predictions")


def make_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seven images of 40x24, a config and checkpoints a, b and c of its net."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path)
    pipeline: list[dict[str, Any]] = [
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale=(32, 16), keep_ratio=False),
        dict(type="LoadAnnotations"),
        dict(type="PackSegInputs"),
    ]
    images = images_config(tmp_path, pipeline)
    images["metainfo"] = {**METAINFO, "palette": PALETTE}
    config = dict(
        default_scope="mmseg",
        custom_imports=dict(imports=["helpers.toys"]),
        model=segmentor_config(),
        val_dataloader=dict(dataset=images),
    )
    write_config(tmp_path / "config.py", config)
    write_checkpoint(tmp_path / "a.pth")
    for seed, name in enumerate("bc"):  # the same net, a little further
        content = torch.load(tmp_path / "a.pth")
        weight = content["state_dict"]["decode_head.conv_seg.weight"]
        generator = torch.Generator().manual_seed(seed)
        weight += torch.randn(weight.shape, generator=generator)
        torch.save(content, tmp_path / f"{name}.pth")
    return tmp_path


def compare(*args: str, names: str = "abc") -> None:
    checkpoints = [f"{name}={name}.pth" for name in names]
    arguments = [
        "config.py",
        "--checkpoints",
        *checkpoints,
        "--out",
        "out/compared.png",
    ]
    tool.main([*arguments, "--device", "cpu", "--workers", "0", *args])
