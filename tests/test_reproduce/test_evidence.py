from __future__ import annotations

from typing import Any

import pytest

from mmseg_cosda.reproduce.evidence import (
    gap_closed,
    late_column,
    late_mean,
    write_evidence,
)
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import Setting
from mmseg_cosda.reproduce.table import paired_difference
from mmseg_cosda.reproduce.tables import TABLES, table_rows

COSINE: dict[str, Any] = {
    "taps": {"last": {"threshold": 0.6}},
    "queue_size": 1000,
    "loss_weight": 0.1,
}
TORCS = Setting("torcs2camvid")


def result(last: float, best: float) -> dict[str, Any]:
    return {"last": {"step": 20, "mIoU": last}, "best": {"step": 10, "mIoU": best}}


def cells(markdown: str, name: str) -> list[str]:
    line = next(line for line in markdown.splitlines() if f"(`{name}`)" in line)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_it_has_every_row_of_every_table_once() -> None:
    names = [row.name for row in table_rows("evidence", TORCS, COSINE)]
    assert len(names) == len(set(names))
    for table in ("1", "4", "6", "variants", "variants-no-pl"):
        for row in table_rows(table, TORCS, COSINE):
            assert row.name in names
    assert "target-bn" not in names  # nothing that it could adapt
    gta = [row.name for row in table_rows("evidence", Setting("gta2cs"), COSINE)]
    assert "target-bn" in gta
    assert "target-supervised" not in gta


def test_gains_gap_and_seeds() -> None:
    late = {"curve": {"mIoU": [1.0, 20.0, 30.0, None, 40.0, 50.0]}}
    results = {
        "source-only": {0: result(20.0, 31.0)},
        "source-only-continued": {0: result(30.0, 31.0), 1: result(32.0, 33.0)},
        "target-supervised": {0: result(40.0, 41.0), 1: result(42.0, 42.0)},
        "other-streets-labels": {0: result(34.0, 35.0)},
        "only-ssl": {0: result(33.0, 33.0), 1: result(33.0, 33.0)},
        "cosine": {0: {**result(35.0, 36.0), **late}, 1: result(36.0, 36.0)},
        "cosine-no-pl": {1: result(31.0, 34.0)},
    }
    text = write_evidence(TORCS, table_rows("evidence", TORCS, COSINE), results)
    assert "last, above `source-only-continued`" in text
    assert cells(text, "cosine")[1:] == [
        "36.00 ± 0.00",
        "35.50 ± 0.71",
        "45.00",
        "+4.50 [-1.85, +10.85]",
        "45 %",
        "112 %",  # 4.5 of 4, which one seed has
        "+2.50 [-3.85, +8.85] over `only-ssl`",
        "0 1",
    ]
    no_labels = cells(text, "cosine-no-pl")
    assert no_labels[2:] == [
        *("31.00", "not run", "-1.00"),
        *("-10 %", "-25 %", "—", "1"),
    ]
    assert cells(text, "source-only-continued")[4:] == [*["—"] * 4, "0 1"]
    assert cells(text, "source-only")[4:7] == ["-10.00", "-100 %", "-250 %"]
    assert cells(text, "target-supervised")[5] == "100 %"
    assert cells(text, "sum")[1:] == [*["not run"] * 3, *["—"] * 5]


def test_methods_add_to_each_other() -> None:
    results = {
        "source-only": {0: result(30.0, 31.0)},
        "dacs": {0: result(35.0, 35.0)},
        "daformer": {0: result(36.0, 36.0)},
        "mic-cosine": {0: result(36.0, 36.0)},
    }
    demo = Setting("demo")
    rows = table_rows("methods", demo, COSINE)
    text = write_evidence(demo, rows, results, "methods")
    assert text.startswith("# Methods: demo, mIoU on")
    assert cells(text, "dacs")[4:] == ["+5.00", "—", "—", "0"]
    assert cells(text, "daformer")[6] == "+1.00 over `dacs`"
    assert cells(text, "mic-cosine")[6] == "—"  # mic isn't there


def test_the_last_third_is_rounded_up() -> None:
    for count, mean in {1: 1.0, 2: 2.0, 3: 3.0, 4: 3.5, 7: 6.0, 9: 8.0}.items():
        values = [float(i) for i in range(1, count + 1)]
        assert late_mean({"curve": {"mIoU": values}}, "mIoU") == mean, count
    assert late_mean({}, "mIoU") is None
    results = {"dacs": {0: {"curve": {"mIoU": [3.0]}}, 1: {}}}
    assert late_column(results, "dacs", "mIoU") == {0: 3.0}


def test_classes_and_features_stand_below() -> None:
    def run(
        car: float | None,
        within: float,
        precision: float | None,
        key: str = "match_precision",
    ) -> dict[str, Any]:
        last = {"mIoU": 1.0, "aAcc": 70.0, "per_class": {"sky": 50.0, "car": car}}
        diagnosis = {
            "step": [1, 4],
            "diagnosis/within": [0.9, within],
            "diagnosis/within/car": [0.9, 0.8],
            f"diagnosis/cosine.last/{key}": [0.1, precision],
            f"diagnosis/cosine.last/{key}/car": [0.1, 0.2],
        }
        return {"last": last, "best": last, "diagnosis": diagnosis}

    results = {
        "source-only": {0: {**run(1.0, 0.0, None), "diagnosis": {}}},
        # The second is of an earlier version, which called it purity.
        "cosine": {0: run(10.0, 0.2, 0.9), 1: run(20.0, 0.4, 0.7, "purity")},
        "only-ssl": {0: run(None, 0.5, None)},
    }
    text = write_evidence(TORCS, table_rows("evidence", TORCS, COSINE), results)
    classes, features = text.split("## ")[1:]
    assert "| row | sky | car | pixel accuracy |" in classes
    assert "| `source-only` | 50.0 | 1.0 | 70.0 |" in classes
    assert "| `cosine` | 50.0 | 15.0 | 70.0 |" in classes
    assert "| `only-ssl` | 50.0 | — | 70.0 |" in classes
    assert "| `cosine` | 0.300 | — | — | 80.0 | — |" in features
    assert "| `only-ssl` | 0.500 | — | — | — | — |" in features
    assert "source-only" not in features


def test_without_classes_there_is_but_the_table() -> None:
    results = {"cosine": {0: result(1.0, 1.0)}}
    text = write_evidence(TORCS, table_rows("evidence", TORCS, COSINE), results)
    assert "##" not in text


def test_bold_is_what_three_seeds_can_tell() -> None:
    zero = dict.fromkeys(range(3), 0.0)
    assert paired_difference({0: 0.56, 1: 0.92, 2: 0.55}, zero) == "**+0.68 ± 0.12**"
    assert paired_difference({0: 0.17, 1: 0.17, 2: 0.06}, zero) == "+0.13 ± 0.04"
    assert paired_difference({0: 0.5, 1: 0.56}, zero) == "**+0.53 ± 0.03**"
    assert paired_difference({0: 0.5, 1: 0.6}, zero) == "+0.55 ± 0.05"


def test_a_gap_needs_both_bounds() -> None:
    assert gap_closed({0: 1.0}, {}, {0: 2.0}) is None
    assert gap_closed({0: 1.0}, {0: 1.0}, {}) is None
    assert gap_closed({0: 1.0}, {0: 1.0}, {0: 1.0}) is None
    assert gap_closed({0: 2.0, 5: 9.0}, {0: 1.0}, {0: 3.0}) == 0.5


@pytest.mark.parametrize("row", [name for name in ROWS if name.endswith("-no-pl")])
def test_rows_without_pseudo_labels_take_configs_without(row: str) -> None:
    assert not ROWS[row].pseudo_labels
    assert ROWS[row].suffix.endswith("_no-pl")


def test_every_table_is_listed() -> None:
    for table in TABLES:
        assert table in ("2", "3") or table_rows(table, TORCS, COSINE)
