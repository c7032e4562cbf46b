from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch
from mmseg_cosda.models.alignments.entropy_loss import EntropyLoss


def domain(logits: Tensor, pixels: Tensor | None = None) -> DomainBatch:
    height, width = logits.shape[2:]
    size = (4 * height, 4 * width)
    return DomainBatch({}, logits, None, size, True, 255, pixels=pixels)


def noise(*shape: int, seed: int = 0, **options: Any) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=generator, **options)


def by_loops(logits: Tensor, power: float, eps: float) -> float:
    """The mean over all pixels, by the definitions."""
    B, C, H, W = logits.shape
    total = 0.0
    for b in range(B):
        for y in range(H):
            for x in range(W):
                powers = [math.exp(float(logits[b, c, y, x])) for c in range(C)]
                shares = [value / sum(powers) for value in powers]
                entropy = -sum(p * math.log(p) for p in shares) / math.log(C)
                total += (entropy**2 + eps) ** power
    return total / (B * H * W)


@pytest.mark.parametrize(("power", "eps"), [(2.0, 1e-8), (0.75, 1e-8), (1.0, 0.1)])
def test_the_value_is_that_of_the_definition(power: float, eps: float) -> None:
    logits = noise(2, 5, 3, 4, dtype=torch.float64)
    loss = EntropyLoss(loss_weight=0.3, power=power, eps=eps)
    found = loss.on_target(domain(logits))["loss"]
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(0.3 * by_loops(logits, power, eps), rel=1e-10)


def test_the_defaults_are_the_papers() -> None:
    logits = noise(2, 19, 3, 4, dtype=torch.float64)
    found = EntropyLoss().on_target(domain(logits))
    assert found["loss"].item() == pytest.approx(0.005 * by_loops(logits, 2, 1e-8))
    mean = by_loops(logits, 0.5, 0)
    assert found["mean"].item() == pytest.approx(mean)
    assert [key for key in found if "loss" in key] == ["loss"]


def test_uniform_logits_are_the_maximum_and_certain_ones_nothing() -> None:
    loss = EntropyLoss(loss_weight=1.0, eps=0.0)
    assert loss.on_target(domain(torch.zeros(1, 7, 2, 2)))["loss"].item() == (
        pytest.approx(1.0)
    )
    for seed in range(5):
        assert 0 < loss.on_target(domain(noise(1, 7, 2, 2, seed=seed)))["loss"] < 1
    certain = torch.zeros(1, 7, 2, 2)
    certain[:, 3] = 200
    assert loss.on_target(domain(certain))["loss"] == 0


def test_its_gradient_is_that_of_its_values() -> None:
    logits = noise(1, 4, 2, 3, dtype=torch.float64).requires_grad_()
    own = torch.ones(1, 8, 12, dtype=torch.bool)
    own[:, 4:] = False
    for pixels in (None, own):
        assert torch.autograd.gradcheck(
            lambda x, pixels=pixels: EntropyLoss().on_target(domain(x, pixels))["loss"],
            (logits,),
        )


def test_its_gradient_is_finite_for_certain_pixels() -> None:
    logits = torch.zeros(1, 4, 1, 1)
    logits[:, 0] = 200
    logits.requires_grad_()
    EntropyLoss(power=0.75).on_target(domain(logits))["loss"].backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_a_batch_with_padding_is_the_mean_of_its_images() -> None:
    loss = EntropyLoss(loss_weight=1.0)
    logits = noise(2, 5, 4, 6)
    own = torch.ones(2, 16, 24, dtype=torch.bool)
    own[1, 8:], own[1, :, 12:] = False, False
    parts = [logits[:1], logits[1:, :, :2, :3]]
    expected = [loss.on_target(domain(part)) for part in parts]
    logits[1, 0, 2:] = 50  # what is there is nobody's
    found = loss.on_target(domain(logits, own))
    for key in ("loss", "mean"):
        mean = torch.stack([each[key] for each in expected]).mean()
        torch.testing.assert_close(found[key], mean)


def test_no_pixel_gives_a_zero_with_a_graph() -> None:
    logits = noise(1, 5, 4, 6).requires_grad_()
    nobody = torch.zeros(1, 16, 24, dtype=torch.bool)
    found = EntropyLoss().on_target(domain(logits, nobody))
    assert found["loss"] == found["mean"] == 0
    assert not found["mean"].requires_grad
    found["loss"].backward()
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_it_starts_when_told_and_a_resumed_training_goes_on() -> None:
    batch = domain(noise(1, 5, 4, 6))
    whole = EntropyLoss(start_iter=3)
    values = [whole.on_target(batch)["loss"].item() for _ in range(5)]
    assert [value > 0 for value in values] == [False] * 3 + [True] * 2
    assert values[3] == EntropyLoss().on_target(batch)["loss"].item()

    first = EntropyLoss(start_iter=3)
    for _ in range(2):
        first.on_target(batch)
    resumed = EntropyLoss(start_iter=3)
    resumed.load_state_dict(first.state_dict())
    assert [resumed.on_target(batch)["loss"].item() for _ in range(3)] == values[2:]


def test_half_precision_is_judged_in_float32() -> None:
    logits = noise(1, 19, 8, 8).bfloat16()
    expected = EntropyLoss().on_target(domain(logits.float()))
    found = EntropyLoss().on_target(domain(logits))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        autocast = EntropyLoss().on_target(domain(logits))
    for values in (found, autocast):
        assert values["loss"].dtype == torch.float32
        torch.testing.assert_close(values, expected)


def test_it_waits_for_no_device() -> None:
    """The meta device has no values: a host sync would raise."""
    with torch.device("meta"):
        logits = torch.empty(2, 19, 65, 129, requires_grad=True)
        batch = domain(logits, torch.empty(2, 260, 516, dtype=torch.bool))
        loss = EntropyLoss(start_iter=7)
        for each in (batch, replace(batch, pixels=None)):
            loss.on_target(each)["loss"].backward()


def test_wrong_options_are_refused() -> None:
    for options in (
        dict(loss_weight=-1.0),
        dict(power=math.inf),
        dict(eps="1e-8"),
        dict(start_iter=-1),
        dict(start_iter=0.5),
    ):
        ((key, value),) = options.items()
        with pytest.raises(ValueError, match=f"EntropyLoss: {key}={value!r} must be"):
            EntropyLoss(**options)  # type: ignore[arg-type]


def test_it_is_an_alignment_of_the_config() -> None:
    built = MODELS.build(dict(type="EntropyLoss", loss_weight=0.1))
    assert isinstance(built, BaseAlignment)
    assert built.on_source(domain(noise(1, 5, 4, 6))) == {}
