"""Generate the pseudo-labels of a config's target training images."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine import dist

import mmseg_cosda  # noqa: F401  (registers everything)
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.config import ConfigOption, read_config, target_config
from mmseg_cosda.device import choose_device
from mmseg_cosda.errors import run_tool
from mmseg_cosda.files import atomic_write
from mmseg_cosda.inference.images import TargetImages, inference_pipeline
from mmseg_cosda.inference.loading import load_model, weights_digest
from mmseg_cosda.inference.low_memory import return_freed_memory
from mmseg_cosda.pseudo_labels.generation import PseudoLabelGenerator, generate
from mmseg_cosda.pseudo_labels.options import (
    COMPARISONS,
    GenerationOptions,
    content_digest,
)
from mmseg_cosda.pseudo_labels.report import check_format, draw_report
from mmseg_cosda.pseudo_labels.spool import Spool

EPILOG = """\
The images are those of the target in train_dataloader, read with the test pipeline;
their ground truth is not looked at. A PNG has the size of the network's input, the
name of its image, and the ignore index where the confidence is not above the class's
threshold. Interrupted, the same command goes on where it stopped. Of several
checkpoints of the config the probabilities are averaged; all their networks are on the
device at once.

Example:
  python tools/generate_pseudo_labels.py configs/self_training/deeplabv2_demo.py \\
      work_dirs/cosda/deeplabv2_demo_no-pl/iter_400.pth \\
      --out work_dirs/pseudo_labels/demo
  python tools/generate_pseudo_labels.py CONFIG CHECKPOINT CHECKPOINT --out DIR
  torchrun --nproc_per_node 4 tools/generate_pseudo_labels.py CONFIG CHECKPOINT \\
      --out DIR
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("generate_pseudo_labels", __doc__, EPILOG)
    add = parser.add_argument
    add("config", help="config with a target domain, such as configs/self_training/*")
    add("checkpoint", nargs="+", help="of the model that predicts, or of several")
    add("--out", required=True, metavar="DIR", help="folder of the pseudo-labels")
    add("--quantile", type=float, default=0.5, help="of a class's confidences (0.5)")
    add("--cap", type=float, default=0.9, help="upper bound of a threshold (0.9)")
    add(
        "--comparison",
        choices=COMPARISONS,
        default="gt",
        help="keep confidence > (gt, the paper) or >= (ge, BDL) threshold",
    )
    add(
        "--evaluate",
        action="store_true",
        help="report the quality against the target's ground truth",
    )
    add("--device", help="cpu, cuda or cuda:N (default: a GPU if there is one)")
    add("--batch-size", type=int, default=1, help="images per forward (1)")
    add("--workers", type=int, default=2, help="processes that load images (2)")
    add("--picture", help="picture of the report, .svg, .png, .pdf (DIR/report.svg)")
    add("--overwrite", action="store_true", help="replace other pseudo-labels in DIR")
    add("--cfg-options", nargs="+", action=ConfigOption, help="changes of the config")
    return parser.parse_args(args)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Generate the pseudo-labels; return the report."""
    options = GenerationOptions(
        args.quantile, args.cap, args.comparison, args.evaluate, args.batch_size
    )
    device = choose_device(args.device)
    if device == "cpu":
        return_freed_memory()
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    cfg = read_config(args.config, args.cfg_options)
    target = target_config(cfg)
    pipeline = inference_pipeline(cfg, with_labels=args.evaluate)
    images = TargetImages(target, pipeline)
    images.require_labels("leave --evaluate out")
    known = (images.dataset.metainfo.get("classes") or (), "the target dataset")
    models = [load_model(cfg, path, device, *known) for path in args.checkpoint]
    generator = PseudoLabelGenerator(
        models[0], images, Spool(args.out), options, args.workers, models[1:]
    )
    target.pop("pipeline", None)
    manifest = {
        "config": args.config,
        "checkpoint": _one_or_all(args.checkpoint),
        "weights": _one_or_all([weights_digest(model) for model in models]),
        "data": content_digest(cfg["model"], target, pipeline, generator.names),
        "device": torch.device(device).type,
        "classes": generator.classes,
        **vars(options),
    }
    return generate(generator, manifest, args.overwrite)


def _one_or_all(values: list[str]) -> str | list[str]:
    """Return what a report says of one checkpoint, or of each of several."""
    return values[0] if len(values) == 1 else values


def show(report: dict[str, Any], out: Path, picture: Path) -> None:
    """Draw the report, and say in a line where all is."""
    with atomic_write(picture) as file:
        file.write(draw_report(report, picture.suffix[1:]))
    share = 100 * (report["share_kept"] or 0.0)
    print(
        f"{report['images']} pseudo-labels in {out}, {share:.1f} % of the pixels kept; "
        f"report: {out / 'report.json'}, {picture}"
    )


def main(args: Sequence[str] | None = None) -> None:
    """Run the tool."""
    parsed = parse_args(args)
    picture = Path(parsed.picture or Path(parsed.out, "report.svg"))
    check_format(picture.suffix[1:])
    distributed = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if distributed:  # only counts are exchanged: gloo, with GPUs too
        torch.distributed.init_process_group("gloo")
    try:
        report = run(parsed)
        if dist.is_main_process():
            show(report, Path(parsed.out), picture)
    finally:
        if distributed:
            torch.distributed.destroy_process_group()


if __name__ == "__main__":
    run_tool(main)
