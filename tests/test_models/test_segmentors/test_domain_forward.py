"""What alignments see of images, outside of a training step."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from helpers.toys import batch, build, cosine_config, head_config
from torch import Tensor

from mmseg_cosda.models.alignments.base import DomainBatch

COSINE: dict[str, Any] = dict(alignments=dict(cosine=cosine_config()))


def inputs_of(model: Any, domain: str) -> tuple[Tensor, Tensor]:
    found = model.data_preprocessor(batch(), True)
    samples = found["data_samples"]["source"]  # labels for either domain
    return found["inputs"][domain], samples[0].gt_sem_seg.data


@pytest.mark.parametrize("domain", ["source", "target"])
def test_it_is_what_the_alignments_see_in_training(
    domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(**COSINE)
    seen: dict[str, DomainBatch] = {}
    for name in ("source", "target"):
        monkeypatch.setattr(
            model.alignments["cosine"],
            f"on_{name}",
            lambda found, name=name: seen.update({name: found}) or {},
        )
    model.loss(**model.data_preprocessor(batch(), True))
    inputs, labels = inputs_of(model, domain)
    ours = model.see(inputs, labels if domain == "source" else None)
    for field in dataclasses.fields(DomainBatch):
        a, b = getattr(ours, field.name), getattr(seen[domain], field.name)
        torch.testing.assert_close(a, b, rtol=0, atol=0, msg=field.name)
    assert ours.features["backbone[-1]"].requires_grad


def test_maps_labels_and_seed_are_the_callers() -> None:
    model = build(**COSINE)
    inputs, labels = inputs_of(model, "target")
    with torch.no_grad():
        found = model.see(inputs, labels, paths=["backbone[0]"], step_seed=5)
    assert set(found.features) == {"backbone[0]"}
    assert found.features["backbone[0]"].shape == (1, 6, 8, 16)
    assert found.labels is not None
    assert found.labels.equal(labels)
    assert found.step_seed == 5
    assert found.image_size == (16, 32)


def test_a_module_that_does_not_run_is_named() -> None:
    model = build(**COSINE, auxiliary_head=head_config(in_index=0))
    inputs, _ = inputs_of(model, "target")
    with pytest.raises(ValueError, match=r"auxiliary_head\.conv_seg.*do not run"):
        model.see(inputs, paths=["auxiliary_head.conv_seg"])
