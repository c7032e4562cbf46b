"""Label formats that a config writes: own ids, ranges of ids, color tables."""

from __future__ import annotations

import os.path as osp
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import yaml

from mmseg_cosda.datasets.label_maps import (
    ID_MAPS,
    IGNORE_INDEX,
    UNDOCUMENTED,
    IdMap,
    lookup_table,
)
from mmseg_cosda.errors import UserError

Ids = npt.NDArray[Any]
UInt8 = npt.NDArray[np.uint8]
IdMapOption = str | Mapping[Any, Any] | Sequence[Any]
"""What ``id_map`` takes: see :func:`parse_id_map`."""

Strict = bool | Literal["complete"]
MAX_ID = 2**16 - 1
FILE_SUFFIXES = (".txt", ".csv", ".yaml", ".yml", ".json")
FEW = 0.05
"""A complete format of which fewer pixels than this belong to a class, and most to
nothing that it documents, is another format."""

_HELP = (
    'write {10: 0, 20: 1} (id: class), {"11-20": 2} (a range), '
    '{(128, 64, 128): 0} or a list of RGB colors (a color table), "palette" '
    f"(the dataset's colors) or a file of these ({', '.join(FILE_SUFFIXES)})"
)


def parse_id_map(
    option: IdMapOption | None,
    palette: Sequence[Sequence[int]] | None = None,
    owner: str = "a dataset",
) -> IdMap:
    """Return the label format that a config's ``id_map`` means.

    Ids and colors that a mapping doesn't name are ignored (``strict`` makes them an
    error), so that a mapping lists the classes alone. A name, ``"palette"`` and a
    list of colors say all that files hold: files which hold hardly anything of it
    are refused.

    Args:
        option: One of
            a name of ``label_maps.ID_MAPS``;
            ``{id: class}``, where an id is 0 to 65535, and a class 0 to 253, or 255
            or None to ignore;
            a range as key, both ends included: ``"11-20"`` or ``(11, 20)``;
            ``{(R, G, B): class}`` or ``{"#rrggbb": class}``;
            a list of RGB colors, whose position is the class;
            ``"palette"``: the colors of the dataset's classes;
            a ``.txt``, ``.csv``, ``.yaml``, ``.yml`` or ``.json`` file of a mapping
            or a list. In text, a line is ``ID CLASS``, ``FIRST-LAST CLASS`` or
            ``R G B CLASS``, separated by blanks, commas, semicolons, colons or an
            equals sign; ``#`` starts a comment.
            Keys may be text, as mmengine's dumped configs and ``--cfg-options`` have
            them: ``"10"``, ``"(128, 64, 128)"``.
        palette: The colors that ``"palette"`` means.
        owner: Whose option it is, for errors.

    Returns:
        The format.

    Raises:
        FileNotFoundError: If the file is missing.
        ValueError: With the option and what may be written.

    Examples:
        >>> sorted(parse_id_map({10: 0, "11-12": 1}).train_ids.items())
        [(10, 0), (11, 1), (12, 1)]
        >>> parse_id_map([(0, 0, 0), (255, 0, 0)]).train_ids == {0: 0, 0xFF0000: 1}
        True
    """
    if isinstance(option, str):
        if option in ID_MAPS:
            return ID_MAPS[option]
        if option == "palette":
            if palette is None:
                raise UserError(
                    f"id_map='palette' of {owner}: this dataset names no colors; "
                    "give it metainfo=dict(palette=[[R, G, B], ...]) and id_map "
                    "there, or write the colors"
                )
            return _color_list(palette, owner)
        if option.lower().endswith(FILE_SUFFIXES):
            return parse_id_map(
                _read_file(option, owner), palette, f"{owner} ({option})"
            )
    elif isinstance(option, Mapping):
        return _mapping(option.items(), owner)
    elif isinstance(option, Sequence):
        return _color_list(option, owner)
    raise UserError(
        f"id_map={option!r} of {owner}: must be one of {', '.join(ID_MAPS)}, or a "
        f"table: {_HELP} (this project's datasets name their own; a dataset of the "
        "host needs it in the pipeline)"
    )


class IdTable:
    """A label format as a lookup table.

    Args:
        id_map: The format.
        label_map: class -> label, the host's for datasets with fewer classes.
        strict: Whether an id that the format doesn't name is an error; "complete":
            if the format says all that files hold.
        name: The format's name, for errors.
    """

    def __init__(
        self,
        id_map: IdMap,
        label_map: Mapping[int, int] | None = None,
        strict: Strict = False,
        name: str | None = None,
    ) -> None:
        self.id_map = id_map
        self.strict = id_map.closed or (
            id_map.complete if strict == "complete" else strict
        )
        self._lack = f"{name!r} labels don't have" if name else "id_map doesn't name"
        # Ids that the format doesn't name are marked, counted, and ignored then.
        self._table = lookup_table(id_map, label_map, strict=True)

    def apply(self, path: str, raw: Ids) -> UInt8:
        """Return the labels of a file.

        Args:
            path: Its name, for errors.
            raw: (H, W) ids, as ``label_files.read_label_file`` gives them.

        Returns:
            (H, W) uint8.

        Raises:
            ValueError: For ids that the format doesn't name, if strict or if there
                is hardly anything else.
        """
        table = self._table
        if raw.dtype == np.uint8:
            # OpenCV's lookup is several times faster than numpy's, but 8-bit only.
            labels = np.asarray(cv2.LUT(raw, table[:256]))
        elif raw.size and (raw.min() < 0 or raw.max() >= len(table)):
            valid = (raw >= 0) & (raw < len(table))
            labels = np.where(valid, table[np.where(valid, raw, 0)], UNDOCUMENTED)
            labels = labels.astype(np.uint8)
        else:
            labels = table[raw]
        unknown = labels == UNDOCUMENTED
        if unknown.any():
            self._check(path, raw, labels, unknown)
            labels[unknown] = IGNORE_INDEX
        return labels

    def _check(self, path: str, raw: Ids, labels: UInt8, unknown: Ids) -> None:
        wrong = np.unique(raw[unknown]).tolist()
        shown = [str(self._written(number)) for number in wrong[:8]]
        shown += ["..."] if len(wrong) > 8 else []
        noun, ends = "colors", ""
        if self.id_map.reader != "color":
            named = self.id_map.documented - {IGNORE_INDEX} or {IGNORE_INDEX}
            noun, ends = "ids", f" (they go from {min(named)} to {max(named)})"
        found = f"{path}: holds the {noun} [{', '.join(shown)}], which {self._lack}"
        if self.strict:
            raise UserError(
                f"{found}{ends}; check that the folder holds this dataset's labels, "
                "or list the file in the dataset's `exclude`"
            )
        classes = np.count_nonzero(labels < UNDOCUMENTED)
        if (
            self.id_map.complete
            and classes < FEW * labels.size
            and 2 * np.count_nonzero(unknown) > labels.size
        ):
            raise UserError(
                f"{found}{ends}, and {100 * classes / labels.size:.0f} % of its "
                "pixels belong to a class: nothing but ignored pixels would be trained "
                "on; is this the folder of the ids, not of colored pictures?"
            )

    def _written(self, number: int) -> int | tuple[int, int, int]:
        return _rgb(number) if self.id_map.reader == "color" else number


def _mapping(items: Iterable[tuple[Any, Any]], owner: str) -> IdMap:
    ids: dict[int, int] = {}
    ranges: dict[int, int] = {}
    colors: dict[int, int] = {}
    for key, value in items:
        label = _class(value, key, owner)
        numbers = _numbers(key, owner)
        if len(numbers) == 3:
            new, where = [_code(numbers, owner)], colors
        elif len(numbers) == 2:
            new, where = _range(numbers, key, owner), ranges
        else:
            new, where = _range(numbers * 2, key, owner), ids
        for number in new:
            if where.setdefault(number, label) != label:
                written = _rgb(number) if where is colors else number
                raise UserError(
                    f"id_map of {owner}: {key!r} becomes class {label}, but another "
                    f"entry gives {written} the class {where[number]}; name each once"
                )
    if colors and (ids or ranges):
        raise UserError(
            f"id_map of {owner}: holds ids and colors; a file has either: {_HELP}"
        )
    if not (colors or ids or ranges):
        raise UserError(f"id_map of {owner}: is empty; {_HELP}")
    train_ids = colors or {**ranges, **ids}  # an id of its own beats a range
    classes = {k: v for k, v in train_ids.items() if v != IGNORE_INDEX}
    documented = frozenset(train_ids) | (frozenset() if colors else {IGNORE_INDEX})
    reader: Any = "color" if colors else "index"
    return IdMap(classes, frozenset(documented), reader=reader, complete=False)


def _color_list(colors: Sequence[Any], owner: str) -> IdMap:
    try:
        rows = [tuple(int(value) for value in color) for color in colors]
    except (TypeError, ValueError):
        rows = []
    if not rows or any(len(row) != 3 for row in rows):
        raise UserError(
            f"id_map={list(colors)!r} of {owner}: is no list of colors; {_HELP}"
        )
    codes = [_code(row, owner) for row in rows]
    double = sorted({_rgb(code) for code in codes if codes.count(code) > 1})
    if double:
        raise UserError(
            f"id_map of {owner}: the colors {double} belong to several classes, so "
            "that a picture doesn't tell them apart; give each class its own"
        )
    table = {code: i for i, code in enumerate(codes)}
    return IdMap(table, frozenset(table), reader="color")


def _numbers(key: Any, owner: str) -> list[int]:
    """Return the one, two or three numbers of a key."""
    if isinstance(key, int) and not isinstance(key, bool):
        return [key]
    if isinstance(key, str):
        text = key.strip()
        if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
            return list(bytes.fromhex(text[1:]))
        text = text.strip("()[] ")
        if re.fullmatch(r"\d+\s*(?:-|\.\.)\s*\d+|\d+(?:\s*,\s*\d+){0,2}", text):
            return [int(number) for number in re.findall(r"\d+", text)]
    elif (
        isinstance(key, tuple)
        and len(key) in (2, 3)
        and all(isinstance(number, int) for number in key)
    ):
        return list(key)
    raise UserError(f"id_map of {owner}: {key!r} is no id, range or color; {_HELP}")


def _range(numbers: Sequence[int], key: Any, owner: str) -> list[int]:
    first, last = numbers
    if not 0 <= first <= last <= MAX_ID:
        raise UserError(
            f"id_map of {owner}: {key!r} is no id or range of ids; ids go from 0 to "
            f"{MAX_ID}, a range from its lower to its upper end"
        )
    return list(range(first, last + 1))


def _class(value: Any, key: Any, owner: str) -> int:
    if value is None:
        return IGNORE_INDEX
    if isinstance(value, str) and re.fullmatch(r"\s*\d+\s*", value):
        value = int(value)
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or not (0 <= value < UNDOCUMENTED or value == IGNORE_INDEX)
    ):
        raise UserError(
            f"id_map of {owner}: {key!r} becomes {value!r}, which is no class; "
            f"classes go from 0 to {UNDOCUMENTED - 1}, {IGNORE_INDEX} or None ignores"
        )
    return value


def _code(rgb: Sequence[int], owner: str) -> int:
    if any(not 0 <= value <= 255 for value in rgb):
        raise UserError(
            f"id_map of {owner}: {tuple(rgb)} is no color; R, G, B go from 0 to 255"
        )
    return rgb[0] << 16 | rgb[1] << 8 | rgb[2]


def _rgb(code: int) -> tuple[int, int, int]:
    return code >> 16 & 255, code >> 8 & 255, code & 255


def _read_file(path: str, owner: str) -> Any:
    if not osp.isfile(path):
        raise FileNotFoundError(f"id_map={path!r} of {owner} doesn't exist; {_HELP}")
    text = Path(path).read_text(encoding="utf-8-sig")
    if path.lower().endswith((".yaml", ".yml", ".json")):
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise UserError(
                f"id_map={path!r} of {owner} is no YAML "
                f"({' '.join(str(error).split())}); {_HELP}"
            ) from error
    table: list[tuple[Any, Any]] = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = re.split(r"(?:^|\s)#(?![0-9a-fA-F]{6}\b)", line)[0].strip()
        words = re.split(r"[\s,;:=]+", entry)
        if words == [""]:
            continue
        if len(words) not in (2, 4):
            raise UserError(
                f"id_map={path!r} of {owner}, line {number}: {line.strip()!r} is "
                "neither 'ID CLASS', 'FIRST-LAST CLASS' nor 'R G B CLASS'"
            )
        table.append((",".join(words[:-1]), words[-1]))
    double = sorted({key for key, _ in table if [k for k, _ in table].count(key) > 1})
    if double:
        raise UserError(
            f"id_map={path!r} of {owner}: names {double} twice; name each once"
        )
    return dict(table)
