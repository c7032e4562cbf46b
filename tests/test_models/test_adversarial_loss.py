from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_cosda.models.alignments.adversarial_loss import AdversarialLoss, entropy_map
from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch

SIZE = (33, 65)


def build(**overrides: Any) -> AdversarialLoss:
    torch.manual_seed(0)
    critic = {"type": "FCDiscriminator", "num_classes": 3, "base_channels": 4}
    return AdversarialLoss(critic, **overrides)


def domain(logits: Tensor, align_corners: bool = True) -> DomainBatch:
    return DomainBatch({}, logits, None, SIZE, align_corners, 255)


def judged(net: nn.Module, logits: Tensor, align_corners: bool = True) -> Tensor:
    up = F.interpolate(logits, SIZE, mode="bilinear", align_corners=align_corners)
    out: Tensor = net(torch.softmax(up, 1))
    return out


def test_it_is_an_alignment() -> None:
    assert isinstance(build(), BaseAlignment)


@pytest.mark.parametrize("align_corners", [True, False])
def test_values_are_equations_14_and_15(align_corners: bool) -> None:
    loss = build(loss_weight=0.3)
    source, target = torch.randn(2, 3, 5, 9), torch.randn(2, 3, 5, 9)
    on_source = loss.on_source(domain(source, align_corners))
    on_target = loss.on_target(domain(target, align_corners))
    d_s = torch.sigmoid(judged(loss.discriminator, source, align_corners))
    d_t = torch.sigmoid(judged(loss.discriminator, target, align_corners))
    # label 0 is the source, 1 the target
    torch.testing.assert_close(
        on_source["loss_discriminator_source"], -0.5 * torch.log(1 - d_s).mean()
    )
    torch.testing.assert_close(
        on_target["loss_discriminator_target"], -0.5 * torch.log(d_t).mean()
    )
    torch.testing.assert_close(
        on_target["loss_adversarial"], -0.3 * torch.log(1 - d_t).mean()
    )
    share = (d_t > 0.5).float().mean()
    torch.testing.assert_close(on_target["discriminator_accuracy_target"], share)
    share = (d_s < 0.5).float().mean()
    torch.testing.assert_close(on_source["discriminator_accuracy_source"], share)


def test_a_batch_is_the_mean_of_its_images() -> None:
    loss = build()
    logits = torch.randn(3, 3, 5, 9)
    whole = loss.on_target(domain(logits))["loss_adversarial"]
    single = [loss.on_target(domain(x[None]))["loss_adversarial"] for x in logits]
    torch.testing.assert_close(whole, torch.stack(single).mean())


def gradients(loss: AdversarialLoss, value: Tensor, logits: Tensor) -> tuple[Any, Any]:
    inputs = [logits, *loss.discriminator.parameters()]
    grads = torch.autograd.grad(value, inputs, allow_unused=True, retain_graph=True)
    return grads[0], grads[1:]


@pytest.mark.parametrize("kind", ["probability", "entropy"])
def test_each_network_is_moved_by_its_own_loss_alone(kind: str) -> None:
    loss = build(loss_weight=1.0, input=kind)
    logits = torch.randn(1, 3, 5, 9, requires_grad=True)
    on_source = loss.on_source(domain(logits))
    on_target = loss.on_target(domain(logits))

    to_logits, to_critic = gradients(loss, on_target["loss_adversarial"], logits)
    assert float(to_logits.abs().sum()) > 0
    assert all(grad is None for grad in to_critic)

    for value in (
        on_source["loss_discriminator_source"],
        on_target["loss_discriminator_target"],
    ):
        to_logits, to_critic = gradients(loss, value, logits)
        assert to_logits is None
        assert all(float(grad.abs().sum()) > 0 for grad in to_critic)


def test_one_backward_of_the_sum_equals_the_losses_apart() -> None:
    loss = build(loss_weight=1.0)
    logits = torch.randn(1, 3, 5, 9, requires_grad=True)
    on_target = loss.on_target(domain(logits))
    apart = torch.autograd.grad(
        on_target["loss_discriminator_target"],
        list(loss.discriminator.parameters()),
        retain_graph=True,
    )
    torch.autograd.backward(
        on_target["loss_adversarial"] + on_target["loss_discriminator_target"]
    )
    for parameter, grad in zip(loss.discriminator.parameters(), apart, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, grad)


def test_minimising_it_makes_the_target_look_like_the_source() -> None:
    loss = build(loss_weight=1.0)
    logits = torch.randn(1, 3, 5, 9, requires_grad=True)
    before = judged(loss.discriminator, logits).mean()
    (grad,) = torch.autograd.grad(
        loss.on_target(domain(logits))["loss_adversarial"], logits
    )
    after = judged(loss.discriminator, logits - 10 * grad).mean()
    assert after < before  # towards label 0, the source


def test_entropy_map_is_advents() -> None:
    logits = torch.randn(2, 5, 4, 3, dtype=torch.float64)
    p = torch.softmax(logits, 1)
    expected = -p * torch.log2(p + 1e-30) / math.log2(5)
    torch.testing.assert_close(entropy_map(logits), expected)
    certain = torch.tensor([1e4, 0.0, -1e4]).view(1, 3, 1, 1).requires_grad_()
    value = entropy_map(certain)
    torch.autograd.backward(value.sum())
    assert certain.grad is not None
    assert torch.isfinite(value).all()
    assert torch.isfinite(certain.grad).all()


def test_entropy_input_is_what_the_discriminator_sees() -> None:
    loss = build(loss_weight=1.0, input="entropy")
    logits = torch.randn(1, 3, 5, 9)
    up = F.interpolate(logits, SIZE, mode="bilinear", align_corners=True)
    expected = F.softplus(loss.discriminator(entropy_map(up))).mean()
    torch.testing.assert_close(
        loss.on_target(domain(logits))["loss_adversarial"], expected
    )


def test_only_losses_are_summed_by_the_host() -> None:
    loss = build()
    values = {
        **loss.on_source(domain(torch.randn(1, 3, 5, 9))),
        **loss.on_target(domain(torch.randn(1, 3, 5, 9))),
    }
    assert len(values) == 5  # no key of one domain hides the other's
    assert {k for k in values if "loss" not in k} == {
        "discriminator_accuracy_source",
        "discriminator_accuracy_target",
    }


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"adversarial\.loss_weight is -1"):
        build(loss_weight=-1)
    with pytest.raises(ValueError, match=r"adversarial\.loss_weight is nan"):
        build(loss_weight=float("nan"))
    with pytest.raises(ValueError, match=r"adversarial\.input is 'logits'"):
        build(input="logits")
