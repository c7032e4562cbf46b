"""Turn a public checkpoint of the field into one that the host's tools load."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import mmseg_cosda
from mmseg_cosda.checkpoint import load_checkpoint_file
from mmseg_cosda.checkpoint.conversion import convert_public_state
from mmseg_cosda.checkpoint.converted import Converted
from mmseg_cosda.commands import command, tool_parser
from mmseg_cosda.datasets.label_maps import (
    CITYSCAPES_CLASSES,
    CITYSCAPES_PALETTE,
    MIOU16_IDS,
    SYNTHIA_CLASSES,
)
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.files import atomic_write

ABOUT = """\
Recognize a checkpoint of AdaptSegNet, SIM, ADVENT, IntraDA, BDL or FDA (DeepLabV2-
ResNet101, FCN-8s-VGG16), of DAFormer or MIC (MiT with DAFormer's head), or the DeepLab
initialization, and write it under the host's names.
"""
EPILOG = """Example:
  python tools/convert_checkpoint.py GTA2Cityscapes_multi.pth work_dirs/adaptsegnet.pth
"""


def parse_args(args: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("convert_checkpoint", ABOUT, EPILOG)
    parser.add_argument("input", metavar="IN", type=Path, help="a public state_dict")
    parser.add_argument("output", metavar="OUT", type=Path, help="the file to write")
    parser.add_argument(
        "--dilations",
        choices=("auto", "2", "4"),
        default="auto",
        help="branches of a DeepLabV2 classifier that are summed: 2 for AdaptSegNet, "
        "SIM and BDL before 2020-07, 4 for ADVENT, IntraDA, FDA and BDL today; auto "
        "(the default) reads it off the weights",
    )
    parser.add_argument(
        "--weights",
        choices=("student", "teacher"),
        default="student",
        help="which network of a file of DAFormer's family becomes the main one: the "
        "student (the default), whose figures are published, or the teacher",
    )
    return parser.parse_args(args)


def load_state(path: Path) -> dict[str, Tensor]:
    """Read a state_dict as data alone; a file that holds code is refused.

    Args:
        path: A file that ``torch.save`` wrote.

    Returns:
        Names and tensors.

    Raises:
        UserError: If the file is missing, no such file, or holds anything else.
    """
    if not path.is_file():
        raise UserError(f"IN={path}: there is no such file")
    try:
        content = load_checkpoint_file(path, map_location="cpu")
    except UserError as error:
        raise UserError(
            f"IN={path}: cannot be read as weights alone ({error})"
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content:
        raise UserError(f"IN={path}: holds no state_dict but {type(content).__name__}")
    other = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if other:
        raise UserError(
            f"IN={path}: no plain state_dict, {other[0]!r} is no tensor; give the "
            "file that holds the network's weights"
        )
    return {str(name): value for name, value in content.items()}


def dataset_meta(num_classes: int | None) -> dict[str, Any]:
    """Name the classes of a 19-way or 16-way model, for pictures and logs."""
    schemes: dict[int, tuple[Sequence[str], Sequence[int]]] = {
        len(CITYSCAPES_CLASSES): (CITYSCAPES_CLASSES, range(len(CITYSCAPES_CLASSES))),
        len(SYNTHIA_CLASSES): (SYNTHIA_CLASSES, MIOU16_IDS),
    }
    if num_classes not in schemes:
        return {}
    classes, ids = schemes[num_classes]
    palette = [list(CITYSCAPES_PALETTE[i]) for i in ids]
    return {"dataset_meta": {"classes": list(classes), "palette": palette}}


def how_to_use(found: Converted, output: Path) -> str:
    """Tell the command that evaluates the checkpoint, or trains from it."""
    if found.network == "backbone":
        return (
            "an initialization, not a model: train from it with\n  "
            f"{command('train')} configs/source_only/deeplabv2_gta2cs.py --cfg-options "
            f"load_from={output} model.backbone.init_cfg=None"
        )
    task = "synthia2cs" if found.num_classes == len(SYNTHIA_CLASSES) else "gta2cs"
    folder = "daformer" if found.network == "daformer" else "source_only"
    config = f"configs/{folder}/{found.network}_{task}.py"
    options = []
    if found.dilations and len(found.dilations) == 2:
        options.append(
            f'"model.decode_head.dilations={found.dilations}"'.replace(" ", "")
        )
    options += [f'"{key}={value}"' for key, value in found.options]
    if found.num_classes not in (len(CITYSCAPES_CLASSES), len(SYNTHIA_CLASSES)):
        options.append(f"model.decode_head.num_classes={found.num_classes}")
    extra = f" --cfg-options {' '.join(options)}" if options else ""
    told = f"evaluate with\n  {command('test')} {config} {output}{extra}"
    if found.num_classes == len(CITYSCAPES_CLASSES):
        told += "\n(trained on SYNTHIA: the same with synthia2cs_19way for gta2cs)"
    return told


def main(args: Sequence[str] | None = None) -> None:
    """Convert one checkpoint and say what it is and how to evaluate it."""
    options = parse_args(args)
    if options.output.resolve() == options.input.resolve():
        raise UserError(f"OUT={options.output} is IN: name another file")
    state = load_state(options.input)
    try:
        found = convert_public_state(state, options.dilations, options.weights)
    except UserError as error:
        raise UserError(f"IN={options.input}: {error}") from None
    meta: dict[str, Any] = {
        **dataset_meta(found.num_classes),
        "converted_from": found.family,
        "mmseg_cosda_version": mmseg_cosda.__version__,
    }
    if found.dilations:
        meta["dilations"] = list(found.dilations)
    with atomic_write(options.output) as file:
        torch.save({"meta": meta, "state_dict": found.state_dict}, file)
    print(
        f"found: {found.family}, {found.network}, {found.num_classes or 'no'} classes"
    )
    if found.dilations:
        print(f"dilations: {found.dilations} ({found.reason})")
    for note in found.notes:
        print(note)
    if any(name.startswith("auxiliary_head.") for name in found.state_dict):
        print("layer5 became auxiliary_head, which evaluation does not read")
    print(f"wrote {options.output}; {how_to_use(found, options.output)}")


if __name__ == "__main__":
    run_tool(main)
