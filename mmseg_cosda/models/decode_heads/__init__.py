"""Classification heads H."""

from __future__ import annotations

from mmseg_cosda.models.decode_heads.deeplabv2_head import DeepLabV2Head

__all__ = ["DeepLabV2Head"]
