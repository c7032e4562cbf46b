from __future__ import annotations

import multiprocessing
import resource
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from mmseg_cosda.engine.atomic_backend import AtomicLocalBackend


class TinyModel(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 1)

    def forward(self, x: torch.Tensor, mode: str = "tensor") -> Any:
        loss = self.net(x).square().mean()
        return {"loss": loss} if mode == "loss" else loss


def runner(work_dir: Path, **arguments: Any) -> Runner:
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.ones(8, 1))
    )
    return Runner(
        TinyModel(),
        str(work_dir),
        train_dataloader=loader,
        train_cfg={"by_epoch": False, "max_iters": 4},
        optim_wrapper={"optimizer": {"type": "Adam", "lr": 0.1}},
        default_hooks={
            "checkpoint": {
                "type": "CheckpointHook",
                "by_epoch": False,
                "interval": 2,
                "backend_args": {"backend": "atomic_local"},
            }
        },
        experiment_name=f"{work_dir.name}_{time.monotonic_ns()}",
        **arguments,
    )


def test_the_host_s_hook_writes_through_it_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    put = AtomicLocalBackend.put

    def spy(self: AtomicLocalBackend, obj: bytes, filepath: Any) -> None:
        written.append(Path(filepath).name)
        put(self, obj, filepath)

    monkeypatch.setattr(AtomicLocalBackend, "put", spy)
    first = runner(tmp_path / "work")
    assert any(isinstance(hook, CheckpointHook) for hook in first.hooks)
    first.train()
    assert written == ["iter_2.pth", "iter_4.pth"]
    (tmp_path / "work" / "last_checkpoint").write_text(
        str(tmp_path / "work" / "iter_2.pth")
    )
    second = runner(tmp_path / "work", resume=True)
    second.train()
    assert second.iter == 4
    assert torch.equal(first.model.net.weight, second.model.net.weight)


def write_until_killed(backend: LocalBackend, path: Path) -> None:
    """Write more than the system lets this process; its signal kills us."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    backend.put(b"new" * 10_000, path)


@pytest.mark.parametrize("backend", [AtomicLocalBackend(), LocalBackend()])
def test_a_kill_while_writing_leaves_the_old_file(
    backend: LocalBackend, tmp_path: Path
) -> None:
    path = tmp_path / "iter_1.pth"
    path.write_bytes(b"old and whole")
    process = multiprocessing.get_context("fork").Process(
        target=write_until_killed, args=(backend, path)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGXFSZ
    is_whole = path.read_bytes() == b"old and whole"
    # The host's own backend shows that the kill came in the middle.
    assert is_whole == isinstance(backend, AtomicLocalBackend)


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        AtomicLocalBackend().put(None, tmp_path / "a" / "iter_1.pth")  # type: ignore[arg-type]
    assert list((tmp_path / "a").iterdir()) == []
