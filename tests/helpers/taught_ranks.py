"""A training of the teacher's phases, by one process of a batch of two or by two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from torch import nn

from helpers.ranks import part
from helpers.toys import batch, build, cosine_config
from mmseg_cosda.engine.distributed import UDADistributedDataParallel

STEPS = 4


def student() -> Any:
    """A segmentor with a teacher, every option of whose phases shows in 4 steps."""
    colors: dict[str, Any] = dict(blur_probability=1, sigma=(1.0, 2.0))
    model = build(
        phases=dict(
            target=None,
            mixed=dict(type="ClassMixPhase", align=True, **colors),
            masked=dict(type="MaskedPhase", block=4, start_iter=2, **colors),
        ),
        teacher=dict(decay=0.5, threshold=0.3),
        alignments=dict(cosine=cosine_config()),
    )
    model.init_weights()
    return model


def train(model: Any, segmentor: Any, rank: int | None) -> None:
    """Train on batches of two images, or on this process's one of each."""
    wrapper = OptimWrapper(torch.optim.SGD(segmentor.parameters(), 0.1, momentum=0.9))
    hub = MessageHub.get_current_instance()
    hub.update_info("seed", 5)
    for step in range(STEPS):
        hub.update_info("iter", step)
        data = batch(seed=step, size=2)
        model.train_step(data if rank is None else part(data, rank), wrapper)


def train_rank(rank: int, port: int, out: str) -> None:
    """Train as one of two processes and save the weights."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    model = student()
    if rank == 1:  # the wrapper must bring rank 0's weights
        nn.init.zeros_(model.backbone.stem.weight)
    train(UDADistributedDataParallel(model), model, rank)
    torch.save(model.state_dict(), Path(out) / f"{rank}.pth")
    dist.destroy_process_group()
