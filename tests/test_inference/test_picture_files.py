"""Pictures in folders whose links lead in a circle are found once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmseg_cosda.datasets.folder_listing import list_files
from mmseg_cosda.inference.picture_files import find_pictures


@pytest.fixture
def looped(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "a" / "b").mkdir(parents=True)
    for name in ("x.png", "a/y.png", "a/b/z.png"):
        (root / name).touch()
    (root / "a" / "b" / "all").symlink_to(root)
    (root / "a" / "0").symlink_to(root / "a")
    (root / "self").symlink_to(root / "self")
    return root


@pytest.mark.parametrize("pattern", ["", "/**/*.png", "/**", "/*", "/**/*"])
def test_by_folder_and_by_pattern(looped: Path, tmp_path: Path, pattern: str) -> None:
    found = find_pictures([f"{looped}{pattern}"], tmp_path / "out")
    names = sorted(str(p.path.relative_to(looped)) for p in found.pictures)
    assert names == ["a/b/z.png", "a/y.png", "x.png"]


def test_by_a_dataset(looped: Path) -> None:
    (looped / "lost.png").symlink_to(looped / "none.png")
    listing = list_files(str(looped))
    assert listing.names == ("a/b/z.png", "a/y.png", "x.png")
    assert listing.skipped["linked folders that are read already"] == 2
    assert listing.skipped["links to files that don't exist"] == 2


def test_a_folder_that_is_a_circle_itself(looped: Path) -> None:
    with pytest.raises(OSError, match="self") as caught:
        list_files(str(looped / "self"))
    assert caught.value.filename == str(looped / "self")
