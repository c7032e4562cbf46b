"""A small net of the host's parts and ours, its checkpoint, and photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import mmseg_cosda  # noqa: F401  (registers what the configs name)
from helpers.pseudo_label_project import write_config
from helpers.toys import CLASSES, cosine_config, segmentor_config

NAMES = ("road", "tree", "Straße", "sky")
PALETTE = [[200, 10, 10], [10, 200, 10], [10, 10, 200], [200, 200, 10]]
META = {"classes": NAMES, "palette": PALETTE}
SIZE = (64, 32)


def project_config(**options: Any) -> dict[str, Any]:
    """A config whose data don't exist, with pipelines of our transforms."""
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="ResizePIL", size=SIZE),
        dict(type="LoadAnnotations"),
        dict(type="CheckLabels"),
        dict(type="PackSegInputs"),
    ]
    data = dict(
        type="FolderSegDataset",
        data_root="nowhere",
        data_prefix=dict(img_path="images", seg_map_path="labels"),
        metainfo=META,
        pipeline=pipeline,
    )
    config: dict[str, Any] = dict(
        default_scope="mmseg",
        custom_imports=dict(imports=["mmseg_cosda"]),
        model=segmentor_config(alignments=dict(cosine=cosine_config())),
        test_pipeline=pipeline,
        test_dataloader=dict(batch_size=1, dataset=data),
    )
    return {**config, **options}


def build_model(cfg: dict[str, Any], seed: int = 0) -> Any:
    """The config's segmentor with random weights that predict all classes."""
    init_default_scope("mmseg")
    torch.manual_seed(seed)
    model = MODELS.build(Config(dict(cfg)).model)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.startswith("decode_head") and weight.ndim == 4:
                weight.normal_(0, 4 / weight[0].numel() ** 0.5)
    return model.eval()


def write_project(
    root: Path, cfg: dict[str, Any] | None = None, seed: int = 0
) -> dict[str, Any]:
    """``config.py`` and ``net.pth``, as training writes it, with its own config."""
    cfg = cfg or project_config()
    write_config(root / "config.py", cfg)
    text = Config.fromfile(root / "config.py").pretty_text
    meta = {"cfg": text, "dataset_meta": META, "iter": 5}
    state = build_model(cfg, seed).state_dict()
    torch.save({"meta": meta, "state_dict": state}, root / "net.pth")
    return cfg


def write_photograph(
    path: Path, size: Sequence[int] = (40, 24), seed: int = 0
) -> npt.NDArray[np.uint8]:
    """A smooth random picture of (width, height); returns its pixels, BGR."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(noise, tuple(size)), np.uint8)
    assert cv2.imwrite(str(path), image)
    return image


assert len(NAMES) == CLASSES
