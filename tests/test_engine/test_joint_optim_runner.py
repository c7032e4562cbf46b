from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn

import mmseg_cosda  # noqa: F401  registers the wrapper and the safe checkpoint loader


class Item(torch.utils.data.Dataset[Tensor]):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Tensor:
        return torch.linspace(-1, 1, 4)


class Adversarial(BaseModel):
    """A segmentor, and a discriminator of its detached output."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Linear(4, 3)
        self.alignments = nn.ModuleDict()
        self.alignments["adversarial"] = nn.ModuleDict()
        self.alignments["adversarial"].add_module("discriminator", nn.Linear(3, 1))

    def forward(self, inputs: Tensor, mode: str = "tensor") -> dict[str, Tensor]:
        y = self.backbone(inputs)
        judge = self.get_submodule("alignments.adversarial.discriminator")
        return {
            "loss_ce": y.square().mean(),
            "loss_discriminator": judge(y.detach()).square().mean(),
        }

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        with optim_wrapper.optim_context(self):
            losses = self(data, mode="loss")
        loss, log_vars = self.parse_losses(losses)
        optim_wrapper.update_params(loss)
        return log_vars


def train(folder: Path, iterations: int, resume: bool = False) -> Adversarial:
    model = Adversarial()
    runner = Runner(
        model=model,
        work_dir=str(folder),
        experiment_name=f"{folder.name}_{iterations}_{resume}",
        train_dataloader={
            "dataset": Item(),
            "batch_size": 1,
            "collate_fn": {"type": "default_collate"},
            "sampler": {"type": "InfiniteSampler", "shuffle": False},
        },
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": iterations},
        optim_wrapper=Config(
            {
                "constructor": "JointOptimWrapperConstructor",
                "type": "OptimWrapper",
                "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
                "paramwise_cfg": {"custom_keys": {"backbone": {"lr_mult": 0.5}}},
                "discriminator": {"optimizer": {"type": "Adam", "lr": 0.01}},
            }
        ),
        param_scheduler=[{"type": "PolyLR", "power": 0.9, "end": 6, "by_epoch": False}],
        default_hooks={
            "checkpoint": {"type": "CheckpointHook", "interval": 3, "by_epoch": False},
            "logger": {"type": "LoggerHook", "interval": 1},
        },
        resume=resume,
    )
    runner.train()
    return model


def test_both_optimizers_resume_and_log_through_the_hosts_runner(
    tmp_path: Path,
) -> None:
    whole = train(tmp_path / "whole", 6)
    train(tmp_path / "parts", 3)
    resumed = train(tmp_path / "parts", 6, resume=True)
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, resumed.get_parameter(name)), name

    logs = sorted((tmp_path / "whole").glob("*/vis_data/scalars.json"))
    lines = [json.loads(line) for line in logs[0].read_text().splitlines()]
    # poly from 0.1 * 0.5 and from 0.01: each its own base, the same shape
    shares = [
        (line["segmentor.lr"] / 0.05, line["discriminator.lr"] / 0.01) for line in lines
    ]
    assert len(shares) == 6
    for step, (segmentor, discriminator) in enumerate(shares):
        assert abs(segmentor - (1 - step / 5) ** 0.9) < 1e-6
        assert abs(discriminator - segmentor) < 1e-6
