"""IoU values against counting by hand and against the host's metric."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from mmseg_cosda.datasets.label_maps import CITYSCAPES_CLASSES, SYNTHIA_CLASSES
from mmseg_cosda.evaluation.subset_iou_metric import SubsetIoUMetric


def evaluate(metric: Any, pairs: Any, classes: Any) -> dict[str, float]:
    metric.dataset_meta = dict(classes=classes)
    for prediction, label in pairs:
        sample = dict(
            pred_sem_seg=dict(data=torch.as_tensor(prediction)[None]),
            gt_sem_seg=dict(data=torch.as_tensor(label)[None]),
        )
        metric.process({}, [sample])
    result: dict[str, float] = metric.evaluate(size=len(pairs))
    return result


def naive_iou(pairs: Any, num_classes: int) -> list[float]:
    values = []
    for c in range(num_classes):
        hit = union = 0
        for prediction, label in pairs:
            for p, t in zip(prediction.flatten(), label.flatten(), strict=True):
                if t != 255:
                    hit += int(p == c and t == c)
                    union += int(p == c or t == c)
        values.append(100 * hit / union if union else math.nan)
    return values


def random_pairs(num_classes: int, absent: Any = (), seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    present = [c for c in range(num_classes) if c not in absent]
    pairs = []
    for _ in range(3):
        prediction = rng.choice(present, (12, 17))
        label = np.where(
            rng.random((12, 17)) < 0.5, prediction, rng.choice(present, (12, 17))
        )
        label[rng.random((12, 17)) < 0.1] = 255
        pairs.append((prediction, label))
    return pairs


@pytest.mark.parametrize("classes", [CITYSCAPES_CLASSES, SYNTHIA_CLASSES])
def test_values_equal_counting_by_hand(classes: tuple[str, ...]) -> None:
    pairs = random_pairs(len(classes), absent=(1, 2))
    config = dict(type="SubsetIoUMetric", subsets=["mIoU16", "mIoU13"])
    result = evaluate(METRICS.build(config), pairs, classes)
    naive = dict(zip(classes, naive_iou(pairs, len(classes)), strict=True))
    for name, value in naive.items():
        assert result[f"IoU.{name}"] == pytest.approx(value, abs=0.006, nan_ok=True)
    assert math.isnan(result["IoU.sidewalk"])
    sixteen = [naive[name] for name in SYNTHIA_CLASSES]
    assert result["mIoU16"] == pytest.approx(np.nanmean(sixteen), abs=0.006)
    dropped = ("wall", "fence", "pole")
    thirteen = [naive[name] for name in SYNTHIA_CLASSES if name not in dropped]
    assert result["mIoU13"] == pytest.approx(np.nanmean(thirteen), abs=0.006)
    assert result["mIoU"] == pytest.approx(np.nanmean([*naive.values()]), abs=0.006)


def test_host_values_are_untouched() -> None:
    pairs = random_pairs(5)
    ours = evaluate(SubsetIoUMetric(), pairs, tuple("abcde"))
    host = evaluate(IoUMetric(), pairs, tuple("abcde"))
    assert {key: ours[key] for key in host} == pytest.approx(host, abs=1e-5)
    assert set(ours) - set(host) == {f"IoU.{c}" for c in "abcde"}


def test_which_class_is_taken_for_which(tmp_path: Path) -> None:
    pairs = random_pairs(4, absent=(2,))
    path = tmp_path / "new" / "confusion.csv"
    result = evaluate(SubsetIoUMetric(confusion=str(path)), pairs, tuple("abcd"))
    assert result == pytest.approx(
        evaluate(SubsetIoUMetric(), pairs, tuple("abcd")), nan_ok=True
    )
    header, *lines = csv.reader(path.read_text().splitlines())
    assert header == ["true class", *"abcd", "pixels"]
    assert [line[0] for line in lines] == ["a", "b", "d"]
    for name, *shares, pixels in lines:
        true = "abcd".index(name)
        count = [0] * 4
        for prediction, label in pairs:
            for p, t in zip(prediction.flatten(), label.flatten(), strict=True):
                count[p] += int(t == true)
        assert int(pixels) == sum(count)
        expected = [100 * n / sum(count) for n in count]
        assert [float(share) for share in shares] == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (dict(confusion="a.txt"), r"'a\.txt'.*ends in \.csv"),
        (dict(confusion="a.csv", format_only=True), "leave one"),
        (dict(iou_metrics=["mDice"]), "must contain 'mIoU'"),
        (dict(subsets=3), "subsets=3.*well-known subsets are"),
    ],
)
def test_what_cant_be_meant_leaves_no_folder(
    options: Any, error: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=error):
        SubsetIoUMetric(output_dir=str(out), **options)
    assert not out.exists()


def test_own_subsets_by_id_and_name() -> None:
    pairs = random_pairs(4)
    metric = SubsetIoUMetric(subsets=dict(some=[0, "c"], one=["b"]))
    result = evaluate(metric, pairs, tuple("abcd"))
    a, b, c, _ = naive_iou(pairs, 4)
    assert result["some"] == pytest.approx((a + c) / 2, abs=0.006)
    assert result["one"] == pytest.approx(b, abs=0.006)


def test_none_removes_a_subset() -> None:
    kept = SubsetIoUMetric(subsets=dict(mIoU13=None, vehicles=["car", "bus"]))
    assert kept.subsets == {"vehicles": ("car", "bus")}
    assert SubsetIoUMetric(subsets=None).subsets == {}


def test_subset_of_absent_classes_is_nan() -> None:
    metric = SubsetIoUMetric(subsets=dict(none=["b"]))
    result = evaluate(metric, random_pairs(3, absent=(1,)), tuple("abc"))
    assert math.isnan(result["none"])
    assert not math.isnan(result["mIoU"])


def test_nan_to_num_reaches_every_value() -> None:
    metric = SubsetIoUMetric(subsets=dict(none=["b"]), nan_to_num=0)
    result = evaluate(metric, random_pairs(3, absent=(1,)), tuple("abc"))
    assert result["none"] == result["IoU.b"] == 0


def test_areas_are_summed_exactly() -> None:
    """In float32, 2**24 + 1 is 2**24: single pixels would be lost."""
    areas = SubsetIoUMetric.intersect_and_union(
        torch.tensor([[0, 1]]), torch.tensor([[0, 1]]), 2, 255
    )
    for area in areas:
        assert (area + 2**24 - 2**24).tolist() == [1, 1]


def test_labels_of_other_classes_are_ignored_only_in_the_16_way() -> None:
    """The two protocols: terrain taken for vegetation."""
    prediction = np.array([[8, 8]])  # vegetation in either order
    metric = SubsetIoUMetric(subsets=["mIoU16"])
    nineteen = evaluate(metric, [(prediction, np.array([[8, 9]]))], CITYSCAPES_CLASSES)
    metric = SubsetIoUMetric(subsets=["mIoU16"])
    sixteen = evaluate(metric, [(prediction, np.array([[8, 255]]))], SYNTHIA_CLASSES)
    assert nineteen["IoU.vegetation"] == 50
    assert sixteen["IoU.vegetation"] == 100


@pytest.mark.parametrize(
    ("subsets", "error"),
    [
        (["mIoU7"], r"well-known subsets are \['mIoU16', 'mIoU13'\]"),
        ("mIoU16", "well-known subsets"),
        (dict(x=[]), "with at least one"),
        (dict(x=[1, 1]), "different class ids"),
        (dict(x="car"), "list of different"),
        (dict(mIoU=[1]), "choose another"),
    ],
)
def test_wrong_subsets(subsets: Any, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        SubsetIoUMetric(subsets=subsets)


@pytest.mark.parametrize("key", ["truck", 3, -1])
def test_unknown_class(key: Any) -> None:
    metric = SubsetIoUMetric(subsets=dict(x=[key]))
    with pytest.raises(ValueError, match=rf"\['x'\].*{key!r}.*\['a', 'b', 'c'\]"):
        evaluate(metric, random_pairs(3), tuple("abc"))


def test_needs_miou() -> None:
    with pytest.raises(ValueError, match="must contain 'mIoU'"):
        SubsetIoUMetric(iou_metrics=["mDice"])
