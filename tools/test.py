"""Evaluate a checkpoint: the host's test script, with clear errors."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

import mmseg_cosda  # noqa: F401  (before any config is read)
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.inference.checkpoint_fit import TRAINING_ONLY, CheckpointFitHook
from mmseg_cosda.launch import (
    add_run_arguments,
    build_runner,
    processes,
    read_run_config,
    run,
)

EPILOG = """Example:
  python tools/test.py configs/cosda/deeplabv2_demo_no-pl.py \\
      work_dirs/cosda/deeplabv2_demo_no-pl/iter_400.pth
"""


def parse_args(args: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("test", __doc__, EPILOG)
    parser.add_argument("config", help="path of the config, or mmseg_cosda::PATH")
    parser.add_argument("checkpoint", help="path or URL of the checkpoint")
    add_run_arguments(parser)
    parser.add_argument("--out", help="folder to write the predictions to, as PNGs")
    parser.add_argument("--show", action="store_true", help="show the predictions")
    parser.add_argument("--show-dir", help="folder to write painted images under")
    parser.add_argument(
        "--wait-time", type=float, default=2, help="seconds per shown image; default 2"
    )
    parser.add_argument("--tta", action="store_true", help="test-time augmentation")
    return parser.parse_args(args)


def show_predictions(cfg: Config, options: argparse.Namespace) -> None:
    """Let the host's visualization hook draw every image."""
    hook = cfg.get("default_hooks", {}).get("visualization")
    if hook is None:
        raise UserError(
            "--show and --show-dir need default_hooks.visualization = "
            'dict(type="SegVisualizationHook") in the config'
        )
    hook["draw"] = True
    hook.setdefault("interval", 1)
    if options.show:
        hook["show"] = True
        hook["wait_time"] = options.wait_time
    if options.show_dir:
        cfg.visualizer["save_dir"] = options.show_dir


def prepare(cfg: Config, options: argparse.Namespace) -> None:
    """Carry the test's own arguments into the config."""
    checkpoint = Path(options.checkpoint).expanduser()
    if "://" not in options.checkpoint and not checkpoint.is_file():
        raise FileNotFoundError(f"checkpoint {checkpoint} does not exist")
    cfg.load_from, cfg.resume = options.checkpoint, False
    if options.show or options.show_dir:
        show_predictions(cfg, options)
    if options.tta:
        if "tta_model" not in cfg or "tta_pipeline" not in cfg:
            raise UserError("--tta needs tta_model and tta_pipeline in the config")
        cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
        cfg.tta_model.module = cfg.model
        cfg.model = cfg.tta_model
    if options.out:
        evaluators = cfg.test_evaluator
        for metric in evaluators if isinstance(evaluators, list) else [evaluators]:
            metric.update(output_dir=options.out, keep_results=True)


def main(args: Sequence[str] | None = None) -> None:
    """Evaluate as the command line says."""
    options = parse_args(args)
    cfg = read_run_config(options)
    prepare(cfg, options)
    with processes(options.launcher, options.local_rank, cfg):
        runner = build_runner(cfg)
        runner.register_hook(CheckpointFitHook(options.checkpoint, TRAINING_ONLY))
        run(runner, "test")


if __name__ == "__main__":
    run_tool(main)
