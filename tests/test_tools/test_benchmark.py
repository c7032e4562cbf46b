"""`tools/benchmark.py`: runs unattended, and tells a user's mistakes in a line."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import torch

from mmseg_cosda.errors import UserError

TOOL = Path(__file__).parents[2] / "tools" / "benchmark.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_tool", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    assert all(row["value"] > 0 for row in rows if row["value"] is not None)


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
