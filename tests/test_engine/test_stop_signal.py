"""SIGTERM saves and ends a training; a frozen process ends it too."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.processes import free_port, run_ranks
from helpers.stopping_ranks import end_together, freeze
from helpers.toy_runs import assert_equal_states, demo_config, train_to_end
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmseg_cosda import launch
from mmseg_cosda.engine.stop_signal import make_workers_patient
from mmseg_cosda.errors import Stopped, UserError
from mmseg_cosda.timeouts import process_timeout
from mmseg_cosda.work_dir import read_curve


class Terminate(Hook):
    """Sends SIGTERM in an iteration of training, or of an evaluation."""

    def __init__(self, training: int | None = None, evaluation: int | None = None):
        self.training, self.evaluation = training, evaluation

    def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        if runner.iter == self.training:
            os.kill(os.getpid(), signal.SIGTERM)

    def before_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        if batch_idx == self.evaluation:
            os.kill(os.getpid(), signal.SIGTERM)


def stopped(cfg: Any, **when: int) -> None:
    runner = Runner.from_cfg(cfg)
    runner.register_hook(Terminate(**when))
    with pytest.raises(Stopped) as caught:
        launch.run(runner, "train")
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_it_saves_and_goes_on_bit_for_bit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = train_to_end(demo_config(tmp_path / "whole", 6))
    work = tmp_path / "parts"
    stopped(demo_config(work, 6), training=4)
    assert "--resume" in capsys.readouterr().err
    assert (work / "last_checkpoint").read_text() == str(work / "iter_5.pth")
    got = train_to_end(demo_config(work, 6, resume=True))
    for key in ("state_dict", "optimizer", "param_schedulers"):
        assert_equal_states(got[key], expected[key], key)


def test_in_an_evaluation_it_ends_at_once_and_the_evaluation_is_made_up(
    tmp_path: Path,
) -> None:
    options = {"train_cfg.val_interval": 2, "default_hooks.checkpoint.interval": 4}
    work = tmp_path / "work"
    stopped(demo_config(work, 4, **options), evaluation=1)
    assert [path.name for path in work.glob("iter_*")] == ["iter_2.pth"]
    assert read_curve(work) == {}
    train_to_end(demo_config(work, 4, resume=True, **options))
    assert [*read_curve(work)] == [2, 4]


def test_it_is_heard_behind_a_training_that_an_error_ended(tmp_path: Path) -> None:
    class Broken(Hook):
        def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
            raise OSError("broken")

    runner = Runner.from_cfg(demo_config(tmp_path / "broken", 2))
    runner.register_hook(Broken())
    with pytest.raises(OSError, match="broken"):
        runner.train()
    stopped(demo_config(tmp_path / "next", 2), training=0)


def test_a_handler_of_the_program_s_own_stays(tmp_path: Path) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        runner = Runner.from_cfg(demo_config(tmp_path / "work", 2))
        runner.register_hook(Terminate(training=0))
        runner.train()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_workers_pass_over_the_signal_of_a_scheduler_and_obey_their_parent() -> None:
    numbers: Any = torch.arange(40)
    loader: Any = DataLoader(numbers, num_workers=1)
    make_workers_patient(loader)
    batches = iter(loader)
    next(batches)
    (worker,) = batches._workers
    subprocess.run(["kill", "-TERM", str(worker.pid)], check=True)
    assert len([*batches]) == 39
    batches = iter(loader)
    next(batches)
    (worker,) = batches._workers
    worker.terminate()
    worker.join(5)
    assert worker.exitcode == 0
    with pytest.raises(RuntimeError, match="worker"):
        list(batches)
    batches._shutdown_workers()


def test_a_killed_worker_is_one_line() -> None:
    class Killed:
        iter, max_iters, work_dir = 4, 9, "none"

        def test(self) -> None:
            numbers: Any = torch.arange(400)
            loader: Any = DataLoader(numbers, num_workers=1)
            batches = iter(loader)
            next(batches)
            batches._workers[0].kill()
            time.sleep(0.2)
            try:
                list(batches)
            finally:  # else a later test hears of the worker's end
                batches._shutdown_workers()

    with pytest.raises(UserError, match=r"worker was killed \(signal Killed\)"):
        launch.run(Killed(), "test")  # type: ignore[arg-type]


def test_all_processes_end_behind_the_same_iteration(tmp_path: Path) -> None:
    run_ranks(end_together, free_port(), tmp_path, processes=2)
    assert [(tmp_path / rank).read_text() for rank in "01"] == ["8", "8"]


@pytest.mark.slow
def test_a_frozen_process_ends_the_others(tmp_path: Path) -> None:
    run_ranks(freeze, free_port(), tmp_path, processes=2)
    text = (tmp_path / "0").read_text()
    assert text.startswith("4 another process did not answer for 2 s: it is frozen")
    assert "env_cfg.dist_cfg.timeout=SECONDS" in text


@pytest.mark.parametrize("seconds", ["90", 0, -1, True])
def test_a_timeout_that_is_none(seconds: object) -> None:
    with pytest.raises(UserError, match=r"env_cfg\.dist_cfg\.timeout="):
        process_timeout(dict(env_cfg=dict(dist_cfg=dict(timeout=seconds))))
