"""Checker and preflight say nothing of folders that are as they should be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import folders
from helpers.own_data import METAINFO, own_config
from helpers.toys import cosine_config, head_config, segmentor_config
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from mmseg_cosda.datasets.check import check_dataset, datasets_of
from mmseg_cosda.preflight import run as preflight_run
from mmseg_cosda.preflight.config import check_config

SIZE = (64, 32)  # (W, H) of the files
LOAD = dict(type="LoadImageFromFile")
PACK = dict(type="PackSegInputs")
RESIZE = dict(type="ResizePIL", size=(48, 32))


def ids(*values: int) -> folders.Array:
    """(H, W): stripes of these ids."""
    return np.tile(np.asarray(values), SIZE[0] * SIZE[1])[: SIZE[0] * SIZE[1]].reshape(
        SIZE[::-1]
    )


GTA_IDS, GTA_TRAIN_IDS = ids(7, 21, 26, 0, 34), ids(0, 8, 13, 255, 255)
SYNTHIA_IDS, SYNTHIA_TRAIN_IDS = ids(3, 6, 8, 0, 13), ids(0, 8, 13, 255, 255)
CITY_IDS, CITY_TRAIN_IDS = ids(7, 21, 26, 0, 4), ids(0, 8, 13, 255, 255)


def pipelines(loader: str) -> tuple[list[Any], list[Any], list[Any]]:
    """Of the source, the target, and of validation, as the shipped configs have."""
    label = dict(type=loader)
    return (
        [LOAD, label, RESIZE, PACK],
        [LOAD, RESIZE, PACK],
        [LOAD, RESIZE, label, PACK],
    )


def to_cityscapes(root: Path, source: dict[str, Any], **options: Any) -> list[Any]:
    labelled, unlabelled, val = pipelines("RawIdsToTrainIds")
    city = dict(
        type="CheckedCityscapesDataset", data_root=str(root / "city"), **options
    )
    images = dict(img_path="leftImg8bit/train")
    both = dict(img_path="leftImg8bit/val", seg_map_path="gtFine/val")
    return [
        dict(source, pipeline=labelled),
        dict(city, data_prefix=images, pipeline=unlabelled),
        dict(city, data_prefix=both, pipeline=val),
    ]


def gta5(root: Path, suffix: str | None = None) -> list[Any]:
    folders.make_gta5(root / "gta", GTA_IDS)
    folders.make_cityscapes(root / "city", CITY_IDS)
    source = dict(type="GTA5Dataset", data_root=str(root / "gta"))
    if suffix is not None:  # prepared for other code
        for path in sorted((root / "gta/labels").iterdir()):
            folders.save_ids(path.with_name(path.stem + suffix), GTA_TRAIN_IDS)
        source["seg_map_suffix"] = suffix
    return to_cityscapes(root, source)


def gta5_train_ids(root: Path) -> list[Any]:
    return gta5(root, "_labelTrainIds.png")


def synthia(root: Path) -> list[Any]:
    folders.make_synthia(root / "synthia", SYNTHIA_IDS)
    for path in sorted((root / "synthia/GT/LABELS").iterdir()):
        folders.save_image(root / "synthia/GT/COLOR" / path.name, *SIZE)
        train_ids = path.with_name(f"{path.stem}_labelTrainIds.png")
        folders.save_ids(train_ids, SYNTHIA_TRAIN_IDS)
    folders.make_cityscapes(root / "city", CITY_IDS)
    source = dict(type="SYNTHIADataset", data_root=str(root / "synthia"))
    return to_cityscapes(root, source, num_classes=16)


def cityscapes_train_ids(root: Path) -> list[Any]:
    folders.make_cityscapes(root / "city", CITY_IDS, CITY_TRAIN_IDS)
    city = dict(type="CheckedCityscapesDataset", data_root=str(root / "city"))
    prefix = dict(img_path="leftImg8bit/train", seg_map_path="gtFine/train")
    suffix = dict(seg_map_suffix="_gtFine_labelTrainIds.png")
    return to_cityscapes(root, dict(city, data_prefix=prefix, **suffix), **suffix)


def own(root: Path, save: Callable[..., None], names: list[str]) -> list[Any]:
    """A class may be missing in an image, not in all."""
    labelled, unlabelled, val = pipelines("LoadAnnotations")
    found = []
    for part, pipeline in (("renders", labelled), ("träin", unlabelled), ("val", val)):
        for i, name in enumerate(names):
            folders.save_image(root / part / "images" / name, *SIZE, i)
            label = (root / part / "labels" / name).with_suffix(".png")
            save(label, ids(0, 1, 255) if i == 0 else ids(1, 2))
        prefix = dict(img_path=f"{part}/images")
        if part != "träin":
            prefix["seg_map_path"] = f"{part}/labels"
        options: dict[str, Any] = dict(data_prefix=prefix, metainfo=METAINFO)
        root_option = dict(type="FolderSegDataset", data_root=str(root))
        found.append(dict(root_option, **options, pipeline=pipeline))
    return found


def palette(root: Path) -> list[Any]:
    return own(root, folders.save_palette, ["0.png", "1.png"])


def names(root: Path) -> list[Any]:
    """Nested, in any script and case; beside them what a file manager leaves."""
    found = own(
        root, folders.save_ids, ["Größe 1/a b.JPG", "街/é/1.png", "c_color.jpeg"]
    )
    for folder in sorted(root.glob("*/images")):
        (folder / "Thumbs.db").write_bytes(b"")
        (folder / ".DS_Store").write_bytes(b"")
    return found


def images(root: Path) -> list[Any]:
    """Grey, with a mask, and with an EXIF tag that turns nothing."""
    found = own(root, folders.save_ids, ["0.png", "1.png", "2.jpg"])
    tags = Image.Exif()
    tags[0x0112] = 1
    for folder in sorted(root.glob("*/images")):
        Image.open(folder / "0.png").convert("L").save(folder / "0.png")
        masked = Image.open(folder / "1.png").convert("RGBA")
        masked.putalpha(Image.fromarray(np.uint8(ids(0, 255))))
        masked.save(folder / "1.png")
        Image.open(folder / "2.jpg").save(folder / "2.jpg", exif=tags)
    return found


def config(found: list[Any], work_dir: Path) -> Config:
    cfg = own_config(work_dir, work_dir)
    source, target, val = found
    pair = dict(type="DomainPairDataset", source=source, target=target)
    cfg.train_dataloader.dataset = pair
    cfg.val_dataloader.dataset = val
    cfg.test_dataloader = cfg.val_dataloader
    classes = 3 if "metainfo" in val else val.get("num_classes", 19)
    cfg.model = segmentor_config(
        decode_head=head_config(num_classes=classes),
        alignments=dict(cosine=cosine_config(num_classes=classes)),
    )
    return cfg


@pytest.mark.parametrize(
    "make",
    [gta5, gta5_train_ids, synthia, cityscapes_train_ids, palette, names, images],
)
def test_nothing_is_said(
    make: Callable[[Path], list[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(
        preflight_run, "print_log", lambda text, **options: lines.append(text)
    )
    cfg = config(make(tmp_path), tmp_path / "work")
    content = cfg.to_dict()
    reports = [
        check_dataset(key, each, progress=False)
        for key, each in datasets_of(content).items()
    ]
    assert all(report.num_images for report in reports)
    problems = [p for report in reports for p in report.problems]
    assert problems + check_config(content, reports).problems == []

    Runner.from_cfg(cfg).train()
    assert lines == []
