"""Pseudo-labels of a target domain: class-wise thresholds, files and a report."""

from mmseg_cosda.pseudo_labels.histogram import ConfidenceHistogram

__all__ = ["ConfidenceHistogram"]
