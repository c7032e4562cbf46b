"""Segmentors G = H o F that train on two domains."""
