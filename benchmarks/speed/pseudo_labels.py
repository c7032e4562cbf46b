"""Pseudo-labels: what thresholds and files cost beside inference."""

from __future__ import annotations

import tempfile
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.measure import Work, interleave
from benchmarks.speed.report import Row, Settings
from benchmarks.speed.step import build_segmentor
from benchmarks.speed.step_rows import read_model
from mmseg_cosda.datasets import DemoStreetsDataset
from mmseg_cosda.inference.confidence import upsampled_probabilities
from mmseg_cosda.pseudo_labels.generation import PseudoLabelGenerator
from mmseg_cosda.pseudo_labels.histogram import ConfidenceHistogram
from mmseg_cosda.pseudo_labels.options import GenerationOptions
from mmseg_cosda.pseudo_labels.spool import Spool

MIB = 2**20
CLASSES = 19


def prediction(size: tuple[int, int], classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return label and confidence (H, W) of a prediction with regions and edges."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    coarse = torch.randn(1, classes, height // 64, width // 64, generator=generator)
    fine = torch.randn(1, classes, height // 8, width // 8, generator=generator)
    logits = F.interpolate(6 * coarse, fine.shape[2:], mode="bilinear") + fine
    confidence, label = upsampled_probabilities(logits, size, True)[0].max(dim=0)
    return label.to(torch.uint8), confidence


class AppendedConfidences:
    """The thresholds as one writes them down: all confidences of each class, sorted."""

    def __init__(self, classes: int) -> None:
        self.parts: list[list[npt.NDArray[np.float32]]] = [[] for _ in range(classes)]

    def update(self, confidence: Tensor, label: Tensor) -> None:
        """Append an image's confidences to their classes'."""
        values, labels = confidence.numpy(), label.numpy()
        for c, parts in enumerate(self.parts):
            parts.append(values[labels == c])

    def thresholds(self, quantile: float, cap: float) -> list[float]:
        """Return the capped quantile of each class."""
        result = []
        for parts in self.parts:
            x = np.sort(np.concatenate(parts))
            rank = min(round(len(x) * quantile), len(x) - 1)
            result.append(min(float(x[rank]), cap) if len(x) else 0.0)
        return result


def threshold_rows(settings: Settings) -> list[Row]:
    """Measure the streaming histogram against appending and sorting everything."""
    size = (128, 256) if settings.quick else (512, 1024)
    images = [prediction(size, CLASSES, seed) for seed in range(4)]
    ours, naive = ConfidenceHistogram(CLASSES), AppendedConfidences(CLASSES)
    for label, confidence in images:
        ours.update(confidence, label)
        naive.update(confidence, label)
    error = np.abs(ours.thresholds(0.5, 1.0) - naive.thresholds(0.5, 1.0)).max()
    label, confidence = images[0]
    works: dict[str, Work] = {
        "ours": partial(ConfidenceHistogram(CLASSES).update, confidence, label),
        "append": partial(AppendedConfidences(CLASSES).update, confidence, label),
    }
    times = interleave(works, max(5, settings.rounds), "cpu")
    row = partial(Row, "pseudo-labels")
    note = f"{1000 * times.median('ours'):.1f} ms per image, 19 classes"
    return [
        row("thresholds: memory", ours.counts.nbytes / MIB, "MiB", 16),
        row(
            "thresholds: update against append",
            times.ratio("ours", "append"),
            bound=2,
            note=note,
        ),
        row("thresholds: error against a full sort", float(error), "", 1e-5),
    ]


class _Images:
    """As much of the target's images as the writing of pseudo-labels asks for."""

    def __init__(self, length: int) -> None:
        self.dataset = DemoStreetsDataset(domain="target", length=length, pipeline=[])

    def __len__(self) -> int:
        return len(self.dataset)


def generation_rows(settings: Settings) -> list[Row]:
    """Measure everything but inference, threads included, against inference."""
    size, name = (512, 1024), "cosda/deeplabv2_gta2cs"
    if settings.quick:
        size, name = (128, 256), "cosda/deeplabv2_demo"
    images: Any = _Images(1)
    classes = len(images.dataset.metainfo["classes"])
    label, confidence = prediction(size, classes, seed=0)
    model = build_segmentor(read_model(name), settings.device, True).eval()
    image = torch.randn(1, 3, *size, device=settings.device)

    @torch.inference_mode()
    def infer() -> Tensor:
        logits = model(image, mode="tensor")
        best = upsampled_probabilities(logits, size, model.align_corners).max(dim=1)
        return best.values.cpu()

    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(folder)
        outline: Any = SimpleNamespace(out_channels=classes)
        generator = PseudoLabelGenerator(outline, images, spool, GenerationOptions())
        spool.folder.mkdir(parents=True)

        def rest() -> None:
            generator._store(0, label, confidence, None)
            generator.write()

        times = interleave(
            {"infer": infer, "rest": rest}, min(3, settings.rounds), settings.device
        )
    note = (
        f"{1000 * times.median('rest'):.0f} ms of "
        f"{1000 * times.median('infer'):.0f} ms per image, {size[1]}x{size[0]}; "
        "in threads beside inference"
    )
    what = "histogram and writing against inference, DeepLabV2-R101"
    return [Row("pseudo-labels", what, times.ratio("rest", "infer"), "x", 0.1, note)]


def pseudo_label_rows(settings: Settings) -> list[Row]:
    """Measure thresholds and generation."""
    return [*threshold_rows(settings), *generation_rows(settings)]
