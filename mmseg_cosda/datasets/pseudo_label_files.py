"""Are the files of a pseudo-label folder those that its report speaks of?

``report.json`` holds the classes that the labels were made with, and of each file its
size, its time of modification in nanoseconds and its CRC-32.

- A file that is missing, empty or of another size is never right.
- A file of the right size and time is taken for right: to look costs a ``stat``.
- A file of the right size and another time was changed, or swapped for another, or it
  was copied. A few of these are read, and their CRC decides. Where nearly all are of
  another time, the folder was copied without its times: their sizes decide, and a copy
  is never refused. ``generate_pseudo_labels`` and ``check_dataset`` read every file.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mmseg_cosda.datasets.class_order import compare_classes
from mmseg_cosda.errors import UserError

REPORT = "report.json"
FILES = "files"
MOST_READ = 100
"""Files of another time that are read when a folder is opened: 0.1 s."""


class FileRecord(NamedTuple):
    """What a file was when it was written.

    Args:
        size: Bytes.
        mtime_ns: Time of modification, nanoseconds.
        crc: CRC-32 of its content, 8 hexadecimal digits.
    """

    size: int
    mtime_ns: int
    crc: str

    @classmethod
    def of(cls, path: Path, content: bytes) -> FileRecord:
        """Return the record of a file that was just written.

        Args:
            path: The file.
            content: Of it.
        """
        return cls(len(content), path.stat().st_mtime_ns, _crc(content))

    @classmethod
    def parse(cls, text: str) -> FileRecord:
        """Return the record that a text in a report means.

        Args:
            text: Such as ``str(record)``.

        Raises:
            ValueError: If it is none.

        Examples:
            >>> str(FileRecord.parse("110 1795877070000000000 00ff00ff"))
            '110 1795877070000000000 00ff00ff'
        """
        size, mtime_ns, crc = text.split()
        return cls(int(size), int(mtime_ns), crc)

    def __str__(self) -> str:
        return f"{self.size} {self.mtime_ns} {self.crc}"


@dataclass(frozen=True)
class LabelReport:
    """What a folder's report says of its labels.

    Args:
        classes: That they were made with, by id; None where it doesn't say.
        files: The record of each file as text, by name; None in a report of an earlier
            version. Text, because 25,000 records would have the collector look at all
            objects of the process once more, 0.3 s.
    """

    classes: tuple[str, ...] | None
    files: Mapping[str, str] | None


def read_report(folder: str | os.PathLike[str]) -> LabelReport | None:
    """Read the report of a pseudo-label folder.

    Args:
        folder: The folder.

    Returns:
        None for a folder without a report, made by hand.

    Raises:
        UserError: If it is no report.
    """
    path = Path(folder, REPORT)
    if not path.is_file():
        return None
    content = read_json(path, "remove it, and the folder counts as made by hand")
    try:
        classes, files = content.get("classes"), content.get(FILES)
        for text in () if files is None else files.values():
            FileRecord.parse(text)
        return LabelReport(
            None if classes is None else tuple(str(c["name"]) for c in classes), files
        )
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise UserError(
            f"{path} is no report of generate_pseudo_labels ({error!r}): remove it, "
            "and the folder counts as made by hand"
        ) from error


def read_json(path: Path, cure: str) -> dict[str, Any]:
    """Read a JSON file that holds a dict.

    Args:
        path: The file.
        cure: What to do with a file that holds something else, or is damaged.

    Raises:
        UserError: If it does.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): {cure}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no dict: {cure}")
    return content


def report_text(report: Mapping[str, Any], files: Mapping[str, FileRecord]) -> str:
    """Return a report as JSON, with a line per file at its end.

    Args:
        report: All but the files.
        files: By name.

    Examples:
        >>> text = report_text({"images": 1}, {"a.png": FileRecord(9, 1, "00ff00ff")})
        >>> json.loads(text)
        {'images': 1, 'files': {'a.png': '9 1 00ff00ff'}}
        >>> text.splitlines()[-3]
        '"a.png": "9 1 00ff00ff"'
    """
    lines = (f'{json.dumps(name)}: "{files[name]}"' for name in sorted(files))
    head = json.dumps(dict(report), indent=2)[:-2]
    return head + f',\n  "{FILES}": {{\n' + ",\n".join(lines) + "\n  }\n}\n"


def stat_labels(folder: str | os.PathLike[str]) -> dict[str, tuple[int, int]]:
    """Return size and time of modification of the PNGs below a folder, by name.

    Args:
        folder: The folder; one that doesn't exist has none.
    """
    found: dict[str, tuple[int, int]] = {}
    todo = [(os.fspath(folder), "")]
    while todo:
        path, prefix = todo.pop()
        try:
            entries = os.scandir(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        with entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    todo.append((entry.path, f"{name}/"))
                elif name.endswith(".png"):
                    try:
                        status = entry.stat()
                    except OSError:  # a link to nothing
                        continue
                    found[name] = status.st_size, status.st_mtime_ns
    return found


def find_changed(
    folder: str | os.PathLike[str],
    names: Iterable[str],
    present: Mapping[str, tuple[int, int]],
    files: Mapping[str, str] | None,
    read_all: bool = False,
) -> list[str]:
    """Find the labels that aren't what was written.

    Args:
        folder: Of the labels.
        names: Of those that are used, all of which are there.
        present: Of :func:`stat_labels`.
        files: Of the report; without it, files can only be empty.
        read_all: Whether to read every file, not only those that may have changed.

    Returns:
        A text for each, which begins with its name.
    """
    changed, suspects = {}, []
    for name in names:
        size, mtime_ns = present[name]
        written = None if files is None else files.get(name)
        if size == 0:
            changed[name] = f"{name} is empty (0 bytes)"
            continue
        if written is None:
            continue
        record = FileRecord.parse(written)
        if size != record.size:
            changed[name] = f"{name} has {size} bytes, not {record.size}"
        elif read_all or mtime_ns != record.mtime_ns:
            suspects.append((name, record))
    if read_all or len(suspects) <= MOST_READ:
        for name, record in suspects:
            text = changed_content(Path(folder, name), record)
            if text is not None:
                changed[name] = f"{name} {text}"
    return list(changed.values())


def changed_content(path: Path, record: FileRecord) -> str | None:
    """Return what is wrong with a label's content, None where it is as written.

    Args:
        path: The file.
        record: What was written.

    Raises:
        OSError: If it can't be read.
    """
    content = path.read_bytes()
    if len(content) != record.size:
        return f"has {len(content)} bytes, not {record.size}"
    if _crc(content) != record.crc:
        return "has another content of the same size"
    return None


def told(changed: Sequence[str]) -> str:
    """Return the first of some changed files, and how many more there are.

    Examples:
        >>> told(["a.png is empty", "b.png is empty"])
        'a.png is empty, and 1 more'
    """
    more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
    return changed[0] + more


def other_classes(theirs: Sequence[str] | None, ours: Sequence[str]) -> str | None:
    """Say how the classes of pseudo-labels differ from a dataset's.

    Args:
        theirs: Of the report; None where it doesn't say.
        ours: Of the dataset.

    Returns:
        None where they don't.

    Examples:
        >>> other_classes(["road", "sky"], ["sky", "road"])[:46]
        'were made with these classes in another order:'
    """
    difference = None if theirs is None else compare_classes(theirs, ours)
    if theirs is None or difference is None:
        return None
    order = "these classes in another order" if difference.kind == "order" else ""
    return (
        f"were made with {order or 'other classes'}: {difference.text} (there "
        f"{list(theirs)}, here {list(ours)}). Give the dataset these classes "
        "(metainfo=dict(classes=...)) in the order there, or generate the labels anew"
        + (
            f"; if the classes were only renamed, rename them in {REPORT} too"
            if difference.kind == "names"
            else ""
        )
    )


def _crc(content: bytes) -> str:
    return f"{zlib.crc32(content):08x}"
