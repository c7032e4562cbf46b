"""The command as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import folders
from helpers.tools import load_tool

from mmseg_cosda.errors import UserError, run_tool

# 7 road, 11 building, 26 car; 0 is ignored.
IDS = np.array([[7, 7, 7, 26], [7, 11, 11, 0]])

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A child of the GTA5 config without the target's folders, which aren't read."""
    folders.make_gta5(tmp_path / "gta", IDS, count=3)
    base = folders.config_path("_base_/datasets/gta2cs.py")
    path = tmp_path / "config.py"
    path.write_text(
        f'_base_ = [r"{base}"]\n'
        f"train_dataloader = dict(dataset=dict(\n"
        f'    source=dict(data_root=r"{tmp_path}/gta"),\n'
        '    source_order=dict(type="RareClassOrder", temperature=0.1, min_share=0.2,\n'
        '                      class_counts="named.json")))\n'
    )
    return path


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    monkeypatch.chdir(tmp_path)
    tool = load_tool("count_classes")

    def call(*args: object) -> tuple[int, str]:
        status = 0
        try:
            run_tool(lambda: tool.main([*map(str, args), "--workers", "0"]))
        except SystemExit as exit_:
            status = int(exit_.code or 0)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


def rows(printed: str) -> dict[str, list[str]]:
    cells = [[c.strip() for c in line.split("|")] for line in printed.splitlines()]
    return {row[1]: row[2:-1] for row in cells if len(row) > 2}


def test_the_table_is_that_of_the_configs_order(run: Run, config: Path) -> None:
    status, printed = run(config)
    assert status == 0, printed
    table = rows(printed)
    weights = np.exp(-np.array([4, 2, 1]) / 7 / 0.1)
    weights /= weights.sum()
    found = [table[name][1] for name in ("road", "building", "car")]
    assert found == [f"{w:.3f}" for w in weights]
    assert table["road"] == ["57.143", found[0], "3", "3"]
    assert table["sky"] == ["0.000", "0.000", "0", "0"]
    # 1 of 8 pixels is less than min_share: drawn from all that hold it.
    assert table["car"][2:] == ["3", "3"]
    stored = json.loads(Path("named.json").read_text())
    assert stored["images"][0] == ["images/00001.png", 8, {"0": 4, "2": 2, "13": 1}]
    assert "3 images: named.json" in printed


def test_counts_of_another_data_set_are_replaced_on_demand(
    run: Run, config: Path
) -> None:
    run(config, "--out", "out.json")
    root = config.parent / "gta"
    (root / "images/00003.png").unlink()
    (root / "labels/00003.png").unlink()
    status, printed = run(config, "--out", "out.json")
    assert status == 2
    assert "of another dataset: 3 images, not 2. Count again with" in printed
    status, printed = run(config, "--out", "out.json", "--overwrite")
    assert status == 0
    assert "2 images: out.json" in printed


def test_wrong_options_are_one_line(run: Run, config: Path) -> None:
    with pytest.raises(UserError, match="--workers -1"):
        load_tool("count_classes").main([str(config), "--workers", "-1"])
    base = folders.config_path("_base_/models/deeplabv2_r18.py")
    status, printed = run(base)
    assert status == 2
    assert "has no train_dataloader.dataset" in printed
