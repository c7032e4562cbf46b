"""Alignments of the target domain with the source domain."""
