from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import own_data
from helpers.folders import save_ids, save_image
from helpers.toy_runs import assert_equal_states, demo_config, train_to_end
from mmengine.dataset import InfiniteSampler
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import DATASETS
from mmseg.structures import SegDataSample
from torch.utils.data import DataLoader

from mmseg_cosda.datasets.class_counts import ClassCounts
from mmseg_cosda.datasets.domain_pair import DomainPairDataset
from mmseg_cosda.datasets.orders import (
    CROP_SHARE,
    MIN_SHARE,
    RareClassOrder,
    class_probabilities,
    whole_pixels,
)

WIDTH, HEIGHT = 40, 20
# Per cent of SYNTHIA's labelled pixels: light, sign, motorcycle, bicycle, wall, fence,
# rider, pole, bus, car, person, sky, vegetation, road, sidewalk, building.
SYNTHIA = [0.043, 0.110, 0.211, 0.217, 0.267, 0.278, 0.488, 1.08, 1.46, 4.26, 4.42]
SYNTHIA += [7.16, 10.7, 18.6, 20.3, 30.3]
OFTEN = [0.154, 0.144, 0.131, 0.130, 0.123, 0.122, 0.099, 0.055, 0.037, 0.002, 0.002]


def counts_of(pixels: list[list[int]], size: int = 10_000) -> ClassCounts:
    """Images of ``size`` pixels with these pixels of each class."""
    rows = np.array(pixels, np.int64)
    classes = tuple("abcdef"[: rows.shape[1]])
    names = tuple(map(str, range(len(rows))))
    return ClassCounts("", classes, names, np.full(len(rows), size), rows)


def order_of(pixels: list[list[int]], seed: int = 0, **options: Any) -> RareClassOrder:
    order = RareClassOrder(None, seed, **options)
    order.use(counts_of(pixels))
    return order


def test_the_probabilities_are_those_of_synthia() -> None:
    found = class_probabilities(SYNTHIA, temperature=0.01)
    np.testing.assert_array_equal(found.round(3), OFTEN + [0] * 5)
    found = class_probabilities(SYNTHIA, temperature=0.05)
    assert found.round(3)[[0, 8, 9, 11, 13]].tolist() == [
        0.105,
        0.079,
        0.045,
        0.025,
        0.003,
    ]


def test_the_probabilities_equal_a_loop_over_the_classes_that_occur() -> None:
    pixels, temperature = [700, 0, 250, 50], 0.1
    weights = [
        0.0 if n == 0 else float(np.exp((1 - n / sum(pixels)) / temperature))
        for n in pixels
    ]
    expected = [w / sum(weights) for w in weights]
    found = class_probabilities(pixels, temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    tiny = class_probabilities(pixels, 1e-5)  # exp(1 / T) alone would overflow
    np.testing.assert_array_equal(tiny, [0, 0, 0, 1])


def test_classes_are_drawn_by_rarity_and_images_uniformly() -> None:
    order = order_of([[9000, 15], [8000, 16], [7000, 400], [9985, 0]], temperature=0.8)
    draws = [(order.class_at(i), order[i]) for i in range(6000)]
    shares = Counter(drawn for drawn, _ in draws)
    assert shares[1] / 6000 == pytest.approx(order.probabilities[1], abs=0.02)
    # More than 0.149 % of 10,000 pixels: 15, not 14.
    images = Counter(image for drawn, image in draws if drawn == 1)
    assert sorted(images) == [0, 1, 2]
    assert max(images.values()) / min(images.values()) < 1.15
    assert {image for drawn, image in draws if drawn == 0} == {0, 1, 2, 3}


def test_an_image_must_hold_more_than_the_share() -> None:
    order = order_of([[10_000, 100], [10_000, 101]], min_share=0.01)
    assert order.images[1].tolist() == [1]
    assert round(MIN_SHARE * 1914 * 1052, 6) == 3000
    assert round(CROP_SHARE * 1280 * 704, 6) == 1500
    assert round(CROP_SHARE * 2560 * 1407, -1) == 6000


@pytest.mark.parametrize(("shown", "enough"), [(1500, False), (1501, True)])
def test_the_default_is_the_public_number_of_pixels(shown: int, enough: bool) -> None:
    order = order_of([[9000, 1000]])
    label = torch.zeros(1, 512, 512, dtype=torch.int64)
    label.view(-1)[:shown] = 1
    sample = SegDataSample(gt_sem_seg=PixelData(data=label))
    meta = dict(ori_shape=(1052, 1914), scale_factor=(1280 / 1914, 704 / 1052))
    sample.set_metainfo(meta)
    assert order.class_at(0) == 1
    assert order.accepts(0, dict(data_samples=sample)) == enough


def test_a_class_of_which_no_image_has_enough_is_drawn_from_all_that_hold_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    name = "mmseg_cosda.datasets.orders.print_log"
    monkeypatch.setattr(name, lambda text, logger: lines.append(text))
    order = order_of([[9000, 3], [9000, 0], [9000, 5]])
    assert order.scarce.tolist() == [1]
    assert order.images[1].tolist() == [0, 2]
    order._tell(counts_of([[9000, 3], [9000, 0], [9000, 5]]))
    assert lines[0] == "rare classes first: b 1.000, a 0.000"
    assert lines[1].startswith("no image has more than 0.149 % of b (2)")


def test_a_draw_is_a_function_of_seed_and_position() -> None:
    pixels = [[9000, 100 * i, 300] for i in range(20)]
    order = order_of(pixels)
    forward = [order[i] for i in range(50)]
    again = order_of(pixels)
    np.random.rand(7)
    assert [again[i] for i in reversed(range(50))][::-1] == forward
    assert [order_of(pixels, seed=1)[i] for i in range(50)] != forward


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="temperature=0"):
        RareClassOrder(None, 0, temperature=0)
    with pytest.raises(ValueError, match="min_share=2"):
        RareClassOrder(None, 0, min_share=2)
    with pytest.raises(ValueError, match="tries=-1"):
        RareClassOrder(None, 0, tries=-1)
    with pytest.raises(ValueError, match="anything but ignored"):
        order_of([[0, 0]])


def make_corners(root: Path, count: int = 4) -> dict[str, Any]:
    """Images of class 0, a corner of class 1; in the first a pixel of class 2."""
    for i in range(count):
        save_image(root / f"source/images/{i}.png", WIDTH, HEIGHT, i)
        ids = np.zeros((HEIGHT, WIDTH))
        ids[:6, :6] = 1
        ids[HEIGHT // 2, WIDTH // 2] = 2 if i == 0 else 0
        save_ids(root / f"source/labels/{i}.png", ids)
    init_default_scope("mmseg")
    return own_data.dataset(root, "source", labelled=True)


def cropped(config: dict[str, Any], *before: dict[str, Any], size: int = 12) -> Any:
    load, labels, pack = config["pipeline"]
    crop = dict(type="RandomCrop", crop_size=(size, size))
    return dict(config, pipeline=[load, labels, *before, crop, pack])


def pair(source: dict[str, Any], root: Path, **order: Any) -> DomainPairDataset:
    order.setdefault("class_counts", str(root / "counts.json"))
    return DomainPairDataset(
        source=source,
        target=dict(source, pipeline=[]),
        seed=3,
        source_order=dict(type="RareClassOrder", **order),
    )


def drawn(pairs: DomainPairDataset, position: int) -> tuple[int, str, int]:
    """The class at a position, its image, and its pixels in the crop."""
    sample = pairs[position]["source"]["data_samples"]
    order = pairs._order["source"]
    assert isinstance(order, RareClassOrder)
    label = order.class_at(position)
    return (
        label,
        Path(sample.img_path).name,
        int((sample.gt_sem_seg.data == label).sum()),
    )


def test_a_crop_is_made_again_until_it_shows_the_class(tmp_path: Path) -> None:
    source = cropped(make_corners(tmp_path))
    options = dict(crop_share=8 / (WIDTH * HEIGHT), temperature=10.0)
    shown = {}
    for tries in (0, 10, 200):
        pairs = pair(source, tmp_path, tries=tries, **options)
        found = [drawn(pairs, i) for i in range(60)]
        shown[tries] = [n for label, _, n in found if label == 1]
        assert {image for label, image, _ in found if label == 2} == {"0.png"}
    enough = {tries: sum(n > 8 for n in found) for tries, found in shown.items()}
    assert enough[0] < enough[10] < enough[200] == len(shown[200])
    # A class of which no image has more than min_share will do with any pixel.
    assert all(n == 1 for label, _, n in found if label == 2)


def test_the_first_crop_is_that_of_a_single_try(tmp_path: Path) -> None:
    source = cropped(make_corners(tmp_path))
    options = dict(crop_share=8 / (WIDTH * HEIGHT), temperature=10.0)
    once = pair(source, tmp_path, tries=0, **options)
    often = pair(source, tmp_path, tries=10, **options)
    kept = changed = 0
    for position in range(40):
        label, _, shown = drawn(once, position)
        alike = key(once[position]) == key(often[position])
        if shown > (0 if label == 2 else 8):
            assert alike
            kept += 1
        else:
            changed += not alike
    assert kept > 5
    assert changed > 5


def test_what_a_crop_shows_counts_at_the_size_at_which_it_is_cropped(
    tmp_path: Path,
) -> None:
    config = make_corners(tmp_path, 1)
    double = dict(type="Resize", scale=(2 * WIDTH, 2 * HEIGHT))
    dataset = DATASETS.build(cropped(config, double))
    assert whole_pixels(dataset[0], 0) == 4 * WIDTH * HEIGHT
    assert whole_pixels(DATASETS.build(cropped(config))[0], 0) == WIDTH * HEIGHT
    assert whole_pixels({}, 7) == 7


def test_an_image_that_is_not_cropped_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_corners(tmp_path)
    pairs = pair(source, tmp_path, crop_share=1.0, temperature=10.0)
    pairs.full_init()
    made: list[int] = []
    get = type(pairs.source).__getitem__

    def noted(dataset: Any, index: int) -> Any:
        made.append(index)
        return get(dataset, index)

    monkeypatch.setattr(type(pairs.source), "__getitem__", noted)
    for position in range(5):
        pairs[position]
    assert len(made) == 5 + 5  # both domains


def key(sample: Any) -> tuple[str, bytes]:
    source = sample["source"]
    return source["data_samples"].img_path, source["inputs"].numpy().tobytes()


def first(item: list[Any]) -> Any:
    return item[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_skipping_equals_reading_and_ranks_share_the_stream(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = cropped(make_corners(tmp_path))

    def read(skip: int, count: int, rank: int = 0, world: int = 1) -> list[Any]:
        monkeypatch.setattr(
            "mmengine.dataset.sampler.get_dist_info", lambda: (rank, world)
        )
        pairs = pair(source, tmp_path)
        pairs.full_init()
        sampler = InfiniteSampler(pairs, shuffle=False, seed=0)
        sampler.indices = itertools.islice(sampler.indices, skip, None)
        loader = DataLoader(
            pairs, 1, sampler=sampler, num_workers=workers, collate_fn=first
        )
        return [key(sample) for sample in itertools.islice(loader, count)]

    whole = read(0, 10)
    assert read(4, 6) == whole[4:]
    assert read(0, 5, rank=0, world=2) == whole[::2]
    assert read(0, 5, rank=1, world=2) == whole[1::2]


def test_workers_need_what_the_main_process_has_counted(tmp_path: Path) -> None:
    pairs = pair(make_corners(tmp_path), tmp_path)
    loader = DataLoader(pairs, 1, num_workers=1, collate_fn=first)
    with pytest.raises(ValueError, match=r"call full_init\(\)"):
        next(iter(loader))


def test_no_order_and_no_type_are_refused(tmp_path: Path) -> None:
    source = make_corners(tmp_path)
    with pytest.raises(ValueError, match=r"source_order=.*name its type"):
        DomainPairDataset(source, source, source_order=dict(tries=1))
    with pytest.raises(ValueError, match="source_order: dict is no order"):
        DomainPairDataset(source, source, source_order=dict(type=dict))


@pytest.mark.slow  # test_teacher_resume has this order too
def test_a_resumed_run_equals_one_that_never_stopped(tmp_path: Path) -> None:
    crop = dict(type="RandomCrop", crop_size=(16, 16))

    def config(name: str, iterations: int, resume: bool = False) -> Any:
        cfg = demo_config(
            tmp_path / name,
            iterations,
            resume=resume,
            **{"train_dataloader.num_workers": 1},
        )
        cfg.train_dataloader.dataset.source_order = dict(
            type="RareClassOrder", class_counts=str(tmp_path / f"{name}.json")
        )
        cfg.train_dataloader.dataset.source.pipeline.insert(1, crop)
        return cfg

    whole = train_to_end(config("whole", 6))
    train_to_end(config("parts", 3))
    parts = train_to_end(config("parts", 6, resume=True))
    assert_equal_states(parts["state_dict"], whole["state_dict"], "state_dict")
    assert_equal_states(parts["optimizer"], whole["optimizer"], "optimizer")
