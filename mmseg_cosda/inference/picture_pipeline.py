"""A config's test pipeline for pictures alone: of host transforms, without labels."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mmcv.transforms import LoadImageFromFile
from mmseg.registry import TRANSFORMS

from mmseg_cosda.config import find_test_pipeline, type_name
from mmseg_cosda.datasets.transforms import (
    LoadDemoStreet,
    LoadResizedImage,
    ResizePIL,
)
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.images import needs_labels

Transform = dict[str, Any]


def picture_pipeline(cfg: Mapping[str, Any]) -> list[Transform]:
    """Return how a config reads a picture that no dataset knows.

    It is the pipeline that the test uses, so that a picture is predicted as the
    images were on which the model was measured. A top-level ``test_pipeline`` that
    says otherwise is told in a line on stderr.

    Args:
        cfg: A whole config; none of its data has to exist.

    Returns:
        The transforms as :func:`host_transforms` writes them.

    Raises:
        UserError: If the config has no test pipeline, or it loads no image file.
    """
    pipeline = host_transforms(find_test_pipeline(cfg))
    other = cfg.get("test_pipeline")
    if other and host_transforms(other) != pipeline:
        print(
            "test_pipeline is not the pipeline of test_dataloader.dataset: pictures "
            "are read with the latter, as a test reads its images",
            file=sys.stderr,
        )
    if not pipeline or not _is(pipeline[0], LoadImageFromFile):
        first = type_name(pipeline[0]) if pipeline else "nothing"
        raise UserError(
            f"the test pipeline starts with {first}, which loads no picture from a "
            'file: put dict(type="LoadImageFromFile") first in '
            "test_dataloader.dataset.pipeline"
        )
    return pipeline


def host_transforms(pipeline: Sequence[Mapping[str, Any]]) -> list[Transform]:
    """Return the host's transforms that give a picture the same pixels as ours.

    ``ResizePIL`` becomes the host's ``Resize`` with Pillow's bicubic filter,
    ``LoadDemoStreet`` becomes ``LoadImageFromFile``, and ``LoadResizedImage`` both
    of these, without its cache. What loads labels or looks at them is left out.
    Other transforms stay.

    Args:
        pipeline: Configs of transforms.

    Examples:
        >>> host_transforms([dict(type="LoadDemoStreet"), dict(type="CheckLabels")])
        [{'type': 'LoadImageFromFile'}]
    """
    result: list[Transform] = []
    for transform in pipeline:
        if needs_labels(transform):
            continue
        if _is(transform, LoadDemoStreet):
            result.append(dict(type="LoadImageFromFile"))
        elif _is(transform, LoadResizedImage):
            result += [dict(type="LoadImageFromFile"), _resize(transform["size"])]
        elif _is(transform, ResizePIL):
            result.append(_resize(transform["size"]))
        else:
            result.append(dict(copy.deepcopy(transform)))
    # Behind LoadResizedImage stands a ResizePIL of the same size, for the labels.
    return [t for i, t in enumerate(result) if i == 0 or t != result[i - 1]]


def _resize(size: Sequence[int]) -> Transform:
    return dict(
        type="Resize",
        scale=tuple(size),
        keep_ratio=False,
        backend="pillow",
        interpolation="bicubic",
    )


def _is(transform: Mapping[str, Any], kind: type) -> bool:
    found = transform.get("type")
    if isinstance(found, str):
        found = TRANSFORMS.get(found)
    return isinstance(found, type) and issubclass(found, kind)
