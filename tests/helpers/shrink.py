"""Configs at toy size: the same parts, small enough for one training step."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from helpers.folders import (
    make_cityscapes,
    make_gta5,
    make_synthia,
    save_ids,
    save_image,
)

SIZE = (64, 32)  # (W, H); a discriminator needs 32
CONFIGS = Path(__file__).parents[2] / "configs"
# Channels of 'backbone[-1]', [-2] and [-3] of the reduced backbones.
CHANNELS = {
    "DeepLabResNet": (64, 32, 16),
    "MobileNetV2": (32, 16, 8),
    "FCNVGG": (8, 16, 8),
    "MixVisionTransformer": (32, 20, 8),
}
REDUCED: dict[str, dict[str, Any]] = {
    "DeepLabResNet": dict(base_channels=2, stem_channels=2, depth=50),
    "MobileNetV2": dict(widen_factor=0.1),
    "FPN": dict(in_channels=[8, 8, 16, 32], out_channels=8),  # MobileNetV2's
    "FCNVGG": dict(base_channels=2, fc_channels=8),
    "MixVisionTransformer": dict(embed_dims=4, num_layers=(1, 1, 1, 1)),
    "DAFormerHead": dict(in_channels=(4, 8, 20, 32), embed_dims=8, channels=8),
}


def config_names() -> list[str]:
    """Every config that a user can name, relative to configs/."""
    names = (path.relative_to(CONFIGS) for path in CONFIGS.rglob("*.py"))
    return sorted(str(name) for name in names if name.parts[0] != "_base_")


LATER = ("dacs", "daformer", "mic", "fda")
"""Folders of methods whose files differ in few values from each other."""


def names_to_train() -> list[str]:
    """Configs that together train whatever any config has, each part on each net.

    Of the later methods the files with the cosine loss on top have all parts at once:
    GTA5's on both nets, torcs2camvid's on its own. The others are among the slow tests.
    """
    tasks = ("gta2cs_cosine", "torcs2camvid_cosine")
    return _chosen(lambda stem: stem.endswith(tasks))


def names_to_predict() -> list[str]:
    """Configs that together have every net and test pipeline of each method's folder.

    A loss on top and SYNTHIA's other number of classes change no prediction's way.
    """
    return _chosen(lambda stem: stem.count("_") == 1)


def every_config(quick: Sequence[str]) -> list[Any]:
    """All configs as parameters of a test, marked slow but for the quick ones."""
    names = config_names()
    assert set(quick) <= set(names)
    return [
        pytest.param(name, marks=() if name in quick else pytest.mark.slow)
        for name in names
    ]


def _chosen(by: Callable[[str], bool]) -> list[str]:
    """All configs, of the later methods' those whose stem is chosen."""
    paths = map(Path, config_names())
    return [str(p) for p in paths if p.parts[0] not in LATER or by(p.stem)]


def make_folders(root: Path) -> None:
    """All datasets where the configs look for them, and pseudo-labels."""
    width, height = SIZE
    ids = np.arange(width * height).reshape(height, width) % 34
    for images in ("images", "images_translated"):
        make_gta5(root / "data/gta", ids)
        for i in (1, 2):
            save_image(root / f"data/gta/{images}/{i:05d}.png", 40, 24, i)
    make_synthia(root / "data/synthia", ids % 23)
    for i in (0, 1):
        save_image(root / f"data/synthia/images_translated/{i:07d}.png", 40, 24, i)
    make_cityscapes(root / "data/cityscapes", ids)
    camvid = root / "data/torcs2camvid"
    for part in ("source", "target/train", "target/val"):
        for i in range(2):
            save_image(camvid / part / f"images/{i}.jpg", width, height, i)
            save_ids(camvid / part / f"labels/{i}.png", ids % 11)
    for i in range(2):
        for part in ("renders", "photos/val"):
            save_image(root / f"data/{part}/images/{i}.png", width, height, i)
            save_ids(root / f"data/{part}/labels/{i}.png", ids % 6)
        save_image(root / f"data/photos/train/{i}.png", width, height, i)
    make_aerial_and_night(root / "data", ids)
    pseudo = root / "work_dirs/pseudo_labels"
    for task, names in {
        "gta2cs": _cityscapes_names(root),
        "synthia2cs": _cityscapes_names(root),
        "synthia2cs_19way": _cityscapes_names(root),
        "torcs2camvid": ["0", "1"],
        "own_data": ["0", "1"],
        "potsdam2vaihingen": ["0", "1"],
        "loveda_urban2rural": ["0", "1"],
        "cityscapes2acdc": ["city/0_rgb_anon", "city/1_rgb_anon"],
        "cityscapes2darkzurich": ["city/0_rgb_anon", "city/1_rgb_anon"],
        "demo": ["target_train_00000", "target_train_00001"],
    }.items():
        for name in names:
            for folder in (task, f"{task}_fda"):
                save_ids(pseudo / folder / f"{name}.png", ids % 5)


def make_aerial_and_night(data: Path, ids: Any) -> None:
    """Potsdam, Vaihingen, LoveDA, ACDC and Dark Zurich in their layouts."""
    folders = [
        *(
            (f"{city}/img_dir/{split}", f"{city}/ann_dir/{split}", "{}", "{}", 7)
            for city in ("potsdam", "vaihingen")
            for split in ("train", "val")
        ),
        *(
            (f"loveDA/{part}/images_png", f"loveDA/{part}/masks_png", "{}", "{}", 8)
            for part in ("Train/Urban", "Train/Rural", "Val/Rural")
        ),
        *(
            (f"{root}/rgb_anon/{part}", f"{root}/gt/{part}", *NIGHT, 19)
            for root, part in (
                ("acdc", "night/train"),
                ("acdc", "night/val"),
                ("dark_zurich", "train/night"),
                ("dark_zurich", "val/night"),
            )
        ),
    ]
    for images, labels, image, label, count in folders:
        for i in range(2):
            save_image(data / images / f"{image.format(i)}.png", *SIZE, i)
            save_ids(data / labels / f"{label.format(i)}.png", ids % count)


NIGHT = ("city/{}_rgb_anon", "city/{}_gt_labelTrainIds")


def _cityscapes_names(root: Path) -> list[str]:
    images = root / "data/cityscapes/leftImg8bit/train"
    return [str(p.relative_to(images).with_suffix("")) for p in images.rglob("*.png")]


def shrink(cfg: Config, weights: Path | None = None) -> Config:
    """Reduce a config in place; what it is made of stays.

    Args:
        cfg: The config.
        weights: File for pretrained weights of the reduced backbone, random ones, if a
            frozen reference is to hold them; None where nothing is trained.
    """
    _visit(cfg.model, _small_part)
    if weights is not None and cfg.model.get("reference"):
        init_default_scope("mmseg")
        net: Any = MODELS.build(dict(cfg.model.backbone))
        net.init_weights()
        torch.save(net.state_dict(), weights)
        init = dict(type="Pretrained", checkpoint=str(weights))
        cfg.model.backbone.init_cfg = init
    channels = CHANNELS[cfg.model.backbone.type]
    neck = cfg.model.get("neck")
    if cfg.model.decode_head.type == "FCN8sHead":
        cfg.model.decode_head.in_channels = tuple(reversed(channels))
    elif cfg.model.decode_head.type != "DAFormerHead":  # it reads all maps
        cfg.model.decode_head.in_channels = neck.out_channels if neck else channels[0]
    for alignment in cfg.model.alignments.values():
        for tap in alignment.get("taps", {}).values():
            index = re.fullmatch(r"backbone\[(-\d)\]", tap.feature)
            tap.channels = channels[-int(index[1]) - 1] if index else neck.out_channels
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.num_workers = 0
        loader.persistent_workers = False
        _visit(loader.dataset, _small_data)
    for key in ("test_pipeline", "tta_pipeline"):
        _visit(cfg.get(key), _small_data)
    for hook in cfg.get("custom_hooks", []):
        _visit(hook, _small_data)
    cfg.train_cfg.max_iters = cfg.train_cfg.val_interval = 1
    cfg.default_hooks.checkpoint = None
    cfg.default_hooks.logger.interval = 1
    return cfg


def _visit(node: Any, change: Callable[[ConfigDict], None]) -> None:
    if isinstance(node, dict):
        change(node)  # type: ignore[arg-type]
        for value in node.values():
            _visit(value, change)
    elif isinstance(node, (list, tuple)):
        for value in node:
            _visit(value, change)


def _small_part(part: ConfigDict) -> None:
    kind = part.get("type")
    if kind in REDUCED:
        part.update(REDUCED[kind], init_cfg=None)
        if part.get("norm_cfg", {}).get("type") == "GN":
            part.norm_cfg.num_groups = 2  # no more groups than channels are left
    elif kind == "ClassWiseCosineLoss":
        part.queue_size = 20
    elif kind == "FCDiscriminator":
        part.base_channels = 2
    elif part.get("mode") == "slide":
        part.update(crop_size=(24, 24), stride=(16, 16))


def _small_data(part: ConfigDict) -> None:
    if part.get("type") == "ResizePIL":
        part["size"] = SIZE
    elif part.get("type") == "Resize":
        part.update(scale=SIZE, keep_ratio=False)
    elif part.get("type") == "RandomCrop":
        # A crop to the other domain's size stays one; MiT reduces 30 pixels to 1.
        square = len({*part["crop_size"]}) == 1
        part["crop_size"] = (30, 30) if square else SIZE[::-1]
    elif part.get("type") == "FourierTransfer":
        part["beta"] = 0.1
    elif part.get("type") == "DemoStreetsDataset":
        part.update(length=2, image_size=SIZE)
    elif part.get("indices") is not None:
        part["indices"] = [0, 1]  # of two images
