"""Processes of which one hears SIGTERM, or doesn't answer."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from torch import distributed

from mmseg_cosda.engine.stop_signal import StopSignal
from mmseg_cosda.timeouts import lost_process, process_timeout


def begin(rank: int, port: int, seconds: float) -> tuple[StopSignal, Any]:
    cfg = dict(env_cfg=dict(dist_cfg=dict(timeout=seconds)))
    distributed.init_process_group(
        "gloo",
        f"tcp://127.0.0.1:{port}",
        timeout=process_timeout(cfg),
        world_size=2,
        rank=rank,
    )
    stop = StopSignal()
    runner = Namespace(train_loop=None, val_loop=None, cfg=cfg)
    stop.listen(runner)
    return stop, cfg


def end_together(rank: int, port: int, folder: Path) -> None:
    stop, _ = begin(rank, port, 30)
    for step in range(20):
        stop.heard |= rank == 1 and step == 7
        if stop.agreed():
            break
    (folder / f"{rank}").write_text(str(step))
    stop.leave()


def freeze(rank: int, port: int, folder: Path) -> None:
    stop, cfg = begin(rank, port, 2)
    for step in range(20):
        if rank == 1 and step == 3:
            time.sleep(6)
            return
        try:
            stop.agreed()
        except RuntimeError as error:
            (folder / "0").write_text(f"{step} {lost_process(error, cfg)}")
            return
