"""Show which target pixels are pulled, and towards which source images' features."""

from __future__ import annotations

import argparse
import json
import operator
import sys
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from mmengine.utils import ProgressBar

import mmseg_cosda  # noqa: F401  (registers everything)
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.config import ConfigOption, read_config
from mmseg_cosda.datasets.class_order import compare_classes
from mmseg_cosda.device import choose_device
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.files import atomic_write
from mmseg_cosda.inference.loading import load_model, read_weights
from mmseg_cosda.matches.alignment import (
    build_alignment,
    cosine_alignment,
    restore_means,
)
from mmseg_cosda.matches.closeup import Bank, MatchedImage
from mmseg_cosda.matches.json_report import json_report
from mmseg_cosda.matches.match_image import MatchPictureOptions, make_bank, match_image
from mmseg_cosda.matches.share_table import share_rows, share_table
from mmseg_cosda.matches.source import ORDERS, SourceImages, fill_queues
from mmseg_cosda.matches.target import SPLITS, TargetSet
from mmseg_cosda.models.matching import MatchSums
from mmseg_cosda.visualization.files import check_suffix, save_figure
from mmseg_cosda.visualization.match_maps import Look
from mmseg_cosda.visualization.match_panels import draw_matches

DPI = 220
EPILOG = """\
A queue doesn't remember where a feature came from: it is filled anew with source
images through the checkpoint's model, by the training's own code (process A). Target
pixels are split by prediction, or by pseudo-label where the training has one, and
compared with the queue of their class (eq. 9).

Panels: the target image; its split; per pixel the share of its class's queue whose
similarity exceeds T_cos; the highest similarity. Below: numbered pixels, and the
source patches that they are pulled towards, framed by whether the ground truth says
that this is right. Match precision is the share of the selected pairs for which it
does; assignment accuracy is the share of the pixels that the split gets right.

Example:
  python tools/show_matches.py configs/cosda/deeplabv2_demo_no-pl.py \\
      work_dirs/cosda/deeplabv2_demo_no-pl/iter_400.pth --out matches.png
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("show_matches", __doc__, EPILOG)
    add = parser.add_argument
    add("config", help="config with a cosine loss, of configs/cosda/")
    add("checkpoint", help="checkpoint of its model, of any training")
    add("--out", required=True, type=Path, help="the .png, .pdf or .svg to write")
    add("--json", type=Path, metavar="FILE", help="write all figures there, too")
    add("--images", nargs="+", default=[], metavar="NAME", help="target images")
    add("--count", type=int, default=2, help="or this many, spread evenly (2)")
    add("--split", choices=SPLITS, default="val", help="of the target (val)")
    add(
        "--source-images",
        type=int,
        metavar="N",
        help="that fill the queue (until each class has features, from 20 to 100)",
    )
    add("--source-order", choices=ORDERS, default="random", help="default random")
    add(
        "--per-class",
        type=int,
        metavar="N",
        help="at most N random features per class and source image (the config's "
        "enqueue_limit)",
    )
    add("--pixels", type=int, default=6, help="target pixels looked at closely (6)")
    add("--patches", type=int, default=3, help="source patches of each (3)")
    add("--patch-size", type=int, metavar="PX", help="(a third of the image's height)")
    add("--alignment", metavar="NAME", help="which, if there are several cosine losses")
    add("--tap", metavar="NAME", help="which of its feature maps (the first)")
    add("--seed", type=int, default=0, help="of the source's order and transforms (0)")
    add("--device", help="cpu, cuda or cuda:N (default: a GPU if there is one)")
    add("--cfg-options", nargs="+", action=ConfigOption, help="changes of the config")
    return parser.parse_args(args)


def check(args: argparse.Namespace) -> MatchPictureOptions:
    """Refuse options out of range; return what is shown."""
    check_suffix(args.out)
    for name in ("count", "source_images", "per_class"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name.replace('_', '-')} {value}: must be positive")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: must not be negative")
    return MatchPictureOptions(args.pixels, args.patches, args.patch_size)


def check_classes(model: Any, loss: Any, names: Mapping[str, Sequence[str]]) -> None:
    """Refuse domains, a model and a loss that don't have the same classes."""
    sizes = {
        "the model": model.out_channels,
        "the cosine loss": loss.num_classes,
        **{f"the {domain} dataset": len(each) for domain, each in names.items()},
    }
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise UserError(f"numbers of classes differ: {listed}")
    difference = compare_classes(names["source"], names["target"])
    if difference is not None:
        raise UserError(
            f"the classes of the source (there) and of the target (here) differ: "
            f"{difference.text}; give both datasets the same metainfo=dict(classes=...)"
        )


def choose_tap(taps: Mapping[str, Any], name: str | None) -> str:
    """Return the named map, by default the first."""
    if name is not None and name not in taps:
        raise UserError(f"--tap {name}: the cosine loss has {', '.join(taps)}")
    return name or next(iter(taps))


def run(args: argparse.Namespace) -> tuple[Figure, dict[str, Any], str]:
    """Return the page, the figures as plain data, and as a table."""
    options, device = check(args), choose_device(args.device)
    cfg = read_config(args.config, args.cfg_options)
    name = cosine_alignment(cfg, args.alignment)
    targets = TargetSet(cfg, args.split)
    chosen = targets.choose(args.images, args.count)
    sources = SourceImages(cfg, args.seed, args.source_order)
    meta = targets.images.dataset.metainfo
    classes = meta["classes"]
    model = load_model(cfg, args.checkpoint, device, classes, "the target dataset")
    loss = build_alignment(cfg, name, model, args.per_class).to(device)
    if len(loss.means):
        restore_means(loss, name, read_weights(args.checkpoint))
    tap = choose_tap(loss.taps, args.tap)
    check_classes(
        model, loss, {"source": sources.dataset.metainfo["classes"], "target": classes}
    )
    seen = fill_queues(model, loss, sources, args.source_images)
    bank = make_bank(loss, tap, seen, sources)
    found = match_all(model, loss, bank, targets, chosen, tap, options)
    images = [image for image, _ in found]
    shares = share_rows(reduce(operator.add, (sums for _, sums in found)))
    facts = {
        "config": args.config,
        "checkpoint": args.checkpoint,
        "alignment": name,
        "tap": tap,
        "split": args.split,
        "seed": args.seed,
    }
    title = page_title(args, loss.taps[tap].feature, bank)
    look = Look(classes, meta["palette"], bank.threshold, title)
    return (
        draw_matches(images, look),
        {**facts, **json_report(bank, images, shares, classes, sources.name)},
        share_table(shares, classes, bank.counts.tolist()),
    )


def page_title(args: argparse.Namespace, feature: str, bank: Bank) -> str:
    """Say in two lines what the target images are matched with."""
    limit = "" if bank.top_k is None else f", the {bank.top_k} most similar pairs"
    size = int(bank.counts.sum())
    return (
        f"{Path(args.config).stem}, {Path(args.checkpoint).stem}\n{feature}, "
        f"$T_{{cos}}$ = {bank.threshold:g}{limit}, queue of {size:,} features from "
        f"{len(bank.images)} source images"
    )


def match_all(
    model: Any,
    loss: Any,
    bank: Bank,
    targets: TargetSet,
    chosen: Sequence[int],
    tap: str,
    options: MatchPictureOptions,
) -> list[tuple[MatchedImage, MatchSums]]:
    """Match the chosen target images, with a progress bar."""
    found = []
    bar = ProgressBar(len(chosen), file=sys.stderr)
    for index in chosen:
        found.append(match_image(model, loss, tap, bank, targets, index, options))
        bar.update()
    print(file=sys.stderr)
    return found


def main(args: Sequence[str] | None = None) -> None:
    """Show the matches."""
    parsed = parse_args(args)
    page, report, table = run(parsed)
    save_figure(page, parsed.out, DPI)
    if parsed.json:
        with atomic_write(parsed.json) as file:
            file.write(json.dumps(report, indent=1, allow_nan=False).encode())
    print(table)
    empty = [k for k, v in report["classes"].items() if not v["source_features"]]
    if empty:
        print(f"no source feature of {', '.join(empty)}: these pull nothing")
    if report["overall"]["match_precision"] is None:
        print("no ground truth, or nothing selected: no match precision")
    print(f"matches of {len(report['images'])} target images: {parsed.out}")


if __name__ == "__main__":
    run_tool(main)
