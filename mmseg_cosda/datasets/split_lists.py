"""Split lists in the forms that people have."""

from __future__ import annotations

import codecs
import difflib
import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmseg_cosda.datasets.file_names import PICTURE_TYPES, some_of, tell_once

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEADER = re.compile(r"(?:img|image|file|sample)?[ _]?(?:s|id|file|path|name|names)?")


@dataclass(frozen=True)
class Listed:
    """What a split list names.

    Args:
        stems: Images of the folder, without suffix.
        missing: Entries that name no image there.
        repeated: How many entries name an image once more.
    """

    stems: frozenset[str]
    missing: tuple[str, ...] = ()
    repeated: int = 0


def read_text_lines(path: str | Path) -> list[str]:
    """Return the lines of a text file, whatever editor or shell wrote it.

    Reads UTF-8 and, by byte-order mark or by its zero bytes, UTF-16 (PowerShell's
    ``>``) and UTF-32, else Windows' code page 1252; any line ends.

    Args:
        path: The file.

    Returns:
        The lines without surrounding blanks; no blank ones.
    """
    content = Path(path).read_bytes()
    marked = [name for mark, name in _MARKS if content.startswith(mark)]
    if marked:
        text = content.decode(marked[0], errors="replace")
    elif b"\0" in content[:2048]:
        little = content[:2048:2].count(0) <= content[1:2048:2].count(0)
        text = content.decode("utf-16-le" if little else "utf-16-be", errors="replace")
    else:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
    return [line for line in map(str.strip, text.splitlines()) if line]


class FileIndex:
    """Finds the files of a folder by the names that lists give them.

    Args:
        files: File names below the folder by stem.
        folder: The folder.
        root: The data set's folder.

    Examples:
        >>> index = FileIndex({"a/1": ["a/1.jpg"]}, "data/images", "data")
        >>> [index.find(n) for n in ("a/1", "images/a/1.jpg", "a\\\\1.jpg", "1", "2")]
        ['a/1', 'a/1', 'a/1', 'a/1', None]
    """

    def __init__(
        self, files: Mapping[str, Sequence[str]], folder: str, root: str
    ) -> None:
        self._stems: dict[str, str] = {}  # any form of the name -> stem
        for stem, names in files.items():
            for name in names:
                for form in (posixpath.splitext(name)[0], name, stem):
                    self._stems[form] = stem
        self._bare: dict[str, set[str]] = {}  # the same without folders
        for form, stem in self._stems.items():
            self._bare.setdefault(posixpath.basename(form), set()).add(stem)
        self._folder = os.path.abspath(folder).replace("\\", "/").split("/")
        below = os.path.relpath(folder, root or ".").replace("\\", "/").split("/")
        self._below = self._folder[-1:] if below[0] in (".", "..") else below

    def find(self, listed: str) -> str | None:
        """Return the stem of a file, or None.

        Args:
            listed: Its name with or without suffix, alone or behind folders: those
                below the folder, or a path (of another machine, too) to it.
        """
        name = posixpath.normpath(listed.replace("\\", "/"))
        base, extension = posixpath.splitext(name)
        names = [name, base] if extension.lower() in PICTURE_TYPES else [name]
        for form in names:
            parts = form.split("/")
            for start in range(len(parts)):
                tail = "/".join(parts[start:])
                if tail in self._stems and self._leads_here(parts[:start]):
                    return self._stems[tail]
        for form in names:
            stems = self._bare.get(form, set())
            if len(stems) == 1:
                return next(iter(stems))
        return None

    def closest(self, listed: str) -> str | None:
        """Return the file's name that is most like a listed one, or None."""
        name = listed.replace("\\", "/")
        forms = {form.lower(): form for form in self._stems}
        bare = {form.lower(): form for form in self._bare}
        for text, known in ((name, forms), (posixpath.basename(name), bare)):
            found = difflib.get_close_matches(text.lower(), known, 1)
            if found:
                return known[found[0]]
        return None

    def _leads_here(self, head: Sequence[str]) -> bool:
        head = [part for part in head if part]
        if not head or head == self._folder[-len(head) :]:
            return True
        return head[-len(self._below) :] == self._below


def read_split_list(path: str, images: FileIndex, labels: FileIndex | None) -> Listed:
    """Find the images that a split list names.

    Args:
        path: A text file with a name a line. Suffix, folders, quotes and further
            columns are optional; ``#`` starts a comment.
        images: The images.
        labels: The labels, which may be named too; None without labels.

    Returns:
        What it names.

    Raises:
        ValueError: If a second column pairs an image with another's label, as
            labels are found by name.

    Examples:
        >>> images = FileIndex({"1": ["1.jpg"], "2": ["2.jpg"]}, "images", ".")
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w") as file:
        ...     print("# train", "1.jpg,1.png", "images/2", "3", sep="\\n", file=file)
        ...     file.flush()
        ...     listed = read_split_list(file.name, images, None)
        >>> sorted(listed.stems), listed.missing
        (['1', '2'], ('3',))
    """
    stems: list[str] = []
    missing: list[str] = []
    for number, line in enumerate(read_text_lines(path)):
        for name, rest in _readings(line):
            stem = images.find(name) or (labels and labels.find(name))
            if stem:
                _check_label(path, stem, rest, labels)
                stems.append(stem)
                break
        else:
            first = _first_column(line)
            header = number == 0 and _HEADER.fullmatch(first.lower())
            if first and not header:
                missing.append(first)
    return Listed(frozenset(stems), tuple(missing), len(stems) - len(set(stems)))


def listed_images(
    path: str, images: FileIndex, labels: FileIndex | None, image_dir: str
) -> frozenset[str]:
    """Return the images that a split list names; all must exist.

    Args:
        path: The list.
        images: The images.
        labels: The labels; None without labels.
        image_dir: The folder of the images, for the error.

    Returns:
        Their names, without suffix.

    Raises:
        FileNotFoundError: If a listed image is missing.
        ValueError: If the list names none, or see :func:`read_split_list`.
    """
    listed = read_split_list(path, images, labels)
    if listed.missing:
        near = [images.closest(name) for name in listed.missing[:3]]
        names = some_of(dict.fromkeys(name for name in near if name))
        first = posixpath.basename(listed.missing[0].replace("\\", "/"))
        if os.path.isfile(os.path.join(image_dir, first)):
            names = f"{first}, whose suffix isn't in the dataset's img_suffix"
        raise FileNotFoundError(
            f"{path} lists {len(listed.missing)} images that are not in {image_dir} "
            f"[{some_of(listed.missing)}]"
            + (f"; the closest names there: {names}" if names else "")
        )
    if not listed.stems:
        raise ValueError(
            f"{path} (the dataset's ann_file) lists no image; write one name a line, "
            "or leave ann_file out to read the whole folder"
        )
    if listed.repeated:
        tell_once(
            f"{path}: {listed.repeated} lines repeat an image; each image is read "
            f"once, {len(listed.stems)} in all"
        )
    return listed.stems


def _readings(line: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what may be the name on a line, with the other columns."""
    yield line, []
    quoted = re.match(r"""(["'])(.*?)\1[\s,;]*(.*)""", line)
    if quoted:
        yield quoted[2], [part.strip("\"'") for part in re.split(r"[\s,;]+", quoted[3])]
    line = re.split(r"(?:^|\s)#", line)[0].strip()
    columns = [part.strip().strip("\"'") for part in re.split(r"[\t,;|]", line)]
    if columns[0]:
        yield columns[0], columns[1:]
    words = columns[0].split(" ")
    for count in range(len(words) - 1, 0, -1):
        rest = " ".join(words[count:]).strip()
        rests = [rest] if _is_picture(rest) else words[count:]
        yield " ".join(words[:count]).strip(), [*rests, *columns[1:]]


def _is_picture(name: str) -> bool:
    return posixpath.splitext(name)[1].lower() in PICTURE_TYPES


def _first_column(line: str) -> str:
    line = re.split(r"(?:^|\s)#", line)[0].strip()
    return re.split(r"[\s,;|]", line)[0].strip("\"'")


def _check_label(
    path: str, stem: str, columns: Sequence[str], labels: FileIndex | None
) -> None:
    for column in columns if labels is not None else ():
        name = posixpath.basename(column.replace("\\", "/"))
        if not _is_picture(name):
            continue
        rest = name.removeprefix(posixpath.basename(stem))
        same = rest != name and not rest[:1].isalnum()
        if not same and labels is not None and labels.find(column) != stem:
            raise ValueError(
                f"{path} pairs the image {stem!r} with the label {column!r}, but "
                "labels are found by the image's name; rename the labels, or choose "
                "them by data_prefix.seg_map_path and seg_map_suffix"
            )
