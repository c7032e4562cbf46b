"""Features without the mean of the source, against loops."""

from __future__ import annotations

import pytest
import torch
from helpers import option_references
from helpers.cosine_loops import (
    MAP,
    T_COS,
    assert_same,
    by_loops,
    memory_of,
    running_means,
    shifted,
    target_labels,
)
from helpers.cosine_toys import C, loss_module


def test_centering_subtracts_the_running_mean_of_the_source() -> None:
    module, plain = loss_module(centering=True), loss_module()
    sources = [shifted(s, 2) for s in (1, 2, 3)]
    target = shifted(4, 2, grad=True)
    means = running_means(sources)
    for source, mean in zip(sources, means, strict=True):
        module.on_source(source)
        plain.on_source(source)
        torch.testing.assert_close(module.state_dict()["means.last.mean"], mean)
    logs, uncentered = module.on_target(target), plain.on_target(target)
    # Each batch entered under the mean that held it already.
    queue, counts = memory_of(sources, list(means))
    expected, chosen = by_loops(target, queue, counts, means[-1])
    assert_same(logs["loss"], expected, target)
    labels = target_labels(target).flatten()
    pairs = int(sum(counts[c] * (labels == c).sum() for c in range(C)))
    assert float(logs["selected"]) == pytest.approx(chosen / pairs)
    # Uncentered, nearly everything is similar to everything.
    assert float(uncentered["selected"]) > 0.9
    assert float(logs["selected"]) < 0.6


@pytest.mark.parametrize("class_wise", [True, False])
@pytest.mark.parametrize("k", [None, 2])
def test_centering_and_top_k_without_a_queue(class_wise: bool, k: int | None) -> None:
    module = loss_module(
        use_queue=False, class_wise=class_wise, centering=True, top_k=k
    )
    sources, target = [shifted(1), shifted(2)], shifted(3, grad=True)
    for source in sources:
        module.on_source(source)
    logs = module.on_target(target)
    mean = running_means(sources)[-1]
    if class_wise:
        expected, _ = by_loops(target, *memory_of(sources[1:], [mean]), mean, k=k)
    else:
        s, t = (
            (d.features[MAP][0] - mean[:, None, None]).flatten(1).t()
            for d in (sources[-1], target)
        )
        nobody = torch.zeros(15, dtype=torch.int64)
        expected, _ = option_references.top_k_loss(
            t, nobody, s[None].detach(), torch.tensor([15]), T_COS, "mean", k
        )
    torch.testing.assert_close(logs["loss"].double(), expected, rtol=1e-5, atol=1e-6)
    assert list(module.state_dict()) == ["means.last.mean", "means.last.updates"]


def test_a_batch_that_is_not_finite_leaves_the_mean() -> None:
    module = loss_module(centering=True)
    broken = shifted(1)
    broken.features[MAP][0, 0, 0, 0] = torch.inf
    module.on_source(broken)
    assert module.state_dict()["means.last.updates"] == 0
    module.on_source(shifted(2))
    expected = shifted(2).features[MAP].mean(dim=(0, 2, 3))
    torch.testing.assert_close(module.state_dict()["means.last.mean"], expected)


def test_centered_features_of_half_precision_are_centered_in_float32() -> None:
    module = loss_module(centering=True)
    half = shifted(1)
    half.features[MAP].data = half.features[MAP].half()
    module.on_source(half)
    assert module.feature("last", half).dtype == torch.float32
