"""What a checkpoint and a config say of the classes, together."""

from __future__ import annotations

from typing import Any

import pytest

from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.class_names import class_names

CONFIG = {
    "test_dataloader": {"dataset": {"type": "X", "metainfo": {"classes": ["a", "b"]}}},
}


def meta(*classes: str) -> dict[str, Any]:
    return {"dataset_meta": {"classes": classes}}


def test_the_checkpoints_names_come_first() -> None:
    assert class_names(CONFIG, meta("a", "c"), 2, "x.pth").classes == ["a", "c"]
    assert class_names({}, meta("b", "a"), 2, "x.pth").classes == ["b", "a"]
    three = {"val_dataloader": {"dataset": {"metainfo": {"classes": ["c", "b", "a"]}}}}
    assert class_names(three, meta("b", "a"), 2, "x.pth").classes == ["b", "a"]


def test_the_configs_names_in_another_order_are_refused() -> None:
    with pytest.raises(UserError, match=r"x\.pth has the config's classes in another"):
        class_names(CONFIG, meta("b", "a"), 2, "x.pth")


def test_a_checkpoint_without_names_is_said_in_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert class_names(CONFIG, {}, 2, "x.pth").classes == ["a", "b"]
    assert capsys.readouterr().err == (
        "checkpoint x.pth names no classes: they are taken for a, b\n"
    )
