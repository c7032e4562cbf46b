from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from helpers.toys import batch, build, cosine_config
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from mmseg_cosda.engine.distributed import UDADistributedDataParallel
from mmseg_cosda.models.alignments.gather import gather_rows

STEPS = 4


def part(data: Any, index: int) -> Any:
    return {
        domain: {key: value[index : index + 1] for key, value in branch.items()}
        for domain, branch in data.items()
    }


def train(model: Any, segmentor: Any, rank: int | None, accumulate: int) -> None:
    wrapper = OptimWrapper(
        torch.optim.SGD(segmentor.parameters(), 0.1, momentum=0.9),
        accumulative_counts=accumulate,
    )
    wrapper.initialize_count_status(model, 0, STEPS)
    for step in range(STEPS):
        data = batch(seed=step, size=2, target_labels=step % 2 == 0)
        model.train_step(data if rank is None else part(data, rank), wrapper)


def segmentor(**options: Any) -> Any:
    return build(alignments=dict(cosine=cosine_config(**options)))


def worker(
    rank: int, port: int, out: str, accumulate: int, options: dict[str, Any]
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    model = segmentor(**options)
    if rank == 1:  # the wrapper must bring rank 0's weights
        nn.init.zeros_(model.backbone.stem.weight)
    train(UDADistributedDataParallel(model), model, rank, accumulate)
    torch.save(model.state_dict(), Path(out) / f"{rank}.pth")
    rows = torch.full((rank + 2, 2), float(rank))
    labels = torch.full((rank + 2,), rank)
    labels[0] = 255
    gathered = gather_rows(rows, labels, num_classes=2)
    torch.save(gathered, Path(out) / f"rows{rank}.pth")
    dist.destroy_process_group()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


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
    spawn(worker, (free_port(), str(tmp_path), accumulate, options), nprocs=2)
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
    spawn(partial_gradients, (free_port(), str(tmp_path)), nprocs=2)
    for rank in range(2):
        used, unused = torch.load(tmp_path / f"{rank}.pth")
        assert used.tolist() == [[1.5]]
        assert unused is None


class Partial(nn.Linear):
    def train_step(
        self, data: Any, optim_wrapper: Any, before_step: Any = None
    ) -> dict[str, Tensor]:
        return {}


def partial_gradients(rank: int, port: int, out: str) -> None:
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    model = Partial(1, 1)
    wrapper = UDADistributedDataParallel(model)
    if rank == 1:
        model.weight.grad = torch.full((1, 1), 3.0)
    wrapper.average_gradients()
    torch.save((model.weight.grad, model.bias.grad), Path(out) / f"{rank}.pth")
    dist.destroy_process_group()
