"""A target of which some images have ground truth and others have none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.own_data import dataset, make_own_data, own_config
from helpers.ranks import part
from helpers.toys import batch, build, head_config
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from mmseg_cosda.errors import UserError
from mmseg_cosda.models.alignments.base import BaseAlignment


def without_labels(data: Any, *images: int, domain: str = "target") -> Any:
    for i in images:
        del data[domain]["data_samples"][i].gt_sem_seg
    return data


def target_step(model: Any, data: Any) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Losses of the target phase and the gradients of its heads' losses."""
    model.zero_grad()
    processed = model.data_preprocessor(data, True)
    losses = model.loss(processed["inputs"], processed["data_samples"])
    found = {key: value for key, value in losses.items() if key.startswith("target.")}
    trained = [value for key, value in found.items() if "loss" in key]
    assert trained
    torch.stack(trained).sum().backward()
    return found, [p.grad.clone() for p in model.parameters() if p.grad is not None]


AUXILIARY = head_config(in_index=0, loss_decode=dict(type="CrossEntropyLoss"))


@pytest.mark.parametrize("options", [{}, dict(auxiliary_head=AUXILIARY)])
def test_the_gradient_is_that_of_the_labelled_images(options: dict[str, Any]) -> None:
    model = build(**options)
    mixed = without_labels(batch(size=3, target_labels=True), 1)
    found, gradients = target_step(model, mixed)
    whole = batch(size=3, target_labels=True)
    alone = [target_step(model, part(whole, i)) for i in (0, 2)]
    for key, value in found.items():
        each = torch.stack([losses[key].reshape(()) for losses, _ in alone])
        if "loss" in key:
            expected = each.sum() / 3  # an image without labels has the loss 0
        elif "acc" in key:
            expected = each.mean()
        else:
            expected = each.sum() / 3
            assert key == "target.coverage"
        torch.testing.assert_close(value.reshape(()), expected)
    assert len(gradients) == len(alone[0][1]) > 2
    for gradient, first, second in zip(
        gradients, alone[0][1], alone[1][1], strict=True
    ):
        torch.testing.assert_close(gradient, (first + second) / 3)


def test_one_batch_of_two_equals_two_accumulated_ones() -> None:
    states = []
    for accumulate in (1, 2):
        model = build()
        wrapper = OptimWrapper(
            torch.optim.SGD(model.parameters(), 0.1), accumulative_counts=accumulate
        )
        wrapper.initialize_count_status(model, 0, 2)
        data = without_labels(batch(size=2, target_labels=True), 0)
        parts = [data] if accumulate == 1 else [part(data, i) for i in (0, 1)]
        for each in parts:
            model.train_step(each, wrapper)
        states.append(model.backbone.state_dict())
    for key, value in states[0].items():
        torch.testing.assert_close(value, states[1][key])


def test_alignments_see_no_label_where_there_is_none() -> None:
    seen = []

    class Watching(BaseAlignment):
        def on_target(self, domain: Any) -> dict[str, Tensor]:
            seen.append(domain.labels)
            return {}

    model = build()
    model.alignments["watching"] = Watching()
    target_step(model, without_labels(batch(size=2, target_labels=True), 1))
    assert (seen[0][0] != 255).any()
    assert (seen[0][1] == 255).all()


def test_a_source_image_without_labels_is_refused() -> None:
    data = without_labels(batch(size=2, target_labels=True), 1, domain="source")
    with pytest.raises(ValueError, match="some images of a source batch have labels"):
        target_step(build(), data)


def test_a_labelled_and_an_unlabelled_part_train_together(tmp_path: Path) -> None:
    root = make_own_data(tmp_path / "data")
    cfg = own_config(root, tmp_path / "work", iterations=2)
    cfg.train_dataloader.batch_size = 3
    labelled, plain = (dataset(root, "target/train", given) for given in (True, False))
    parts = [dict(labelled, indices=1), plain]
    cfg.train_dataloader.dataset.target = dict(type="ConcatDataset", datasets=parts)
    with pytest.raises(UserError, match="hands the target's own labels"):
        Runner.from_cfg(cfg).train()
    cfg.train_dataloader.dataset.target_labels = "ground_truth"
    cfg.experiment_name = "meant"
    runner = Runner.from_cfg(cfg)
    runner.train()
    coverage = runner.message_hub.get_scalar("train/target.coverage").data[0]
    assert 0 < coverage.max() <= 1
