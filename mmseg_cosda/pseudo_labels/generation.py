"""Pseudo-labels of a whole target training set in one pass of inference."""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from threading import Lock
from typing import Any

import cv2
import numpy as np
import torch
from mmengine import dist
from mmengine.dataset import pseudo_collate
from mmengine.utils import ProgressBar
from numpy.typing import NDArray
from torch import Tensor

from mmseg_cosda.datasets.label_maps import IGNORE_INDEX
from mmseg_cosda.datasets.pseudo_label import pseudo_label_names
from mmseg_cosda.datasets.pseudo_label_files import (
    REPORT,
    FileRecord,
    report_text,
)
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.confidence import predict_confidence
from mmseg_cosda.inference.images import TargetImages, load_batches
from mmseg_cosda.locks import PSEUDO_LABELS, FolderLock
from mmseg_cosda.pseudo_labels.histogram import (
    NUM_BINS,
    ConfidenceHistogram,
    bin_centers,
    to_bins,
)
from mmseg_cosda.pseudo_labels.options import GenerationOptions
from mmseg_cosda.pseudo_labels.spool import Prediction, Spool, clip_bins
from mmseg_cosda.pseudo_labels.statistics import PseudoLabelStatistics, kept_from

_IN_FLIGHT = 8  # images between inference and disk: bounds the memory
_WRITERS = min(4, os.cpu_count() or 1)  # threads that compress beside inference


class PseudoLabelGenerator:
    """Predicts, finds the class-wise thresholds and writes the pseudo-labels.

    Each process takes every ``world_size``-th batch; batches are the same for any
    number of processes and after any interruption, so the files are too. Labels
    and quantised confidences of an image wait in a :class:`Spool` until all
    images have been seen; everything after inference is a function of the spool.

    Args:
        model: A host ``EncoderDecoder`` in eval mode, on its device.
        images: The target's images through the inference pipeline.
        spool: Of the folder of the pseudo-labels.
        options: See :class:`GenerationOptions`.
        workers: Processes that load images.
        others: Models of the same config and device, whose probabilities are averaged
            with those of ``model``. Default: none.
    """

    def __init__(
        self,
        model: Any,
        images: TargetImages,
        spool: Spool,
        options: GenerationOptions,
        workers: int = 2,
        others: Sequence[Any] = (),
    ) -> None:
        self.others = tuple(others)
        self.model, self.images, self.spool = model, images, spool
        self.options, self.workers = options, workers
        self.classes = list(images.dataset.metainfo["classes"])
        self.names = pseudo_label_names(images.dataset)
        if model.out_channels != len(self.classes):
            raise UserError(
                f"the model has {model.out_channels} output channels, the target "
                f"dataset {len(self.classes)} classes; they must agree"
            )
        if len(self.classes) >= IGNORE_INDEX:
            raise UserError(
                f"{len(self.classes)} classes don't fit into an 8-bit PNG beside the "
                f"ignore index {IGNORE_INDEX}"
            )
        self.histogram = ConfidenceHistogram(len(self.classes))
        self._lock = Lock()
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()

    def batches(self) -> list[list[int]]:
        """Return the images of this process, batch by batch."""
        size, total = self.options.batch_size, len(self.images)
        starts = range(self.rank * size, total, self.world_size * size)
        return [[*range(start, min(start + size, total))] for start in starts]

    def predict(self) -> None:
        """Run inference on what the spool lacks; complete the histogram."""
        pending = []
        for batch in self.batches():
            found = self.spool.read_whole(batch)
            if found is None:
                pending.append(batch)
            for stored in found or ():
                self.histogram.update_bins(stored.bins, stored.label)
        if pending:
            self._infer(pending)
        _sum_over_processes([self.histogram.counts])

    def _infer(self, batches: list[list[int]]) -> None:
        """Spool the predictions of batches, written while the next are inferred."""
        bar = None
        if self.rank == 0:
            bar = ProgressBar(sum(map(len, batches)), file=sys.stderr)
        futures: deque[Future[None]] = deque()
        with ThreadPoolExecutor(max_workers=_WRITERS) as pool:
            loaded = load_batches(self.images, batches, self.workers)
            for batch, samples in zip(batches, loaded, strict=True):
                predicted = self._predict_batch(samples)
                for index, arguments in zip(batch, predicted, strict=True):
                    futures.append(pool.submit(self._store, index, *arguments))
                while len(futures) > _IN_FLIGHT:
                    futures.popleft().result()
                if bar:
                    bar.update(len(batch))
            for future in futures:
                future.result()
        if bar:
            print(file=sys.stderr)

    def _predict_batch(
        self, samples: list[dict[str, Any]]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        batch = pseudo_collate(samples)
        predicted = predict_confidence(self.model, batch, self.others)
        for sample, (label, confidence) in zip(samples, predicted, strict=True):
            truth = None
            if self.options.evaluate:
                if "gt_sem_seg" not in sample["data_samples"]:
                    raise UserError(
                        "--evaluate: the test pipeline loads no labels; add "
                        'dict(type="LoadAnnotations") or leave --evaluate out'
                    )
                truth = sample["data_samples"].gt_sem_seg.data[0]
            yield label, confidence, truth

    def _store(
        self, index: int, label: Tensor, confidence: Tensor, truth: Tensor | None
    ) -> None:
        """Spool an image (in a thread, beside the inference of the next)."""
        bins = clip_bins(to_bins(confidence), self.options.cap)
        true = np.empty(0, np.uint8)
        if truth is not None:
            height, width = label.shape
            true = cv2.resize(
                truth.numpy().astype(np.uint8),
                (width, height),
                interpolation=cv2.INTER_NEAREST_EXACT,
            )
        self.spool.write(index, Prediction(label.numpy(), bins, true))
        with self._lock:
            self.histogram.update_bins(bins, label)

    def write(self) -> tuple[dict[str, Any], dict[str, FileRecord]]:
        """Write the pseudo-labels of this process's images.

        Returns:
            The figures, and the record of each file that this process has written.
        """
        options = self.options
        thresholds = self.histogram.thresholds(options.quantile, options.cap)
        centers = bin_centers(np.arange(NUM_BINS))
        lowest = kept_from(thresholds, centers, options.comparison)
        statistics = PseudoLabelStatistics(len(self.classes))
        files: dict[str, FileRecord] = {}

        def finish(index: int) -> None:
            stored = self.spool.read(index)
            keep = stored.bins >= lowest[stored.label]
            label = np.where(keep, stored.label, np.uint8(IGNORE_INDEX))
            record = self.spool.publish(self.names[index], _png(label))
            with self._lock:
                files[self.names[index]] = record
                statistics.add(label, stored.label, stored.truth)

        with ThreadPoolExecutor(max_workers=_WRITERS) as pool:
            for _ in pool.map(finish, [i for batch in self.batches() for i in batch]):
                pass
        _sum_over_processes(statistics.arrays())
        figures = {
            "images": len(self.images),
            **asdict(options),
            **statistics.summary(self.classes, thresholds, self.histogram.pixels()),
        }
        return figures, files


def generate(
    generator: PseudoLabelGenerator, manifest: dict[str, Any], overwrite: bool = False
) -> dict[str, Any]:
    """Generate all pseudo-labels, or go on with what was interrupted.

    Args:
        generator: Of this process.
        manifest: What determines the pseudo-labels, JSON values; kept beside them.
        overwrite: Remove finished pseudo-labels, or another run's, first.

    Returns:
        The report, which is also in the folder as ``report.json``.

    Raises:
        UserError: If the folder holds the pseudo-labels of another run, or another
            process writes there.
    """
    spool = generator.spool
    outcome: list[Any] = [None]
    lock = FolderLock(spool.out, PSEUDO_LABELS)
    if generator.rank == 0:
        try:
            cure = "wait until it has ended, stop it, or choose another --out"
            lock.require(f"--out {spool.out}", cure)
            outcome = [spool.open(manifest, generator.names, overwrite)]
        except UserError as error:
            outcome = [error]
    dist.broadcast_object_list(outcome)
    if isinstance(outcome[0], UserError):
        lock.release()
        raise outcome[0]
    try:
        if outcome[0]:
            generator.predict()
            figures, written = generator.write()
            # All files are there before the report says so.
            parts = dist.all_gather_object(written)
            if generator.rank == 0:
                files = {
                    name: record for part in parts for name, record in part.items()
                }
                text = report_text({**figures, "made_by": manifest}, files)
                spool.publish(REPORT, text.encode())
                spool.close()
            dist.barrier()
    finally:
        lock.release()
    stored: dict[str, Any] = json.loads((spool.out / REPORT).read_text())
    return stored


def _sum_over_processes(arrays: list[NDArray[np.int64]]) -> None:
    for array in arrays:
        dist.all_reduce(torch.from_numpy(array))  # in place, shared memory


def _png(label: NDArray[np.uint8]) -> bytes:
    done, buffer = cv2.imencode(".png", label)
    assert done
    return buffer.tobytes()
