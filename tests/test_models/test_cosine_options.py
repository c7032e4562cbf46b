"""The cosine loss's departures from the paper, each an option that is off."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from helpers import option_references
from helpers.cosine_loops import (
    MAP,
    T_COS,
    assert_same,
    by_loops,
    gradient,
    memory_of,
    target_labels,
)
from helpers.cosine_toys import domain, loss_module
from torch import nn

from mmseg_cosda.models.alignments import ClassWiseCosineLoss
from mmseg_cosda.models.functional import class_wise_cosine_loss_with_statistics

OFF = dict(
    centering=False,
    top_k=None,
    min_confidence=0.0,
    warmup_iters=0,
    repulsion_weight=0.0,
    split_target=True,
)
ON = dict(
    centering=True,
    top_k=2,
    min_confidence=0.4,
    warmup_iters=3,
    repulsion_weight=0.3,
    repulsion_margin=-0.2,
)


def test_what_is_off_changes_no_bit_and_adds_no_buffer() -> None:
    default, off = loss_module(loss_weight=0.3), loss_module(loss_weight=0.3, **OFF)
    sources, target = [domain(1, 2), domain(2, 2)], domain(3, 2, grad=True)
    for source in sources:
        default.on_source(source)
        off.on_source(source)
    logs = default.on_target(target)
    again = off.on_target(target)
    assert logs.keys() == again.keys() == {"loss", "selected"}
    # The formula as it stood before there were options.
    queue, counts = default.queue("last").as_tensors()
    images = [
        class_wise_cosine_loss_with_statistics(
            f.flatten(1).t(),
            labels.flatten(),
            queue,
            counts,
            T_COS,
            queue_is_normalized=True,
        )[0]
        for f, labels in zip(target.features[MAP], target_labels(target), strict=True)
    ]
    expected = 0.3 * torch.stack(images).mean()
    assert expected > 0
    for loss in (logs["loss"], again["loss"]):
        assert torch.equal(loss, expected)
        assert torch.equal(gradient(loss, target), gradient(expected, target))
    buffers = ("counts", "heads", "pushes", "stamps", "storage")
    assert sorted(default.state_dict()) == [f"queues.last.{x}" for x in buffers]
    assert off.state_dict().keys() == default.state_dict().keys()


@pytest.mark.parametrize("k", [1, 3])
def test_top_k_equals_loops(k: int) -> None:
    module = loss_module(top_k=k)
    sources, target = [domain(1, 2), domain(2, 2)], domain(3, 2, grad=True)
    for source in sources:
        module.on_source(source)
    logs = module.on_target(target)
    expected, _ = by_loops(target, *memory_of(sources, [None, None]), k=k)
    assert_same(logs["loss"], expected, target)


@pytest.mark.parametrize("labels", [True, False])
def test_pixels_without_confidence_are_left_out(labels: bool) -> None:
    module, sources = loss_module(min_confidence=0.6), [domain(1), domain(2)]
    target = domain(3, 2, labels=labels, grad=True)
    for source in sources:
        module.on_source(source)
    memory = memory_of(sources, [None, None])
    logs = module.on_target(target)
    expected, chosen = by_loops(target, *memory, least=0.6)
    every = by_loops(target, *memory)[1]
    assert 0 < chosen < every
    assert_same(logs["loss"], expected, target)
    # Whatever a pseudo-label covers stays, however unsure the network is.
    sure = loss_module(min_confidence=1.0)
    for source in sources:
        sure.on_source(source)
    pulled = gradient(sure.on_target(target)["loss"], target).abs().sum(dim=1) > 0
    if target.labels is None:
        assert not pulled.any()
    else:
        assert pulled.any()
        unlabelled = (
            nn.functional.interpolate(
                target.labels[:, None].double(), (3, 5), mode="nearest"
            )[:, 0]
            == 255
        )
        assert not pulled[unlabelled].any()


def test_the_weight_rises_linearly_from_zero() -> None:
    module, plain = loss_module(warmup_iters=4, loss_weight=0.5), loss_module()
    target = domain(9)
    for step in range(6):
        module.on_source(domain(step))
        plain.on_source(domain(step))
        logs, full = module.on_target(target), plain.on_target(target)
        factor = min(step / 4, 1)
        torch.testing.assert_close(logs["loss"], factor * 0.5 * full["loss"])
        assert float(logs["warmup"]) == factor
        assert int(module.state_dict()["warmup.passed"]) == step + 1


def test_warm_up_goes_on_where_it_was_saved() -> None:
    first, second = (loss_module(**ON) for _ in range(2))
    for step in range(2):
        first.on_source(domain(step))
        first.on_target(domain(10 + step))
    second.load_state_dict(first.state_dict())
    for step in range(2, 5):
        logs = []
        for module in (first, second):
            module.on_source(domain(step))
            logs.append(module.on_target(domain(10 + step)))
        assert logs[0].keys() == logs[1].keys()
        for key, value in logs[0].items():
            assert torch.equal(value, logs[1][key]), key
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key


def test_repulsion_is_a_term_of_its_own() -> None:
    options = dict(repulsion_weight=0.3, repulsion_margin=-0.1, warmup_iters=2)
    module = loss_module(loss_weight=0.0, **options)
    sources, target = [domain(1, 2), domain(2, 2)], domain(3, 2, grad=True)
    for source in sources:
        module.on_source(source)
    memory = memory_of(sources, [None, None])
    images = [
        option_references.repulsion(
            f.flatten(1).t(), labels.flatten(), *memory, margin=-0.1
        )
        for f, labels in zip(target.features[MAP], target_labels(target), strict=True)
    ]
    expected = 0.3 * torch.stack(images).mean()
    assert expected > 0
    for factor in (0, 0.5, 1):
        logs = module.on_target(target)
        assert {key for key in logs if "loss" in key} == {"loss", "loss_repulsion"}
        loss = logs["loss_repulsion"]
        assert logs["loss"] == 0
        assert_same(loss, factor * expected, target)


def test_an_empty_queue_repels_nothing() -> None:
    target = domain(1, grad=True)
    logs = loss_module(**ON).on_target(target)
    (logs["loss"] + logs["loss_repulsion"]).backward()
    gradient = target.features[MAP].grad
    assert gradient is not None
    assert not gradient.any()


def test_a_diagnosis_counts_what_the_loss_selects_and_changes_nothing() -> None:
    module, target = loss_module(**ON), domain(3, 2)
    module.on_source(domain(1, 2))
    before = {key: value.clone() for key, value in module.state_dict().items()}
    counts = module.diagnose(target, torch.zeros(2, 6, 10, dtype=torch.int64))["last"]
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key]), key
    share = float(counts.selected.sum() / counts.pairs.sum())
    assert 0 < share < 1
    assert float(module.on_target(target)["selected"]) == pytest.approx(share)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(centering="yes"), "centering='yes'"),
        (dict(split_target="no"), "split_target='no'"),
        (dict(split_target=False, use_queue=False), "split_target=False needs"),
        (dict(split_target=False, class_wise=False), "split_target=False needs"),
        (dict(top_k=0), "top_k=0 must be positive"),
        (dict(top_k=1.5), "top_k=1.5"),
        (dict(min_confidence=1.1), r"min_confidence=1.1 must be in \[0, 1\]"),
        (dict(min_confidence=float("nan")), "min_confidence=nan"),
        (dict(min_confidence="0.5"), "min_confidence='0.5'"),
        (dict(warmup_iters=-1), "warmup_iters=-1"),
        (dict(warmup_iters=2.0), "warmup_iters=2.0"),
        (dict(repulsion_weight=-0.1), "repulsion_weight=-0.1"),
        (dict(repulsion_weight=float("inf")), "repulsion_weight=inf"),
        (dict(repulsion_margin=2.0), r"repulsion_margin=2.0 must be in \[-1, 1\]"),
        (
            dict(repulsion_weight=0.1, use_queue=False),
            "repulsion_weight=0.1 needs .* use_queue=True",
        ),
        (
            dict(repulsion_weight=0.1, class_wise=False),
            "repulsion_weight=0.1 needs .* class_wise=True",
        ),
        (
            dict(min_confidence=0.5, class_wise=False),
            "min_confidence=0.5 needs class_wise=True",
        ),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loss_module(**options)


NOTHING = object()


@pytest.mark.parametrize(
    "option", inspect.signature(ClassWiseCosineLoss.__init__).parameters.keys()
)
def test_every_option_is_checked(option: str) -> None:
    if option in ("self", "taps"):  # taps are checked apart
        return
    with pytest.raises(ValueError, match=f"{option}=<object"):
        loss_module(**{option: NOTHING})
