"""What a step does to images on the device: pure functions and their draws."""

from __future__ import annotations

from mmseg_cosda.models.augment.block_mask import block_mask, draw_blocks
from mmseg_cosda.models.augment.blur import blur
from mmseg_cosda.models.augment.class_mix import class_mix_mask, draw_class_keys
from mmseg_cosda.models.augment.color import ColorShift, draw_color_shift, shift_color
from mmseg_cosda.models.augment.draws import Draw, batch_draws, image_draws

__all__ = [
    "ColorShift",
    "Draw",
    "batch_draws",
    "block_mask",
    "blur",
    "class_mix_mask",
    "draw_blocks",
    "draw_class_keys",
    "draw_color_shift",
    "image_draws",
    "shift_color",
]
