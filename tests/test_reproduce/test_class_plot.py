"""The picture of gains by class: each field's figure and color."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmseg_cosda.reproduce.class_plot import draw_class_gains, gains_by_class
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import Setting


def test_gains_by_class_are_paired_by_seed() -> None:
    def result(**classes: float | None) -> dict[str, Any]:
        return {"last": {"mIoU": 1.0, "per_class": classes}}

    results = {
        "source-only": {0: result(sky=1.0, car=1.0)},
        "source-only-continued": {
            0: result(sky=50.0, car=10.0, pole=None),
            1: result(sky=60.0, car=30.0, pole=4.0),
        },
        "dacs": {1: result(sky=61.0, car=20.0), 2: result(sky=99.0, car=99.0)},
        "cosine-no-pl": {
            0: result(sky=51.0, car=12.0, pole=5.0),
            1: result(sky=63.0, car=36.0, pole=7.0),
        },
        "only-ssl": {2: result(sky=50.0)},
        "cosine": {0: {"last": {"mIoU": 1.0}}},
    }
    rows = [ROWS[name] for name in results]
    assert gains_by_class(Setting("torcs2camvid"), rows, results) == {
        "source only": {"sky": -49.0, "car": -9.0},
        "DACS": {"sky": 1.0, "car": -10.0},
        "Ours-(11)": {"sky": 2.0, "car": 4.0, "pole": 3.0},
    }


def test_a_field_has_its_figure_and_its_color() -> None:
    gains = {"up": {"sky": 20.4, "car": -0.4}, "down": {"car": -13.0}}
    figure = draw_class_gains(gains, "source-only-continued")
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["sky", "car"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["up", "down"]
    fields = {each.get_position(): each for each in ax.texts}
    assert {place: each.get_text() for place, each in fields.items()} == {
        (0, 0): "+20",
        (1, 0): "0",
        (1, 1): "-13",
    }
    assert [each.get_color() for each in ax.texts] == ["white", "black", "white"]
    (image,) = ax.images
    assert image.get_clim() == (-20.0, 20.0)
    colors = np.asarray(image.cmap(image.norm(np.array([20.4, -13.0]))))
    assert colors[0, 2] > colors[0, 0]  # bluer than red
    assert colors[1, 0] > colors[1, 2]
    assert "source-only-continued" in figure.get_supxlabel()


@pytest.mark.parametrize("gains", [{}, {"row": {}}])
def test_nothing_to_draw_is_an_empty_figure(gains: dict[str, dict[str, float]]) -> None:
    assert draw_class_gains(gains, "source-only").axes == []
