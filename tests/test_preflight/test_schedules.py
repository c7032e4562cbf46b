"""What the learning rate will be, without stepping anything."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.optim import CosineAnnealingLR, PolyLR, StepLR

from mmseg_cosda.preflight.schedules import rate_at


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (PolyLR, dict(power=0.9, eta_min=1e-3)),
        (PolyLR, dict(power=1.0)),
        (CosineAnnealingLR, dict(T_max=19, eta_min=1e-2)),
    ],
)
def test_the_rate_is_the_hosts(kind: Any, options: dict[str, Any]) -> None:
    optim = optimizer()
    scheduler = kind(optim, begin=0, end=20, by_epoch=False, **options)
    fresh = kind(optimizer(), begin=0, end=20, by_epoch=False, **options)
    for iteration in range(1, 20):
        expected = optim.param_groups[0]["lr"]
        assert rate_at(fresh, iteration) == pytest.approx(expected, rel=1e-6)
        scheduler.step()
    assert fresh.last_step == 0


def test_other_schedules_are_left_open() -> None:
    scheduler = StepLR(optimizer(), step_size=5, by_epoch=False)
    assert rate_at(scheduler, 3) is None
