from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from helpers.joint_toys import Toy, joint, run_joint
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import nn

from mmseg_cosda.engine.joint_optim_wrapper import JointOptimWrapper


def names_of(model: nn.Module, wrapper: OptimWrapper) -> list[str]:
    held = {id(p) for g in wrapper.param_groups for p in g["params"]}
    return [name for name, p in model.named_parameters() if id(p) in held]


def test_each_parameter_has_exactly_one_optimizer() -> None:
    model = Toy()
    wrapper = joint(model)
    critics = [n for n, _ in model.named_parameters() if ".discriminator." in n]
    rest = [n for n, _ in model.named_parameters() if ".discriminator." not in n]
    assert len(critics) == 4
    assert names_of(model, wrapper["discriminator"]) == critics
    assert names_of(model, wrapper["segmentor"]) == rest
    assert "alignments.adversarial.scale" in rest


def test_paramwise_options_of_each_are_honoured() -> None:
    model = Toy()
    wrapper = joint(
        model,
        optimizer={"type": "SGD", "lr": 0.1, "weight_decay": 0.5},
        paramwise_cfg={
            "custom_keys": {"decode_head": {"lr_mult": 10}},
            "norm_decay_mult": 0.0,
        },
        discriminator={
            "optimizer": {"type": "Adam", "lr": 0.01},
            "paramwise_cfg": {"bias_lr_mult": 2.0},
        },
    )
    settings = {
        id(group["params"][0]): (group["lr"], group["weight_decay"])
        for part in wrapper.values()
        for group in part.param_groups
    }
    by_name = {name: settings[id(p)] for name, p in model.named_parameters()}
    critic = "alignments.adversarial.discriminator.0"
    assert by_name["decode_head.weight"] == (1.0, 0.5)
    assert by_name["backbone.0.bias"] == (0.1, 0.5)
    assert by_name["backbone.1.weight"] == (0.1, 0.0)
    assert by_name[f"{critic}.weight"] == (0.01, 0)
    assert by_name[f"{critic}.bias"] == (0.02, 0)


@pytest.mark.parametrize("phases", [1, 2])
@pytest.mark.parametrize(("window", "iterations"), [(1, 4), (3, 8), (3, 6)])
def test_weights_equal_a_hand_written_loop(
    window: int, iterations: int, phases: int
) -> None:
    data = [torch.randn(5, 4) for _ in range(iterations)]
    model, reference = Toy(), Toy()
    run_joint(model, data, phases, accumulative_counts=window)

    named = dict(reference.named_parameters())
    sgd = torch.optim.SGD(
        [p for n, p in named.items() if ".discriminator." not in n], 0.1, momentum=0.9
    )
    adam = torch.optim.Adam(
        [p for n, p in named.items() if ".discriminator." in n], 0.01, betas=(0.9, 0.99)
    )
    for start in range(0, iterations, window):
        part = data[start : start + window]  # the last one may be shorter
        for x in part:
            torch.autograd.backward(reference.losses(x) / len(part))
        for optimizer in (sgd, adam):
            optimizer.step()
            optimizer.zero_grad()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, named[name], msg=name)


def test_update_params_is_the_whole_step() -> None:
    data = [torch.randn(5, 4) for _ in range(5)]
    model, other = Toy(), Toy()
    run_joint(model, data, accumulative_counts=2)
    wrapper = joint(other, accumulative_counts=2)
    wrapper.initialize_count_status(other, 0, len(data))
    for x in data:
        wrapper.update_params(other.losses(x))
    assert [part.inner_count for part in wrapper.values()] == [5, 5]
    for ours, theirs in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_resumed_run_equals_one_never_stopped() -> None:
    data = [torch.randn(5, 4) for _ in range(6)]
    whole, resumed = Toy(), Toy()
    run_joint(whole, data)
    wrapper = run_joint(resumed, data[:3])
    state = copy.deepcopy(wrapper.state_dict())
    again = joint(resumed)
    again.load_state_dict(state)
    again.initialize_count_status(resumed, 3, 6)
    for x in data[3:]:
        again.update_params(resumed.losses(x))
    for ours, theirs in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_no_sync_is_entered_but_where_gradients_are_used() -> None:
    class Synced(Toy):
        entered = 0

        def no_sync(self) -> Any:
            self.entered += 1
            return torch.enable_grad()

    model = Synced()
    run_joint(model, [torch.randn(5, 4)] * 5, accumulative_counts=3)
    assert model.entered == 3  # iterations 1, 2 and 4 of 5


def test_both_are_clipped_and_log_their_own_norm() -> None:
    model = Toy()
    wrapper = joint(
        model,
        clip_grad={"max_norm": 1e-3},
        discriminator={
            "optimizer": {"type": "SGD", "lr": 1.0},
            "clip_grad": {"max_norm": 1e-4},
        },
    )
    critic: Any = model.alignments["adversarial"]
    before = [p.detach().clone() for p in critic.discriminator.parameters()]
    wrapper.update_params(100 * model.losses(torch.randn(5, 4)))
    moved = [
        (p - old).square().sum()
        for p, old in zip(critic.discriminator.parameters(), before, strict=True)
    ]
    assert float(torch.stack(moved).sum().sqrt()) == pytest.approx(1e-4, rel=1e-2)
    keys = {w.grad_name for w in wrapper.values()}
    assert keys == {"grad_norm", "discriminator_grad_norm"}


def test_the_discriminators_clipping_is_its_own() -> None:
    wrapper = joint(Toy(), clip_grad={"max_norm": 1e-3})
    assert wrapper["segmentor"].clip_grad_kwargs == {"max_norm": 1e-3}
    assert wrapper["discriminator"].clip_grad_kwargs is None


def test_mixed_compositions_are_refused() -> None:
    def plain(**kwargs: Any) -> OptimWrapper:
        return OptimWrapper(
            torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1), **kwargs
        )

    with pytest.raises(ValueError, match=r"accumulative_counts are 1 .* and 2"):
        JointOptimWrapper(plain(), plain(accumulative_counts=2))


def test_a_model_without_discriminator_is_refused() -> None:
    with pytest.raises(ValueError, match="no discriminator: add an AdversarialLoss"):
        joint(nn.Linear(1, 1))


@pytest.mark.parametrize(
    "own", [None, {}, {"lr": 1}, {"optimizer": {"type": "SGD", "lr": 1}, "type": "X"}]
)
def test_a_wrong_discriminator_config_is_refused(own: Any) -> None:
    with pytest.raises(ValueError, match=r"optim_wrapper\.discriminator needs"):
        joint(Toy(), discriminator=own)


def test_resuming_another_composition_is_refused() -> None:
    model = Toy()
    single = build_optim_wrapper(model, {"optimizer": {"type": "SGD", "lr": 1}})
    with pytest.raises(ValueError, match="resume with the config"):
        joint(model).load_state_dict(single.state_dict())
