from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.toys import batch, build
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.models.alignments.base import BaseAlignment, DomainBatch
from mmseg_cosda.models.reference import FrozenReference


@MODELS.register_module()
class ToyDistance(BaseAlignment):
    """The mean distance of the source's last map to the reference's."""

    feature_paths = ("backbone[-1]",)
    reference_paths = ("backbone[-1]",)

    def on_source(self, domain: DomainBatch) -> dict[str, Tensor]:
        path = "backbone[-1]"
        assert not domain.reference[path].requires_grad
        distance = domain.features[path] - domain.reference[path]
        return {"loss": distance.square().mean()}


DISTANCE: dict[str, Any] = dict(
    alignments=dict(toy=dict(type="ToyDistance")), reference=dict()
)


@pytest.fixture
def pretrained(tmp_path: Path) -> dict[str, Any]:
    """The toy backbone with weights of a file."""
    path = tmp_path / "net.pth"
    torch.save(build(seed=5).backbone.state_dict(), path)
    return dict(
        type="ToyBackbone", init_cfg=dict(type="Pretrained", checkpoint=str(path))
    )


def test_it_holds_what_init_cfg_names(pretrained: dict[str, Any]) -> None:
    model = build(backbone=pretrained, **DISTANCE)
    model.init_weights()
    images = torch.randn(2, 3, 16, 32)
    got = model.reference_maps(images)["backbone[-1]"]
    assert torch.equal(got, build(seed=5).backbone(images)[-1])
    state = {k: v + 1 for k, v in model.state_dict().items()}
    model.load_state_dict(state)  # load_from, or a later state of the run
    assert torch.equal(model.reference_maps(images)["backbone[-1]"], got)
    assert not torch.equal(model.backbone(images)[-1], got)


def test_it_is_neither_saved_nor_trained(pretrained: dict[str, Any]) -> None:
    model = build(backbone=pretrained, **DISTANCE)
    model.init_weights()
    assert not any("reference" in key for key in model.state_dict())
    assert not any("reference" in key for key, _ in model.named_parameters())
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter += 0.1
    model.train()
    losses = model.loss(**model.data_preprocessor(batch(), True))
    assert losses["toy.loss"] > 0
    losses["toy.loss"].backward()
    assert model.backbone.last.weight.grad is not None
    assert not model.reference._net[0].backbone.training


def test_it_moves_with_the_model(pretrained: dict[str, Any]) -> None:
    model = build(backbone=pretrained, **DISTANCE)
    model.init_weights()
    model.double()
    got = model.reference_maps(torch.randn(1, 3, 8, 8, dtype=torch.float64))
    assert got["backbone[-1]"].dtype == torch.float64


def test_weights_are_asked_for() -> None:
    model = build(**DISTANCE)
    with pytest.raises(ValueError, match=r"init_cfg=None names no pretrained"):
        model.init_weights()


def test_alignments_ask_for_it() -> None:
    with pytest.raises(ValueError, match=r"model.reference is None and an alignment"):
        build(alignments=DISTANCE["alignments"])


def test_it_is_not_made_for_nothing(pretrained: dict[str, Any]) -> None:
    model = build(backbone=pretrained, reference=dict())
    assert model.reference is None


def test_another_module_is_none() -> None:
    with pytest.raises(ValueError, match="EMATeacher is no frozen reference"):
        build(**{**DISTANCE, "reference": dict(type="EMATeacher")})


def test_a_tap_outside_the_backbone_is_refused(pretrained: dict[str, Any]) -> None:
    reference = FrozenReference()
    with pytest.raises(ValueError, match=r"model.reference.*decode_head"):
        reference.build(pretrained, ["decode_head.conv"], torch.device("cpu"))
