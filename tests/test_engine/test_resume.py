from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.toy_runs import assert_equal_states, demo_config, train_to_end

from mmseg_cosda.datasets import DomainPairDataset


@pytest.mark.parametrize("workers", [0, 1])
def test_a_resumed_run_equals_one_that_never_stopped(
    tmp_path: Path, workers: int
) -> None:
    options = {"train_dataloader.num_workers": workers}
    whole = train_to_end(demo_config(tmp_path / "whole", 6, **options))
    train_to_end(demo_config(tmp_path / "parts", 3, **options))
    torch.rand(17)  # what the first part left in the global generator is not needed
    parts = train_to_end(demo_config(tmp_path / "parts", 6, resume=True, **options))
    assert_equal_states(parts["state_dict"], whole["state_dict"], "state_dict")
    assert_equal_states(parts["optimizer"], whole["optimizer"], "optimizer")
    assert whole["state_dict"]["alignments.cosine.queues.last.counts"].any()


def test_a_resumed_run_reads_nothing_that_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_to_end(demo_config(tmp_path, 2))
    read: list[int] = []

    def spy(self: DomainPairDataset, position: int) -> Any:
        read.append(position)
        return original(self, position)

    original = DomainPairDataset.__getitem__
    monkeypatch.setattr(DomainPairDataset, "__getitem__", spy)
    train_to_end(demo_config(tmp_path, 4, resume=True))
    assert read == [2, 3]


def test_the_report_reaches_the_scalars(tmp_path: Path) -> None:
    cfg = demo_config(tmp_path, 3)
    cfg.custom_hooks = [dict(type="AlignmentReportHook", interval=3)]
    train_to_end(cfg)
    (scalars,) = tmp_path.glob("*/vis_data/scalars.json")
    lines = [line for line in scalars.read_text().splitlines() if "/road" in line]
    assert len(lines) == 1
    assert '"cosine/queue_fill_last/road"' in lines[0]
