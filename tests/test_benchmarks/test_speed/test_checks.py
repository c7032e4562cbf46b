"""The rows of what checks cost: with them, and without."""

from __future__ import annotations

import copy
from typing import Any
from unittest import mock

import pytest
import torch
from helpers.toys import batch, build
from mmengine.optim import OptimWrapper

from benchmarks.speed import checks, step_rows
from benchmarks.speed.report import Settings
from mmseg_cosda.engine.run_keeper import RunKeeper
from mmseg_cosda.errors import UserError
from mmseg_cosda.models.nonfinite import guard

QUICK = Settings(rounds=1, quick=True)


def test_without_the_guard_nobody_looks() -> None:
    model = build()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    model.backbone.stem.weight.register_hook(lambda grad: grad / 0)
    with checks.unguarded():
        model.train_step(batch(0), wrapper)
        assert not model.backbone.stem.weight.isfinite().all()
    with pytest.raises(UserError, match="not finite"):
        model.train_step(batch(0), wrapper)


def test_the_rows_are_of_both_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the demo's network, in place of DeepLabV2-R101; trainings are pretended."""
    config = step_rows.read_model(checks.DEMO)
    config.alignments.cosine.enqueue_limit = None  # no generator is on "meta"
    monkeypatch.setattr(checks, "read_model", lambda _: copy.deepcopy(config))
    for name in ("SOURCE", "TARGET", "SIZE"):
        monkeypatch.setattr(checks, name, (32, 64))
    seen = []

    def train(iterations: int, preflight: bool) -> Any:
        kept = not isinstance(RunKeeper.begin, mock.Mock)
        looked = not isinstance(guard.NonFiniteGuard.allows_step, mock.Mock)
        seen.append((preflight, kept, looked))
        ours = checks._Clock()
        ours.ended = [ours.began + (3.0 if kept else 1.0), ours.began + 4]
        ours.ended.append(ours.ended[-1] + (1.5 if kept else 1.0))
        return ours

    monkeypatch.setattr(checks, "_train", train)
    rows = {row.what: row for row in checks.check_rows(QUICK)}
    assert set(seen) == {(True,) * 3, (False,) * 3}
    syncs, peak, stop, skip, training, once = rows.values()
    assert (syncs.value, syncs.bound) == (0, 0)
    assert int(syncs.note.split(" operators")[0].rpartition(" ")[2]) > 0
    assert peak.verdict == "holds"
    assert stop.value is not None
    assert skip.value is not None
    assert stop.value > 0 < skip.value
    assert (training.value, once.value) == pytest.approx((1.5, 2))
