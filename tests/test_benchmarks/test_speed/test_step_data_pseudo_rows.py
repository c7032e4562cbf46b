"""The rows of the step, the data and the pseudo-labels measure what they say."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmarks.speed import step_rows
from benchmarks.speed.loading import decode_and_resize, loading_rows, write_files
from benchmarks.speed.pseudo_labels import (
    AppendedConfidences,
    generation_rows,
    threshold_rows,
)
from benchmarks.speed.report import Row, Settings

QUICK = Settings(rounds=2, quick=True)


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.what: row for row in rows}


def test_the_cache_is_read_and_the_floor_is_below_the_pipeline() -> None:
    rows = by_name(loading_rows(QUICK))
    ratio = rows["pipeline with cache against without"]
    assert ratio.value is not None
    assert 0 < ratio.value < 0.7
    assert "MB per pair on disk" in ratio.note
    assert float(ratio.note.split()[0]) == pytest.approx(
        (1280 * 720 + 1024 * 512) * 3 / 1e6, rel=0.02
    )
    slower = rows["pipeline against decode and resize"]
    assert slower.value is not None
    assert slower.value > 0.9


def test_the_files_have_their_real_sizes(tmp_path: Any) -> None:
    from PIL import Image

    files = write_files(tmp_path)
    sizes = {name: Image.open(path).size for name, path in files.items()}
    assert sizes == {
        "source": (1914, 1052),
        "label": (1914, 1052),
        "target": (2048, 1024),
    }
    assert decode_and_resize(files["target"], (1024, 512)).shape == (512, 1024, 3)


def test_thresholds_hold_memory_and_error() -> None:
    rows = by_name(threshold_rows(QUICK))
    for what in ("thresholds: memory", "thresholds: error against a full sort"):
        assert rows[what].verdict == "holds"
    assert rows["thresholds: error against a full sort"].value != 0


def test_the_naive_thresholds_are_quantiles() -> None:
    naive = AppendedConfidences(2)
    naive.update(torch.tensor([0.4, 0.8, 0.6, 0.99]), torch.tensor([0, 0, 0, 1]))
    assert naive.thresholds(0.5, 0.9) == pytest.approx([0.8, 0.9])


def test_generation_is_run_whole() -> None:
    (row,) = generation_rows(QUICK)
    assert row.value is not None
    assert 0 < row.value < 1
    assert row.bound == 0.1


def test_the_timed_step_has_full_queues_and_something_to_enqueue() -> None:
    config = step_rows.read_model("cosda/deeplabv2_demo")
    config.alignments.cosine.enqueue_limit = None  # as the paper's config has it
    work: Any = step_rows.training_step(config, (64, 128), (64, 128), "cpu")
    logs = work()
    assert float(logs["cosine.queue_fill"]) == 1
    assert {"cosine.loss", "target.decode.loss_ce"} < set(logs)
    queue = work.func.__self__.alignments["cosine"].queues["layer4"]
    heads = queue.heads.sum().item()
    assert heads > 32  # of 128 positions: those that agree with the ground truth
    alone: Any = step_rows.training_step(config, (64, 128), (64, 128), "cpu", False)
    assert not [key for key in alone() if "cosine" in key]


def test_rows_that_need_a_gpu_say_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_rows, "SMALL", ((64, 128), (64, 128)))
    rows = by_name(step_rows._timed_rows(QUICK))
    assert rows["host syncs of a step"].verdict == "not run"
    step = rows["DeepLabV2-R101: step with loss and queue against pseudo-labels alone"]
    assert step.value is not None
