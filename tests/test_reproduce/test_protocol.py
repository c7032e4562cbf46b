"""The line below a table that says whether its rows were made alike."""

from __future__ import annotations

import copy
from typing import Any

from mmseg_cosda.reproduce.protocol import protocol_line

TARGET = "train_dataloader.dataset.target"
VALUES = {
    "train_cfg.max_iters": 400,
    "train_dataloader.batch_size": 1,
    "model.alignments.cosine.loss_weight": 0.1,
    "train_dataloader.dataset.source.type": "A",
    f"{TARGET}.type": "A",
}
HEAD = "e4b29932a66b2331e2681b4fdad2d8df27258050"


def result(**changes: Any) -> dict[str, Any]:
    """A result; a changed key is one of a config value or of a part of the data."""
    parts = ("source", "target", "validation")
    data = {part: {"files": 1, "digest": part} for part in parts}
    start: dict[str, Any] = {
        "values": dict(VALUES),
        "data": data,
        "commit": HEAD,
        "clean": True,
    }
    for key, value in changes.items():
        if key in ("commit", "clean"):
            start[key] = value
        elif "." in key:
            start["values"][key] = value
        else:
            start["data"][key] = {"files": 1, "digest": value}
    return {"record": [start], "commit": HEAD, "pseudo_labels": "t seed 0"}


def line(*results: dict[str, Any]) -> str:
    by_row = {f"r{i}": {0: copy.deepcopy(each)} for i, each in enumerate(results)}
    return protocol_line(by_row)


def test_rows_may_differ_in_what_they_are_about() -> None:
    other = result(**{"model.alignments.cosine.loss_weight": 9})
    labels = result(**{f"{TARGET}.type": "PseudoLabelDataset"}, pseudo_labels="x")
    labels["record"][0]["values"][f"{TARGET}.dataset.type"] = "A"
    supervised = result(**{"train_dataloader.dataset.source.type": "B"}, source="y")
    assert line(result(), result(), other, labels, supervised) == ""
    assert line() == ""


def test_another_commit_length_or_evaluation_is_said() -> None:
    text = line(result(), result(), result(commit="0" * 40, clean=False))
    assert text == "**Not all made alike:** commits e4b2993 (2), 0000000-changed (1)."
    text = line(result(), result(), result(**{"train_cfg.max_iters": 30}))
    assert text == "**Not all made alike:** train_cfg.max_iters 400, but 30 (`r2`)."
    text = line(result(), result(**{"val_evaluator.iou_metrics": ["mDice"]}))
    assert "val_evaluator.iou_metrics none, but ['mDice'] (`r1`)" in text
    many = {f"val_dataloader.dataset.{key}": 1 for key in "abcdef"}
    assert line(result(), result(**many)).endswith("; 2 more values.")


def test_other_data_behind_the_same_config_is_said() -> None:
    text = line(result(), result(), result(validation="z"))
    assert text == (
        "**Not all made alike:** files of validation validation, but z (`r2`)."
    )
    assert "files of source source, but z" in line(result(), result(source="z"))
    labels = [result(pseudo_labels=digest) for digest in "aab"]
    assert "files of pseudo_labels a, but b (`r2`)" in line(*labels)
    labels[2]["pseudo_labels"] = "another teacher seed 0"
    assert line(*labels) == ""
    taught = result(target="z")
    values = taught["record"][0]["values"]
    values[f"{TARGET}.dataset.type"] = values.pop(f"{TARGET}.type")
    values[f"{TARGET}.type"] = "PseudoLabelDataset"
    assert "files of target target, but z" in line(result(), taught)


def test_results_without_a_record_are_counted() -> None:
    old = {"commit": HEAD, "pseudo_labels": None}
    text = line(result(), old, old)
    assert text == (
        "2 of 3 runs left no record of their training: only their options and commits "
        "are compared."
    )
    assert line(result(), {**old, "commit": "0" * 40}).startswith(
        "**Not all made alike:** commits e4b2993 (1), 0000000 (1). 1 of 2 runs"
    )
