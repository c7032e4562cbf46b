"""What is wrong ends every process of a training, and none waits for another."""

from __future__ import annotations

import socket
from pathlib import Path

import torch.distributed as dist
from helpers.own_data import dataset, make_own_data, own_config
from mmengine.runner import Runner
from torch.multiprocessing.spawn import spawn

from mmseg_cosda.errors import UserError


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def train(rank: int, port: int, folder: str) -> None:
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    root = Path(folder)
    cfg = own_config(root / "data", root / "work")
    cfg.launcher = "pytorch"
    cfg.train_dataloader.dataset.target = dataset(root / "data", "target/train", True)
    try:
        Runner.from_cfg(cfg).train()
    except UserError as error:
        (root / f"{rank}.txt").write_text(str(error))
    dist.destroy_process_group()


def test_both_end_with_the_message(tmp_path: Path) -> None:
    make_own_data(tmp_path / "data")
    spawn(train, (free_port(), str(tmp_path)), nprocs=2)
    said = [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)]
    assert said[0] == said[1]
    assert "hands the target's own labels" in said[0]
