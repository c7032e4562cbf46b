"""Which phases can stand together, and when they run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.toys import batch, build, cosine_config
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmseg.registry import MODELS

from mmseg_cosda.models.phases import Losses, Phase, Step, TargetPhase

COSINE: dict[str, Any] = dict(cosine=cosine_config())


@MODELS.register_module()
class SecondLook(Phase):
    """Shows the alignments the target, where another phase may too."""

    def __init__(self, align: bool = True) -> None:
        self.align = align

    def losses(self, segmentor: Any, step: Step) -> Losses:
        return {}


def test_the_target_is_shown_once() -> None:
    second: dict[str, Any] = dict(second=dict(type="SecondLook"))
    with pytest.raises(ValueError, match=r"target and second have align=True"):
        build(phases=second, alignments=COSINE)
    build(phases=dict(second, target=dict(align=False)), alignments=COSINE)
    build(phases=dict(second, target=None), alignments=COSINE)


def test_an_alignment_that_waits_for_the_target_is_shown_one() -> None:
    with pytest.raises(ValueError, match=r"model.alignments.cosine compares the tar"):
        build(phases=dict(target=None), alignments=COSINE)
    build(phases=dict(target=None))


def test_a_target_phase_without_alignments_keeps_the_target_from_them() -> None:
    model = build(phases=dict(second=dict(type="SecondLook"), target=dict(align=False)))
    model.init_weights()
    losses = model.loss(**model.data_preprocessor(batch(target_labels=True), True))
    assert "target.decode.loss_ce" in losses


def test_labels_that_are_not_trained_on_tell_the_classes() -> None:
    model = build(phases=dict(target=dict(cross_entropy=False)), alignments=COSINE)
    data = model.data_preprocessor(batch(target_labels=True), True)
    plain = build(alignments=COSINE)
    losses, expected = model.loss(**data), plain.loss(**data)
    assert not any(key.startswith("target.decode") for key in losses)
    assert torch.equal(losses["target.coverage"], expected["target.coverage"])
    assert torch.equal(losses["cosine.loss"], expected["cosine.loss"])


def test_a_phase_waits_for_its_first_iteration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = build(phases=dict(target=dict(start_iter=2)), alignments=COSINE)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    hub = MessageHub.get_current_instance()
    seen = []
    for iteration in range(4):
        monkeypatch.setitem(hub.runtime_info, "iter", iteration)
        logs = model.train_step(batch(seed=iteration), wrapper)
        seen.append("cosine.loss" in logs)
        assert "cosine.queue_fill" in logs
    assert seen == [False, False, True, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(labels="truth"), "labels='truth', choose 'pseudo' or 'teacher'"),
        (dict(start_iter=-1), "TargetPhase: start_iter=-1"),
        (dict(align=1), "align=1, choose True or False"),
        (dict(class_weight=0), "class_weight=0, choose True or False"),
        (dict(align=False, cross_entropy=False), "it does nothing"),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TargetPhase(**options)


def test_a_divisor_is_checked() -> None:
    with pytest.raises(ValueError, match="SourcePhase: divisor='mean'"):
        build(phases=dict(source=dict(divisor="mean")))
