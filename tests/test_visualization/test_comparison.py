"""Scores, the choice of images, and the picture's colors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.predicted_maps import LabelMaps
from mmseg_cosda.visualization.arguments import named_values
from mmseg_cosda.visualization.comparison import compare, pick
from mmseg_cosda.visualization.panels import Legend, PictureRow, draw_panels, legend_of
from mmseg_cosda.visualization.selection import Score, score

UInt8 = npt.NDArray[np.uint8]


class Dataset:
    """Four classes, 255 to ignore."""

    metainfo = {"classes": ("a", "b", "c", "d")}
    ignore_index = 255


def maps(*rows: list[int]) -> LabelMaps:
    return LabelMaps([np.array([row], np.uint8) for row in rows])


def test_the_images_are_counted_by_hand() -> None:
    truth = maps([0, 0, 1, 1], [0, 0, 255, 255], [3, 3, 3, 3], [255] * 4)
    first = maps([0, 0, 1, 2], [0, 1, 2, 2], [3, 3, 3, 3], [0] * 4)
    second = maps([0, 0, 1, 1], [0, 1, 0, 0], [3, 3, 3, 2], [1] * 4)
    third = maps([0, 1, 1, 1], [0, 0, 1, 1], [3, 3, 2, 3], [0] * 4)
    compared = compare([first, second, third], truth, Dataset)
    shares = [image.difference for image in compared]
    # of the second image only the two labelled pixels count, one of them differs
    assert shares[:3] == [50.0, 50.0, 50.0]
    assert math.isnan(shares[3])
    assert [image.improvement for image in compared[:3]] == [0.0, 50.0, -25.0]
    assert pick(compared, "difference", 2) == [0, 1]
    assert pick(compared, "improvement", 4) == [1, 0, 2, 3]
    assert pick(compared, "improvement", 3, apart=2) == [1, 3]
    assert compared[1].note("improvement") == "accuracy +50.0 points"
    assert compared[1].note("difference") == "50.0 % differ"


def test_a_score_is_over_the_classes_of_the_image() -> None:
    truth = np.array([[0, 0, 0, 1, 255]], np.uint8)
    predicted = np.array([[0, 0, 2, 1, 3]], np.uint8)
    result = score(predicted, truth, 4, 255)
    # class 3 is predicted where nothing counts; classes 0, 1, 2 have 2/3, 1, 0
    assert result.miou == pytest.approx(100 * (2 / 3 + 1 + 0) / 3)
    assert result.accuracy == pytest.approx(75)
    nothing = score(predicted, np.full_like(truth, 255), 4, 255)
    assert math.isnan(nothing.miou)
    assert math.isnan(nothing.accuracy)


@pytest.mark.parametrize("text", ["a", "=b", "a=", " =b"])
def test_a_name_and_a_value_are_needed(text: str) -> None:
    with pytest.raises(UserError, match="give NAME=CKPT"):
        named_values([text], "--checkpoints", "CKPT")


def test_panels_show_labels_in_their_colors_and_what_occurs() -> None:
    palette = [(128, 64, 128), (10, 200, 30), (250, 240, 20), (20, 30, 230)]
    truth = np.zeros((40, 60), np.uint8)
    truth[:20] = 1
    truth[:10, :30] = 255
    predicted = np.full((40, 60), 3, np.uint8)
    picture = np.full((40, 60, 3), 77, np.uint8)
    name = "city/" + 60 * "x" + "_000019"
    row = PictureRow(name, "", picture, truth, [predicted], [Score(12.34, math.nan)])
    legend = Legend(("road", "sky", "bus", "car"), palette, 255)
    figure = draw_panels([row], ["model"], legend)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    _, lower = figure.subfigs

    def shares(column: int) -> list[float]:
        box = figure.axes[column].get_window_extent()
        top, bottom = pixels.shape[0] - box.y1, pixels.shape[0] - box.y0
        inside = pixels[
            math.ceil(top) : math.floor(bottom), math.ceil(box.x0) : math.floor(box.x1)
        ]
        colors = [*palette, (0, 0, 0), (77, 77, 77)]
        return [float((inside == color).all(-1).mean()) for color in colors]

    np.testing.assert_allclose(shares(0), [0, 0, 0, 0, 0, 1], atol=0.03)
    np.testing.assert_allclose(shares(1), [0.5, 0.375, 0, 0, 0.125, 0], atol=0.03)
    np.testing.assert_allclose(shares(2), [0, 0, 0, 1, 0, 0], atol=0.03)
    (box,) = lower.legends
    texts = [text.get_text() for text in box.get_texts()]
    assert texts == ["road", "sky", "car", "ignored"]
    shown = figure.axes[0].get_xlabel()
    assert shown.startswith("…x")
    assert shown.endswith("_000019")
    assert figure.axes[2].get_xlabel() == "mIoU 12.3 %\naccuracy –"
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["image", "ground truth", "model"]
    page = figure.bbox
    for axis in figure.axes:  # no text is cut off at the edge of the page
        for text in (axis.title, axis.xaxis.label):
            extent = text.get_window_extent(canvas.get_renderer())
            assert page.y0 <= extent.y0
            assert extent.y1 <= page.y1
    legend_box = box.get_window_extent(canvas.get_renderer())
    for axis in figure.axes:
        panel: Any = axis.get_tightbbox(canvas.get_renderer())
        assert not legend_box.overlaps(panel)


def test_a_palette_must_have_a_color_for_each_class() -> None:
    class Colorless(Dataset):
        metainfo = {"classes": ("a", "b"), "palette": None}  # type: ignore[dict-item]

    with pytest.raises(UserError, match="has 2 classes, but 0 colors"):
        legend_of(Colorless)
