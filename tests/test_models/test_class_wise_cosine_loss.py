from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch
from helpers.cosine_toys import C, K, domain, loss_module
from torch import Tensor, nn

from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch


def nearest(labels: Tensor, size: tuple[int, int]) -> Tensor:
    value = nn.functional.interpolate(labels[:, None].double(), size, mode="nearest")
    return value[:, 0].long()


def by_hand(
    sources: list[DomainBatch],
    target: DomainBatch,
    threshold: float = 0.2,
    reduction: Any = torch.mean,
) -> Tensor:
    """Eq. 6 to 10 for one image after another, over selected pairs."""
    memory: dict[int, list[Tensor]] = {c: [] for c in range(C)}
    for source in sources:
        assert source.labels is not None
        truth = nearest(source.labels, (3, 5))
        predicted = source.logits.argmax(1)
        feature = source.features["backbone[-1]"]
        for b in range(len(feature)):
            for y in range(3):
                for x in range(5):
                    c = int(truth[b, y, x])
                    if c == predicted[b, y, x]:
                        memory[c].append(feature[b, :, y, x].detach())
    predicted = target.logits.argmax(1)
    if target.labels is not None:
        pseudo = nearest(target.labels, (3, 5))
        predicted = torch.where(pseudo == 255, predicted, pseudo)
    feature = target.features["backbone[-1]"]
    images = []
    for b in range(len(feature)):
        total = feature.new_zeros(())
        for c in range(C):
            distances = [
                1 - torch.cosine_similarity(feature[b, :, y, x], d, dim=0)
                for y in range(3)
                for x in range(5)
                if predicted[b, y, x] == c
                for d in memory[c][-50:]
            ]
            chosen = [d for d in distances if 1 - d > threshold]
            if chosen:
                total = total + reduction(torch.stack(chosen))
        images.append(total / C)
    return torch.stack(images).mean()


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("labels", [True, False])
def test_eq_6_to_10_with_a_queue(size: int, labels: bool) -> None:
    module = loss_module()
    sources = [domain(1, size), domain(2, size)]
    target = domain(3, size, labels=labels, grad=True)
    for source in sources:
        module.on_source(source)
    logs = module.on_target(target)
    expected = by_hand(sources, target)
    torch.testing.assert_close(logs["loss"], expected)
    feature = target.features["backbone[-1]"]
    got = torch.autograd.grad(logs["loss"], feature)[0]
    want = torch.autograd.grad(expected, feature)[0]
    torch.testing.assert_close(got, want)


def test_without_a_queue_the_current_source_image_alone_counts() -> None:
    module = loss_module(use_queue=False)
    source, target = domain(2, 2), domain(3, 2)
    module.on_source(domain(1, 2))
    module.on_target(domain(4, 2))
    module.on_source(source)
    images = []
    for b in range(2):
        pair = [
            DomainBatch(
                {"backbone[-1]": d.features["backbone[-1]"][b : b + 1]},
                d.logits[b : b + 1],
                None if d.labels is None else d.labels[b : b + 1],
                d.image_size,
                d.align_corners,
                255,
            )
            for d in (source, target)
        ]
        images.append(by_hand(pair[:1], pair[1]))
    torch.testing.assert_close(
        module.on_target(target)["loss"], torch.stack(images).mean()
    )
    assert not list(module.state_dict())


def test_without_class_split_everything_meets_everything() -> None:
    module = loss_module(class_wise=False)
    source, target = domain(1), domain(2)
    module.on_source(source)
    s, t = (d.features["backbone[-1]"][0].flatten(1) for d in (source, target))
    similarity = nn.functional.normalize(t, dim=0).T @ nn.functional.normalize(s, dim=0)
    chosen = similarity[similarity > 0.2]
    logs = module.on_target(target)
    torch.testing.assert_close(logs["loss"], (1 - chosen).mean())
    assert logs["selected"] == pytest.approx(len(chosen) / similarity.numel())


def test_the_sum_adds_up_what_the_mean_averages() -> None:
    module, sources, target = loss_module(reduction="sum"), [domain(1)], domain(2)
    module.on_source(sources[0])
    loss = module.on_target(target)["loss"]
    torch.testing.assert_close(loss, by_hand(sources, target, reduction=torch.sum))
    assert loss > 1.5 * by_hand(sources, target)


def test_several_taps_are_averaged_each_with_its_threshold() -> None:
    options = {
        name: dict(feature=path, channels=K, threshold=threshold)
        for name, path, threshold in (("a", "backbone[-1]", 0.2), ("b", "neck", 0.5))
    }
    both = loss_module(taps=options)
    extra = {s: torch.randn(1, K, 2, 3) for s in (1, 2)}
    source, target = (domain(s, neck=extra[s]) for s in (1, 2))
    both.on_source(source)
    logs = both.on_target(target)
    alone = []
    for name, tap in options.items():
        module = loss_module(taps={name: tap})
        module.on_source(source)
        alone.append(module.on_target(target))
    torch.testing.assert_close(logs["loss"], (alone[0]["loss"] + alone[1]["loss"]) / 2)
    torch.testing.assert_close(logs["selected_b"], alone[1]["selected"])
    assert sorted(both.state_dict())[0] == "queues.a.counts"


def test_an_empty_queue_gives_a_zero_that_keeps_the_graph() -> None:
    target = domain(1, grad=True)
    loss = loss_module().on_target(target)["loss"]
    loss.backward()
    assert loss == 0
    gradient = target.features["backbone[-1]"].grad
    assert gradient is not None
    assert not gradient.any()


def test_the_enqueue_limit_holds_per_class_and_image() -> None:
    module, literal = loss_module(enqueue_limit=1), loss_module()
    source = domain(5, size=3)
    module.on_source(source)
    literal.on_source(source)
    counts = module.state_dict()["queues.last.counts"]
    assert counts.max() <= 3
    assert (counts > 0).equal(literal.state_dict()["queues.last.counts"] > 0)
    again = loss_module(enqueue_limit=1)
    again.on_source(source)
    for name, value in module.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


class Witness(torch.autograd.Function):
    """Passes its input on; lives as long as a graph that leads through it."""

    alive: weakref.WeakSet[Any] = weakref.WeakSet()

    @staticmethod
    def forward(ctx: Any, feature: Tensor) -> Tensor:
        Witness.alive.add(ctx)
        return feature.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


@pytest.mark.parametrize(
    "options",
    [{}, dict(centering=True), dict(use_queue=False), dict(class_wise=False)],
    ids=["queue", "centering", "no-queue", "no-class-split"],
)
def test_the_source_gets_no_gradient_and_its_graph_is_not_kept(
    options: dict[str, Any],
) -> None:
    plain = domain(1, grad=True)
    leaf = plain.features["backbone[-1]"]
    watched: Any = Witness.apply(leaf)  # type: ignore[no-untyped-call]
    source = replace(plain, features={"backbone[-1]": watched})
    del watched
    module = loss_module(**options)
    module.on_source(source)
    assert len(Witness.alive) == 1
    del source
    gc.collect()
    assert not Witness.alive
    loss = module.on_target(domain(2, grad=True))["loss"]
    loss.backward()
    assert leaf.grad is None


def test_only_what_is_trained_on_has_loss_in_its_name() -> None:
    module = loss_module()
    keys = {*module.on_source(domain(1)), *module.on_target(domain(2))}
    assert {key for key in keys if "loss" in key} == {"loss"}
    assert isinstance(module, BaseAlignment)


def test_the_report_is_the_fill_of_each_class() -> None:
    module = loss_module()
    module.on_source(domain(1))
    fill = module.report()["queue_fill_last"]
    assert torch.equal(fill, module.state_dict()["queues.last.counts"] / 50)
    assert fill.max() > 0


def test_none_removes_the_tap_of_a_parent_config() -> None:
    kept = dict(feature="decode_head.fusion_conv", channels=32, threshold=0.6)
    module = loss_module(taps=dict(last=None, fused=kept))
    assert list(module.taps) == ["fused"]
    assert module.feature_paths == ("decode_head.fusion_conv",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(taps={}), "taps is empty"),
        (dict(taps=dict(a=None, b=None)), r"taps is empty \(each of a, b is None\)"),
        (dict(taps=dict(a=dict(feature="x", channels=3))), r"taps\.a=.*threshold"),
        (
            dict(taps=dict(a=dict(feature="x", channels=3, threshold=1.5))),
            r"threshold=1.5 .* choose a value in \[-1, 1\]",
        ),
        (
            dict(taps=dict(a=dict(feature="x", channels=0, threshold=0.5))),
            "channels=0",
        ),
        (dict(num_classes=0), "num_classes=0"),
        (dict(queue_size=0), "queue_size=0"),
        (dict(loss_weight=-1.0), "loss_weight=-1.0"),
        (dict(reduction="max"), "reduction='max'"),
        (dict(enqueue_limit=0), "enqueue_limit=0"),
        (dict(queue_dtype="int8"), "queue_dtype='int8'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loss_module(**options)


def test_a_target_before_any_source_is_refused_without_a_queue() -> None:
    with pytest.raises(ValueError, match="needs on_source before on_target"):
        loss_module(use_queue=False).on_target(domain(1))
    with pytest.raises(ValueError, match="needs ground truth on the source"):
        loss_module().on_source(domain(1, labels=False))
