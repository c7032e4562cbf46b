"""Predict pictures: a label map and a painted picture of each."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mmengine.utils import ProgressBar

import mmseg_cosda  # noqa: F401  (registers everything)
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.config import ConfigOption, read_config
from mmseg_cosda.device import choose_device
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.inference.checkpoint_content import read_content, require_finite
from mmseg_cosda.inference.class_names import ClassNames, class_names
from mmseg_cosda.inference.loading import (
    load_model,
    prediction_config,
    weights_digest,
)
from mmseg_cosda.inference.low_memory import return_freed_memory
from mmseg_cosda.inference.picture_files import Picture, find_pictures
from mmseg_cosda.inference.picture_pipeline import picture_pipeline
from mmseg_cosda.inference.predict import Prediction, Unreadable, predict_pictures
from mmseg_cosda.inference.prediction_folder import (
    LABELS,
    OVERLAYS,
    PredictionFolder,
)
from mmseg_cosda.pseudo_labels.options import content_digest
from mmseg_cosda.visualization.overlay import draw_overlay

WRITERS = min(4, os.cpu_count() or 1)  # threads that paint and write beside inference
MOST_UNWRITTEN = 8  # predictions between inference and disk: bounds the memory

EPILOG = """\
The pictures may be of any size, and need neither labels nor the config's data: they
are read with the pipeline that the config tests with, as they are shown (EXIF). In DIR,
labels/NAME.png has the ids of training at the picture's size, overlays/NAME.png the
picture under the colors of its classes with a legend, predictions.json their names.
Interrupted, the same command goes on where it stopped. Status 1: a picture could not be
read; the others are predicted.

Example:
  python tools/predict.py configs/cosda/deeplabv2_demo_no-pl.py \\
      work_dirs/cosda/deeplabv2_demo_no-pl/iter_400.pth photographs --out predictions
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("predict", __doc__, EPILOG)
    add = parser.add_argument
    add("config", help="config that the checkpoint was trained with")
    add("checkpoint", help="path or URL of the checkpoint")
    add(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="files, folders (with their sub-folders), patterns such as 'a/**/*.jpg'",
    )
    add("--out", required=True, type=Path, metavar="DIR", help="folder to write to")
    add("--opacity", type=float, default=0.5, help="of the colors, above 0, to 1 (0.5)")
    add("--device", help="cpu, cuda or cuda:N (default: a GPU if there is one)")
    add("--batch-size", type=int, default=1, help="pictures of a size per forward (1)")
    add("--workers", type=int, default=2, help="processes that load pictures (2)")
    add(
        "--overwrite",
        action="store_true",
        help="replace predictions in DIR of another checkpoint, option or picture",
    )
    add("--cfg-options", nargs="+", action=ConfigOption, help="changes of the config")
    return parser.parse_args(args)


def check(options: argparse.Namespace) -> None:
    """Refuse options that are out of range.

    Raises:
        UserError: See above.
    """
    if not 0 < options.opacity <= 1:
        raise UserError(f"--opacity {options.opacity:g}: must be above 0 and at most 1")
    for name, least in dict(batch_size=1, workers=0).items():
        value = getattr(options, name)
        if value < least:
            option = name.replace("_", "-")
            raise UserError(f"--{option} {value}: must be at least {least}")


def run(options: argparse.Namespace) -> list[Unreadable]:
    """Predict what is not predicted yet; return what can't be."""
    check(options)
    # The host's advice on the sizes of maps; nothing is wrong.
    warnings.filterwarnings("ignore", "When align_corners")
    found = find_pictures(options.images, options.out)
    if found.skipped:
        print(found.note(), file=sys.stderr)
    device = choose_device(options.device)
    if device == "cpu":
        return_freed_memory()
    cfg = read_config(options.config, options.cfg_options)
    pipeline = picture_pipeline(cfg)
    model = load_model(cfg, options.checkpoint, device)
    require_finite(model.state_dict(), options.checkpoint)
    meta = read_content(options.checkpoint)["meta"]
    names = class_names(cfg, meta, model.num_classes, options.checkpoint)
    weights = weights_digest(model)
    made_of = (prediction_config(cfg), pipeline, names.as_meta(), options.opacity)
    folder = PredictionFolder(
        options.out, content_digest(weights, *made_of), options.overwrite
    )
    pending = folder.pending(found.pictures)
    if len(pending) < len(found.pictures):
        done = len(found.pictures) - len(pending)
        print(f"{done} of {len(found.pictures)} are there already", file=sys.stderr)
    if not pending:
        return []
    manifest = {"config": options.config, "checkpoint": options.checkpoint}
    folder.open({**manifest, "weights": weights, **names.as_meta()})
    return predict_all(model, pending, pipeline, folder, names, options)


def predict_all(
    model: Any,
    pictures: Sequence[Picture],
    pipeline: Sequence[dict[str, Any]],
    folder: PredictionFolder,
    names: ClassNames,
    options: argparse.Namespace,
) -> list[Unreadable]:
    """Predict pictures, painted and written while the next are predicted."""

    def store(predicted: Prediction) -> None:
        overlay = draw_overlay(
            predicted.image,
            predicted.label,
            names.classes,
            names.palette,
            options.opacity,
        )
        folder.write(predicted.picture, predicted.label, overlay)

    unreadable: list[Unreadable] = []
    unwritten: deque[Future[None]] = deque()
    bar = ProgressBar(len(pictures), file=sys.stderr)
    results = predict_pictures(
        model, pictures, pipeline, options.batch_size, options.workers
    )
    with ThreadPoolExecutor(max_workers=WRITERS) as pool:
        for result in results:
            if isinstance(result, Unreadable):
                unreadable.append(result)
                print(f"\n{result.picture.path}: {result.reason}", file=sys.stderr)
            else:
                unwritten.append(pool.submit(store, result))
            while len(unwritten) > MOST_UNWRITTEN:
                unwritten.popleft().result()
            bar.update()
        for future in unwritten:
            future.result()
    print(file=sys.stderr)
    return unreadable


def main(args: Sequence[str] | None = None) -> None:
    """Predict, and say where the predictions are.

    Raises:
        SystemExit: With status 1 if a picture could not be read, 130 if interrupted.
    """
    options = parse_args(args)
    try:
        unreadable = run(options)
    except KeyboardInterrupt:
        print(
            "\ninterrupted: what is written is whole, and the same command goes on",
            file=sys.stderr,
        )
        sys.exit(130)
    print(f"predictions: {options.out / LABELS}, to look at: {options.out / OVERLAYS}")
    if unreadable:
        print(f"{len(unreadable)} picture(s) could not be read:", file=sys.stderr)
        for one in unreadable:
            print(f"  {one.picture.path}: {one.reason}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run_tool(main)
