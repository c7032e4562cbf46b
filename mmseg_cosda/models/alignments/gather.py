"""Source features of all processes, the same on each."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


@torch.no_grad()
def gather_rows(
    rows: Tensor, labels: Tensor, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Concatenate the rows of all ranks in rank order; alone, return the input.

    Rows without a class stay behind. The number of the others differs per rank: they
    travel padded to the largest number, the padding with the label -1, which every
    queue ignores.

    Args:
        rows: (N, K) features.
        labels: (N,) int64; rows outside [0, C) have no class.
        num_classes: C.

    Returns:
        Rows and labels of all ranks, the same on each.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return rows, labels
    world_size = dist.get_world_size()
    if world_size == 1:
        return rows, labels
    kept = (labels >= 0) & (labels < num_classes)
    rows, labels = rows[kept], labels[kept]
    budget = torch.tensor([len(rows)], device=rows.device)
    dist.all_reduce(budget, op=dist.ReduceOp.MAX)
    padding = int(budget) - len(rows)
    rows = torch.cat([rows, rows.new_zeros(padding, rows.shape[1])])
    labels = torch.cat([labels, labels.new_full((padding,), -1)])
    all_rows = [torch.empty_like(rows) for _ in range(world_size)]
    all_labels = [torch.empty_like(labels) for _ in range(world_size)]
    dist.all_gather(all_rows, rows.contiguous())
    dist.all_gather(all_labels, labels.contiguous())
    return torch.cat(all_rows), torch.cat(all_labels)
