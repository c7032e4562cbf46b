"""Metrics and what is written at evaluation."""

from mmseg_cosda.evaluation.subset_iou_metric import SubsetIoUMetric

__all__ = [
    "SubsetIoUMetric",
]
