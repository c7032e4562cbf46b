"""What the dataset check finds, and what it leaves alone."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import folders
from mmengine.config import Config
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS, TRANSFORMS

from mmseg_cosda.datasets.check import DatasetCheck, check_dataset, datasets_of
from mmseg_cosda.datasets.check_report import (
    as_json,
    as_text,
    class_shares,
    write_bad_files,
    write_json,
)
from mmseg_cosda.datasets.gta5 import GTA5Dataset
from mmseg_cosda.datasets.pseudo_label_files import FileRecord, report_text

IDS = np.array([[7, 7, 7, 7], [7, 7, 11, 0]])  # road 6, building 1, void 1


def gta5_config(root: Path, **options: Any) -> dict[str, Any]:
    pipeline = [dict(type="LoadImageFromFile"), dict(type="RawIdsToTrainIds")]
    config = dict(type="GTA5Dataset", data_root=str(root), pipeline=pipeline)
    return {**config, **options}


def check(config: dict[str, Any], **options: Any) -> DatasetCheck:
    return check_dataset("here", config, progress=False, **options)


def kinds(report: DatasetCheck) -> dict[str | None, str]:
    return {problem.name: problem.kind for problem in report.problems}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return folders.make_gta5(tmp_path / "gta", IDS, count=4)


def test_a_good_dataset_and_its_frequencies(root: Path) -> None:
    report = check(gta5_config(root))
    assert not report.problems
    assert report.num_images == 4
    assert report.image_sizes == Counter({(4, 2): 4})
    shares = class_shares(report)
    assert shares["road"] == {"pixels": 24, "share": 0.75, "images": 4}
    assert shares["building"]["share"] == shares["ignored"]["share"] == 0.125
    assert shares["sky"]["pixels"] == 0
    assert list(shares)[-1] == "ignored"


@TRANSFORMS.register_module()
class OwnLabels(LoadAnnotations):  # type: ignore[misc]
    """A user's transform that reads labels."""


@pytest.mark.parametrize("cached", [True, False])
def test_the_cached_pipeline_is_checked_by_its_files(
    root: Path, tmp_path: Path, cached: bool
) -> None:
    cache = str(tmp_path / "cache") if cached else None
    load = dict(type="LoadResizedImage", size=(2, 1), cache_dir=cache)
    resize, pack = dict(type="ResizePIL", size=(2, 1)), dict(type="PackSegInputs")
    pipeline = [load, dict(type="RawIdsToTrainIds"), resize, pack]
    config = gta5_config(root, pipeline=pipeline)
    report = check(config)
    assert not report.problems
    assert report.image_sizes == Counter({(4, 2): 4})  # the files', not the network's
    assert not (tmp_path / "cache").exists()
    (root / "images/00002.png").write_bytes(b"no image")
    folders.save_palette(root / "labels/00003.png", IDS[:, :3])
    expected = {"images/00002.png": "corrupt", "images/00003.png": "mis-sized"}
    assert kinds(check(config)) == expected


def test_a_users_own_loaders_are_known_by_their_class(root: Path) -> None:
    folders.save_palette(root / "labels/00003.png", np.full((2, 4), 200))
    config = gta5_config(root, pipeline=[dict(type="LoadImageFromFile")])
    config["pipeline"].append(dict(type="OwnLabels"))
    report = check(config)
    assert report.problems
    assert report.pixels[200] == 8


def test_every_kind_of_bad_file(root: Path) -> None:
    (root / "labels/00001.png").unlink()
    (root / "images/00002.png").write_bytes(b"no image")
    folders.save_palette(root / "labels/00003.png", IDS[:, :3])
    folders.save_palette(root / "labels/00004.png", IDS + 190)
    folders.save_palette(root / "labels/00005.png", IDS)
    report = check(gta5_config(root))
    assert kinds(report) == {
        "images/00001.png": "missing",
        "images/00002.png": "corrupt",
        "images/00003.png": "mis-sized",
        "images/00004.png": "mis-labelled",
        "labels/00005.png": "missing",
    }
    details = {problem.name: problem.detail for problem in report.problems}
    assert "4x2" in details["images/00003.png"]
    assert "3x2" in details["images/00003.png"]
    assert "[190, 197, 201]" in details["images/00004.png"]


@pytest.mark.parametrize("folder", ["images", "labels"])
def test_truncated_files_are_corrupt(root: Path, folder: str) -> None:
    big = np.random.default_rng(0).integers(0, 34, (64, 64))
    folders.save_image(root / "images/00002.png", 64, 64)
    folders.save_palette(root / "labels/00002.png", big)
    path = root / folder / "00002.png"
    path.write_bytes(path.read_bytes()[:-1000])
    assert kinds(check(gta5_config(root))) == {"images/00002.png": "corrupt"}


def test_undocumented_ids_that_training_would_ignore(root: Path) -> None:
    folders.save_palette(root / "labels/00002.png", np.full((2, 4), 40))
    assert kinds(check(gta5_config(root))) == {"images/00002.png": "mis-labelled"}


def test_the_list_excludes_and_grows(root: Path, tmp_path: Path) -> None:
    listed = tmp_path / "bad.txt"
    (root / "labels/00001.png").unlink()
    report = check(gta5_config(root))
    assert write_bad_files(listed, [report]) == 1
    config = gta5_config(root, exclude=str(listed))
    assert not check(config).problems
    assert len(GTA5Dataset(data_root=str(root), exclude=str(listed))) == 3
    (root / "images/00002.png").write_bytes(b"")
    assert write_bad_files(listed, [check(config)]) == 1
    names = [line.split("  #")[0] for line in listed.read_text().splitlines()[1:]]
    assert names == ["images/00001.png", "images/00002.png"]
    assert not check(config | {"exclude": str(listed)}).problems


def test_nothing_bad_writes_no_list(root: Path, tmp_path: Path) -> None:
    assert write_bad_files(tmp_path / "bad.txt", [check(gta5_config(root))]) == 0
    assert not (tmp_path / "bad.txt").exists()


def test_translated_images_differ_in_size_but_not_in_shape(root: Path) -> None:
    prefix = dict(img_path="translated", seg_map_path="labels")
    for i in (1, 2, 3, 4):
        folders.save_image(root / f"translated/{i:05d}.png", 8, 4)
    config = gta5_config(root, data_prefix=prefix, same_size=False)
    assert not check(config).problems
    assert set(kinds(check(config | {"same_size": True})).values()) == {"mis-sized"}
    folders.save_image(root / "translated/00002.png", 8, 5)
    assert kinds(check(config)) == {"translated/00002.png": "mis-sized"}


def test_unlabelled_domain_reads_images_alone(root: Path) -> None:
    (root / "labels/00001.png").unlink()
    (root / "images/00002.png").write_bytes(b"")
    report = check(gta5_config(root, data_prefix=dict(img_path="images")))
    assert kinds(report) == {"images/00002.png": "corrupt"}
    assert class_shares(report) == {}


def test_missing_root_is_a_problem_with_its_key() -> None:
    report = check(gta5_config(Path("data/nowhere")))
    assert kinds(report) == {None: "unusable"}
    assert report.problems[0].detail.startswith("here: data_root of GTA5Dataset")


def test_pseudo_labels(tmp_path: Path) -> None:
    root = folders.make_cityscapes(tmp_path / "city", IDS)
    pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
    inner = dict(
        type="CheckedCityscapesDataset",
        data_root=str(root),
        data_prefix=dict(img_path="leftImg8bit/train"),
        num_classes=16,
        pipeline=pipeline,
    )
    config = dict(type="PseudoLabelDataset", dataset=inner)
    config["pseudo_label_dir"] = str(tmp_path / "pl")
    assert "generate_pseudo_labels" in check(config).problems[0].detail
    first, second = (
        tmp_path / f"pl/{stem}_leftImg8bit.png"
        for stem in folders.CITYSCAPES_STEMS["train"]
    )
    folders.save_ids(first, np.array([[15, 255]] * 2)[:, [0, 1, 1, 1]])
    report = check(config)
    assert list(kinds(report).values()) == ["missing"]
    assert report.pixels[15] == 2
    folders.save_ids(second, np.full((2, 4), 16))
    assert list(kinds(check(config)).values()) == ["mis-labelled"]


def test_pseudo_labels_that_are_not_what_was_written(tmp_path: Path) -> None:
    root = folders.make_cityscapes(tmp_path / "city", IDS)
    inner = dict(
        type="CheckedCityscapesDataset",
        data_root=str(root),
        data_prefix=dict(img_path="leftImg8bit/train"),
        pipeline=[dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")],
    )
    folder = tmp_path / "pl"
    config = dict(type="PseudoLabelDataset", dataset=inner, pseudo_label_dir=folder)
    names = [f"{stem}_leftImg8bit.png" for stem in folders.CITYSCAPES_STEMS["train"]]
    for i, name in enumerate(names):
        folders.save_ids(folder / name, np.full((2, 4), i + 1))
    classes = DATASETS.build(inner).metainfo["classes"]
    write_report(folder, names, classes)
    assert kinds(check(config)) == {}
    times = [(folder / name).stat() for name in names]
    whole = [(folder / name).read_bytes() for name in names]
    assert len(whole[0]) == len(whole[1])
    for name, content, time in zip(names, whole[::-1], times, strict=True):
        (folder / name).write_bytes(content)
        os.utime(folder / name, ns=(time.st_atime_ns, time.st_mtime_ns))
    report = check(config)
    assert [*kinds(report).values()] == ["corrupt"] * 2
    assert "another content of the same size" in as_text(report)
    write_report(folder, names, [*classes[1:], classes[0]])
    assert kinds(check(config)) == {None: "disagreeing"}
    assert "in another order: id 0 is" in check(config).problems[0].detail


def write_report(folder: Path, names: list[str], classes: Sequence[str]) -> None:
    files = {n: FileRecord.of(folder / n, (folder / n).read_bytes()) for n in names}
    report = {"classes": [{"name": name} for name in classes]}
    (folder / "report.json").write_text(report_text(report, files))


def test_several_processes_find_the_same(root: Path) -> None:
    folders.save_palette(root / "labels/00003.png", IDS[:, :3])
    alone, together = (
        check_dataset("here", gta5_config(root), workers) for workers in (1, 2)
    )
    assert as_json([alone]) == as_json([together])


def test_reports(root: Path, tmp_path: Path) -> None:
    folders.save_palette(root / "labels/00003.png", IDS[:, :3])
    folders.save_palette(root / "labels/00004.png", IDS[:, :3])
    report = check(gta5_config(root))
    text = as_text(report, show=1)
    assert "here (GTA5Dataset): 4 images" in text
    assert "2 mis-sized:" in text
    assert "... and 1 more" in text
    write_json(tmp_path / "out.json", [report])
    data = json.loads((tmp_path / "out.json").read_text())
    assert data["ok"] is False
    here = data["datasets"]["here"]
    assert here["classes"]["road"]["images"] == 4
    assert here["image_sizes"] == {"4x2": 4}
    assert here["problems"][0]["kind"] == "mis-sized"


def test_datasets_are_listed_once_and_unwrapped() -> None:
    a, b, c = (dict(type=name) for name in "abc")
    wrapped: dict[str, Any] = dict(type="RepeatDataset", times=2, dataset=a)
    config = dict(
        train_dataloader=dict(
            dataset=dict(type="ConcatDataset", datasets=[wrapped, b])
        ),
        val_dataloader=dict(dataset=c),
        test_dataloader=dict(dataset=dict(c)),
    )
    assert datasets_of(config) == {
        "train_dataloader.dataset.datasets[0].dataset": a,
        "train_dataloader.dataset.datasets[1]": b,
        "val_dataloader.dataset": c,
    }


@pytest.mark.parametrize("name", ["gta2cs", "synthia2cs_pl", "torcs2camvid"])
def test_config_keys(name: str) -> None:
    config = Config.fromfile(folders.config_path(f"_base_/datasets/{name}.py"))
    assert list(datasets_of(config.to_dict())) == [
        "train_dataloader.dataset.source",
        "train_dataloader.dataset.target",
        "val_dataloader.dataset",
    ]
