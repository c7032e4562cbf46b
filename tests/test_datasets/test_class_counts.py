from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from helpers import folders, own_data
from helpers.class_counting import count_rank
from helpers.processes import free_port, run_ranks
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image
from torch.utils.data import Dataset

from mmseg_cosda.datasets import DemoStreetsDataset, class_counting
from mmseg_cosda.datasets.class_counting import counted
from mmseg_cosda.datasets.class_counts import ClassCounts
from mmseg_cosda.datasets.loaded_labels import count_image, dataset_identity
from mmseg_cosda.errors import UserError

# 7 road, 11 building, 26 car; 0 is ignored.
IDS = np.array([[7, 7, 7, 26], [7, 11, 11, 0]])


def build(config: dict[str, Any]) -> Any:
    init_default_scope("mmseg")
    return DATASETS.build(config)


def gta5(root: Path) -> dict[str, Any]:
    loaders = [dict(type="LoadImageFromFile"), dict(type="RawIdsToTrainIds")]
    crop = dict(type="RandomCrop", crop_size=(1, 1))
    pack = dict(type="PackSegInputs")
    return dict(
        type="GTA5Dataset", data_root=str(root), pipeline=[*loaders, crop, pack]
    )


@pytest.fixture
def own(tmp_path: Path) -> Path:
    own_data.make_own_data(tmp_path / "own", count=5)
    for i in range(5):
        ids = own_data.ids() if i else np.zeros((own_data.HEIGHT, own_data.WIDTH))
        ids[0, : 3 * i] = 255
        folders.save_ids(tmp_path / f"own/source/labels/{i}.png", ids)
    return tmp_path / "own"


def loop_counts(paths: Sequence[Path], classes: int) -> list[list[int]]:
    """Pixels of each class, counted one by one."""
    rows = []
    for path in paths:
        row = [0] * classes
        for value in np.array(Image.open(path)).ravel().tolist():
            if value < classes:
                row[value] += 1
        rows.append(row)
    return rows


@pytest.mark.parametrize("workers", [0, 2])
def test_the_counts_are_those_of_the_files(own: Path, workers: int) -> None:
    dataset = build(own_data.dataset(own, "source", labelled=True))
    path = own.parent / "counts.json"
    found = counted(dataset, str(path), workers)
    labels = sorted((own / "source/labels").glob("*.png"))
    assert found.pixels.tolist() == loop_counts(labels, 3)
    assert found.sizes.tolist() == [own_data.WIDTH * own_data.HEIGHT] * 5
    assert found.names[1] == "source/images/1.png"
    assert found.classes == ("road", "tree", "car")
    shares = found.pixels / (own_data.WIDTH * own_data.HEIGHT)
    np.testing.assert_array_equal(found.shares, shares)
    again = ClassCounts.read(path)
    assert again.names == found.names
    assert again.pixels.tolist() == found.pixels.tolist()


def test_labels_are_read_as_training_reads_them_before_any_crop(tmp_path: Path) -> None:
    dataset = build(gta5(folders.make_gta5(tmp_path, IDS)))
    size, pixels = count_image(dataset, 0)
    assert size == 8
    assert {c: n for c, n in enumerate(pixels) if n} == {0: 4, 2: 2, 13: 1}


def test_wrapped_and_rendered_datasets(own: Path) -> None:
    config = own_data.dataset(own, "source", labelled=True)
    plain = build(config)
    twice = dict(type="RepeatDataset", dataset=config, times=2)
    both = build(dict(type="ConcatDataset", datasets=[config, twice]))
    expected = [count_image(plain, i % 5)[1].tolist() for i in range(15)]
    assert [count_image(both, i)[1].tolist() for i in range(15)] == expected
    demo = DemoStreetsDataset(domain="source", length=1, image_size=(64, 32))
    label = demo[0]["data_samples"].gt_sem_seg.data.numpy()
    size, pixels = count_image(demo, 0)
    assert size == 64 * 32
    assert pixels.tolist() == np.bincount(label.ravel(), minlength=10).tolist()


class Bare(Dataset[Any]):
    """A dataset of PyTorch alone, whose samples are all that is known of it."""

    metainfo = dict(classes=("a", "b"))

    def __init__(self, labels: Sequence[npt.NDArray[Any]]) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Any]:
        torch.rand(1)
        return dict(gt_seg_map=self.labels[index])


def test_a_dataset_without_entries_is_read_through_its_samples(tmp_path: Path) -> None:
    dataset = Bare([np.array([[0, 1, 1, -1]]), np.array([[1, 1, 1, 1]])])
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    found = counted(dataset, str(tmp_path / "a.json"))
    assert found.pixels.tolist() == [[1, 2], [0, 4]]
    assert torch.equal(torch.rand(3), expected), "counting drew from the run's numbers"


def test_a_copy_of_the_data_set_is_the_same_and_a_change_is_not(own: Path) -> None:
    def identity(root: Path, **options: Any) -> str:
        config = own_data.dataset(root, "source", labelled=True, **options)
        return dataset_identity(build(config))

    first = identity(own)
    copy = own.parent / "elsewhere"
    shutil.copytree(own, copy)
    os.utime(copy / "source/labels/1.png", (1, 1))
    assert identity(copy) == first
    folders.save_ids(copy / "source/labels/1.png", own_data.ids() * 0)
    changed = identity(copy)
    less = identity(own, exclude=["source/images/0.png"])
    ids = own.parent / "ids.txt"
    mapped = []
    for text in ("0 0\n1 1\n2 2\n", "0 2\n1 1\n2 0\n"):
        ids.write_text(text)
        mapped.append(identity(own, id_map=str(ids)))
    assert len({first, changed, less, *mapped}) == 5


def test_the_file_lies_below_work_dirs_and_is_counted_once(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    dataset = build(own_data.dataset(own, "source", labelled=True))
    found = counted(dataset)
    (file,) = Path("work_dirs/class_counts").iterdir()
    assert file.name == f"FolderSegDataset_{found.identity[:12]}.json"
    shutil.rmtree(own / "source/labels")
    monkeypatch.setattr(class_counting, "_rows", None)  # not called again
    monkeypatch.setattr(
        "mmseg_cosda.datasets.class_counting.dataset_identity", lambda _: found.identity
    )
    assert counted(dataset).pixels.tolist() == found.pixels.tolist()


def test_an_interrupted_count_goes_on_where_it_was(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = build(own_data.dataset(own, "source", labelled=True))
    whole = counted(dataset, str(own.parent / "whole.json"), 0)
    asked: list[int] = []

    def interrupted(dataset: Any, index: int) -> Any:
        asked.append(index)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return count_image(dataset, index)

    monkeypatch.setattr(class_counting, "count_image", interrupted)
    path = str(own.parent / "parts.json")
    with pytest.raises(KeyboardInterrupt):
        counted(dataset, path, 0)
    assert len(ClassCounts.read(path)) == 3
    parts = counted(dataset, path, 0)
    assert asked == [0, 1, 2, 3, 3, 4]
    assert parts.pixels.tolist() == whole.pixels.tolist()
    assert Path(path).read_text() == (own.parent / "whole.json").read_text()


def test_what_is_counted_is_written_every_now_and_then(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_counting, "SAVE_SECONDS", -1.0)
    written: list[int] = []
    write = ClassCounts.write

    def noted(counts: ClassCounts, path: str) -> None:
        written.append(len(counts))
        write(counts, path)

    monkeypatch.setattr(ClassCounts, "write", noted)
    dataset = build(own_data.dataset(own, "source", labelled=True))
    counted(dataset, str(own.parent / "a.json"), 0)
    assert written == [1, 2, 3, 4, 5]


def test_another_datasets_file_and_no_file_of_ours_are_refused(own: Path) -> None:
    path = own.parent / "counts.json"
    dataset = build(own_data.dataset(own, "source", labelled=True))
    counted(dataset, str(path))
    less = own_data.dataset(own, "source", labelled=True, exclude=["0.png"])
    with pytest.raises(UserError, match=r"5 images, not 4\. Count again with .*--over"):
        counted(build(less), str(path))
    other = own_data.dataset(own, "source", labelled=True)
    other["metainfo"] = dict(classes=own_data.METAINFO["classes"][::-1])
    with pytest.raises(UserError, match=r"the classes \['road', 'tree', 'car'\], not"):
        counted(build(other), str(path))
    stored = json.loads(path.read_text())
    others: list[Any] = [{}, [], dict(stored, images=[["a", 1, {"7": 1}]])]
    for broken in others:
        path.write_text(json.dumps(broken))
        with pytest.raises(UserError, match=r"counts\.json' is no file of count"):
            counted(dataset, str(path))
    path.write_text('{"identity": ')
    with pytest.raises(UserError, match="is no file of count_classes"):
        counted(dataset, str(path))


def test_a_source_without_labels_and_a_broken_label_are_told(own: Path) -> None:
    path = own.parent / "counts.json"
    with pytest.raises(UserError, match=r"source/images/0\.png has no label"):
        counted(build(own_data.dataset(own, "source", labelled=False)), str(path))
    assert not path.exists()
    dataset = build(own_data.dataset(own, "source", labelled=True))
    (own / "source/labels/3.png").write_bytes(b"no picture")
    for workers in (0, 1):
        with pytest.raises(UserError, match=r"labels/3\.png"):
            counted(dataset, str(path), workers)
        assert len(ClassCounts.read(path)) == 3


def test_one_process_counts_for_all(own: Path, tmp_path: Path) -> None:
    run_ranks(count_rank, free_port(), str(own), str(tmp_path), processes=2)
    said = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert said[0]["pixels"] == said[1]["pixels"]
    assert [each["asked"] for each in said] == [5, 0]
    assert "labels/3.png" in said[0]["error"]
    assert said[0]["error"] == said[1]["error"]
