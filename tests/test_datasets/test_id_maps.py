"""Own ids, ranges and colors by config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import folders
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

from mmseg_cosda.datasets.id_maps import parse_id_map
from mmseg_cosda.datasets.transforms import LoadAnnotations, RawIdsToTrainIds

RAW = np.array([[0, 10, 11], [15, 20, 300]])
COLORS = [(128, 64, 128), (0, 128, 0), (0, 0, 142)]


def load(path: Path, **options: Any) -> Any:
    found = []
    for transform in (RawIdsToTrainIds, LoadAnnotations):
        sample = dict(seg_map_path=str(path), seg_fields=[])
        found.append(transform(**options)(sample)["gt_seg_map"])
        assert found[-1].dtype == np.uint8
    assert found[0].tolist() == found[1].tolist()
    return found[0].tolist()


@pytest.fixture
def ids(tmp_path: Path) -> Path:
    Image.fromarray(RAW.astype(np.uint16)).save(tmp_path / "ids.png")
    return tmp_path / "ids.png"


MAPPING = {10: 0, (11, 15): 1, 20: 2, 300: None}
EXPECTED = [[255, 0, 1], [1, 2, 255]]


@pytest.mark.parametrize(
    "id_map",
    [
        MAPPING,
        {"10": "0", "11-15": 1, "20": 2},
        {"(11, 15)": 1, "10": 0, 20: 2, "21..30": 255},
        {"5-20": 1, 10: 0, 20: 2},  # an id of its own beats a range
    ],
)
def test_ids_and_ranges(ids: Path, id_map: Any) -> None:
    assert load(ids, id_map=id_map) == EXPECTED
    for transform in (RawIdsToTrainIds, LoadAnnotations):
        strict = transform(id_map=id_map, strict=True)
        missing = r"\[0.*\], which id_map doesn't name"
        with pytest.raises(ValueError, match=rf"ids\.png: holds the ids {missing}"):
            strict(dict(seg_map_path=str(ids), seg_fields=[]))
    assert load(ids, id_map=id_map, strict="complete") == EXPECTED


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.txt", "# id class\n10 0\n11-15\t1  # terrain\n\n20, 2\n"),
        ("map.csv", "\ufeff10;0\r\n11-15;1\r\n20;2\r\n"),
        ("map.YAML", "10: 0\n11-15: 1\n20: 2\n"),
        ("map.json", '{"10": 0, "11-15": 1, "20": 2}'),
    ],
)
def test_a_file_of_ids(ids: Path, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert load(ids, id_map=str(tmp_path / name)) == EXPECTED


@pytest.mark.parametrize(
    "id_map",
    [
        dict(zip(COLORS, range(3), strict=True)),
        COLORS,
        [list(color) for color in COLORS],
        {"(128, 64, 128)": 0, "0,128,0": 1, "#00008E": 2},
        "colors.txt",
        "colors.yml",
    ],
)
@pytest.mark.parametrize("form", ["RGB", "RGBA", "P"])
def test_colors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id_map: Any, form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("colors.txt").write_text("128 64 128 0\n0,128,0,1\n#00008e 2\n")
    Path("colors.yml").write_text("[[128, 64, 128], [0, 128, 0], [0, 0, 142]]")
    labels = np.array([[0, 1, 2], [2, 1, 3]])
    rgb = np.array([*COLORS, (9, 9, 9)], np.uint8)[labels]
    image = Image.fromarray(rgb).convert(form)
    if form == "P":
        image = Image.fromarray(rgb).quantize(4, dither=Image.Dither.NONE)
        assert np.array_equal(image.convert("RGB"), rgb)
    image.save("a.png")
    assert load(Path("a.png"), id_map=id_map) == [[0, 1, 2], [2, 1, 255]]
    strict = LoadAnnotations(id_map=id_map, strict=True)
    with pytest.raises(ValueError, match=r"colors \[\(9, 9, 9\)\], which "):
        strict(dict(seg_map_path="a.png", seg_fields=[]))


@pytest.mark.parametrize(
    ("id_map", "match"),
    [
        ({}, "is empty"),
        ({10: 0, (1, 2, 3): 1}, "ids and colors"),
        ({"ten": 0}, "'ten' is no id, range or color"),
        ({-1: 0}, "ids go from 0 to 65535"),
        ({(20, 11): 0}, "from its lower to its upper end"),
        ({70000: 0}, "ids go from 0 to 65535"),
        ({1: 254}, "254, which is no class"),
        ({1: "road"}, "'road', which is no class"),
        ({1: True}, "True, which is no class"),
        ({"1-5": 0, "4-6": 1}, "another entry gives 4 the class 0"),
        ({(300, 0, 0): 0}, "is no color"),
        ([(1, 2, 3), (1, 2, 3)], "several classes"),
        ([1, 2, 3], "is no list of colors"),
        (7, "id_map=7 of LoadAnnotations"),
        ("gta", "'gta' of LoadAnnotations: must be one of gta5"),
        ("bad.txt", r"line 2: 'road' is neither"),
        ("twice.txt", r"names \['1'\] twice"),
        ("bad.yaml", "is no YAML"),
    ],
)
def test_what_is_no_map_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id_map: Any, match: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.txt").write_text("1 0\nroad\n")
    Path("twice.txt").write_text("1 0\n1 1\n")
    Path("bad.yaml").write_text("a: [")
    with pytest.raises(ValueError, match=match) as caught:
        LoadAnnotations(id_map=id_map)
    assert "id_map" in str(caught.value)
    with pytest.raises(FileNotFoundError, match=r"none\.txt.*doesn't exist"):
        LoadAnnotations(id_map="none.txt")


def test_one_channel_for_a_color_table_is_told(ids: Path) -> None:
    with pytest.raises(ValueError, match=r"ids\.png: has one channel.*color table"):
        load(ids, id_map=COLORS)


def test_negative_and_huge_ids_are_ids_like_others(tmp_path: Path) -> None:
    raw = np.array([[-1, 10, 2**20]], np.int32)
    Image.fromarray(raw).save(tmp_path / "a.tif")
    assert load(tmp_path / "a.tif", id_map={10: 0}) == [[255, 0, 255]]


def test_colored_pictures_in_place_of_ids_are_told(tmp_path: Path) -> None:
    """SYNTHIA's GT/COLOR, whose red channel holds hardly a documented id."""
    rgb = np.array([*COLORS, (0, 0, 0)], np.uint8)[np.zeros((4, 6), int)]
    Image.fromarray(rgb).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: holds the ids \[128\].*0 % of its"):
        load(tmp_path / "a.png", id_map="synthia")
    # A palette says all that a picture holds; a mapping, what somebody wants of it.
    for complete in (COLORS[1:], [*COLORS[1:], (5, 5, 5)]):
        with pytest.raises(ValueError, match=r"colors \[\(128, 64, 128\)\]"):
            load(tmp_path / "a.png", id_map=complete)
    assert load(tmp_path / "a.png", id_map={COLORS[1]: 0})[0][0] == 255
    # Files of ignored ids are a dataset's own.
    folders.save_synthia(tmp_path / "b.png", np.zeros((4, 6), int))
    assert load(tmp_path / "b.png", id_map="synthia")[0][0] == 255


CONFIG = f"""
id_map = {MAPPING!r}
colors = {{(128, 64, 128): 0, (0, 128, 0): 1}}
"""


def test_config_files_carry_maps_and_checkpoints_keep_them(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text(CONFIG)
    (tmp_path / "child.py").write_text("_base_ = ['base.py']\nid_map = {300: 2}")
    for name, last in (("base.py", 255), ("child.py", 2)):
        config = Config.fromfile(str(tmp_path / name))
        dumped = Config.fromstring(config.pretty_text, ".py")
        for read in (config, dumped):
            table = parse_id_map(read.id_map)
            assert table.train_ids.get(300, 255) == last
            assert table.train_ids[12] == 1
            codes = {0x804080: 0, 0x008000: 1}
            assert parse_id_map(read.colors).train_ids == codes


def dataset(root: Path, loader: dict[str, Any], **options: Any) -> Any:
    metainfo = dict(classes=("road", "tree", "car"), palette=COLORS)
    pipeline = [dict(type="mmseg.LoadImageFromFile"), loader]
    config: dict[str, Any] = dict(
        type="FolderSegDataset",
        data_root=str(root),
        data_prefix=dict(img_path="images", seg_map_path="labels"),
        img_suffix=".png",
        metainfo=metainfo,
        pipeline=pipeline,
    )
    return DATASETS.build(config | options)


def test_a_dataset_takes_a_map(tmp_path: Path) -> None:
    folders.save_image(tmp_path / "images/a.png", 3, 2)
    (tmp_path / "labels").mkdir()
    Image.fromarray(RAW.astype(np.uint16)).save(tmp_path / "labels/a.png")
    for name in ("LoadAnnotations", "RawIdsToTrainIds"):
        loader = dict(type=f"mmseg.{name}")
        found = dataset(tmp_path, loader, id_map=MAPPING)[0]["gt_seg_map"]
        assert found.tolist() == EXPECTED
        found = dataset(tmp_path, dict(loader, id_map={300: 2}), id_map=MAPPING)[0]
        assert found["gt_seg_map"][1, 2] == 2  # the pipeline's wins
    rgb = np.array([*COLORS, (0, 0, 0)], np.uint8)[[[0, 1, 2], [0, 3, 3]]]
    Image.fromarray(rgb).save(tmp_path / "labels/a.png")
    found = dataset(tmp_path, loader, id_map="palette")[0]["gt_seg_map"]
    assert found.tolist() == [[0, 1, 2], [0, 255, 255]]
    with pytest.raises(ValueError, match=r"FolderSegDataset: names class 3.*\(0 to 2"):
        dataset(tmp_path, loader, id_map={10: 3})
    with pytest.raises(ValueError, match="beside reduce_zero_label=True"):
        dataset(tmp_path, loader, id_map=MAPPING, reduce_zero_label=True)[0]
    few = dict(classes=("car", "road"), palette=COLORS)
    with pytest.raises(ValueError, match=r"2 classes .*3 colors.*id_map=\{2: 0, 0: 1"):
        dataset(tmp_path, loader, metainfo=few)
