from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.toys import cosine_config, head_config, segmentor_config
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.runner import Runner

from benchmarks.speed.live_memory import LiveMemory
from mmseg_cosda.engine import DeferredLogsHook

CONFIG = Path(__file__).parents[2] / "configs" / "cosda" / "deeplabv2_demo_no-pl.py"


def config(work_dir: Path, hook: str, iterations: int) -> Config:
    cfg = Config.fromfile(CONFIG)
    cfg.work_dir = str(work_dir)
    cfg.visualizer.name = cfg.experiment_name = f"{work_dir.name}_{hook}_{iterations}"
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
    domains = cfg.train_dataloader.dataset
    for dataset in (domains.source, domains.target, cfg.val_dataloader.dataset):
        dataset.update(image_size=(64, 32), length=5)
    cfg.train_cfg.update(max_iters=iterations, val_interval=5)
    cfg.default_hooks.runtime_info = dict(type=hook)
    cfg.default_hooks.logger.interval = 3
    cfg.default_hooks.checkpoint.update(interval=4, max_keep_ckpts=-1)
    cfg.log_level = "ERROR"
    cfg.model = segmentor_config(
        decode_head=head_config(num_classes=10),
        alignments=dict(cosine=cosine_config(num_classes=10)),
    )
    return cfg


def train(cfg: Config) -> list[dict[str, Any]]:
    """Train; return the lines of the log without times."""
    Runner.from_cfg(cfg).train()
    files = sorted(Path(cfg.work_dir).glob("*/vis_data/scalars.json"))
    lines = [json.loads(line) for line in files[-1].read_text().splitlines()]
    return [{k: v for k, v in line.items() if "time" not in k} for line in lines]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folders = {
        hook: tmp_path_factory.mktemp(hook)
        for hook in ("RuntimeInfoHook", "DeferredLogsHook")
    }
    return {
        hook: (train(config(folder, hook, 8)), folder)
        for hook, folder in folders.items()
    }


def test_the_log_lines_are_the_hosts(logs: dict[str, Any]) -> None:
    expected, got = logs["RuntimeInfoHook"][0], logs["DeferredLogsHook"][0]
    assert got == expected
    assert [line["step"] for line in got if "loss" in line] == [3, 6]
    assert {"cosine.selected", "source.decode.acc_seg"} < set(got[0])


@pytest.mark.parametrize("iteration", [4, 8])  # between log lines
def test_checkpoints_hold_the_scalars_of_the_host(
    logs: dict[str, Any], iteration: int
) -> None:
    hubs = [
        torch.load(folder / f"iter_{iteration}.pth", weights_only=False)["message_hub"]
        for _, folder in logs.values()
    ]
    expected, got = (
        {
            name: history.data[0].tolist()
            for name, history in hub["log_scalars"].items()
            if "time" not in name
        }
        for hub in hubs
    )
    assert got == expected
    assert len(got["train/loss"]) == iteration


class Reader:
    """As much of a Runner as the hook sees."""

    hooks: list[Any] = []
    train_dataloader = range(10**6)

    def __init__(self, name: str) -> None:
        self.message_hub = MessageHub.get_instance(name)


def test_nothing_is_read_before_a_line_is_due() -> None:
    hook = DeferredLogsHook()
    runner = Reader("reads")
    hook._intervals = [50]
    loss = torch.tensor(1.5)
    outputs = {
        "loss": loss,
        "acc": torch.tensor([2.0], dtype=torch.float64),
        "plain": 3,
    }
    with LiveMemory() as count:
        for iteration in range(49):
            hook.after_train_iter(runner, iteration, None, outputs)
            loss.add_(1)  # what is logged is this iteration's value
        assert count.syncs == 0
        assert "train/loss" not in runner.message_hub.log_scalars
        hook.after_train_iter(runner, 49, None, outputs)
    assert count.syncs <= 1
    scalars = runner.message_hub.log_scalars
    assert scalars["train/loss"].data[0].tolist() == [i + 1.5 for i in range(50)]
    assert scalars["train/acc"].data[0].tolist() == [2.0] * 50
    assert scalars["train/plain"].data[0].tolist() == [3] * 50
