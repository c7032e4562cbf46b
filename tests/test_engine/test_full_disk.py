"""A training whose files can't be written: one line, and what was there stays whole."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.toy_runs import demo_config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend

from mmseg_cosda import launch
from mmseg_cosda.checkpoint.newest import newest_whole
from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file grows beyond a size, as on a disk that is full; by the system's limit."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


class Full(Hook):
    """Fills the disk in an iteration of training."""

    priority = "HIGHEST"

    def __init__(self, step: int, stack: Any, size: int) -> None:
        self.step, self.stack, self.size = step, stack, size

    def before_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        if runner.iter == self.step:
            self.stack.enter_context(files_up_to(self.size))


def refusal(cfg: Any, *hooks: Hook) -> str:
    runner = Runner.from_cfg(cfg)
    for hook in hooks:
        runner.register_hook(hook)
    with pytest.raises(UserError) as caught:
        launch.run(runner, "train")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_checkpoint_that_finds_no_room(tmp_path: Path) -> None:
    work = tmp_path / "work"
    options = {"default_hooks.checkpoint.max_keep_ckpts": 1}
    with ExitStack() as stack:
        text = refusal(demo_config(work, 6, **options), Full(4, stack, 30_000))
    assert text.startswith(f"{work / 'iter_6.pth'}: file too large; ")
    assert "in iteration 6 of 6; go on from " in text
    assert "--resume" in text
    found = newest_whole(work)
    assert found.path == work / "iter_3.pth"
    assert found.damaged == ()
    assert (work / "last_checkpoint").read_text() == str(work / "iter_3.pth")
    assert not list(work.glob(".*.pth.*"))
    torch.load(work / "iter_3.pth", weights_only=False)


def test_weights_that_find_no_room(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    with (
        files_up_to(9_000),
        pytest.raises(OSError, match="File too large") as caught,
        atomic_write(path) as file,
    ):
        torch.save({"weight": torch.ones(9_000)}, file)
    assert caught.value.filename == str(path)
    assert not list(tmp_path.iterdir())


def test_scalars_of_a_read_only_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Any, value: Any, file_path: str, file_format: str) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(LocalVisBackend, "_dump", full)
    work = tmp_path / "work"
    text = refusal(demo_config(work, 2, **{"default_hooks.logger.interval": 1}))
    assert text.startswith(f"{work}/")
    assert "/vis_data/" in text
    assert ".json: read-only file system; write to another place" in text
    assert "no checkpoint is written yet" in text


def test_a_log_that_finds_no_room(tmp_path: Path) -> None:
    class FullLog(Hook):
        def before_train(self, runner: Any) -> None:
            for handler in runner.logger.handlers:
                if hasattr(handler, "baseFilename"):
                    full = os.open("/dev/full", os.O_WRONLY)
                    handler.stream = os.fdopen(full, "w")

    work = tmp_path / "work"
    options = {"default_hooks.logger.interval": 1, "log_level": "INFO"}
    text = refusal(demo_config(work, 2, **options), FullLog())
    assert text.startswith(f"{work}/")
    assert ".log: no space left on device; make room there" in text
