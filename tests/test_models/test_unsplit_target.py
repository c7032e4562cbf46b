"""Target features against the queues of all classes (split_target=False)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers import option_references
from helpers.cosine_loops import MAP, T_COS, assert_same, memory_of, target_labels
from helpers.cosine_toys import C, K, domain, loss_module
from torch import Tensor

from mmseg_cosda.models.alignments.unsplit_target import cosine_loss_to_all_classes
from mmseg_cosda.models.functional import class_wise_cosine_loss_from_blocks

Q = 5
COUNTS = torch.tensor([5, 0, 2])
LABELS = torch.tensor([0, 1, 2, 2, 255, -1, 1, 0])


def problem() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(8, K, generator=generator, dtype=torch.float64)
    queue = torch.randn(C, Q, K, generator=generator, dtype=torch.float64)
    queue = torch.nn.functional.normalize(queue, dim=2)
    queue[1] = 0
    queue[2, 2:] = 0
    return features.requires_grad_(), queue


@pytest.mark.parametrize("top_k", [None, 1, 3, 15])
@pytest.mark.parametrize("threshold", [0.0, 0.4])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_it_equals_loops(reduction: str, threshold: float, top_k: int | None) -> None:
    features, queue = problem()
    args = (features, LABELS, queue, COUNTS, threshold, reduction)
    loss, found = cosine_loss_to_all_classes(*args, top_k=top_k)
    expected, selected = option_references.all_classes_loss(*args, k=top_k)
    assert found.selected.tolist() == [selected]
    assert found.pairs.tolist() == [6 * 7]
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-10)
    ours, theirs = (torch.autograd.grad(x, features)[0] for x in (loss, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    assert ours.any()


def test_gradcheck() -> None:
    features, queue = problem()
    assert torch.autograd.gradcheck(
        lambda f: cosine_loss_to_all_classes(f, LABELS, queue, COUNTS, 0.3)[0],
        (features,),
    )


def test_which_class_a_pixel_has_does_not_matter() -> None:
    features, queue = problem()
    others = torch.where((LABELS >= 0) & (LABELS < C), (LABELS + 1) % C, LABELS)
    losses = [
        cosine_loss_to_all_classes(features, labels, queue, COUNTS, 0.3)[0]
        for labels in (LABELS, others)
    ]
    assert losses[0] == losses[1] > 0
    valid = torch.cat([queue[0], queue[2, :2]])
    member = (LABELS >= 0) & (LABELS < C)
    again, _ = class_wise_cosine_loss_from_blocks(
        features, torch.where(member, 0, 255), [valid], 0.3
    )
    torch.testing.assert_close(losses[0], again)


@pytest.mark.parametrize(
    "labels", [LABELS, torch.full_like(LABELS, 255)], ids=["pixels", "all ignored"]
)
def test_an_empty_queue_gives_zero_with_a_graph(labels: Tensor) -> None:
    features, queue = problem()
    none = torch.zeros_like(COUNTS)
    loss, found = cosine_loss_to_all_classes(features, labels, queue * 0, none, 0.0)
    loss.backward()
    assert loss == 0
    assert features.grad is not None
    assert not features.grad.any()
    assert found.pairs.tolist() == found.selected.tolist() == [0]


@pytest.mark.parametrize("options", [{}, dict(top_k=2), dict(min_confidence=0.5)])
def test_the_module_compares_each_pixel_with_all_queues(
    options: dict[str, Any],
) -> None:
    module = loss_module(split_target=False, **options)
    sources, target = [domain(1, 2), domain(2, 2)], domain(3, 2, grad=True)
    for source in sources:
        module.on_source(source)
    found = module.diagnose(target, torch.zeros(2, 6, 10, dtype=torch.int64))["last"]
    logs = module.on_target(target)
    queue, counts = memory_of(sources, [None, None])
    split = target_labels(target, options.get("min_confidence", 0.0))
    images = [
        option_references.all_classes_loss(
            f.flatten(1).t(),
            labels.flatten(),
            queue,
            counts,
            T_COS,
            "mean",
            options.get("top_k"),
        )
        for f, labels in zip(target.features[MAP], split, strict=True)
    ]
    assert_same(logs["loss"], torch.stack([x for x, _ in images]).mean(), target)
    pairs = int(((split >= 0) & (split < C)).sum() * counts.sum())
    selected = sum(number for _, number in images)
    assert float(logs["selected"]) == pytest.approx(selected / pairs)
    assert int(found.selected.sum()) == selected
    assert int(found.pairs.sum()) == pairs


def test_a_negative_threshold_is_refused() -> None:
    taps = dict(last=dict(feature="backbone[-1]", channels=K, threshold=-0.1))
    loss_module(taps=taps)
    with pytest.raises(ValueError, match=r"taps\.last\.threshold=-0\.1.*in \[0, 1\]"):
        loss_module(taps=taps, split_target=False)
