"""Metrics and what is written at evaluation."""

from mmseg_cosda.evaluation.subset_iou_metric import SubsetIoUMetric
from mmseg_cosda.evaluation.unsupervised_score import UnsupervisedScoreMetric

__all__ = [
    "SubsetIoUMetric",
    "UnsupervisedScoreMetric",
]
