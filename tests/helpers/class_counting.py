"""What the processes of a counting test run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch.distributed as dist
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

import mmseg_cosda  # noqa: F401  (registers what the configs name)
from helpers.own_data import dataset
from mmseg_cosda.datasets import class_counting


def count_rank(rank: int, port: int, root: str, out: str) -> None:
    """Write what is counted, by how many calls, and what a broken label ends with."""
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    init_default_scope("mmseg")
    source = DATASETS.build(dataset(Path(root), "source", labelled=True))
    asked = []
    count_image = class_counting.count_image

    def noted(dataset: Any, index: int) -> Any:
        asked.append(index)
        return count_image(dataset, index)

    class_counting.count_image = noted
    class_counting.SAVE_SECONDS = -1.0  # the others hear of each image
    counts = class_counting.counted(source, f"{out}/counts.json", 0)
    said = {"pixels": counts.pixels.tolist(), "asked": len(asked)}
    dist.barrier()
    if rank == 0:
        Path(root, "source/labels/3.png").write_bytes(b"no picture")
    try:
        class_counting.counted(source, f"{out}/broken.json", 0)
    except ValueError as error:
        said["error"] = str(error)
    Path(out, f"{rank}.json").write_text(json.dumps(said))
    dist.destroy_process_group()
