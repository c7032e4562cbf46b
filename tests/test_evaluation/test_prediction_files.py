"""What a test writes of its predictions: names, ids, and nothing measured."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmseg.registry import METRICS
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

from mmseg_cosda.engine import PredictionNamesHook
from mmseg_cosda.errors import UserError
from mmseg_cosda.evaluation import SubsetIoUMetric


def sample(path: str, label: Any = None, **meta: Any) -> dict[str, Any]:
    result: dict[str, Any] = dict(
        pred_sem_seg=dict(data=torch.tensor([[[0, 2, 1]]])), img_path=path, **meta
    )
    if label is not None:
        result["gt_sem_seg"] = dict(data=torch.tensor([[label]]))
    return result


def metric(**options: Any) -> Any:
    built = METRICS.build(dict(type="SubsetIoUMetric", **options))
    built.dataset_meta = dict(classes=tuple("abc"))
    return built


def test_the_options_of_the_hosts_script_are_taken(tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    ours = metric(output_dir=out, keep_results=True)
    ours.process({}, [sample("x/a.jpg", [0, 2, 1])])
    assert ours.evaluate(1)["mIoU"] == 100
    written = np.asarray(Image.open(tmp_path / "out" / "a.png"))
    assert written.tolist() == [[0, 2, 1]]


def test_a_word_that_nobody_knows_is_told() -> None:
    with pytest.warns(UserWarning, match=r"\['subset'\]"):
        metric(subset=["mIoU16"])


def test_nested_images_keep_their_folders(tmp_path: Path) -> None:
    ours = metric(output_dir=str(tmp_path))
    parts = SimpleNamespace(data_prefix=dict(img_path="data/val"))
    loop = SimpleNamespace(
        dataloader=SimpleNamespace(dataset=SimpleNamespace(datasets=[parts])),
        evaluator=SimpleNamespace(metrics=[ours]),
    )
    SegLocalVisualizer.get_instance("names")
    PredictionNamesHook().before_test(SimpleNamespace(test_loop=loop))
    for city in ("bonn", "ulm"):
        path = f"data/val/{city}/1.png"
        ours.process({}, [sample(path, [0, 2, 1], reduce_zero_label=city == "ulm")])
    files = sorted(str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*.*"))
    assert files == ["bonn/1.png", "ulm/1.png"]
    ids = [np.asarray(Image.open(tmp_path / name)).tolist() for name in files]
    assert ids == [[[0, 2, 1]], [[1, 3, 2]]]  # ids of the files, as the host writes


def test_two_images_never_share_a_file(tmp_path: Path) -> None:
    ours = metric(output_dir=str(tmp_path))
    ours.process({}, [sample("p/1.png", [0, 2, 1])])
    with pytest.raises(UserError, match=r"p/1\.png and q/1\.png would share"):
        ours.process({}, [sample("q/1.png", [0, 2, 1])])
    ours.evaluate(1)
    ours.process({}, [sample("q/1.png", [0, 2, 1])])  # the next evaluation


def test_format_only_needs_no_labels(tmp_path: Path) -> None:
    ours = metric(output_dir=str(tmp_path), format_only=True)
    ours.process({}, [sample("a.png")])
    assert ours.evaluate(1) == {}
    assert (tmp_path / "a.png").is_file()
    with pytest.raises(ValueError, match="--out DIR"):
        metric(format_only=True)


def test_an_image_without_labels_is_named() -> None:
    with pytest.raises(UserError, match=r"x/a\.png has no ground truth.*format_only"):
        metric().process({}, [sample("x/a.png")])


def test_a_class_that_no_label_holds_is_named(caplog: pytest.LogCaptureFixture) -> None:
    ours: SubsetIoUMetric = metric()
    ours.process({}, [sample("a.png", [0, 2, 0])])
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING):
            values = ours.evaluate(1)
    finally:
        logger.removeHandler(caplog.handler)
    assert "no label of these images holds b (1 of 3 classes)" in caplog.text
    assert values["IoU.b"] == 0  # taken for it once
