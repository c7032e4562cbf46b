from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from helpers.tools import load_tool
from helpers.toy_runs import demo_config


def test_a_training_ends_with_what_it_reached(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    cfg = demo_config(tmp_path / "work", 2, log_level="INFO")
    cfg.train_cfg.val_interval = 2
    cfg.dump("small.py")
    load_tool("train").main(["small.py", "--work-dir", "work"])
    (log,) = Path("work").glob("*/*.log")
    said = [line.partition(" INFO - ")[2] for line in log.read_text().splitlines()]
    reached, last, best, following = said[-4:]
    assert re.fullmatch(r"trained 2 iterations: mIoU \d+\.\d\d at the .*", reached)
    assert last == "  last: work/iter_2.pth"
    assert re.fullmatch(r"  best: work/best_mIoU_iter_2\.pth \(mIoU [\d.]+\)", best)
    words = shlex.split(following)
    assert words[0] == "next:"
    assert words[3:] == [
        "small.py",
        "work/iter_2.pth",
        "IMAGES",
        "--out",
        "predictions",
    ]
