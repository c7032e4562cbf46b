"""The contact sheet of the demo streets."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers.tools import load_tool
from PIL import Image

from mmseg_cosda.errors import run_tool


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("show_demo")


def test_the_sheet_shows_images_and_labels_of_both_domains(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "sheet.png"
    tool.main(["--out", str(out), "--rows", "2", "--first", "3"])
    assert str(out) in capsys.readouterr().out
    sheet = np.asarray(Image.open(out).convert("RGB")).astype(int)
    assert sheet.shape[1] == 1100
    road = np.abs(sheet - (128, 64, 128)).max(2) < 6
    assert road[:, 275:550].sum() > 3000  # labels of the source
    assert road[:, 825:].sum() > 3000  # labels of the target
    assert road[:, :275].sum() < 500
    assert [p.name for p in out.parent.iterdir()] == ["sheet.png"]


def test_more_rows_make_a_taller_sheet(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Choosing colors takes seconds, and has nothing to do with the rows.
    monkeypatch.setattr(Image.Image, "quantize", lambda self, *_, **__: self)
    options = tool.parse_args(["--rows", "1", "--image-size", "64", "32"])
    rows = tool.pictures(options)
    assert [picture.shape for picture in rows[0]] == [(32, 64, 3)] * 4
    one, three = (
        Image.open(io.BytesIO(tool.draw_sheet(drawn))).height
        for drawn in (rows, rows * 3)
    )
    assert one < three


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--rows", "0"], "--rows 0"),
        (["--first", "-1"], "--first -1"),
        (["--out", "a.jpg"], "a.jpg"),
        (["--gap", "2"], "gap=2.0"),
        (["--split", "test"], "split='test'"),
    ],
)
def test_a_mistake_is_named(tool: ModuleType, args: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tool.main(args)


def test_the_shell_sees_one_line(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        run_tool(lambda: tool.main(["--gap", "2"]))
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
