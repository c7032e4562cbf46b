"""What the training loop needs beyond the host's."""

from __future__ import annotations

from mmseg_cosda.engine.alignment_report_hook import AlignmentReportHook
from mmseg_cosda.engine.atomic_backend import AtomicLocalBackend
from mmseg_cosda.engine.deferred_logs_hook import DeferredLogsHook
from mmseg_cosda.engine.distributed import UDADistributedDataParallel
from mmseg_cosda.engine.joint_optim_constructor import JointOptimWrapperConstructor
from mmseg_cosda.engine.joint_optim_wrapper import JointOptimWrapper
from mmseg_cosda.engine.match_diagnosis_hook import MatchDiagnosisHook
from mmseg_cosda.engine.prediction_names_hook import PredictionNamesHook
from mmseg_cosda.engine.run_keeper import RunKeeper
from mmseg_cosda.engine.two_view_loop import TwoViewTestLoop, TwoViewValLoop

__all__ = [
    "AlignmentReportHook",
    "AtomicLocalBackend",
    "DeferredLogsHook",
    "JointOptimWrapper",
    "JointOptimWrapperConstructor",
    "MatchDiagnosisHook",
    "PredictionNamesHook",
    "RunKeeper",
    "TwoViewTestLoop",
    "TwoViewValLoop",
    "UDADistributedDataParallel",
]
