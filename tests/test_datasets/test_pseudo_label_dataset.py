"""Images of a host dataset with labels from a folder of pseudo-labels."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.pseudo_label_project import METAINFO, NAMES, images_config, write_images
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

import mmseg_cosda.datasets  # noqa: F401  (registers)
from mmseg_cosda.datasets import pseudo_label, pseudo_label_files
from mmseg_cosda.datasets.pseudo_label import pseudo_label_names
from mmseg_cosda.datasets.pseudo_label_files import FileRecord, report_text
from mmseg_cosda.errors import UserError

LOAD_IMAGE = dict(type="LoadImageFromFile")
LOAD_LABEL = dict(type="LoadAnnotations")
PACK = dict(type="PackSegInputs")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Images with ground truth, and for each another map as its pseudo-label."""
    init_default_scope("mmseg")
    write_images(tmp_path)
    for index, name in enumerate(sorted(NAMES)):
        path = tmp_path / "pl" / f"{name}_img.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        label = np.full((24, 40), 255, np.uint8)
        label[: index + 1] = index % 4
        cv2.imwrite(str(path), label)
    return tmp_path


def build(root: Path, images: dict[str, Any] | None = None, **options: Any) -> Any:
    pipeline = [LOAD_IMAGE, LOAD_LABEL, PACK]
    return DATASETS.build(
        dict(
            type="PseudoLabelDataset",
            dataset=images or images_config(root, pipeline),
            pseudo_label_dir=str(root / "pl"),
            **options,
        )
    )


def label_of(sample: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(sample["data_samples"].gt_sem_seg.data[0])


def test_each_image_comes_with_its_pseudo_label(root: Path) -> None:
    dataset = build(root)
    assert len(dataset) == len(NAMES) == 7
    assert dataset.metainfo["classes"] == METAINFO["classes"]
    for index, name in enumerate(sorted(NAMES)):
        sample = dataset[index]
        assert sample["data_samples"].img_path.endswith(f"{name}_img.png")
        expected = cv2.imread(str(root / "pl" / f"{name}_img.png"), -1)
        np.testing.assert_array_equal(label_of(sample), expected)


def test_ground_truth_is_not_needed(root: Path) -> None:
    for path in (root / "labels").rglob("*.png"):
        path.unlink()
    images = images_config(root, [LOAD_IMAGE, LOAD_LABEL, PACK])
    images["data_prefix"] = dict(img_path="images")
    assert label_of(build(root, images)[0])[0, 0] == 0


def test_the_wrapped_datasets_label_mapping_is_dropped(root: Path) -> None:
    images = images_config(root, [LOAD_IMAGE, LOAD_LABEL, PACK])
    images["reduce_zero_label"] = True
    dataset = build(root, images)
    dataset.dataset.label_map = {0: 3, 1: 3}
    assert dataset.metainfo["reduce_zero_label"] is False
    np.testing.assert_array_equal(np.unique(label_of(dataset[1])), [1, 255])


def test_raw_ids_are_not_mapped_again(root: Path) -> None:
    loader = dict(type="RawIdsToTrainIds")
    images = images_config(root, [LOAD_IMAGE, loader, PACK])
    np.testing.assert_array_equal(np.unique(label_of(build(root, images)[2])), [2, 255])
    loader["id_map"] = "gta5"
    with pytest.raises(ValueError, match="hold trainIds already"):
        build(root, images_config(root, [LOAD_IMAGE, loader, PACK]))


def test_a_missing_file_is_one_clear_error(root: Path) -> None:
    (root / "pl" / "ulm" / "ulm_1_img.png").unlink()
    (root / "pl" / "top.v1_img.png").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        build(root)
    for part in (
        "2 of 7 target images",
        f"pseudo_label_dir='{root / 'pl'}'",
        "first: top.v1_img.png",
        f"generate_pseudo_labels.py CONFIG CHECKPOINT --out {root / 'pl'}",
    ):
        assert part in str(caught.value)
    lazy = build(root, lazy_init=True)
    with pytest.raises(FileNotFoundError, match="2 of 7"):
        lazy.full_init()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (np.full((24, 40), 4, np.uint8), r"bonn_0_img.png.*\[4\]"),
        (np.zeros((24, 40, 3), np.uint8), "one channel.*color"),
    ],
)
def test_no_train_ids_are_refused(root: Path, content: Any, match: str) -> None:
    dataset = build(root)
    cv2.imwrite(str(root / "pl" / "bonn" / "bonn_0_img.png"), content)
    with pytest.raises(ValueError, match=match):
        dataset[0]


def test_a_pipeline_without_labels_is_refused(root: Path) -> None:
    with pytest.raises(ValueError, match="never loads the pseudo-labels"):
        build(root, images_config(root, [LOAD_IMAGE, PACK]))
    dataset = build(
        root,
        images_config(root, [LOAD_IMAGE, PACK]),
        pipeline=[LOAD_IMAGE, LOAD_LABEL, PACK],
    )
    assert label_of(dataset[0]).shape == (24, 40)


def test_no_classes_are_refused(root: Path) -> None:
    images = images_config(root, [LOAD_IMAGE, LOAD_LABEL, PACK])
    del images["metainfo"]
    with pytest.raises(ValueError, match="names no classes"):
        build(root, images)


def test_sub_folders_of_concatenated_datasets_are_kept(root: Path) -> None:
    images = images_config(root, [])
    parts = [
        {**images, "data_prefix": dict(img_path=f"images/{city}")}
        for city in ("ulm", "bonn")
    ]
    both = dict(type="ConcatDataset", datasets=parts)
    assert pseudo_label_names(DATASETS.build(both)) == [
        f"{city}_{i}_img.png" for city in ("ulm", "bonn") for i in range(3)
    ]


def test_two_images_never_share_a_pseudo_label(root: Path) -> None:
    images = images_config(root, [])
    same = dict(type="ConcatDataset", datasets=[images, images])
    with pytest.raises(ValueError, match="would share the pseudo-label"):
        pseudo_label_names(DATASETS.build(same))


CROP = dict(type="RandomCrop", crop_size=(10, 16))


@pytest.mark.parametrize("size", [(20, 12), (40, 24), (80, 48)])
def test_a_crop_cuts_the_same_part_out_of_image_and_pseudo_label(
    root: Path, size: tuple[int, int]
) -> None:
    """Pseudo-labels have the network's size; (row, column) is told by both."""
    grid = (np.arange(24)[:, None] // 12) * 2 + np.arange(40) // 20
    cv2.imwrite(str(root / "images/bonn/bonn_0_img.png"), grid.astype(np.uint8) * 80)
    label = cv2.resize(grid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    cv2.imwrite(str(root / "pl/bonn/bonn_0_img.png"), label)
    check = dict(type="CheckLabels", num_classes=4)
    for pipeline in ([LOAD_IMAGE, LOAD_LABEL], [LOAD_IMAGE, LOAD_LABEL, check]):
        dataset = build(root, pipeline=[*pipeline, CROP, PACK])
        seen = set()
        for _ in range(20):
            sample = dataset[0]
            image = sample["inputs"][0].numpy() // 80
            np.testing.assert_array_equal(label_of(sample), image)
            seen.add(image.tobytes())
        assert len(seen) > 3


@pytest.mark.parametrize(
    "resize",
    [
        dict(type="ResizePIL", size=(16, 9)),
        dict(type="Resize", scale=(16, 9), keep_ratio=False),
    ],
)
def test_a_resize_to_one_size_keeps_every_pixel(
    root: Path, resize: dict[str, Any]
) -> None:
    """No detour over the image's size, not even where that is smaller."""
    label = np.random.default_rng(0).integers(0, 4, (9, 16)).astype(np.uint8)
    cv2.imwrite(str(root / "pl/bonn/bonn_0_img.png"), label)
    small = np.zeros((5, 8, 3), np.uint8)
    cv2.imwrite(str(root / "images/bonn/bonn_0_img.png"), small)
    dataset = build(root, pipeline=[LOAD_IMAGE, LOAD_LABEL, resize, PACK])
    np.testing.assert_array_equal(label_of(dataset[0]), label)


def test_what_the_pipeline_says_of_ground_truth_is_not_applied(root: Path) -> None:
    load = dict(LOAD_LABEL, reduce_zero_label=True)
    images = images_config(root, [LOAD_IMAGE, load, PACK])
    images["reduce_zero_label"] = True
    np.testing.assert_array_equal(np.unique(label_of(build(root, images)[1])), [1, 255])
    load = dict(LOAD_LABEL, id_map={10: 0})
    with pytest.raises(ValueError, match=r"id_map=\{10: 0\} of LoadAnnotations"):
        build(root, images_config(root, [LOAD_IMAGE, load, PACK]))


CLASS_NAMES = list(METAINFO["classes"])


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(
        pseudo_label, "print_log", lambda text, **options: found.append(text)
    )
    return found


def write_report(root: Path, classes: list[str] | None = None) -> None:
    """Say of the labels what their generation says."""
    paths = {f"{name}_img.png": root / "pl" / f"{name}_img.png" for name in NAMES}
    files = {k: FileRecord.of(path, path.read_bytes()) for k, path in paths.items()}
    report = {"classes": [{"name": name} for name in classes or CLASS_NAMES]}
    (root / "pl" / "report.json").write_text(report_text(report, files))


def swap(root: Path) -> None:
    """Two labels of a size change their places and keep their times."""
    one, other = (root / f"pl/ulm/ulm_{i}_img.png" for i in (0, 1))
    for path in (one, other):
        path.write_bytes(path.name.encode())
    os.utime(one, ns=(1, 10**18))
    write_report(root)
    one.rename(root / "between")
    other.rename(one)
    (root / "between").rename(other)


def empty(root: Path) -> None:
    (root / "pl/ulm/ulm_1_img.png").write_bytes(b"")


def replace(root: Path) -> None:
    label = np.random.default_rng(0).integers(0, 4, (24, 40), np.uint8)
    cv2.imwrite(str(root / "pl/ulm/ulm_1_img.png"), label)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            swap,
            r"2 of 7 pseudo-labels aren't .*ulm_0_img\.png has another content of the",
        ),
        (empty, r"1 of 7 pseudo-labels aren't .*ulm_1_img\.png is empty \(0 bytes\)"),
        (
            replace,
            r"1 of 7 .*ulm_1_img\.png has \d+ bytes, not \d+.*remove report\.json",
        ),
    ],
)
def test_files_that_changed_are_refused(
    root: Path, damage: Callable[[Path], None], told: str
) -> None:
    write_report(root)
    build(root)
    damage(root)
    with pytest.raises(UserError, match=f"pseudo_label_dir=.*/pl': {told}"):
        build(root)


def test_copies_are_never_refused(
    root: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_report(root)
    for most in (0, 100):  # many files and few
        monkeypatch.setattr(pseudo_label_files, "MOST_READ", most)
        for copy in (shutil.copyfile, shutil.copy2):
            shutil.copytree(
                root / "pl", root / "copy", copy_function=copy, dirs_exist_ok=True
            )
            dataset = build(root, lazy_init=True)
            dataset.pseudo_label_dir = str(root / "copy")
            dataset.full_init()
            (root / "copy" / "top.v1_img.png").write_bytes(b"other")
            dataset._names = None
            with pytest.raises(UserError, match=r"top\.v1_img\.png has 5 bytes"):
                dataset.full_init()
    assert lines == []


def test_only_files_of_another_time_are_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    monkeypatch.setattr(
        pseudo_label_files, "changed_content", lambda path, _: read.append(path.name)
    )
    write_report(root)
    build(root)
    assert read == []
    os.utime(root / "pl/ulm/ulm_1_img.png")
    build(root)
    assert read == ["ulm_1_img.png"]


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ([1, 0, 2, 3], "these classes in another order: id 0 is 'class1' there, 'cl"),
        ([0, 1, 2], "other classes: 3 classes there, 4 here"),
        ([0, 1, 2, 7], r"other classes: id 3 is 'class7' there, .*rename them in repo"),
    ],
)
def test_labels_of_other_classes_are_refused(
    root: Path, classes: list[int], told: str
) -> None:
    write_report(root, [f"class{i}" for i in classes])
    with pytest.raises(UserError, match=f"were made with {told}") as caught:
        build(root)
    for part in (f"there ['class{classes[0]}'", "here ['class0', 'class1'", "metainfo"):
        assert part in str(caught.value)


def test_a_spelling_is_no_other_class(root: Path, lines: list[str]) -> None:
    write_report(root, ["Class0", "class 1", "class_2", "class-3"])
    build(root)
    assert lines == []


def test_labels_without_a_report_are_said_in_a_line(
    root: Path, lines: list[str]
) -> None:
    build(root)
    ((line),) = lines
    assert line.endswith("labels made by hand, of class0, class1, class2, ...")
    empty(root)
    with pytest.raises(UserError, match=r"ulm_1_img\.png is empty \(0 bytes\), as a"):
        build(root)


def test_reports_of_other_versions(root: Path, lines: list[str]) -> None:
    report = root / "pl" / "report.json"
    report.write_text("{}")
    build(root)
    assert "earlier version" in lines.pop()
    for damaged in ("", "[]", '{"classes": 3}', '{"files": {"a": "1 2"}}'):
        report.write_text(damaged)
        with pytest.raises(UserError, match=r"report\.json .*made by hand"):
            build(root)
    write_report(root)
    shutil.copy(root / "pl/top.v1_img.png", root / "pl/new_img.png")
    shutil.copy(root / "images/top.v1_img.png", root / "images/new_img.png")
    build(root)
    assert "1 labels aren't in report.json (first: new_img.png)" in lines.pop()
