"""A user's own two domains in folders, three classes, and a training on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.config import Config
from mmengine.registry import init_default_scope

from helpers.folders import save_ids, save_image
from helpers.toy_runs import demo_config
from helpers.toys import cosine_config, head_config, segmentor_config

WIDTH, HEIGHT = 64, 32
METAINFO = dict(
    classes=("road", "tree", "car"),
    palette=[[128, 64, 128], [0, 128, 0], [0, 0, 142]],
)
PARTS = ("source", "target/train", "target/val")


def ids(height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.int64]:
    return np.arange(height * width).reshape(height, width) % 3


def make_own_data(root: Path, count: int = 3) -> Path:
    """``PART/images/N.png`` and ``PART/labels/N.png`` of all three parts."""
    for part in PARTS:
        for i in range(count):
            save_image(root / part / f"images/{i}.png", WIDTH, HEIGHT, i)
            save_ids(root / part / f"labels/{i}.png", ids())
    return root


def dataset(root: Path, part: str, labelled: bool, **options: Any) -> dict[str, Any]:
    prefix = dict(img_path=f"{part}/images")
    pipeline: list[dict[str, Any]] = [dict(type="LoadImageFromFile")]
    if labelled:
        prefix["seg_map_path"] = f"{part}/labels"
        pipeline.append(dict(type="LoadAnnotations"))
    return dict(
        type="FolderSegDataset",
        data_root=str(root),
        data_prefix=prefix,
        metainfo=METAINFO,
        img_suffix=".png",
        pipeline=[*pipeline, dict(type="PackSegInputs")],
        **options,
    )


def own_config(root: Path, work_dir: Path, iterations: int = 1) -> Config:
    """Eq. 11 on a toy network; ``train_dataloader.dataset`` is a pair of folders."""
    init_default_scope("mmseg")
    cfg = demo_config(work_dir, iterations)
    cfg.train_dataloader.dataset = dict(
        type="DomainPairDataset",
        source=dataset(root, "source", True),
        target=dataset(root, "target/train", False),
    )
    cfg.val_dataloader.dataset = dataset(root, "target/val", True)
    cfg.test_dataloader = cfg.val_dataloader
    cfg.model = segmentor_config(
        decode_head=head_config(num_classes=3),
        alignments=dict(cosine=cosine_config(num_classes=3)),
    )
    cfg.param_scheduler[0].end = iterations
    cfg.default_hooks.checkpoint = None
    return cfg
