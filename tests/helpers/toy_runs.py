"""The demo on a toy network through the Runner, for tests of whole trainings."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from helpers.toys import cosine_config, head_config, segmentor_config

CONFIG = Path(__file__).parents[2] / "configs" / "cosda" / "deeplabv2_demo_no-pl.py"
RUNS = count()


def demo_config(work_dir: Path, iterations: int, **options: Any) -> Config:
    """The demo on a toy network: live BN, dropout, sampled enqueueing, AdamW."""
    cfg = Config.fromfile(CONFIG)
    cfg.work_dir = str(work_dir)
    cfg.visualizer.name = str(work_dir)  # the host keeps one per name and process
    # Else runs that begin in the same second share the host's message hub and logger.
    cfg.experiment_name = f"{work_dir.name}_{iterations}_{next(RUNS)}"
    small = dict(image_size=(64, 32), length=5)
    cfg.train_dataloader.dataset.source.update(small)
    cfg.train_dataloader.dataset.target.update(small)
    cfg.val_dataloader.dataset.update(small)
    cfg.merge_from_dict(
        {
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
            "val_dataloader.num_workers": 0,
            "val_dataloader.persistent_workers": False,
            "train_cfg.max_iters": iterations,
            "train_cfg.val_interval": 100,
            "param_scheduler.0.end": 6,
            "default_hooks.checkpoint.interval": 3,
            "log_level": "ERROR",
            **options,
        }
    )
    cfg.model = segmentor_config(
        backbone=dict(type="ToyBackbone", norm=True),
        decode_head=head_config(num_classes=10, dropout_ratio=0.5),
        alignments=dict(cosine=cosine_config(num_classes=10, enqueue_limit=2)),
    )
    return cfg


def train_to_end(cfg: Config) -> dict[str, Any]:
    Runner.from_cfg(cfg).train()
    path = Path(cfg.work_dir) / f"iter_{cfg.train_cfg.max_iters}.pth"
    return torch.load(path, weights_only=False)


def assert_equal_states(got: Any, expected: Any, place: str) -> None:
    if isinstance(expected, Tensor):
        assert torch.equal(got, expected), place
    elif isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for key in expected:
            assert_equal_states(got[key], expected[key], f"{place}.{key}")
    elif isinstance(expected, list | tuple):
        for i, pair in enumerate(zip(got, expected, strict=True)):
            assert_equal_states(*pair, place=f"{place}[{i}]")
    else:
        assert got == expected, place
