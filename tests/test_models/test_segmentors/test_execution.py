"""Channels-last, compilation and mixed precision change speed, not the method."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from helpers.toys import batch, build, cosine_config
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper
from torch import Tensor

from mmseg_cosda.models.alignments import source_memory as loss_module
from mmseg_cosda.models.functional import class_wise_cosine_loss

Options = dict[str, Any]
PASS = "class_wise_cosine_loss_with_statistics"
COSINE: Options = dict(alignments=dict(cosine=cosine_config()))
NORM: Options = dict(backbone=dict(type="ToyBackbone", norm=True), **COSINE)


def trained(model: Any, steps: int = 3) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights and last logs after some steps."""
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1, momentum=0.9))
    for seed in range(steps):
        logs = model.train_step(batch(seed, target_labels=True), wrapper)
    return model.state_dict(), logs


@pytest.mark.parametrize(
    "options",
    [
        dict(channels_last=True),
        dict(compile_backbone="aot_eager"),
        dict(channels_last=True, compile_backbone="eager"),
    ],
)
def test_training_and_prediction_stay_the_same(options: Options) -> None:
    plain, fast = build(**NORM), build(**NORM, **options)
    torch._dynamo.reset()
    expected, got = trained(plain), trained(fast)
    for one, other in zip(got, expected, strict=True):
        assert list(one) == list(other)
        for name, value in other.items():
            torch.testing.assert_close(one[name], value, rtol=1e-4, atol=1e-5)
    image = batch()["target"]
    logits = [
        model.eval().test_step(copy.deepcopy(image))[0].seg_logits.data
        for model in (plain, fast)
    ]
    torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-5)


def test_channels_last_reaches_the_maps_and_the_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bool] = []
    pass_: Any = getattr(loss_module, PASS)

    def watch(rows: Tensor, *args: Any, **options: Any) -> Any:
        seen.append(rows.is_contiguous())
        return pass_(rows, *args, **options)

    monkeypatch.setattr(loss_module, PASS, watch)
    trained(build(**COSINE), 1)
    model = build(**COSINE, channels_last=True)
    trained(model, 1)
    assert seen == [False, True]
    weight = model.backbone.last.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_the_backbone_is_compiled_for_training_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled: list[Any] = []

    def compile_(function: Any, **options: Any) -> Any:
        compiled.append((function.__self__, options["backend"]))
        return function

    monkeypatch.setattr(torch, "compile", compile_)
    model = build(**COSINE, compile_backbone=True)
    assert list(model.state_dict()) == list(build(**COSINE).state_dict())
    model.eval().test_step(batch()["target"])
    assert compiled == []
    trained(model.train(), 2)
    assert compiled == [(model.backbone, "inductor")]


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_a_copy_runs_its_own_weights(copied: Any) -> None:
    """The host's EMA averages into a deep copy."""
    backbone = build(**COSINE, compile_backbone="eager").backbone
    image = torch.randn(1, 3, 16, 32)
    before = backbone(image)
    other = copied(backbone)
    with torch.no_grad():
        other.stem.weight.zero_()
    assert torch.equal(backbone(image)[0], before[0])
    for module in (other, other.eval()):
        assert not torch.equal(module(image)[0], before[0])


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"compile_backbone='fast'.*aot_eager"):
        build(**COSINE, compile_backbone="fast")
    taps = dict(a=dict(feature="backbone.stem", channels=6, threshold=0.5))
    with pytest.raises(ValueError, match="hides its inner modules"):
        build(alignments=dict(cosine=cosine_config(taps=taps)), compile_backbone=True)


@pytest.mark.parametrize("queue_dtype", ["float32", "float16"])
def test_under_autocast_the_loss_compares_in_float32(
    monkeypatch: pytest.MonkeyPatch, queue_dtype: str
) -> None:
    cosine = cosine_config(queue_dtype=queue_dtype)
    model = build(alignments=dict(cosine=cosine))
    calls: list[Any] = []
    pass_: Any = getattr(loss_module, PASS)

    def watch(*args: Any, **options: Any) -> Any:
        result = pass_(*args, **options)
        calls.append(([a.detach().clone() for a in args[:4]], args[4], result[0]))
        return result

    monkeypatch.setattr(loss_module, PASS, watch)
    data = model.data_preprocessor(batch(target_labels=True), True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = model.loss(**data)
    model.parse_losses(losses)[0].backward()
    (((rows, labels, queue, counts), threshold, got),) = calls
    assert rows.dtype == torch.bfloat16
    assert queue.dtype == getattr(torch, queue_dtype)
    assert got.dtype == torch.float32
    assert counts.any()
    expected = class_wise_cosine_loss(
        rows.double(), labels, queue.double(), counts, threshold
    )
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-6)
    norms = queue[counts > 0, 0].float().norm(dim=-1)
    torch.testing.assert_close(norms, torch.ones_like(norms), rtol=1e-3, atol=0)
    assert losses["source.decode.loss_ce"].dtype == torch.float32
    assert all(
        p.grad is None or p.grad.dtype == torch.float32 for p in model.parameters()
    )


def amp_wrapper(
    monkeypatch: pytest.MonkeyPatch, model: Any, dtype: str, scale: float
) -> AmpOptimWrapper:
    """The host's AMP wrapper, which insists on a GPU, with a scaler for the CPU."""
    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    wrapper = AmpOptimWrapper(dtype=dtype, optimizer=optimizer)
    wrapper.loss_scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    return wrapper


def test_amp_with_a_scaler_trains_as_float32_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = batch(target_labels=True)
    plain, amp = build(**COSINE), build(**COSINE)
    plain.train_step(data, OptimWrapper(torch.optim.SGD(plain.parameters(), 0.1)))
    wrapper = amp_wrapper(monkeypatch, amp, "bfloat16", 2.0**14)
    logs = amp.train_step(data, wrapper)
    start = build(**COSINE).state_dict()
    assert torch.isfinite(logs["loss"])
    for name, value in plain.named_parameters():
        moved = value - start[name]
        error = (amp.get_parameter(name) - value).norm() / moved.norm()
        assert error < 0.05, name  # an unscaled or doubly scaled step would be far off


def test_an_overflow_in_either_phase_skips_the_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = build(**COSINE)
    wrapper = amp_wrapper(monkeypatch, model, "bfloat16", 2.0**10)
    start = copy.deepcopy(model.state_dict())
    calls: list[int] = []

    def overflow_in_the_first(gradient: Tensor) -> Tensor:
        calls.append(1)
        return gradient * float("inf") if len(calls) == 1 else gradient

    model.backbone.stem.weight.register_hook(overflow_in_the_first)
    model.train_step(batch(target_labels=True), wrapper)
    assert len(calls) == 2
    assert wrapper.loss_scaler.get_scale() == 2.0**9
    for name, value in model.named_parameters():
        assert torch.equal(value, start[name]), name
