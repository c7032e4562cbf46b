from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmseg_cosda import launch
from mmseg_cosda.errors import UserError
from mmseg_cosda.launch import (
    CheckpointFitHook,
    add_run_arguments,
    processes,
    read_config,
    require_fit,
    run,
    use_mixed_precision,
)


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
    cfg = read_config(options(config, "--cfg-options", "a.b=2", "a.c=[1,2]"))
    assert cfg.a == {"b": 2, "c": [1, 2]}
    assert cfg.work_dir == "work_dirs/small"
    assert cfg.launcher == "none"


def test_work_dir_of_the_arguments_beats_the_config_s(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text('work_dir = "from_config"\n')
    assert read_config(options(str(path))).work_dir == "from_config"
    given = options(str(path), "--work-dir", "given")
    assert read_config(given).work_dir == "given"


def test_a_relative_path_is_read_from_the_working_directory(
    config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(config).parent)
    assert read_config(options("small.py")).a.b == 1


def test_a_missing_config_names_the_path_and_the_place(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config none\.py does not exist"):
        read_config(options("none.py"))
    (tmp_path / "a.pth").touch()
    with pytest.raises(UserError, match=r"a\.pth is no config"):
        read_config(options(str(tmp_path / "a.pth")))


def test_an_option_without_equals_is_told(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        options(config, "--cfg-options", "a.b")
    assert stop.value.code == 2
    assert "--cfg-options a.b: give key=value" in capsys.readouterr().err


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


class TestFit:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))

    def test_whole_checkpoints_pass(self) -> None:
        state = self.net.state_dict()
        require_fit(self.net, state, "a.pth")
        require_fit(self.net, {"state_dict": state, "meta": {}}, "a.pth")
        wrapped = {f"module.{key}": value for key, value in state.items()}
        wrapped.pop("module.1.num_batches_tracked")
        require_fit(self.net, wrapped | {"more": torch.ones(1)}, "a.pth")

    def test_another_shape_is_named(self) -> None:
        state = dict(self.net.state_dict()) | {"0.weight": torch.ones(3, 5)}
        with pytest.raises(UserError, match=r"1 of 6 weights .* \(0\.weight\)"):
            require_fit(self.net, state, "a.pth")

    def test_ignored_prefixes_may_be_missing(self) -> None:
        state = {k: v for k, v in self.net.state_dict().items() if k[0] == "0"}
        require_fit(self.net, state, "a.pth", ignore=("1.",))
        with pytest.raises(UserError, match="4 of 6 weights"):
            require_fit(self.net, state, "a.pth")

    @pytest.mark.parametrize("other", [torch.ones(1), [1], "text"])
    def test_other_things_are_no_checkpoint(self, other: Any) -> None:
        with pytest.raises(UserError, match=r"a\.pth holds a .*, not the weights"):
            require_fit(self.net, other, "a.pth")

    def test_the_hook_looks_into_wrappers(self) -> None:
        wrapper = nn.Module()
        wrapper.module = self.net
        runner: Any = argparse.Namespace(model=wrapper)
        hook = CheckpointFitHook("a.pth")
        hook.after_load_checkpoint(runner, dict(self.net.state_dict()))
        with pytest.raises(UserError, match=r"a\.pth"):
            hook.after_load_checkpoint(runner, {})


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
