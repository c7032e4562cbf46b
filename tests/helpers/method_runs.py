"""The demo on a toy network with all that the teacher methods have."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from helpers.toy_runs import demo_config

MIC: dict[str, Any] = dict(
    target=None,
    mixed=dict(type="ClassMixPhase", align=True),
    masked=dict(type="MaskedPhase", block=8, start_iter=4),
)
TEACHER: dict[str, Any] = dict(type="EMATeacher", decay=0.7, weighting="class_median")


def method_config(work_dir: Path, iterations: int, **options: Any) -> Config:
    """DACS, MIC from iteration 4 on and the cosine loss; rare classes; random crops."""
    cfg = demo_config(work_dir, iterations)
    cfg.model.update(phases=MIC, teacher=TEACHER)
    data = cfg.train_dataloader.dataset
    for domain in (data.source, data.target):
        domain.pipeline.insert(1, dict(type="RandomCrop", crop_size=(24, 48)))
    counts = str(work_dir.parent / "class_counts.json")
    data.source_order = dict(type="RareClassOrder", class_counts=counts, tries=2)
    cfg.merge_from_dict(options)
    return cfg


@HOOKS.register_module()
class KilledHook(Hook):
    """Kills the process within an iteration, between its last backward and the step."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        if runner.iter == self.iteration:
            runner.optim_wrapper.step = self._kill

    @staticmethod
    def _kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def train_until_killed(work_dir: Path, iteration: int, options: dict[str, Any]) -> None:
    cfg = method_config(work_dir, 6, **options)
    cfg.custom_hooks = [dict(type="KilledHook", iteration=iteration)]
    Runner.from_cfg(cfg).train()
