"""Do two lists of class names give ids the same meaning?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple


class ClassDifference(NamedTuple):
    """How two lists of classes differ.

    Args:
        kind: ``"number"``, where one is longer; ``"order"``, where both have the same
            names; ``"moved"``, where a name of one has another id in the other;
            ``"names"``, where none has, as of classes that were renamed.
        text: The first difference, in words.
    """

    kind: Literal["number", "order", "moved", "names"]
    text: str


def compare_classes(
    theirs: Sequence[str], ours: Sequence[str]
) -> ClassDifference | None:
    """Compare what stands in a file with what a config says.

    Case, blanks, dashes and underscores of a name don't count: ``Traffic_Light`` is
    ``traffic light``.

    Args:
        theirs: Class names of the file, by id.
        ours: Those of the dataset.

    Returns:
        None where every id means the same.

    Examples:
        >>> compare_classes(["Road", "tree"], ["road", "tree"])
        >>> compare_classes(["road", "tree", "car"], ["road", "car", "tree"])
        ClassDifference(kind='order', text="id 1 is 'tree' there, 'car' here")
        >>> compare_classes(["road", "tree"], ["road", "plants"]).kind
        'names'
    """
    if len(theirs) != len(ours):
        text = f"{len(theirs)} classes there, {len(ours)} here"
        return ClassDifference("number", text)
    there, here = _plain(theirs), _plain(ours)
    if there == here:
        return None
    first = next(i for i, name in enumerate(there) if name != here[i])
    text = f"id {first} is {str(theirs[first])!r} there, {str(ours[first])!r} here"
    if sorted(there) == sorted(here):
        return ClassDifference("order", text)
    moved = any(n in here and here[i] != n for i, n in enumerate(there))
    return ClassDifference("moved" if moved else "names", text)


def some_names(classes: Sequence[str]) -> str:
    """Return the first names of a list, for a message.

    Examples:
        >>> some_names(["road", "tree", "car", "sky"])
        'road, tree, car, ...'
    """
    return ", ".join(map(str, classes[:3])) + (", ..." if len(classes) > 3 else "")


def _plain(names: Sequence[str]) -> list[str]:
    plain = [re.sub(r"(?<=\w)[\s_-]+(?=\w)", "", str(n)).casefold() for n in names]
    return plain if len(set(plain)) == len(plain) else [str(n) for n in names]
