"""The page of matches: what its panels hold and mark."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from mmseg_cosda.matches.closeup import MatchedImage, SourceMatch, TargetPixel
from mmseg_cosda.matches.geometry import MapGeometry, Patch
from mmseg_cosda.visualization.match_maps import Look, scales_of
from mmseg_cosda.visualization.match_panels import draw_matches
from mmseg_cosda.visualization.match_patches import RIGHT, UNKNOWN, WRONG

LOOK = Look(["road", "traffic light"], [(128, 64, 128), (250, 170, 30)], 0.6, "title")
PATCH = Patch(np.zeros((4, 4, 3), np.uint8), (1.5, 1.5), (2.0, 2.0))


def pixel(label: int, truth: int | None, selected: bool = True) -> TargetPixel:
    match = SourceMatch(7, (1.5, 1.5), 0.87, selected, PATCH)
    return TargetPixel((3.5, 1.5), label, truth, 0.25, PATCH, [match] * 3)


def image(*pixels: TargetPixel) -> MatchedImage:
    return MatchedImage(
        name="ulm_1",
        picture=np.zeros((4, 8, 3), np.uint8),
        geometry=MapGeometry((2, 4), (4, 8)),
        labels=np.array([[0, 0, 1, 1], [0, 1, 255, 0]]),
        share=np.array([[0.0, 0.1, 0.3, 0.2], [0.0, 0.0, np.nan, 0.1]]),
        best=np.array([[0.5, 0.7, 0.8, 0.9], [0.3, 0.41, np.nan, 0.9]]),
        pixels=pixels,
        figures={"selected": 0.123, "pulled": 0.5, "match_precision": None},
    )


def texts(figure: Figure) -> list[str]:
    written = [text.get_text() for text in figure.texts]
    for axis in figure.axes:
        written += [axis.get_title(), axis.get_title(loc="left"), axis.get_xlabel()]
        written += [text.get_text() for text in axis.texts]
    return written


def frames(figure: Figure) -> list[str]:
    return [to_hex(axis.spines["left"].get_edgecolor()) for axis in figure.axes[6:]]


def test_a_pixel_s_frames_say_whether_it_is_pulled_rightly() -> None:
    figure = draw_matches([image(pixel(0, 0), pixel(0, 1), pixel(1, None))], LOOK)
    colors = [to_hex(color) for color in (RIGHT, WRONG, UNKNOWN) for _ in range(4)]
    assert frames(figure) == colors
    written = texts(figure)
    assert "✓ road" in written
    assert "✗ is traffic light" in written
    assert "no ground truth" in written
    assert "1  pulled towards road by 25.0 % of its queue" in written
    assert written.count("road, 0.87") == 6
    assert written.count("traffic light, 0.87") == 3
    assert {"1", "2", "3"} <= set(written)


def test_what_is_not_pulled_is_said_to_be_not_pulled() -> None:
    figure = draw_matches([image(pixel(1, 1, selected=False))], LOOK)
    assert any("not pulled, nothing is above" in text for text in texts(figure))


def test_panels_hold_the_maps() -> None:
    figure = draw_matches([image()], LOOK)
    split, share, best = (figure.axes[i].images[0].get_array() for i in (1, 2, 3))
    assert split is not None
    assert share is not None
    assert best is not None
    assert split[0, 2].tolist() == [250, 170, 30]
    assert split[1, 2].tolist() == [0, 0, 0]  # of no class
    assert np.ma.getmaskarray(share).tolist() == [[1, 0, 0, 0], [1, 1, 1, 0]]
    assert np.ma.getmaskarray(best).tolist() == [[0, 0, 0, 0], [0, 0, 1, 0]]
    assert best[1, 0] == pytest.approx(0.3)
    extent = figure.axes[3].images[0].get_extent()
    assert tuple(extent) == (-0.5, 7.5, 3.5, -0.5)


def test_the_headline_leaves_out_what_nobody_knows() -> None:
    written = texts(draw_matches([image()], LOOK))
    assert "12.3 % of the pairs selected   ·   50.0 % of the pixels pulled" in written


def test_scales_hold_the_threshold_and_all_values() -> None:
    scales = scales_of([image()], 0.6)
    assert (scales.best.vmin, scales.best.vmax) == (0.3, 1)
    assert (scales.share.vmin, scales.share.vmax) == (0, 0.3)
    assert scales_of([image()], -1.0).best.vmin == -1
    nothing = replace(image(), share=np.zeros((2, 4)), best=np.full((2, 4), np.nan))
    scales = scales_of([nothing], 0.6)
    assert (scales.share.vmax, scales.best.vmin) == (0.01, 0.5)
    assert (
        scales_of([replace(nothing, share=np.full((2, 4), 0.021))], 0).share.vmax
        == 0.03
    )


def test_nothing_is_drawn_outside_of_the_page() -> None:
    pixels = [pixel(0, 1)] * 6
    title = (
        "deeplabv2_synthia2cs_translated_no-pl, best_mIoU_iter_120000\nbackbone[-1], "
        "T_cos = 0.65, the 100 most similar pairs, queue of 40,000 features from 100 "
        "source images"
    )
    long = replace(image(*pixels), name="frankfurt/frankfurt_000001_012345")
    figure = draw_matches([long] * 2, replace(LOOK, title=title))
    figure.canvas.draw()
    page = figure.bbox
    for text in figure.texts:
        extent = text.get_window_extent()
        assert extent.x0 >= page.x0
        assert extent.x1 <= page.x1
        assert extent.y1 <= page.y1
    for axis in figure.axes:
        box = axis.get_tightbbox()
        assert box is not None
        assert box.x0 >= page.x0 - 1
        assert box.x1 <= page.x1 + 1
        assert box.y0 >= page.y0
        assert box.y1 <= page.y1
