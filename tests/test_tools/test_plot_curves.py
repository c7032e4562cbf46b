"""The tool's whole way, from logs and result files to a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.tools import load_tool
from helpers.training_files import evaluation, train_line, write_log, write_result
from PIL import Image

from mmseg_cosda.errors import UserError, run_tool

ROOT = Path(__file__).parents[2]
tool = load_tool("plot_curves")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two seeds and a resumed training, as result files and work folders."""
    monkeypatch.chdir(tmp_path)
    write_result(Path("results/cosine_seed0.json"), {10: 20.0, 20: 30.0, 30: 40.0})
    write_result(Path("results/cosine_seed1.json"), {10: 24.0, 20: 30.0, 30: 50.0})
    lines = [train_line(5, loss=2.0), evaluation(10, 10.0, car=6.0, road=9.0)]
    late = [train_line(15, loss=1.0), evaluation(20, 12.0, car=7.0, road=8.0)]
    write_log(Path("work/mine"), "20260101", *lines)
    write_log(Path("work/mine"), "20260102", *late)
    return tmp_path


def draw(monkeypatch: pytest.MonkeyPatch, *args: str) -> dict[str, dict[str, Any]]:
    """Run the tool; return the lines of each panel: label -> (x, y)."""
    shown: dict[str, Any] = {}

    def record(panels: dict[str, Any], *options: Any) -> Any:
        for title, bands in panels.items():
            lines = {b.label: (b.steps.tolist(), b.mean.tolist()) for b in bands}
            shown[title] = lines
        return drawn(panels, *options)

    drawn = tool.draw_curves
    with monkeypatch.context() as patch:
        patch.setattr(tool, "draw_curves", record)
        tool.main([*args, "--out", "out/picture.png"])
    assert [path.name for path in Path("out").iterdir()] == ["picture.png"]
    return shown


def test_files_and_folders_become_lines(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = draw(monkeypatch, "results", "work/mine")
    assert shown == {
        "mIoU": {
            "cosine": ([10, 20, 30], [22.0, 30.0, 45.0]),
            "mine": ([10, 20], [10.0, 12.0]),
        }
    }
    assert "2 lines of 3 runs: out/picture.png" in capsys.readouterr().out
    pixels = np.asarray(Image.open("out/picture.png").convert("RGB"))
    assert pixels.shape[1] == 1050  # a column of 3.5 inches at 300 dpi
    for color in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
        assert (pixels == color).all(-1).sum() > 500


def test_a_label_takes_all_that_fits_its_pattern(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = draw(monkeypatch, "--label", "all=results/*.json", "all=work/m*")
    assert shown["mIoU"] == {"all": ([10, 20], [18.0, 24.0])}
    note = "note: all: 1 evaluations of mIoU are left out, which not all 3 runs have"
    assert note in capsys.readouterr().err


def test_classes_are_panels(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = draw(monkeypatch, "results", "work/mine", "--classes", "all")
    cosine, mine = ([10, 20, 30], [11.0, 15.0, 22.5]), ([10, 20], [6.0, 7.0])
    road = ([10, 20], [9.0, 8.0])
    assert shown == {
        "car": {"cosine": cosine, "mine": mine},
        "road": {"mine": road},
    }
    assert "cosine: 2 of 2 runs have no IoU.road, left out" in capsys.readouterr().err
    assert [*draw(monkeypatch, "work/mine", "--classes", "road", "car")] == [
        "road",
        "car",
    ]


def test_what_is_logged_in_training_can_be_drawn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = draw(monkeypatch, "results", "work/mine", "--metric", "loss")
    line = ([5, 15], [2.0, 1.0])
    assert shown == {"loss": {"cosine": line, "mine": line}}
    diagnosis = {"step": [1, 2], "d/within/car": [0.5, 0.75], "d/within": [0.1, 0.2]}
    write_result(Path("d_seed0.json"), {10: 1.0}, diagnosis=diagnosis)
    args = ("d_seed0.json", "--metric", "d/within")
    assert draw(monkeypatch, *args)["d/within"] == {"d": ([1, 2], [0.1, 0.2])}
    for names in ("car", "all"):
        shown = draw(monkeypatch, *args, "--classes", names)
        assert shown == {"car": {"d": ([1, 2], [0.5, 0.75])}}


def test_what_had_another_name_in_earlier_versions_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, name in enumerate(("purity", "match_precision")):
        values = {f"diagnosis/cosine.last/{name}": [0.5, 0.75 - 0.5 * seed]}
        path = Path(f"d_seed{seed}.json")
        write_result(path, {10: 1.0}, diagnosis={"step": [1, 2], **values})
    now = "diagnosis/cosine.last/match_precision"
    for metric in (now, "diagnosis/cosine.last/purity"):
        args = ("d_seed0.json", "d_seed1.json", "--metric", metric)
        assert draw(monkeypatch, *args) == {now: {"d": ([1, 2], [0.5, 0.5])}}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "give a WORK_DIR"),
        (["gone"], "gone: there is no such work folder"),
        (["work"], "work is no work folder of a training"),
        (["work/mine", "--out", "a.jpg"], "--out a.jpg: must end with .png"),
        (["work/mine", "--width", "0"], "--width 0: must be from 1"),
        (["--label", "work/mine"], "--label work/mine: give NAME=GLOB"),
        (["work/mine", "--metric", "mIoU13"], "on validation there are aAcc, mIoU;"),
        (["work/mine", "--classes", "bus"], "the classes are car, road"),
        (["work/mine", "--classes", "car", "--metric", "x"], "is logged as x/CLASS"),
        (["old_seed0.json", "--classes", "all"], "holds no curve per class"),
        (["young"], "young holds no evaluation"),
    ],
)
def test_a_mistake_is_one_line(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    message: str,
) -> None:
    old = {10: 3.0, 20: 2.0, 30: 1.0, 40: 1.0}
    write_result(Path("old_seed0.json"), old, curve_per_class=None)
    write_log(Path("young"), "20260101", train_line(5, loss=1.0))
    args = args if "--out" in args else [*args, "--out", "out/picture.png"]
    with pytest.raises(UserError):
        tool.main(args)
    with pytest.raises(SystemExit) as stop:
        run_tool(lambda: tool.main(args))
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not Path("out").exists()


def test_the_readme_results_can_be_drawn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = str(ROOT / "results" / "readme" / "demo")
    shown = draw(monkeypatch, results, "--classes", "car")["car"]
    assert set(shown) == {
        "cosine",
        "cosine-no-pl",
        "only-ssl",
        "dacs",
        "dacs-cosine",
    } | {
        "source-only",
        "target-bn",
    }
    assert all(steps == [400] for steps, _ in shown.values())


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    assert "python tools/plot_curves.py" in capsys.readouterr().out
