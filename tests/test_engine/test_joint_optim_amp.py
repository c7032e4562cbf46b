"""Mixed precision of the joint optimizer, without a Runner."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from helpers.joint_toys import CRITIC, Toy, joint, moved, run_joint
from mmengine.optim import AmpOptimWrapper


@pytest.mark.usefixtures("amp_on_cpu")
@pytest.mark.parametrize("clip", [None, {"max_norm": 1e6}])
def test_amp_shares_one_scaler_and_updates_it_once(
    clip: dict[str, float] | None,
) -> None:
    amp = {"loss_scale": {"init_scale": 8.0, "growth_interval": 2}}
    model, plain = Toy(), Toy()
    wrapper = joint(
        model, type="AmpOptimWrapper", dtype="float32", clip_grad=clip, **amp
    )
    assert all(isinstance(part, AmpOptimWrapper) for part in wrapper.values())
    scalers = {id(part.loss_scaler) for part in wrapper.values()}
    assert len(scalers) == 1
    data = [torch.randn(5, 4) for _ in range(3)]
    run_joint(plain, data)
    wrapper.initialize_count_status(model, 0, 3)
    for x in data:
        wrapper.update_params(model.losses(x))
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    # grown once after two steps; twice as often were it updated per optimizer
    assert wrapper.segmentor.loss_scaler.get_scale() == 16.0


@pytest.mark.usefixtures("amp_on_cpu")
def test_amp_skips_an_overflow_and_lowers_the_scale() -> None:
    model = Toy()
    wrapper = joint(model, type="AmpOptimWrapper", loss_scale={"init_scale": 8.0})
    before = copy.deepcopy(model.state_dict())
    wrapper.update_params(model.losses(torch.randn(5, 4)) * float("inf"))
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]), name
    assert wrapper.segmentor.loss_scaler.get_scale() == 4.0


@pytest.mark.usefixtures("amp_on_cpu")
@pytest.mark.parametrize("clip", [None, {"max_norm": 1.0}])
@pytest.mark.parametrize(
    "part", ["decode_head", "alignments.adversarial.discriminator"]
)
def test_amp_skips_both_when_one_overflows(
    part: str, clip: dict[str, float] | None
) -> None:
    model = Toy()
    wrapper = joint(
        model, type="AmpOptimWrapper", loss_scale={"init_scale": 8.0}, clip_grad=clip
    )
    before = copy.deepcopy(model)
    weight = next(model.get_submodule(part).parameters())
    handle = weight.register_hook(lambda gradient: gradient * float("inf"))
    wrapper.update_params(model.losses(torch.randn(5, 4)))
    assert not moved(model, before)
    assert wrapper.segmentor.loss_scaler.get_scale() == 4.0
    handle.remove()
    wrapper.update_params(model.losses(torch.randn(5, 4)))
    assert {"decode_head.weight", CRITIC} <= moved(model, before)
    assert wrapper.segmentor.loss_scaler.get_scale() == 4.0


@pytest.mark.usefixtures("amp_on_cpu")
def test_amp_steps_one_while_the_other_has_no_gradient() -> None:
    model = Toy()
    wrapper = joint(model, type="AmpOptimWrapper", clip_grad={"max_norm": 1.0})
    wrapper.step()  # no gradient at all: nothing to do
    before = copy.deepcopy(model)
    critic: Any = model.alignments["adversarial"]
    wrapper.update_params(critic.discriminator(torch.randn(5, 2)).square().mean())
    names = moved(model, before)
    assert CRITIC in names
    assert all(".discriminator." in name for name in names)
