"""Checkpoints of DAFormer's family: two or three networks in one file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
from mmseg.models.backbones import MixVisionTransformer
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mmseg_cosda.checkpoint.converted import Converted, State, complete, some
from mmseg_cosda.errors import UserError
from mmseg_cosda.models.decode_heads import DAFormerHead

Weights = Literal["student", "teacher"]

PREFIXES: Mapping[Weights, str] = {"student": "model.", "teacher": "ema_model."}
INITIAL = "imnet_model."
FIRST = "backbone.patch_embed1.proj.weight"
"""The weight by whose name a Mix Transformer of the old code is known."""

BLOCK = re.compile(r"block(?P<stage>[1-4])\.(?P<block>\d+)\.(?P<rest>.+)")
STEM = re.compile(r"patch_embed(?P<stage>[1-4])\.(?P<rest>.+)")
NORM = re.compile(r"norm(?P<stage>[1-4])\.(?P<kind>weight|bias)")
# Parts of a block that have another name in the host; what isn't here keeps its own.
PARTS = {
    "attn.proj.": "attn.attn.out_proj.",
    "mlp.fc1.": "ffn.layers.0.",
    "mlp.dwconv.dwconv.": "ffn.layers.1.",
    "mlp.fc2.": "ffn.layers.4.",
}
B5_DEPTHS, B5_WIDTHS, PUBLIC_CHANNELS = (3, 6, 40, 3), (64, 128, 320, 512), 256
DEPTHS: Mapping[tuple[int, ...], str] = {
    (2, 2, 2, 2): "MiT-B0 or B1",
    (3, 4, 6, 3): "MiT-B2",
    (3, 4, 18, 3): "MiT-B3",
    (3, 8, 27, 3): "MiT-B4",
    B5_DEPTHS: "MiT-B5",
}


def is_daformer(names: Iterable[str]) -> bool:
    """Tell whether a file is of DAFormer's family, by the names of its weights.

    Examples:
        >>> is_daformer(["model.backbone.norm1.weight"]), is_daformer(["layer1.bn1"])
        (True, False)
    """
    prefixes = (*PREFIXES.values(), INITIAL)
    return any(name == FIRST or name.startswith(prefixes) for name in names)


def convert_daformer(state: State, weights: Weights = "student") -> Converted:
    """Give the networks of DAFormer's file the host's names.

    ===================  ========================================================
    ``model.*``          the student, which is what is published and evaluated
    ``ema_model.*``      the teacher, its running mean; ``teacher.*``
    ``imnet_model.*``    the initial network of the feature distance; left out, as
                         it is the backbone's pretrained weights
    ===================  ========================================================

    Args:
        state: The file's weights.
        weights: Which of the first two becomes backbone and decode head.

    Returns:
        The weights, complete and of the right shapes, and what they are.

    Raises:
        UserError: If the network isn't a Mix Transformer with DAFormer's head, is
            incomplete, or there is no teacher where one is asked for.
    """
    networks = {who: _part(state, prefix) for who, prefix in PREFIXES.items()}
    if FIRST in state:  # saved without its wrapper
        networks["student"] = state
    known = (*PREFIXES.values(), INITIAL)
    other = [n for n in state if FIRST not in state and not n.startswith(known)]
    if other:
        raise UserError(f"beside model.* the file has {some(other)}: it is another's")
    if not networks[weights]:
        there = "student" if weights == "teacher" else "teacher"
        raise UserError(
            f"--weights is {weights!r}, but the file has no {PREFIXES[weights]}*; "
            f"choose {there}"
        )
    converted = _network(networks[weights])
    main = converted.state_dict
    notes = [f"the main weights are the {weights}'s"]
    if weights == "student" and networks["teacher"]:
        teacher = _network(networks["teacher"]).state_dict
        main |= {f"teacher.{name}": value for name, value in teacher.items()}
        notes.append("the teacher's became teacher.*, which evaluation does not read")
    if networks["student"] and weights == "teacher":
        notes.append("the student's were left out")
    initial = _part(state, INITIAL)
    if initial:
        notes.append(f"{INITIAL}* ({len(initial)} weights) was left out")
    return Converted(
        main,
        converted.family,
        "daformer",
        converted.num_classes,
        options=converted.options,
        notes=(*converted.notes, *notes),
    )


def _part(state: State, prefix: str) -> State:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _network(state: State) -> Converted:
    """Convert one network: backbone.* and decode_head.*."""
    _refuse_other_networks(state)
    depths, widths = _depths(state), _widths(state)
    classes, channels = _shape(state, "decode_head.conv_seg.weight")[:2]
    embedded = _shape(state, "decode_head.embed_layers.0.proj.weight")[0]
    with torch.device("meta"), _CPUForNumbers():
        backbone: nn.Module = MixVisionTransformer(
            embed_dims=widths[0],
            num_layers=depths,
            num_heads=[width // widths[0] for width in widths],
        )
        head = DAFormerHead(
            widths, num_classes=classes, embed_dims=embedded, channels=channels
        )
    renamed = host_names_of_mit(_part(state, "backbone."))
    renamed |= {k: v for k, v in state.items() if not k.startswith("backbone.")}
    parts: dict[str, nn.Module] = {"backbone": backbone, "decode_head": head}
    name = DEPTHS.get(depths, f"a Mix Transformer of {depths} blocks")
    return Converted(
        complete(renamed, parts),
        "DAFormer, or MIC on its network",
        "daformer",
        classes,
        options=_options(depths, widths, embedded, channels),
        notes=(f"{name} with DAFormer's head",),
    )


def host_names_of_mit(state: Mapping[str, Tensor]) -> State:
    """Give a Mix Transformer of the original code the host's names.

    Weights are the same but for two: the query's and the key's and value's matrix
    are one in the host, and a feed-forward's linear layers are 1x1 convolutions.

    Args:
        state: Such as ``block1.0.attn.q.weight``.

    Returns:
        Such as ``backbone.layers.0.1.0.attn.attn.in_proj_weight``. What the original
        code doesn't have keeps its name.

    Examples:
        >>> fc1 = {"block2.3.mlp.fc1.weight": torch.zeros(8, 2)}
        >>> {k: tuple(v.shape) for k, v in host_names_of_mit(fc1).items()}
        {'backbone.layers.1.1.3.ffn.layers.0.weight': (8, 2, 1, 1)}
    """
    renamed = {}
    for name, value in state.items():
        if match := BLOCK.fullmatch(name):
            block = f"layers.{int(match['stage']) - 1}.1.{match['block']}."
            rest = match["rest"]
            if rest.startswith("attn.kv.") and name.replace(".kv.", ".q.") in state:
                continue  # with the query
            if rest.startswith("attn.q."):
                both = [value, state.get(name.replace(".q.", ".kv."), value[:0])]
                kind = rest.removeprefix("attn.q.")
                renamed[f"backbone.{block}attn.attn.in_proj_{kind}"] = torch.cat(both)
                continue
            if rest in ("mlp.fc1.weight", "mlp.fc2.weight") and value.ndim == 2:
                value = value[:, :, None, None]
            for theirs, ours in PARTS.items():
                rest = rest.replace(theirs, ours)
            name = block + rest
        elif match := STEM.fullmatch(name):
            rest = match["rest"].replace("proj.", "projection.")
            name = f"layers.{int(match['stage']) - 1}.0.{rest}"
        elif match := NORM.fullmatch(name):
            name = f"layers.{int(match['stage']) - 1}.2.{match['kind']}"
        renamed[f"backbone.{name}"] = value
    return renamed


def _refuse_other_networks(state: State) -> None:
    two = ("decode_head.scale_attention.", "decode_head.head.")
    if any(name.startswith(two) for name in state):
        raise UserError(
            "the file holds HRDA's network of two resolutions (decode_head.head, "
            "decode_head.scale_attention), which this project doesn't have, and its "
            "weights mean nothing in a network of one. Files of DAFormer, and of MIC "
            "on DAFormer's network, are converted"
        )
    heads = [n for n in state if n.startswith("decode_head.")]
    if FIRST not in state or not any(".embed_layers." in n for n in heads):
        what = "backbone" if FIRST not in state else "decode_head"
        found = [name for name in state if name.startswith(f"{what}.")]
        raise UserError(
            f"of DAFormer's family a Mix Transformer (MiT) with DAFormer's head alone "
            f"is converted, but the {what} of this file has {some(found)}. Its "
            f"DeepLabV2 (ResNet V1c, BN that is trained) is another than this project's"
        )


def _shape(state: State, name: str) -> tuple[int, ...]:
    if name not in state or state[name].ndim < 2:
        raise UserError(f"the file looks like DAFormer's, but lacks {name}")
    return tuple(state[name].shape)


def _depths(state: State) -> tuple[int, ...]:
    """Return how many blocks each stage has."""
    blocks = [0] * 4
    for name in state:
        if match := BLOCK.fullmatch(name.removeprefix("backbone.")):
            stage = int(match["stage"]) - 1
            blocks[stage] = max(blocks[stage], int(match["block"]) + 1)
    return tuple(blocks)


def _widths(state: State) -> tuple[int, ...]:
    """Return the channels of each stage's map."""
    names = [f"backbone.patch_embed{i}.proj.weight" for i in range(1, 5)]
    widths = tuple(_shape(state, name)[0] for name in names)
    if any(width % widths[0] for width in widths):
        raise UserError(f"no Mix Transformer has maps of {widths} channels")
    return widths


def _options(
    depths: tuple[int, ...], widths: tuple[int, ...], embedded: int, channels: int
) -> tuple[tuple[str, str], ...]:
    """Return what a config of MiT-B5 with the public head lacks."""
    found: dict[str, tuple[Any, Any]] = {
        "model.backbone.num_layers": (depths, B5_DEPTHS),
        "model.backbone.embed_dims": (widths[0], B5_WIDTHS[0]),
        "model.decode_head.in_channels": (widths, B5_WIDTHS),
        "model.decode_head.embed_dims": (embedded, PUBLIC_CHANNELS),
        "model.decode_head.channels": (channels, PUBLIC_CHANNELS),
    }
    return tuple(
        (key, str(value).replace(" ", ""))
        for key, (value, public) in found.items()
        if value != public
    )


class _CPUForNumbers(TorchFunctionMode):
    """Let the host compute its drop path rates where tensors have no values."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is torch.linspace:
            options.setdefault("device", "cpu")
        return func(*args, **options)
