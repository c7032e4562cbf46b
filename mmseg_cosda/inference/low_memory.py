"""What keeps inference on a CPU small: it holds what it needs, and no more."""

from __future__ import annotations

import ctypes
from typing import Any

from mmseg.models.backbones import ResNet

from mmseg_cosda.models.decode_heads import DeepLabV2Head

_M_MMAP_THRESHOLD = -3  # of malloc.h
_MAPPED_FROM = 2**20


def return_freed_memory() -> bool:
    """Have the C library give each large freed block back to the system at once.

    By default glibc raises the size from which it does so to 32 MiB as it sees large
    blocks freed, and keeps smaller ones in a heap, where the maps of a network (9 to
    34 MB each, DeepLabV2-R101 at 1024x512) leave holes that the next doesn't fit.
    A fixed size switches that off, for the whole process.

    Returns:
        Whether the C library has that switch (glibc has it).

    Source: mallopt(3), M_MMAP_THRESHOLD.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _MAPPED_FROM))
    except (AttributeError, OSError, TypeError):
        return False


def forget_unused_maps(model: Any) -> None:
    """Let the ResNet of a DeepLabV2 return only the map that its head reads.

    The maps of the other stages would stay alive until the last stage is through.
    Other networks are left as they are: a head may read more than its ``in_index``.

    Args:
        model: A host ``EncoderDecoder``, used for nothing but prediction from now
            on; changed in place.
    """
    backbone, head = model.backbone, model.decode_head
    plain = type(head) is DeepLabV2Head and not model.with_neck
    if plain and type(backbone).forward is ResNet.forward:
        backbone.out_indices = (sorted(backbone.out_indices)[head.in_index],)
        head.in_index = 0
