from __future__ import annotations

from typing import Any

import pytest

from mmseg_cosda.reproduce.evidence import gap_closed, write_evidence
from mmseg_cosda.reproduce.rows import ROWS, TABLES, Setting, table_rows

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
    results = {
        "source-only": {0: result(30.0, 31.0), 1: result(32.0, 33.0)},
        "target-supervised": {0: result(40.0, 41.0), 1: result(42.0, 42.0)},
        "only-ssl": {0: result(33.0, 33.0), 1: result(33.0, 33.0)},
        "cosine": {0: result(35.0, 36.0), 1: result(36.0, 36.0)},
        "cosine-no-pl": {1: result(31.0, 34.0)},
    }
    text = write_evidence(TORCS, table_rows("evidence", TORCS, COSINE), results)
    assert cells(text, "cosine")[1:] == [
        "36.00 ± 0.00",
        "35.50 ± 0.71",
        "+4.50 ± 0.50",
        "45 %",
        "+2.50 ± 0.50",
        "0 1",
    ]
    assert cells(text, "cosine-no-pl")[2:] == ["31.00", "-1.00", "-10 %", "—", "1"]
    assert cells(text, "source-only")[3:] == ["—", "—", "—", "0 1"]
    assert cells(text, "target-supervised")[4] == "100 %"
    assert cells(text, "sum")[1:] == ["not run", "not run", "—", "—", "—", "—"]


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
