from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.processes import free_port, run_ranks
from helpers.ranks import partial_gradients, segmentor, train, train_rank
from torch import nn

from mmseg_cosda.engine.distributed import UDADistributedDataParallel
from mmseg_cosda.models.alignments.gather import gather_rows


@pytest.mark.parametrize(
    ("accumulate", "options"),
    [
        (1, {}),
        (3, dict(enqueue_limit=2)),
        (1, dict(centering=True, warmup_iters=3, repulsion_weight=0.5)),
    ],
    ids=["literal", "limit", "options"],
)
def test_two_processes_equal_one(
    tmp_path: Path, accumulate: int, options: dict[str, Any]
) -> None:
    run_ranks(train_rank, free_port(), str(tmp_path), accumulate, options, processes=2)
    ranks = [torch.load(tmp_path / f"{rank}.pth") for rank in range(2)]
    single = segmentor(**options)
    train(single, single, None, accumulate)
    for name, value in single.state_dict().items():
        assert torch.equal(ranks[0][name], ranks[1][name]), name
        if name.endswith(("stamps", "pushes")):
            continue  # a push holds one image of each process
        torch.testing.assert_close(ranks[0][name], value, rtol=1e-4, atol=1e-6)
    for rank in range(2):
        rows, labels = torch.load(tmp_path / f"rows{rank}.pth")
        assert labels.tolist() == [0, -1, 1, 1]
        assert rows[[0, 2, 3]].tolist() == [[0, 0], [1, 1], [1, 1]]


def test_a_single_process_gathers_nothing() -> None:
    rows, labels = torch.ones(2, 3), torch.zeros(2)
    assert gather_rows(rows, labels, 3)[0] is rows


def test_models_without_phases_are_refused() -> None:
    with pytest.raises(ValueError, match="wraps a UDAEncoderDecoder, got Linear"):
        UDADistributedDataParallel(nn.Linear(1, 1))


def test_gradients_of_one_rank_reach_the_other(tmp_path: Path) -> None:
    """A parameter without gradient on one rank must not let the ranks drift."""
    run_ranks(partial_gradients, free_port(), str(tmp_path), processes=2)
    for rank in range(2):
        used, unused = torch.load(tmp_path / f"{rank}.pth")
        assert used.tolist() == [[1.5]]
        assert unused is None
