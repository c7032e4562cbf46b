"""Checks of the memory that a process takes: each in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from mmengine.registry import init_default_scope

from helpers.toys import build, segmentor_config
from mmseg_cosda.checkpoint import load_checkpoint_file
from mmseg_cosda.inference.loading import load_model
from mmseg_cosda.inference.low_memory import return_freed_memory

MB = 10**6
CONFIG = dict(model=segmentor_config())


def peak_rss() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def check_that_state_is_not_read(_: int, path: Path) -> None:
    init_default_scope("mmseg")
    build()  # whatever the first model costs
    before = peak_rss()
    load_model(CONFIG, str(path), "cpu")
    assert peak_rss() - before < 32 * MB
    load_checkpoint_file(path)
    assert peak_rss() - before > 224 * MB  # as measured by the same ruler


def check_that_blocks_go_back(_: int, switch: bool) -> None:
    if switch:
        assert return_freed_memory()
    freed = torch.ones(24 * MB, dtype=torch.uint8)
    del freed  # without the switch, smaller blocks come from the heap now
    blocks = [torch.ones(8 * MB, dtype=torch.uint8) for _ in range(16)]
    full = rss()
    del blocks[::2]  # every other one: in a heap, holes
    given_back = full - rss()
    assert given_back > 56 * MB if switch else given_back < 8 * MB


def rss() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
