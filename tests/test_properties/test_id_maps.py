"""Label formats of any ids and colors: each form of one table reads files alike."""

from __future__ import annotations

import io
import itertools
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mmseg_cosda.datasets.id_maps import FEW, MAX_ID, IdTable, parse_id_map
from mmseg_cosda.datasets.label_files import read_label_file
from mmseg_cosda.datasets.label_maps import ID_MAPS, IGNORE_INDEX, lookup_table
from mmseg_cosda.errors import UserError

# Neighbors, so that there are ranges, and both ends of what 8 and 16 bits hold.
IDS = st.integers(0, 12) | st.integers(250, 260) | st.integers(MAX_ID - 3, MAX_ID)
CLASSES = st.integers(0, 5) | st.sampled_from([253, IGNORE_INDEX])
TABLES = st.dictionaries(IDS, CLASSES, min_size=1, max_size=12)
CODES = st.integers(0, 3) | st.integers(0, 2**24 - 1) | st.just(2**24 - 1)
COLORS = st.dictionaries(CODES, CLASSES, min_size=1, max_size=8)
DTYPES: dict[Any, tuple[int, int]] = {
    np.uint8: (0, 255),
    np.uint16: (0, MAX_ID),
    np.int16: (-(2**15), 2**15 - 1),
    np.int32: (-(2**31), 2**31 - 1),
    np.int64: (-(2**63), 2**63 - 1),
}


def ranges_of(table: dict[int, int]) -> list[tuple[int, int, int]]:
    """First, last and class of each run of neighbors."""
    runs: list[tuple[int, int, int]] = []
    for number, label in sorted(table.items()):
        if runs and runs[-1][1:] == (number - 1, label):
            runs[-1] = (runs[-1][0], number, label)
        else:
            runs.append((number, number, label))
    return runs


def forms_of(table: dict[int, int], folder: Path) -> dict[str, Any]:
    """Every way in which a config can write a table of ids."""
    runs = ranges_of(table)
    (folder / "a.yaml").write_text("".join(f"{k}: {v}\n" for k, v in table.items()))
    (folder / "a.json").write_text(json.dumps({f"{a}-{b}": v for a, b, v in runs}))
    lines = [f"{a}-{b} {v}  # of class {v}\n" for a, b, v in runs]
    (folder / "a.txt").write_text("".join(lines))
    (folder / "a.csv").write_text("".join(f"{k};{v}\r\n" for k, v in table.items()))
    return {
        "ids": table,
        "text": {str(k): str(v) for k, v in table.items()},
        "None": {k: None if v == IGNORE_INDEX else v for k, v in table.items()},
        "ranges": {(a, b): v for a, b, v in runs},
        "text of ranges": {f"({a}, {b})": v for a, b, v in runs},
        **{f: str(folder / f"a.{f}") for f in ("yaml", "json", "txt", "csv")},
    }


@st.composite
def raw_ids(draw: st.DrawFn, known: list[int]) -> NDArray[Any]:
    """A file's ids of any depth: known, unknown, the limits of their type."""
    dtype = draw(st.sampled_from([*DTYPES]))
    low, high = DTYPES[dtype]
    numbers = st.sampled_from(known) | st.sampled_from([low, high, 0, 255, 256, MAX_ID])
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    size = shape[0] * shape[1]
    flat = draw(st.lists(numbers | IDS, min_size=size, max_size=size))
    inside = [number if low <= number <= high else low for number in flat]
    return np.array(inside, dtype).reshape(shape)


def by_hand(raw: NDArray[Any], table: dict[int, int]) -> list[list[int]]:
    return [[table.get(int(i), IGNORE_INDEX) for i in row] for row in raw]


@examples(30)
@given(st.data(), TABLES)
def test_each_form_of_a_table_is_the_same(
    data: st.DataObject, table: dict[int, int]
) -> None:
    raw = data.draw(raw_ids([*table]))
    expected = {k: v for k, v in table.items() if v != IGNORE_INDEX}
    with TemporaryDirectory() as folder:
        forms = forms_of(table, Path(folder))
        found = {name: parse_id_map(form) for name, form in forms.items()}
    for name, id_map in found.items():
        assert dict(id_map.train_ids) == expected, name
        assert id_map.documented == {*table, IGNORE_INDEX}, name
        labels = IdTable(id_map).apply("a.png", raw)
        assert labels.dtype == np.uint8
        assert labels.tolist() == by_hand(raw, table)


@examples(30)
@given(st.data(), TABLES)
def test_strict_names_exactly_the_unknown_ids(
    data: st.DataObject, table: dict[int, int]
) -> None:
    raw = data.draw(raw_ids([*table]))
    unknown = sorted({*raw.flatten().tolist()} - {*table, IGNORE_INDEX})
    strict = IdTable(parse_id_map(table), strict=True)
    if not unknown:
        assert strict.apply("a.png", raw).tolist() == by_hand(raw, table)
        return
    with pytest.raises(UserError) as caught:
        strict.apply("a.png", raw)
    listed = ", ".join(map(str, unknown[:8])) + ", ..." * (len(unknown) > 8)
    assert str(caught.value).startswith(f"a.png: holds the ids [{listed}], which")


@examples(20)
@given(st.data(), TABLES, st.dictionaries(CLASSES, st.integers(0, 253), max_size=4))
def test_a_label_map_is_applied_behind(
    data: st.DataObject, table: dict[int, int], label_map: dict[int, int]
) -> None:
    raw = data.draw(raw_ids([*table]))
    label_map.pop(IGNORE_INDEX, None)
    labels = IdTable(parse_id_map(table), label_map).apply("a.png", raw)
    behind = {k: label_map.get(v, IGNORE_INDEX) for k, v in table.items()}
    assert labels.tolist() == by_hand(raw, behind)


@examples(8)
@given(COLORS, st.integers(0, 2**32))
def test_each_form_of_a_color_table_is_the_same(
    table: dict[int, int], seed: int
) -> None:
    """Up to the pictures: a color is one of 2^24, all three channels of it count."""
    rgb = {code: (code >> 16, code >> 8 & 255, code & 255) for code in table}
    rng = np.random.default_rng(seed)
    near = [code ^ 1 << bit for code, bit in itertools.product(table, (0, 8, 16))]
    codes = rng.choice([*table, *near], (3, 5))
    picture = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)
    file = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(file, "PNG")
    raw = read_label_file("a.png", file.getvalue(), "color")
    assert np.array_equal(raw, codes)
    expected = {k: v for k, v in table.items() if v != IGNORE_INDEX}
    with TemporaryDirectory() as folder:
        path = Path(folder, "a.txt")
        lines = [" ".join(map(str, (*rgb[k], v))) for k, v in table.items()]
        path.write_text("\n".join(lines))
        found = [
            parse_id_map({rgb[k]: v for k, v in table.items()}),
            parse_id_map({f"#{k:06x}": v for k, v in table.items()}),
            parse_id_map({str(rgb[k]): v for k, v in table.items()}),
            parse_id_map(str(path)),
        ]
    for id_map in found:
        assert (dict(id_map.train_ids), id_map.reader) == (expected, "color")
    labels = IdTable(found[0]).apply("a.png", raw)
    assert labels.tolist() == by_hand(raw, table)


@examples(8)
@given(st.lists(CODES, min_size=1, max_size=6, unique=True))
def test_a_list_of_colors_numbers_them(codes: list[int]) -> None:
    rows = [[code >> 16, code >> 8 & 255, code & 255] for code in codes]
    id_map = parse_id_map("palette", palette=rows)
    assert [id_map.train_ids[code] for code in codes] == [*range(len(codes))]
    assert parse_id_map(rows) == id_map
    with pytest.raises(UserError, match="belong to several classes"):
        parse_id_map([*rows, rows[-1]])


@examples(30)
@given(st.data(), st.sampled_from([*ID_MAPS]), st.booleans())
def test_named_formats_refuse_what_they_should(
    data: st.DataObject, name: str, strict: bool
) -> None:
    id_map = ID_MAPS[name]
    raw = data.draw(raw_ids(sorted(id_map.documented)))
    table = IdTable(id_map, strict=strict, name=name)
    unknown = sum(number not in id_map.documented for number in raw.flatten().tolist())
    named = sum(number in id_map.train_ids for number in raw.flatten().tolist())
    hardly = named < FEW * raw.size and 2 * unknown > raw.size
    if unknown and (strict or id_map.closed or hardly):
        with pytest.raises(UserError, match=rf"a\.png: .*{re.escape(repr(name))}"):
            table.apply("a.png", raw)
    else:
        expected = by_hand(raw, dict(id_map.train_ids))
        assert table.apply("a.png", raw).tolist() == expected
    lookup = lookup_table(id_map)
    assert {i: int(lookup[i]) for i in id_map.train_ids} == id_map.train_ids


@examples(20)
@given(st.data(), st.sampled_from([("PNG", np.uint8), ("PNG", np.uint16)]))
def test_a_file_gives_the_ids_that_were_written(
    data: st.DataObject, form: tuple[str, Any]
) -> None:
    raw = data.draw(raw_ids([0, 255])).astype(form[1])
    file = io.BytesIO()
    Image.fromarray(raw).save(file, form[0])
    found = read_label_file("a.png", file.getvalue())
    assert np.array_equal(found, raw)
