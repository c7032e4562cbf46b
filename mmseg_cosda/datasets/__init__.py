"""Datasets of source and target domains."""
