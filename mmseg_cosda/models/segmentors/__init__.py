"""Segmentors G = H o F that train on two domains."""

from __future__ import annotations

from mmseg_cosda.models.segmentors.uda_encoder_decoder import UDAEncoderDecoder

__all__ = ["UDAEncoderDecoder"]
