"""What is wrong ends every process of a training, and none waits for another."""

from __future__ import annotations

from pathlib import Path

from helpers.own_data import make_own_data
from helpers.processes import free_port, run_ranks
from helpers.ranks import train_on_leaked_labels


def test_both_end_with_the_message(tmp_path: Path) -> None:
    make_own_data(tmp_path / "data")
    run_ranks(train_on_leaked_labels, free_port(), str(tmp_path), processes=2)
    said = [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)]
    assert said[0] == said[1]
    assert "hands the target's own labels" in said[0]
