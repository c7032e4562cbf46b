"""The cosine loss's options through whole iterations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.toy_runs import assert_equal_states, demo_config, train_to_end
from helpers.toys import batch, build, cosine_config
from mmengine.optim import OptimWrapper

from mmseg_cosda.models.phases import make_step

OPTIONS: dict[str, Any] = dict(
    centering=True, top_k=3, min_confidence=0.12, warmup_iters=5, repulsion_weight=0.2
)


def test_a_resumed_run_equals_one_that_never_stopped(tmp_path: Path) -> None:
    def run(name: str, iterations: int, **options: Any) -> dict[str, Any]:
        cfg = demo_config(tmp_path / name, iterations, **options)
        cfg.model.alignments = dict(cosine=cosine_config(num_classes=10, **OPTIONS))
        return train_to_end(cfg)

    whole = run("whole", 6)
    run("parts", 3)
    parts = run("parts", 6, resume=True)
    assert_equal_states(parts["state_dict"], whole["state_dict"], "state_dict")
    assert_equal_states(parts["optimizer"], whole["optimizer"], "optimizer")
    state = whole["state_dict"]
    assert state["alignments.cosine.warmup.passed"] == 6
    assert state["alignments.cosine.means.last.updates"] == 6
    assert state["alignments.cosine.means.last.mean"].any()


@pytest.mark.parametrize("accumulate", [1, 3])
def test_an_iteration_counts_once(accumulate: int) -> None:
    model = build(alignments=dict(cosine=cosine_config(**OPTIONS)))
    wrapper = OptimWrapper(
        torch.optim.SGD(model.parameters(), 0.1), accumulative_counts=accumulate
    )
    wrapper.initialize_count_status(model, 0, 4)
    for step in range(4):
        logs = model.train_step(batch(seed=step, size=2), wrapper)
        assert float(logs["cosine.warmup"]) == pytest.approx(step / 5)
        assert "cosine.loss_repulsion" in logs
    state = model.state_dict()
    assert state["alignments.cosine.warmup.passed"] == 4
    assert state["alignments.cosine.means.last.updates"] == 4


def test_loss_in_one_call_counts_once_and_equals_the_phases() -> None:
    models = [build(alignments=dict(cosine=cosine_config(**OPTIONS))) for _ in range(2)]
    for step in range(3):
        data = models[0].data_preprocessor(batch(seed=step, size=2), True)
        models[0].zero_grad()
        losses = models[0].loss(**data)
        loss, _ = models[0].parse_losses(losses)
        loss.backward()
        models[1].zero_grad()
        scratch = make_step(data["inputs"], data["data_samples"])
        for phase in models[1].phases.values():
            total, _ = models[1].parse_losses(phase.losses(models[1], scratch))
            total.backward()
        pairs = zip(models[0].parameters(), models[1].parameters(), strict=True)
        for one, other in pairs:
            torch.testing.assert_close(one.grad, other.grad)
        assert float(losses["cosine.warmup"]) == pytest.approx(step / 5)
    assert_equal_states(models[0].state_dict(), models[1].state_dict(), "state_dict")


# What commit 6aa4d01 wrote for this model; the options add the second part.
BEFORE: dict[str, tuple[tuple[int, ...], torch.dtype]] = {
    "backbone.stem.weight": ((6, 3, 3, 3), torch.float32),
    "backbone.stem.bias": ((6,), torch.float32),
    "backbone.last.weight": ((6, 6, 3, 3), torch.float32),
    "backbone.last.bias": ((6,), torch.float32),
    "decode_head.conv_seg.weight": ((4, 6, 1, 1), torch.float32),
    "decode_head.conv_seg.bias": ((4,), torch.float32),
    "alignments.cosine.queues.last.storage": ((81, 6), torch.float32),
    "alignments.cosine.queues.last.counts": ((4,), torch.int64),
    "alignments.cosine.queues.last.heads": ((4,), torch.int64),
    "alignments.cosine.queues.last.stamps": ((81,), torch.int64),
    "alignments.cosine.queues.last.pushes": ((), torch.int64),
}
WITH_OPTIONS = {
    **BEFORE,
    "alignments.cosine.means.last.mean": ((6,), torch.float32),
    "alignments.cosine.means.last.updates": ((), torch.int64),
    "alignments.cosine.warmup.passed": ((), torch.int64),
}


@pytest.mark.parametrize(
    ("options", "written"),
    [({}, BEFORE), (OPTIONS, WITH_OPTIONS)],
    ids=["literal", "options"],
)
def test_checkpoints_from_before_still_load(
    options: dict[str, Any], written: dict[str, tuple[tuple[int, ...], torch.dtype]]
) -> None:
    state = {name: torch.ones(shape, dtype=t) for name, (shape, t) in written.items()}
    model = build(alignments=dict(cosine=cosine_config(**options)))
    model.load_state_dict(state)
    assert_equal_states(model.state_dict(), state, "state_dict")
