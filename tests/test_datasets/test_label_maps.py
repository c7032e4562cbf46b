"""The maps against the facts that the field agrees on."""

from __future__ import annotations

import pytest
from mmseg.datasets import CityscapesDataset

from mmseg_cosda.datasets import label_maps as maps


def test_cityscapes_classes_are_the_hosts() -> None:
    host = CityscapesDataset.METAINFO
    assert host["classes"] == maps.CITYSCAPES_CLASSES
    assert [tuple(c) for c in host["palette"]] == list(maps.CITYSCAPES_PALETTE)


def test_subsets_of_synthia() -> None:
    ids = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18)
    assert ids == maps.MIOU16_IDS
    absent = {"terrain", "truck", "train"}
    assert set(maps.CITYSCAPES_CLASSES) - set(maps.SYNTHIA_CLASSES) == absent
    thirteen = set(maps.CLASS_SUBSETS["mIoU13"])
    assert set(maps.SYNTHIA_CLASSES) - thirteen == {"wall", "fence", "pole"}
    assert [maps.CITYSCAPES_CLASSES[i] for i in maps.MIOU13_IDS] == list(
        maps.CLASS_SUBSETS["mIoU13"]
    )
    order = "road,sidewalk,building,wall,fence,pole,traffic light,traffic sign"
    order += ",vegetation,sky,person,rider,car,bus,motorcycle,bicycle"
    assert order == ",".join(maps.SYNTHIA_CLASSES)


@pytest.mark.parametrize("name", ["gta5", "cityscapes"])
def test_cityscapes_ids_keep_their_order(name: str) -> None:
    """trainIds number the evaluated ids in ascending order of id."""
    ids = maps.ID_MAPS[name].train_ids
    assert [ids[i] for i in sorted(ids)] == list(range(19))


def test_lookup_table_composes_and_marks() -> None:
    gta5 = maps.ID_MAPS["gta5"]
    assert maps.lookup_table(gta5, label_map={0: 5})[[7, 8]].tolist() == [5, 255]
    strict = maps.lookup_table(gta5, strict=True)
    assert strict[34] == 255
    assert strict[35] == strict[65535] == maps.UNDOCUMENTED


def test_class_names_refuses_other_numbers() -> None:
    with pytest.raises(ValueError, match=r"num_classes=13 of X: must be 19 .* or 16"):
        maps.class_names(13, "X")
