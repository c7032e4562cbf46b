"""A tiny project on disk to generate pseudo-labels for: images, config, checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from helpers.toys import CLASSES, ToyHead, build, segmentor_config

NAMES = [f"{city}/{city}_{i}" for city in ("ulm", "bonn") for i in range(3)] + [
    "top.v1"
]
METAINFO = dict(
    classes=tuple(f"class{c}" for c in range(CLASSES)),
    palette=[[c, c, c] for c in range(CLASSES)],
)


@dataclass(frozen=True)
class Project:
    root: Path
    config: Path
    checkpoint: Path
    out: Path

    @property
    def command(self) -> list[str]:
        return [str(self.config), str(self.checkpoint), "--out", str(self.out)]


def write_images(root: Path) -> None:
    """Images of 40x24 pixels with labels of the same size, in sub-folders."""
    rng = np.random.default_rng(0)
    for name in NAMES:
        image = cv2.resize(rng.integers(0, 256, (6, 10, 3), dtype=np.uint8), (40, 24))
        label = rng.integers(0, CLASSES, (24, 40), dtype=np.uint8)
        label[:3] = 255
        for folder, suffix, array in (
            ("images", "_img.png", image),
            ("labels", "_gt.png", label),
        ):
            path = root / folder / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), array)


def images_config(root: Path, pipeline: list[dict[str, Any]]) -> dict[str, Any]:
    return dict(
        type="BaseSegDataset",
        data_root=str(root),
        data_prefix=dict(img_path="images", seg_map_path="labels"),
        img_suffix="_img.png",
        seg_map_suffix="_gt.png",
        metainfo=METAINFO,
        pipeline=pipeline,
    )


def write_checkpoint(path: Path, seed: int = 0) -> None:
    """Random weights whose confidences spread over [1/4, 1], class 3 never wins."""
    model = build(seed)
    with torch.no_grad():
        model.decode_head.conv_seg.weight.normal_(0, 4)
        model.decode_head.conv_seg.bias[3] = -50
    torch.save({"state_dict": model.state_dict(), "meta": {}}, path)


def write_config(path: Path, config: dict[str, Any]) -> None:
    path.write_text("".join(f"{key} = {value!r}\n" for key, value in config.items()))


def make_project(root: Path) -> Project:
    write_images(root)
    pipeline: list[dict[str, Any]] = [
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale=(32, 16), keep_ratio=False),
        dict(type="LoadAnnotations"),
        dict(type="PackSegInputs"),
    ]
    out = root / "pseudo_labels"
    images = images_config(root, pipeline)
    target = dict(type="PseudoLabelDataset", pseudo_label_dir=str(out), dataset=images)
    pair = dict(type="DomainPairDataset", source=images, target=target)
    config = dict(
        default_scope="mmseg",
        custom_imports=dict(imports=["helpers.pseudo_label_project"]),
        model=segmentor_config(),
        train_dataloader=dict(dataset=pair),
        test_dataloader=dict(dataset=images),
    )
    write_config(root / "config.py", config)
    write_checkpoint(root / "model.pth")
    return Project(root, root / "config.py", root / "model.pth", out)


@MODELS.register_module(force=True)
class FullResolutionHead(ToyHead):
    """Logits of the input's size, as FCN-8s gives them."""

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        return F.interpolate(super().forward(inputs), size=(16, 32))
