"""Train a model: the host's training script, with clear errors and gloo on CPUs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import mmseg_cosda  # noqa: F401  (before any config is read)
from mmseg_cosda.closing_lines import ClosingLinesHook
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.inference.checkpoint_fit import CheckpointFitHook
from mmseg_cosda.launch import (
    add_run_arguments,
    build_runner,
    processes,
    read_run_config,
    run,
    use_mixed_precision,
)
from mmseg_cosda.training_folder import take_work_dir

EPILOG = """Example:
  python tools/train.py configs/cosda/deeplabv2_demo_no-pl.py
  python tools/train.py CONFIG --cfg-options train_cfg.max_iters=100 randomness.seed=1
"""


def parse_args(args: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("train", __doc__, EPILOG)
    parser.add_argument("config", help="path of the config, or mmseg_cosda::PATH")
    add_run_arguments(parser)
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest whole checkpoint in the work folder, if there is "
        "one; --cfg-options load_from=FILE names another",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="begin anew where the work folder holds a training, which is removed",
    )
    parser.add_argument("--amp", action="store_true", help="mixed precision (GPU)")
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> None:
    """Train as the command line says."""
    options = parse_args(args)
    cfg = read_run_config(options)
    cfg.resume = options.resume
    if options.amp:
        use_mixed_precision(cfg)
    if options.resume and options.overwrite:
        raise UserError("--resume and --overwrite: give one of them")
    with processes(options.launcher, options.local_rank, cfg):
        lock = take_work_dir(cfg, options.overwrite)
        try:
            runner = build_runner(cfg)
            runner.register_hook(ClosingLinesHook(options.config), "LOWEST")
            if cfg.resume:
                runner.register_hook(CheckpointFitHook(f"in {runner.work_dir}"))
            run(runner, "train")
        finally:
            lock.release()


if __name__ == "__main__":
    run_tool(main)
