"""The picture of gains: what is drawn where, and in which color."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.colors import same_color

from mmseg_cosda.reproduce.evidence import gains_by_baseline
from mmseg_cosda.reproduce.gains import beyond_noise, half_width
from mmseg_cosda.reproduce.gains_plot import DOWN, NOISE, UP, draw_gains
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import Setting

UNSURE, BETTER, WORSE = [0.1, 0.4, -0.2], [0.5, 0.6, 0.7], [-0.5, -0.6, -0.7]


def test_a_row_is_set_beside_its_own_baseline() -> None:
    def result(value: float) -> dict[str, Any]:
        return {"last": {"mIoU": value}}

    results = {
        "source-only": {0: result(5.0)},
        "source-only-continued": {0: result(10.0), 1: result(20.0)},
        "only-ssl": {0: result(50.0)},
        "target-supervised": {0: result(90.0)},
        "cosine-no-pl": {0: result(11.0), 1: result(22.0), 2: result(0.0)},
        "cosine": {0: result(49.0)},
        "dacs": {1: result(22.0)},
        "dacs-cosine": {1: result(23.0)},
    }
    rows = [ROWS[name] for name in results]
    assert gains_by_baseline(Setting("torcs2camvid"), rows, results) == {
        "source-only-continued": {
            "only SSL": [40.0],
            "Ours-(11)": [1.0, 2.0],
            "Ours (eq. 12)": [39.0],
            "DACS": [2.0],
            "DACS + cosine": [3.0],
        },
        "only-ssl": {"Ours (eq. 12)": [-1.0]},
        "dacs": {"DACS + cosine": [1.0]},
    }
    weights = [ROWS["stronger"], ROWS["stronger-no-pl"]]
    titles = gains_by_baseline(Setting("demo"), weights, {})["source-only"]
    assert len(titles) == 2  # of eq. 12 and of eq. 11, neither hides the other
    demo = gains_by_baseline(Setting("demo"), rows, results)
    assert demo["source-only"]["Ours-(11)"] == [6.0]


def test_every_seed_is_a_dot_and_color_means_beyond_noise() -> None:
    panels: dict[str, dict[str, list[float]]] = {
        "a": {"unsure": UNSURE, "better": BETTER, "none": [], "worse": WORSE},
        "b": {"one": [9.0]},
        "c": {"empty": []},
    }
    first, second = draw_gains(panels, "mIoU").axes
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names == ["unsure", "better", "worse"]
    assert first.get_title(loc="left") == "above a"
    assert [label.get_text() for label in second.get_yticklabels()] == ["one"]
    # The first line of a panel is zero; each row then has its mean and its dots.
    lines: list[Any] = list(first.get_lines())[1:]
    means, dots = lines[0::2], lines[1::2]
    for place, (values, color) in enumerate(
        [(UNSURE, NOISE), (BETTER, UP), (WORSE, DOWN)]
    ):
        assert list(dots[place].get_xdata()) == values
        assert list(dots[place].get_ydata()) == [place] * 3
        assert means[place].get_xdata()[0] == pytest.approx(sum(values) / 3)
        assert same_color(dots[place].get_color(), color)
    bar: Any = first.containers[1]
    (ends,) = bar.lines[2][0].get_segments()
    assert ends[0][0] == pytest.approx(0.6 - half_width(BETTER))
    assert second.get_xlim()[0] < -0.7 < 9.0 < second.get_xlim()[1]  # shared
    assert first.get_ylim()[0] > first.get_ylim()[1]  # the first row on top


def test_nothing_to_draw_is_an_empty_figure() -> None:
    assert draw_gains({"a": {"row": []}}, "mIoU").axes == []


def test_two_seeds_tell_less_than_three() -> None:
    assert half_width([0.0, 2.0]) == pytest.approx(12.7062)
    assert half_width([0.0, 1.0, 2.0]) == pytest.approx(4.3027 / 3**0.5)
    assert not beyond_noise([1.0])
