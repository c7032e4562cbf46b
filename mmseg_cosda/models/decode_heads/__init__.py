"""Classification heads H."""

from mmseg_cosda.models.decode_heads.deeplabv2_head import DeepLabV2Head

__all__ = ["DeepLabV2Head"]
