from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.training_files import write_state
from mmengine.config import Config

from mmseg_cosda import launch
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.launch import (
    add_run_arguments,
    processes,
    read_run_config,
    run,
    use_mixed_precision,
)
from mmseg_cosda.training_folder import take_work_dir


def options(*args: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    add_run_arguments(parser)
    return parser.parse_args(args)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "small.py"
    path.write_text("a = dict(b=1)\n")
    return str(path)


def test_overrides_and_work_dir(config: str) -> None:
    cfg = read_run_config(options(config, "--cfg-options", "a.b=2", "a.c=[1,2]"))
    assert cfg.a == {"b": 2, "c": [1, 2]}
    assert cfg.work_dir == "work_dirs/small"
    assert cfg.launcher == "none"


def test_work_dir_of_the_arguments_beats_the_config_s(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('work_dir = "from_config"\n')
    assert read_run_config(options(str(path))).work_dir == "from_config"
    given = options(str(path), "--work-dir", "given")
    assert read_run_config(given).work_dir == "given"


def test_a_system_s_encoding_that_lacks_letters(
    tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "street.py"
    path.write_text('classes = ["Stra\u00dfe"]\n', "utf-8")
    assert read_run_config(options(str(path))).classes == ["Stra\u00dfe"]
    for encoding in ("ascii", "ANSI_X3.4-1968"):
        monkeypatch.setattr("locale.getpreferredencoding", lambda _, e=encoding: e)
        assert read_run_config(options(config, "--work-dir", "w")).work_dir == "w"
        with pytest.raises(UserError, match=r"street\.py.*lacks '.', .*PYTHONUTF8=1"):
            read_run_config(options(str(path)))
        with pytest.raises(UserError, match=r"work_dir=w\u00f6: .*PYTHONUTF8=1"):
            read_run_config(options(config, "--work-dir", "w\u00f6"))


def test_amp_is_refused_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "get_device", lambda: "cpu")
    cfg = Config({"optim_wrapper": {"optimizer": {"type": "SGD"}}})
    with pytest.raises(UserError, match="--amp needs a GPU"):
        use_mixed_precision(cfg)


def test_amp_reaches_one_wrapper_or_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "get_device", lambda: "cuda")
    one = Config({"optim_wrapper": {"optimizer": {"type": "SGD"}}})
    use_mixed_precision(one)
    assert one.optim_wrapper.type == "AmpOptimWrapper"
    assert one.optim_wrapper.loss_scale == "dynamic"
    part = {"type": "OptimWrapper", "optimizer": {"type": "Adam"}}
    several = Config(
        {"optim_wrapper": {"constructor": "X", "a": dict(part), "b": dict(part)}}
    )
    use_mixed_precision(several)
    assert "type" not in several.optim_wrapper
    assert several.optim_wrapper.a.type == "AmpOptimWrapper"
    assert several.optim_wrapper.b.type == "AmpOptimWrapper"
    other = Config({"optim_wrapper": {"type": "Apex", "optimizer": {"type": "SGD"}}})
    with pytest.raises(UserError, match=r"optim_wrapper\.type = Apex"):
        use_mixed_precision(other)


def test_the_pytorch_launcher_needs_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UserError, match="RANK and WORLD_SIZE are not set"):
        processes("pytorch").__enter__()


def test_the_pytorch_launcher_joins_over_gloo_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(launch, "get_device", lambda: "cpu")
    environment = {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "0",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with processes("pytorch"):
        assert torch.distributed.get_backend() == "gloo"
    assert not torch.distributed.is_initialized()


class FailingRunner:
    def __init__(self, error: Exception, step: int) -> None:
        self.error, self.iter = error, step

    def train(self) -> None:
        raise self.error


class Broken(torch.utils.data.Dataset[int]):
    def __getitem__(self, index: int) -> int:
        raise UserError(f"image {index} has no label: make one")


def worker_error() -> ValueError:
    """Return what a DataLoader makes of a worker's error."""
    loader = torch.utils.data.DataLoader(Broken(), sampler=[3], num_workers=1)
    batches = iter(loader)
    with pytest.raises(ValueError, match="Caught UserError") as caught:
        next(batches)
    return caught.value


def messages(error: Exception, step: int) -> Sequence[str]:
    with pytest.raises((ValueError, RuntimeError)) as caught:
        run(FailingRunner(error, step), "train")  # type: ignore[arg-type]
    return [type(caught.value).__name__, *str(caught.value).splitlines()]


def test_a_worker_s_error_is_one_line() -> None:
    expected = ["UserError", "image 3 has no label: make one"]
    assert messages(worker_error(), 7) == expected


def test_a_failure_in_the_middle_keeps_its_traceback() -> None:
    assert messages(ValueError("a"), 0) == ["ValueError", "a"]
    assert messages(UserError("a"), 7) == ["UserError", "a"]
    failed = ["RuntimeError", "train failed after 7 steps"]
    assert messages(ValueError("a"), 7) == failed


class InterruptedRunner:
    def __init__(self, work_dir: Path) -> None:
        self.work_dir, self.iter, self.max_iters = str(work_dir), 12, 40

    def train(self) -> None:
        raise KeyboardInterrupt

    def test(self) -> None:
        raise KeyboardInterrupt


def interrupted(work_dir: Path, mode: str = "train") -> str:
    with pytest.raises(KeyboardInterrupt) as caught:
        run(InterruptedRunner(work_dir), mode)  # type: ignore[arg-type]
    return str(caught.value)


def test_an_interrupted_training_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["tools/train.py", "a.py", "--work-dir", "w"])
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    text = interrupted(tmp_path)
    assert "in iteration 13 of 40; no checkpoint is written yet" in text
    path = write_state(tmp_path, 10)
    assert interrupted(tmp_path) == (
        f"in iteration 13 of 40; go on from {path} with: "
        "python tools/train.py a.py --work-dir w --resume"
    )
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "0")
    assert interrupted(tmp_path).endswith("the same command and --resume")
    assert interrupted(tmp_path, "test") == ""


def test_the_line_of_an_interruption(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt("in iteration 3 of 9; go on")

    with pytest.raises(SystemExit) as caught:
        run_tool(main)
    assert caught.value.code == 130
    assert capsys.readouterr().err == "interrupted in iteration 3 of 9; go on\n"


def test_a_config_without_a_model() -> None:
    with pytest.raises(UserError, match="has no model: inherit one"):
        launch.build_runner(Config(dict(work_dir="w")))


class FailingWrite:
    """A Runner that trains until a file can't be written."""

    max_iters, cfg = 9, None

    def __init__(self, work_dir: Path, error: Exception) -> None:
        self.work_dir, self.error, self.iter = str(work_dir), error, 4

    def train(self) -> None:
        raise self.error


def test_a_file_that_cannot_be_written_is_named_with_how_to_go_on(
    tmp_path: Path,
) -> None:
    error = OSError(errno.EROFS, "Read-only file system", "w/iter_5.pth")
    with pytest.raises(UserError) as caught:
        run(FailingWrite(tmp_path, error), "train")  # type: ignore[arg-type]
    assert str(caught.value).startswith(
        "w/iter_5.pth: read-only file system; write to another place; in iteration 5 "
        "of 9; no checkpoint is written yet"
    )


def test_a_process_that_is_gone_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("[gloo/pair.cc:534] Connection closed by peer [127.0.0.1]:1")
    runner: Any = FailingWrite(Path("none"), error)
    with pytest.raises(RuntimeError, match="Connection closed"):
        run(runner, "train")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    runner.cfg = {}
    with pytest.raises(UserError, match="another process has ended: what it printed"):
        run(runner, "train")
    runner.error = RuntimeError("Timed out waiting 3000ms for recv operation")
    with pytest.raises(UserError, match="another process did not answer: it is frozen"):
        run(runner, "train")
    runner.error = RuntimeError("shape mismatch")
    with pytest.raises(RuntimeError, match="shape"):
        run(runner, "train")


def training_config(folder: Path, **values: Any) -> Config:
    return Config(
        {"launcher": "none", "work_dir": str(folder), "resume": False} | values
    )


def test_over_another_training_one_must_say_what_is_meant(tmp_path: Path) -> None:
    state = write_state(tmp_path, 10)
    (tmp_path / "20260101_000000").mkdir()
    (tmp_path / "training.json").touch()
    notes = tmp_path / "notes.txt"
    notes.touch()
    with pytest.raises(UserError, match=r"iter_10.*--resume.*--overwrite.*--work-dir"):
        take_work_dir(training_config(tmp_path), False)
    take_work_dir(training_config(tmp_path, resume=True), False).release()
    assert state.is_file()
    take_work_dir(training_config(tmp_path), True).release()
    assert [*tmp_path.iterdir()] == [notes]


def test_two_trainings_in_one_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from mmengine.config import Config; "
        "from mmseg_cosda.training_folder import take_work_dir; "
        "take_work_dir(Config(dict(launcher='none', work_dir=sys.argv[1])), False)"
    )
    lock = take_work_dir(training_config(tmp_path), False)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    lock.release()
    last = done.stderr.strip().splitlines()[-1]
    assert f"is being written by process {os.getpid()} on " in last
