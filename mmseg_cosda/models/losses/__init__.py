"""Alignments of the target domain with the source domain."""

from __future__ import annotations

from mmseg_cosda.models.losses.adversarial_loss import AdversarialLoss

__all__ = ["AdversarialLoss"]
