"""The command as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import folders, own_data
from helpers.processes import run_script
from helpers.tools import TOOLS, load_tool

from mmseg_cosda.errors import run_tool

TOOL = TOOLS / "check_dataset.py"
IDS = np.array([[7, 7, 7, 7], [7, 7, 11, 0]])


def write_config(path: Path, root: Path) -> Path:
    base = folders.config_path("_base_/datasets/gta2cs.py")
    path.write_text(
        f'_base_ = [r"{base}"]\n'
        f'train_dataloader = dict(dataset=dict(source=dict(data_root=r"{root}/gta"),\n'
        f'    target=dict(data_root=r"{root}/city")))\n'
        f'val_dataloader = dict(dataset=dict(data_root=r"{root}/city"))\n'
        "test_dataloader = val_dataloader\n"
    )
    return path


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Call the tool in ``tmp_path``; return its exit status and what it prints."""
    monkeypatch.chdir(tmp_path)
    tool = load_tool("check_dataset")

    def call(*args: object) -> tuple[int, str]:
        status = 0
        try:
            run_tool(lambda: tool.main([*map(str, args), "--workers", "1"]))
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


Run = Callable[..., tuple[int, str]]


def test_good_then_bad_then_excluded(tmp_path: Path, run: Run) -> None:
    folders.make_gta5(tmp_path / "gta", IDS)
    folders.make_cityscapes(tmp_path / "city", IDS)
    config = write_config(tmp_path / "config.py", tmp_path)
    status, printed = run(config, "--out", "report.json")
    assert status == 0, printed
    assert printed.count("nothing is wrong") == 3
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["ok"]
    source = report["datasets"]["train_dataloader.dataset.source"]
    assert source["classes"]["road"]["share"] == 0.75
    assert not (tmp_path / "bad_files.txt").exists()

    (tmp_path / "gta/labels/00002.png").write_bytes(b"broken")
    status, printed = run(config)
    assert status == 1, printed
    assert "1 corrupt:" in printed
    assert "labels/00002.png" in printed
    key = "train_dataloader.dataset.source.exclude=bad_files.txt"
    status, printed = run(config, "--cfg-options", key)
    assert status == 0, printed


def test_missing_roots_name_their_keys(tmp_path: Path, run: Run) -> None:
    status, printed = run(write_config(tmp_path / "config.py", tmp_path / "nowhere"))
    assert status == 1
    for key in ("train_dataloader.dataset.source", "val_dataloader.dataset"):
        assert f"{key}: data_root of" in printed


def test_wrong_commands(tmp_path: Path, run: Run) -> None:
    status, printed = run("none.py")
    assert status == 2
    assert "none.py" in printed
    (tmp_path / "empty.py").write_text("a = 1\n")
    status, printed = run("empty.py")
    assert status == 2
    assert "error: empty.py names no dataset" in printed


def test_as_a_script_from_another_directory(tmp_path: Path) -> None:
    config = write_config(tmp_path / "config.py", tmp_path / "nowhere")
    result = run_script(TOOL, [str(config)], tmp_path)
    assert result.returncode == 1, result.stderr
    assert "data_root of GTA5Dataset" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_what_data_and_model_must_agree_on(tmp_path: Path, run: Run) -> None:
    root = own_data.make_own_data(tmp_path / "data")
    for i in range(3):  # 0 and 255 for two classes
        folders.save_ids(root / f"source/labels/{i}.png", own_data.ids() // 2 * 255)
    cfg = own_data.own_config(root, tmp_path / "work")
    cfg.dump(tmp_path / "config.py")
    status, printed = run("config.py", "--out", "report.json")
    assert status == 1, printed
    assert "1 absent:" in printed
    assert "no label holds the class tree, car, only [0]" in printed
    report = json.loads((tmp_path / "report.json").read_text())
    assert not report["ok"]
    assert report["datasets"]["config"]["problems"][0]["kind"] == "absent"
