"""Export a trained net: the host's plain segmentor, with a config of its own."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import mmseg_cosda
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.config import ConfigOption, read_config
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.files import atomic_write
from mmseg_cosda.inference.checkpoint_content import read_content, require_finite
from mmseg_cosda.inference.checkpoint_fit import TRAINING_ONLY, require_fit
from mmseg_cosda.inference.class_names import class_names
from mmseg_cosda.inference.export import (
    Exported,
    branch_weights,
    comparable_config,
    export_config,
    stored_config,
)
from mmseg_cosda.inference.export_check import require_same_logits
from mmseg_cosda.inference.export_onnx import export_onnx, require_onnx

EPILOG = """\
OUT is a .pth file; the config is written beside it, with the suffix .py. Both are of
the net that predicts, without what only training needs, and predict the same: it is
tried on a random picture before they are written. The host loads them with
init_model(OUT.py, OUT.pth). --onnx writes OUT.onnx too: "image" is (N, 3, H, W), float
BGR of 0..255, at the network's size; "logits" are (N, classes, H, W).

Example:
  python tools/export.py work_dirs/cosda/deeplabv2_demo_no-pl/iter_400.pth demo.pth
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("export", __doc__, EPILOG)
    add = parser.add_argument
    add("checkpoint", help="path or URL of the checkpoint")
    add("out", metavar="OUT", type=Path, help="the .pth file to write")
    add(
        "--config",
        help="config of the checkpoint; default: the one that it holds, read as data",
    )
    add(
        "--weights",
        choices=("student", "teacher"),
        default="student",
        help="whose weights, where a teacher was trained along (student)",
    )
    add("--onnx", action="store_true", help="write OUT.onnx too (needs extra export)")
    add("--cfg-options", nargs="+", action=ConfigOption, help="changes of the config")
    return parser.parse_args(args)


def check(options: argparse.Namespace) -> None:
    """Refuse options that can't be meant.

    Raises:
        UserError: See above.
    """
    if options.out.suffix != ".pth":
        raise UserError(f"OUT {options.out}: must end with .pth")
    written = [options.out.with_suffix(kind).resolve() for kind in (".pth", ".py")]
    for kind in ("checkpoint", "config"):
        given = getattr(options, kind)
        if given and Path(given).resolve() in written:
            raise UserError(f"OUT {options.out} would replace {given}: name another")
    if options.onnx:
        require_onnx()


def read(options: argparse.Namespace, content: dict[str, Any]) -> Any:
    """Return the config of a checkpoint."""
    if options.config:
        return read_config(options.config, options.cfg_options)
    cfg = Config(stored_config(content["meta"], options.checkpoint))
    cfg.merge_from_dict(options.cfg_options or {})
    init_default_scope(cfg.get("default_scope") or "mmseg")
    return cfg


def build(model: dict[str, Any], weights: dict[str, Any], checkpoint: str) -> Any:
    """Build a segmentor for prediction and load its weights."""
    built = MODELS.build(model)
    require_fit(built, weights, checkpoint, TRAINING_ONLY)
    own = built.state_dict()
    shared = {key: value for key, value in weights.items() if key in own}
    built.load_state_dict(shared, strict=False)
    require_finite(built.state_dict(), checkpoint)
    return built.eval()


def write(options: argparse.Namespace, exported: Exported, plain: Any) -> None:
    """Write weights and config, each whole or not at all."""
    text = exported.text
    dataset = exported.cfg["test_dataloader"]["dataset"]["metainfo"]
    meta = {
        "cfg": text,
        "dataset_meta": dataset,
        "exported_from": str(options.checkpoint),
        "weights": options.weights,
        "mmseg_cosda_version": mmseg_cosda.__version__,
    }
    state = {key: value.contiguous() for key, value in plain.state_dict().items()}
    with atomic_write(options.out) as file:
        torch.save({"meta": meta, "state_dict": state}, file)
    with atomic_write(options.out.with_suffix(".py")) as file:
        file.write(text.encode())


def told(exported: Exported) -> str:
    """Say what the net needs to be loaded."""
    if not exported.modules:
        return "host parts alone: mmseg_cosda need not be installed where it is loaded"
    modules = ", ".join(exported.modules)
    return f"needs {modules} where it is loaded: the config imports it"


def main(args: Sequence[str] | None = None) -> None:
    """Export a checkpoint and say what it needs."""
    options = parse_args(args)
    check(options)
    content = read_content(options.checkpoint)
    cfg = read(options, content)
    weights = branch_weights(content["state_dict"], options.weights, options.checkpoint)
    whole = build(comparable_config(cfg), weights, options.checkpoint)
    names = class_names(cfg, content["meta"], whole.num_classes, options.checkpoint)
    exported = export_config(cfg, names)
    plain = build(Config(exported.cfg).model.to_dict(), weights, options.checkpoint)
    require_same_logits(whole, plain)
    write(options, exported, plain)
    print(f"wrote {options.out} and {options.out.with_suffix('.py')}: {told(exported)}")
    if options.onnx:
        graph = options.out.with_suffix(".onnx")
        note = export_onnx(plain, graph, exported.cfg)
        print(f"wrote {graph}: {note}")


if __name__ == "__main__":
    run_tool(main)
