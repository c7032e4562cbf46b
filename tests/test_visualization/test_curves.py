"""Figures, read back from their axes."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mmseg_cosda.errors import UserError
from mmseg_cosda.visualization.bands import Band, make_band
from mmseg_cosda.visualization.curves import axis_label, draw_curves
from mmseg_cosda.visualization.files import COLORS

SEEDS = [
    {10: 1.0, 20: 5.0, 30: 7.0},
    {10: 2.0, 20: 5.5, 30: 9.0},
    {10: 6.0, 20: 6.0, 40: 1.0},
]


def bands(count: int, points: int = 3, runs: int = 2) -> list[Band]:
    series = [{10 * i: 10.0 + i for i in range(1, points + 1)}] * runs
    return [make_band(f"method {i}", series, interpolate=False) for i in range(count)]


def test_a_line_is_the_mean_and_its_band_one_sample_deviation() -> None:
    band = make_band("a", SEEDS, interpolate=False)
    assert band.left_out == 2  # 30 and 40 are not of all
    axis: Any = draw_curves({"mIoU": [band]}, "mIoU (%)").axes[0]
    (line,) = axis.lines
    assert line.get_xdata().tolist() == [10, 20]
    np.testing.assert_allclose(line.get_ydata(), [3.0, 5.5])
    (filled,) = axis.collections
    corners = filled.get_paths()[0].vertices
    for step, values in ((10, [1.0, 2.0, 6.0]), (20, [5.0, 5.5, 6.0])):
        at = corners[corners[:, 0] == step][:, 1]
        mean, deviation = statistics.fmean(values), statistics.stdev(values)
        np.testing.assert_allclose(at.min(), mean - deviation)
        np.testing.assert_allclose(at.max(), mean + deviation)


def test_training_is_interpolated_to_the_first_run() -> None:
    series = [{10: 0.0, 20: 1.0, 40: 3.0}, {15: 4.0, 25: 8.0}]
    band = make_band("a", series, interpolate=True)
    assert band.steps.tolist() == [20]
    assert band.mean.tolist() == [(1.0 + 6.0) / 2]
    assert band.left_out == 0


def test_runs_without_a_common_iteration_are_refused() -> None:
    for interpolate in (False, True):
        with pytest.raises(UserError, match=r"runs of a .* \(10 to 20, 30 to 30\)"):
            make_band("a", [{10: 1.0, 20: 1.0}, {30: 1.0}], interpolate)
    with pytest.raises(UserError, match="no iteration in common"):
        make_band("a", [{10: 1.0}, {5: 1.0, 20: 1.0}], interpolate=False)


def test_a_single_run_has_no_band() -> None:
    band = make_band("a", SEEDS[:1], interpolate=False)
    figure = draw_curves({"mIoU": [band]}, "mIoU (%)")
    (axis,) = figure.axes
    assert not axis.collections
    assert legend_texts(figure) == ["a"]


def test_single_evaluations_are_bars_beside_each_other() -> None:
    pair = [make_band(n, [{400: 10.0}, {400: 14.0}], interpolate=False) for n in "ab"]
    figure = draw_curves({"mIoU": pair}, "mIoU (%)")
    FigureCanvasAgg(figure).draw()
    (axis,) = figure.axes
    assert axis.get_xlim()[0] < 400 < axis.get_xlim()[1]
    low, high = 12 - 8**0.5, 12 + 8**0.5
    assert axis.get_ylim()[0] < low < high < axis.get_ylim()[1]
    points = []
    for container in axis.containers:
        line, _, (bar,) = container
        assert (line.get_xdata()[0], line.get_ydata()[0]) == (400, 12)
        np.testing.assert_allclose(bar.get_segments()[0][:, 1], [low, high])
        points.append(line.get_transform().transform((400, 12))[0])
    assert points[1] - points[0] == pytest.approx(8 / 72 * figure.dpi)


def test_a_single_evaluation_among_lines_is_at_its_iteration() -> None:
    both = [*bands(1), make_band("b", [{10: 10.0}], interpolate=False)]
    figure = draw_curves({"mIoU": both}, "mIoU (%)")
    FigureCanvasAgg(figure).draw()
    (axis,) = figure.axes
    line = axis.containers[0][0]
    place = line.get_transform().transform((10, 10.0))
    np.testing.assert_allclose(place, axis.transData.transform((10, 10.0)))


def test_small_multiples_share_colors() -> None:
    a, b = bands(2)
    figure = draw_curves({"car": [a, b], "road": [b]}, "IoU (%)")
    car, road = figure.axes
    assert [car.get_title(), road.get_title()] == ["car", "road"]
    assert [to_hex(line.get_color()) for line in car.lines] == [*COLORS[:2]]
    assert [to_hex(line.get_color()) for line in road.lines] == [COLORS[1]]


def test_more_lines_than_colors_differ_in_style() -> None:
    figure = draw_curves({"mIoU": bands(15)}, "mIoU (%)")
    styles = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(styles) == 15


def test_a_class_that_is_never_found_is_at_zero() -> None:
    band = make_band("a", [{10: 0.0, 20: 0.0}], interpolate=False)
    (axis,) = draw_curves({"pole": [band]}, "IoU on validation (%)").axes
    low, high = axis.get_ylim()
    assert -0.1 < low < 0
    assert high >= 0.9


def legend_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in legend_of(figure).get_texts()]


def legend_of(figure: Figure) -> Any:
    (legend,) = [legend for part in figure.subfigs for legend in part.legends]
    return legend


@pytest.mark.parametrize("panels", [1, 3, 11])
@pytest.mark.parametrize(("methods", "points"), [(2, 3), (7, 1)])
def test_the_legend_is_outside_of_the_data_and_whole(
    panels: int, methods: int, points: int
) -> None:
    shown = {f"class {i}": bands(methods, points) for i in range(panels)}
    figure = draw_curves(shown, "IoU (%)")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    legend = legend_of(figure).get_window_extent(renderer)
    page = figure.bbox
    assert page.x0 <= legend.x0 < legend.x1 <= page.x1
    assert page.y0 <= legend.y0 < legend.y1 <= page.y1
    upper = figure.subfigs[0]
    for part in (*figure.axes, *upper.texts):  # also the labels of the axes
        assert not legend.overlaps(part.get_tightbbox(renderer))
    expected = [f"method {i} (n = 2)" for i in range(methods)]
    assert legend_texts(figure) == expected
    assert "standard deviation" in legend_of(figure).get_title().get_text()


def test_axes_say_their_units() -> None:
    figure = draw_curves({"mIoU": bands(1)}, axis_label("mIoU", True))
    texts = [text.get_text() for text in figure.subfigs[0].texts]
    assert texts == ["iteration", "mIoU on validation (%)"]
    assert axis_label("aAcc", True) == "pixel accuracy on validation (%)"
    assert axis_label("time", False) == "time per iteration (s)"
    assert axis_label("source.decode.acc_seg", False) == "source.decode.acc_seg (%)"
    share = "diagnosis/cosine.layer4/match_precision"
    assert axis_label(share, False) == f"{share} (share)"
    assert axis_label("diagnosis/within/car", False).endswith("(cosine similarity)")
    assert axis_label("loss", False) == "loss"
