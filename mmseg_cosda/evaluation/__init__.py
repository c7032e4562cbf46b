"""Metrics and what is written at evaluation."""
