"""A segmentor with a discriminator, in a few numbers, and their joint optimizer."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.optim import build_optim_wrapper
from torch import Tensor, nn

import mmseg_cosda.engine.joint_optim_constructor  # noqa: F401  registers it
from mmseg_cosda.engine.joint_optim_wrapper import JointOptimWrapper


class Critical(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.discriminator = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        self.scale = nn.Parameter(torch.ones(1))


class Toy(nn.Module):
    """A net, its norm, and an alignment with a discriminator and a weight."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
        self.decode_head = nn.Linear(3, 2)
        self.alignments = nn.ModuleDict({"adversarial": Critical()})

    def losses(self, x: Tensor) -> Tensor:
        y = self.decode_head(self.backbone(x))
        critical: Any = self.alignments["adversarial"]
        segmentation = (critical.scale * y).square().mean()
        return segmentation + critical.discriminator(y.detach()).square().mean()


def config(**overrides: Any) -> dict[str, Any]:
    return {
        "constructor": "JointOptimWrapperConstructor",
        "type": "OptimWrapper",
        "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
        "discriminator": {
            "optimizer": {"type": "Adam", "lr": 0.01, "betas": (0.9, 0.99)}
        },
        **overrides,
    }


def joint(model: nn.Module, **overrides: Any) -> JointOptimWrapper:
    wrapper = build_optim_wrapper(model, config(**overrides))
    assert isinstance(wrapper, JointOptimWrapper)
    return wrapper


CRITIC = "alignments.adversarial.discriminator.0.weight"


def moved(model: nn.Module, before: nn.Module) -> set[str]:
    old = dict(before.named_parameters())
    return {n for n, p in model.named_parameters() if not torch.equal(p, old[n])}


def run_joint(
    model: Toy, data: list[Tensor], phases: int = 1, **overrides: Any
) -> JointOptimWrapper:
    wrapper = joint(model, **overrides)
    wrapper.initialize_count_status(model, 0, len(data))
    for x in data:
        with wrapper.optim_context(model):
            loss = wrapper.scale_loss(model.losses(x))
        for phase in range(phases):
            if phase:
                wrapper._inner_count -= 1
            wrapper.backward(loss / phases, retain_graph=phase + 1 < phases)
        if wrapper.should_update():
            wrapper.step()
            wrapper.zero_grad()
    return wrapper
