"""Phases of an iteration: entries of ``model.phases``."""

from __future__ import annotations

from mmseg_cosda.models.phases.base import Losses, Phase, Step, make_step
from mmseg_cosda.models.phases.class_mix import ClassMixPhase
from mmseg_cosda.models.phases.masked import MaskedPhase
from mmseg_cosda.models.phases.source import SourcePhase
from mmseg_cosda.models.phases.target import TargetPhase
from mmseg_cosda.models.phases.training import train_on_phases

__all__ = [
    "ClassMixPhase",
    "Losses",
    "MaskedPhase",
    "Phase",
    "SourcePhase",
    "Step",
    "TargetPhase",
    "make_step",
    "train_on_phases",
]
