"""Transforms the host lacks."""
