"""Checkpoints of the field's public code, under the host's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from mmseg_cosda.checkpoint.branches import count_summed_branches
from mmseg_cosda.checkpoint.converted import Converted, State, complete, some
from mmseg_cosda.checkpoint.daformer import Weights, convert_daformer, is_daformer
from mmseg_cosda.errors import UserError
from mmseg_cosda.models.backbones import FCNVGG, DeepLabResNet
from mmseg_cosda.models.decode_heads import DeepLabV2Head, FCN8sHead

Dilations = Literal["auto", "2", "4"]

ALL_DILATIONS = (6, 12, 18, 24)
MAIN_CHANNELS, AUXILIARY_CHANNELS = 2048, 1024
BRANCH = re.compile(
    r"(?P<layer>layer[56])\.conv2d_list\.(?P<branch>\d+)\.(?P<kind>weight|bias)$"
)


def convert_public_state(
    state: Mapping[str, Tensor],
    dilations: Dilations = "auto",
    weights: Weights = "student",
) -> Converted:
    """Recognize a public checkpoint and give its weights the host's names.

    ===========================  ====================================  =============
    from                         keys                                  becomes
    ===========================  ====================================  =============
    DeepLab initialization       ``Scale.*``, ``Scale.layer5.*``       backbone alone
    AdaptSegNet, SIM,            backbone, ``layer5.conv2d_list.*``    auxiliary_head,
    ADVENT, IntraDA              (1024), ``layer6.conv2d_list.*``      decode_head
    BDL, FDA                     backbone, ``layer5.conv2d_list.*``    decode_head
                                 (2048)
    BDL, FDA (VGG)               ``conv1_1`` ... ``upscore8``          FCN-8s
    DAFormer, MIC (DAFormer)     ``model.*``, ``ema_model.*``,         backbone,
                                 ``imnet_model.*``                     decode_head
    ===========================  ====================================  =============

    Args:
        state: A plain state_dict, perhaps with ``module.`` before every name.
        dilations: How many branches of a DeepLabV2 classifier were summed: ``"2"``
            (AdaptSegNet, SIM, BDL before 2020-07), ``"4"`` (ADVENT, IntraDA, FDA,
            BDL today) or ``"auto"``, read off the weights: a branch that was never
            summed still holds its initial values.
        weights: Which network of DAFormer's family becomes the main one, its
            ``"student"`` (what is published) or its ``"teacher"``.

    Returns:
        The weights, complete and of the right shapes, and what they are.

    Raises:
        UserError: If the file is none of these, incomplete, has no teacher where one
            is asked for, or doesn't tell how many branches were summed.
    """
    state = {name.removeprefix("module."): value for name, value in state.items()}
    names = state.keys()
    if is_daformer(names):
        return convert_daformer(state, weights)
    if weights != "student":
        raise UserError(
            f"--weights is {weights!r}, but the file has one network and no teacher "
            "(no ema_model.*): leave it out"
        )
    if any(name.startswith("Scale.") for name in names):
        return _initialization(state)
    if {"conv1_1.weight", "score_fr.weight"} <= names:
        return _fcn8s(state)
    if "layer5.conv2d_list.0.weight" in names and "conv1.weight" in names:
        return _deeplabv2(state, dilations)
    if any(name.startswith(("backbone.", "decode_head.")) for name in names):
        raise UserError(
            "the file already has the host's names (backbone.*, decode_head.*): "
            "use it as it is"
        )
    raise UserError(
        f"no public checkpoint that is known: its names begin with {some(names)}; "
        "known are AdaptSegNet, ADVENT, IntraDA, SIM, BDL, FDA (DeepLabV2-ResNet101 "
        "and FCN-8s-VGG16), DAFormer, MIC (DAFormer's network) and the DeepLab "
        "initialization"
    )


def _initialization(state: State) -> Converted:
    scale = {k.removeprefix("Scale."): v for k, v in state.items()}
    backbone = {
        f"backbone.{k}": v for k, v in scale.items() if not k.startswith("layer5.")
    }
    family = "the DeepLab initialization (ImageNet + COCO)"
    return Converted(complete(backbone, {"backbone": _resnet()}), family, "backbone")


def _fcn8s(state: State) -> Converted:
    scores = ("score_", "upscore")
    renamed = {
        f"{'decode_head' if name.startswith(scores) else 'backbone'}.{name}": value
        for name, value in state.items()
    }
    num_classes = state["score_fr.weight"].shape[0]
    with torch.device("meta"):
        backbone, head = FCNVGG(), FCN8sHead(num_classes)
    whole = complete(renamed, {"backbone": backbone, "decode_head": head})
    return Converted(whole, "BDL or FDA", "fcn8s", num_classes)


def _deeplabv2(state: State, dilations: Dilations) -> Converted:
    two_level = "layer6.conv2d_list.0.weight" in state
    main, auxiliary = ("layer6", "layer5") if two_level else ("layer5", "layer6")
    weight = state[f"{main}.conv2d_list.0.weight"]
    if weight.ndim != 4 or weight.shape[1] != MAIN_CHANNELS:
        raise UserError(
            f"{main}.conv2d_list.0.weight has the shape {tuple(weight.shape)}: the "
            f"main classifier of DeepLabV2-ResNet101 reads {MAIN_CHANNELS} channels; "
            "an auxiliary classifier alone cannot be evaluated"
        )
    branches = [state.get(f"{main}.conv2d_list.{i}.weight") for i in range(4)]
    count, reason = count_summed_branches(
        [branch for branch in branches if branch is not None], dilations
    )
    heads = {main: "decode_head", auxiliary: "auxiliary_head"}
    num_classes, used = weight.shape[0], ALL_DILATIONS[:count]
    parts = {
        "backbone": _resnet(),
        "decode_head": _head(MAIN_CHANNELS, num_classes, used),
    }
    if two_level:
        parts["auxiliary_head"] = _head(AUXILIARY_CHANNELS, num_classes, used)
    renamed = {}
    for name, value in state.items():
        match = BRANCH.match(name)
        if match is None:
            renamed[f"backbone.{name}"] = value
        elif int(match["branch"]) < count:
            head = heads[match["layer"]]
            renamed[f"{head}.convs.{match['branch']}.{match['kind']}"] = value
    family = "AdaptSegNet, SIM, ADVENT or IntraDA" if two_level else "BDL or FDA"
    whole = complete(renamed, parts)
    return Converted(whole, family, "deeplabv2", num_classes, used, reason)


def _resnet() -> nn.Module:
    with torch.device("meta"):
        return DeepLabResNet(depth=101, style="caffe")


def _head(channels: int, num_classes: int, dilations: tuple[int, ...]) -> nn.Module:
    with torch.device("meta"):
        return DeepLabV2Head(channels, num_classes, dilations)
