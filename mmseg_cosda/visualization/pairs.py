"""What a training sees: augmented samples of both domains, with their labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS

from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.errors import UserError
from mmseg_cosda.visualization.files import PAGE, check_suffix, save_figure
from mmseg_cosda.visualization.panels import Legend

UInt8 = npt.NDArray[np.uint8]
WHITE = np.iinfo(np.uint8).max


def draw_training_samples(config: Mapping[str, Any], out: str, rows: int = 4) -> None:
    """Draw the first samples of a config's training, behind all transforms.

    A row per position: image and labels of the source, image and pseudo-labels of
    the target, as the network gets them; below, the colors of the classes that occur.
    What is random is that of a run with the config's ``randomness.seed``.

    Args:
        config: A whole config; a host config of one domain will do.
        out: The file, .png, .pdf or .svg.
        rows: Number of samples.

    Raises:
        UserError: If the file has another suffix, or the config has no training data.
    """
    path = Path(out)
    check_suffix(path, "--picture")
    dataset = (config.get("train_dataloader") or {}).get("dataset")
    if dataset is None:
        raise UserError("--picture: the config has no train_dataloader.dataset to draw")
    init_default_scope(str(config.get("default_scope") or "mmseg"))
    seed = (config.get("randomness") or {}).get("seed")
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(int(seed))  # what the host's Runner does first
        built = DATASETS.build(dict(dataset))
        samples = [built[position] for position in range(min(rows, len(built)))]
    meta = built.metainfo
    legend = Legend(meta["classes"], meta["palette"], IGNORE_INDEX)
    save_figure(draw_samples(samples, legend), path, dpi=150)


def draw_samples(samples: Sequence[Mapping[str, Any]], legend: Legend) -> Figure:
    """Draw packed samples, a row each.

    Args:
        samples: With ``inputs`` and ``data_samples``, plain or by domain.
        legend: What the labels mean.

    Returns:
        The figure: per domain a column of images and one of labels.
    """
    first = samples[0]
    domains = ["train"] if "inputs" in first else list(first)
    table = [[sample if "inputs" in sample else sample[d] for d in domains]
             for sample in samples]  # fmt: skip
    pictures = [[_panels(part, legend) for part in row] for row in table]
    found = [maps for row in pictures for _, maps, _ in row if maps is not None]
    entries = legend.entries(found)
    columns, width = 2 * len(domains), PAGE
    shape = max((image.shape[0] / image.shape[1] for r in pictures for image, *_ in r))
    above = len(samples) * (width / columns * shape + 0.25) + 0.2
    below = 0.17 * math.ceil(len(entries) / 5) + 0.1
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    figure = Figure(figsize=(width, above + below), layout=layout)
    parts: Any = figure.subfigures(2, 1, height_ratios=(above, below))
    upper, lower = parts
    axes = upper.subplots(len(samples), columns, squeeze=False)
    for line, row in zip(axes, pictures, strict=True):
        for i, (image, labels, name) in enumerate(row):
            # As large as the image, so that a row stays even.
            blank = np.full_like(image, WHITE)
            _show(line[2 * i], image, name)
            if labels is None:
                _show(line[2 * i + 1], blank, "no labels")
            else:
                _show(line[2 * i + 1], legend.paint(labels), "")
    for i, domain in enumerate(domains):
        axes[0][2 * i].set_title(domain, fontsize=8, pad=3)
        axes[0][2 * i + 1].set_title(f"{domain}: labels", fontsize=8, pad=3)
    if entries:
        lower.legend(
            handles=entries, loc="upper center", ncols=5, fontsize=7, frameon=False
        )
    return figure


def _panels(part: Mapping[str, Any], legend: Legend) -> tuple[UInt8, UInt8 | None, str]:
    """Return a sample's RGB image, its labels and its name."""
    array = part["inputs"].float().round().clamp(0, WHITE).byte()
    image = array.expand(3, -1, -1) if len(array) == 1 else array[:3].flip(0)  # BGR
    sample = part["data_samples"]
    labels = None
    if "gt_sem_seg" in sample:
        found = sample.gt_sem_seg.data[0]
        known = (found >= 0) & (found <= IGNORE_INDEX)
        labels = torch.where(known, found, IGNORE_INDEX).byte().numpy()
    name = str(sample.get("img_path", "")).rpartition("/")[2]
    return image.permute(1, 2, 0).contiguous().numpy(), labels, name


def _show(axis: Any, picture: UInt8, note: str) -> None:
    # Label maps must not be blended: a mix of two colors may be a third class's.
    axis.imshow(picture, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    axis.set_xlabel(note[-28:], fontsize=6, labelpad=2)
