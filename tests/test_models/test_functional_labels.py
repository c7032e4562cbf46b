"""Which pixels the loss sees: processes A and B, and the maps' own sizes."""

from __future__ import annotations

import pytest
import torch
from helpers import references
from helpers.loss_problem import IGNORE
from torch.nn import functional as F

from mmseg_cosda.models.functional import (
    augment_pseudo_labels,
    class_wise_cosine_loss_from_blocks,
    resize_labels,
    split_source,
)


def test_process_a_keeps_the_correctly_classified() -> None:
    generator = torch.Generator().manual_seed(0)
    p = torch.randn(3, 4, 6, generator=generator)
    y = torch.tensor([0, 1, 2, IGNORE])[torch.randint(4, (4, 6), generator=generator)]
    expected = references.eq6_correct(references.argmax_over_classes(p), y)
    assert torch.equal(split_source(p.argmax(0), y, IGNORE), expected)
    assert 0 < (expected != IGNORE).sum() < 24


def test_process_b_fills_ignored_pixels_with_the_prediction() -> None:
    generator = torch.Generator().manual_seed(1)
    p = torch.randn(3, 4, 6, generator=generator)
    y = torch.tensor([0, 1, 2, IGNORE])[torch.randint(4, (4, 6), generator=generator)]
    expected = references.eq7_augment(y, references.argmax_over_classes(p))
    actual = augment_pseudo_labels(y, p.argmax(0), IGNORE)
    assert torch.equal(actual, expected)
    assert not torch.equal(actual, y)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (6, 9), (7, 10), (13, 4)])
def test_labels_are_resized_to_the_nearest_pixel(size: tuple[int, int]) -> None:
    labels = torch.arange(2 * 6 * 9).view(2, 6, 9)
    resized = resize_labels(labels, size)
    assert torch.equal(resized[1], references.nearest(labels[1], *size))
    host = F.interpolate(labels[:, None].double(), size=size, mode="nearest")
    assert torch.equal(resized, host[:, 0].long())
    assert resized.dtype == torch.int64


def test_labels_of_the_papers_sizes_agree_with_the_host() -> None:
    for height, width, h, w in [(720, 1280, 91, 161), (512, 1024, 65, 129)]:
        labels = torch.arange(height * width).view(1, height, width)
        host = F.interpolate(labels[None].double(), size=(h, w), mode="nearest")
        assert torch.equal(resize_labels(labels, (h, w)), host[0].long())


def test_large_labels_survive_resizing() -> None:
    labels = torch.tensor([[[2**40 + 1, 0]]])
    assert resize_labels(labels, (1, 1)).item() == 2**40 + 1


def test_padding_aligns_labels_with_a_padded_network() -> None:
    labels = torch.ones(1, 4, 4, dtype=torch.int64)
    padded = resize_labels(labels, (4, 4), padding=2, ignore_index=IGNORE)
    expected = torch.full((4, 4), IGNORE)
    expected[1:3, 1:3] = 1
    assert torch.equal(padded[0], expected)


def test_layers_of_fcn_equal_eq_17_to_20() -> None:
    generator = torch.Generator().manual_seed(2)
    C_s = torch.randint(3, (12, 16), generator=generator)
    y_s = torch.where(
        torch.rand(12, 16, generator=generator) < 0.7, C_s, torch.tensor(IGNORE)
    )
    C_t = torch.randint(3, (12, 16), generator=generator)
    y_t = torch.where(
        torch.rand(12, 16, generator=generator) < 0.5, (C_t + 1) % 3, IGNORE
    )
    T_cos = {"fc7": 0.1, "pool4": 0.2}
    layers, losses = {}, []
    for name, (k, h, w) in {"fc7": (3, 3, 4), "pool4": (2, 6, 8)}.items():
        f_s, f_t = torch.randn(2, k, h, w, generator=generator).double().unbind()
        D = references.eq8_split(f_s, references.eq17_source(C_s, y_s, h, w), 3)
        T = references.eq8_split(f_t, references.eq18_target(y_t, C_t, h, w), 3)
        layers[name] = (T, D)

        source = split_source(
            resize_labels(C_s[None], (h, w)), resize_labels(y_s[None], (h, w)), IGNORE
        ).flatten()
        target = augment_pseudo_labels(
            resize_labels(y_t[None], (h, w)), resize_labels(C_t[None], (h, w)), IGNORE
        ).flatten()
        unit = F.normalize(f_s.flatten(1).t(), dim=1)
        blocks = [unit[source == c] for c in range(3)]
        losses.append(
            class_wise_cosine_loss_from_blocks(
                f_t.flatten(1).t(), target, blocks, T_cos[name]
            )[0]
        )
    torch.testing.assert_close(
        torch.stack(losses).mean(), references.eq20_loss(layers, T_cos)
    )


def test_wrong_labels_to_resize_are_named() -> None:
    with pytest.raises(ValueError, match=r"labels of shape \(4, 4\)"):
        resize_labels(torch.zeros(4, 4), (2, 2))
    with pytest.raises(ValueError, match="padding=-1"):
        resize_labels(torch.zeros(1, 4, 4), (2, 2), padding=-1)
