"""`tools/benchmark.py`: runs unattended, and tells a user's mistakes in a line."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest
import torch
from helpers.tools import load_tool

from benchmarks.speed import method_rows, step_rows
from benchmarks.speed.growth import LOSS
from benchmarks.speed.report import Row
from mmseg_cosda.errors import UserError


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("benchmark")


def test_quick_run_prints_a_table_and_writes_json(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.json"
    threads = torch.get_num_threads()
    sections = ["loss", "cuda", "queue"]
    options = ["--quick", "--rounds", "1", "--device", "cpu", "--json", str(path)]
    tool.main([*options, "--only", *sections])
    torch.set_num_threads(threads)
    printed = capsys.readouterr().out
    assert "| loss | time against naive |" in printed
    assert "MISSED" not in printed  # small sizes are not judged
    assert "not run: no CUDA device" in printed
    rows = json.loads(path.read_text())["rows"]
    assert {row["section"] for row in rows} == {"loss", "loss on CUDA", "queue"}
    by_name = {row["what"]: row for row in rows}
    exact = by_name["float64 against naive: error of the gradient"]
    assert exact["verdict"] == "holds"
    assert by_name["16-bit queue: error of the loss"]["verdict"] == "holds"
    run = [row for row in rows if row["value"] is not None]
    assert all(row["value"] > 0 for row in run if "error" not in row["what"])


def test_the_methods_are_measured_against_source_only(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Here the demo's networks, in place of DeepLabV2-R101 on the meta device."""
    read = step_rows.read_model
    monkeypatch.setattr(
        method_rows, "read_model", lambda name: read(name.replace("gta2cs", "demo"))
    )
    monkeypatch.setattr(method_rows, "CROP", (64, 128))
    monkeypatch.setattr(method_rows, "SMALL", (64, 128))
    path = tmp_path / "rows.json"
    threads = torch.get_num_threads()
    options = ["--quick", "--rounds", "1", "--device", "cpu", "--json", str(path)]
    tool.main([*options, "--only", "methods"])
    torch.set_num_threads(threads)
    assert "| methods | DeepLabV2-R101, mic: host syncs | 0 syncs |" in (
        capsys.readouterr().out
    )
    rows = json.loads(path.read_text())["rows"]
    assert [row["bound"] for row in rows] == [1.1, 0, 1.15, 0, 1.1]
    dacs, _, mic, _, time = (row["value"] for row in rows)
    assert 1 < dacs <= mic < 2  # small maps: what a teacher weighs counts more
    assert time > 0


def test_every_color_change_is_measured() -> None:
    config = method_rows.read_method("mic/deeplabv2_demo")
    for name in ("mixed", "masked"):
        phase = config.phases[name]
        assert phase.jitter_probability == phase.blur_probability == 1


def test_a_plot_needs_growth_and_a_known_format(tool: ModuleType) -> None:
    with pytest.raises(UserError, match=r"--plot a\.jpg: must end with"):
        tool.main(["--plot", "a.jpg"])
    with pytest.raises(UserError, match="section growth"):
        tool.main(["--plot", "a.png", "--only", "loss"])


def test_the_plot_is_written(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row("growth", f"{LOSS}, pixels={n}", n / 10, "s") for n in (1, 2)]
    monkeypatch.setitem(tool.SECTIONS, "growth", lambda settings: rows)
    threads, path = torch.get_num_threads(), tmp_path / "growth.svg"
    tool.main(["--only", "growth", "--plot", str(path), "--device", "cpu"])
    torch.set_num_threads(threads)
    assert "</svg>" in path.read_text()


def test_wrong_options_are_named(tool: ModuleType) -> None:
    with pytest.raises(UserError, match="--rounds 0"):
        tool.main(["--rounds", "0"])
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="--device cuda"):
            tool.main(["--device", "cuda"])


def test_help_has_an_example(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    assert "python tools/benchmark.py --json" in capsys.readouterr().out
