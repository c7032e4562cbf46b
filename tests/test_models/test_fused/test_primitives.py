"""What both kernels are made of, part by part."""

from __future__ import annotations

import torch
from helpers import option_references

from mmseg_cosda.models.fused.primitives import choose_pairs


def test_at_most_k_of_a_row_whatever_ties() -> None:
    generator = torch.Generator().manual_seed(0)
    M = torch.randint(4, (50, 9), generator=generator) / 4  # many ties
    for k in (1, 2, 5, 9):
        for threshold in (-1.0, 0.25, 0.9):
            chosen = choose_pairs(M, threshold, k)
            for row, kept in zip(M.tolist(), chosen, strict=True):
                expected = sorted(option_references.most_similar(row, threshold, k))
                assert kept.nonzero().flatten().tolist() == expected
