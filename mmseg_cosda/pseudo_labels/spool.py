"""Predictions of a whole data set on disk, until their thresholds are known."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmseg_cosda.datasets.pseudo_label_files import (
    REPORT,
    FileRecord,
    find_changed,
    read_json,
    read_report,
    stat_labels,
    told,
)
from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write, inside
from mmseg_cosda.pseudo_labels.histogram import NUM_BINS

SPOOL = ".unfinished"

INFORMATION = ("config", "checkpoint")
"""Entries of a manifest that name what others identify by their content."""
CLASSES = "classes"


class Prediction(NamedTuple):
    """What is kept of an image until the thresholds are known.

    Args:
        label: Predicted class, (H, W) uint8.
        bins: Confidence in bins of ``ConfidenceHistogram``, (H, W) uint16.
        truth: Ground truth, (H, W) uint8; empty without.
    """

    label: NDArray[np.uint8]
    bins: NDArray[np.uint16]
    truth: NDArray[np.uint8]


def clip_bins(bins: NDArray[np.uint16], cap: float) -> NDArray[np.uint16]:
    """Merge all bins above the cap of the thresholds into one.

    No threshold tells them apart, and a confident image becomes a small file.

    Examples:
        >>> clip_bins(np.array([10, 40000, 65000], dtype=np.uint16), cap=0.5)
        array([   10, 32769, 32769], dtype=uint16)
    """
    above = min(int(cap * NUM_BINS) + 1, NUM_BINS - 1)
    return np.minimum(bins, np.uint16(above))


class Spool:
    """A folder with one compressed file per predicted image.

    Args:
        out: The folder of the pseudo-labels, of which the spool is a sub-folder.
    """

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.out = Path(out)
        self.folder = self.out / SPOOL

    def _file(self, index: int) -> Path:
        return self.folder / f"{index:06d}.npy.gz"

    def __contains__(self, index: int) -> bool:
        return self._file(index).exists()

    def write(self, index: int, prediction: Prediction) -> None:
        """Store the prediction of the image ``index``, whole or not at all."""
        with (
            atomic_write(self._file(index)) as file,
            gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as packed,
        ):
            # Differences of neighbors (modulo 2^16) take half the space.
            steps = np.diff(prediction.bins, axis=1, prepend=np.uint16(0))
            for array in prediction._replace(bins=steps):
                np.save(packed, array, allow_pickle=False)

    def read(self, index: int) -> Prediction:
        """Return the prediction of the image ``index``."""
        with gzip.open(self._file(index)) as packed:
            arrays = [np.load(packed, allow_pickle=False) for _ in Prediction._fields]
            packed.read()  # to its end, where the checksum is
        stored = Prediction(*arrays)
        return stored._replace(bins=stored.bins.cumsum(axis=1, dtype=np.uint16))

    def read_whole(self, indices: list[int]) -> list[Prediction] | None:
        """Return the predictions of a batch; None if one lacks or is damaged.

        Args:
            indices: Of the images.
        """
        if not all(index in self for index in indices):
            return None
        try:
            return [self.read(index) for index in indices]
        except (OSError, EOFError, ValueError, zlib.error):  # a full disk, a power cut
            return None

    def publish(self, name: str, content: bytes) -> FileRecord:
        """Put a file into the folder of the pseudo-labels, whole or not at all.

        It is written inside the spool first, so that what a kill leaves behind
        goes when the spool goes.

        Returns:
            The file's record for the report.
        """
        part = self.folder / (name.replace("/", "%") + ".part")
        final = inside(self.out, name)
        part.write_bytes(content)
        final.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, final)
        return FileRecord.of(final, content)

    def open(self, manifest: dict[str, Any], names: list[str], overwrite: bool) -> bool:
        """Begin, or go on where a run with the same manifest was interrupted.

        Args:
            manifest: What determines the pseudo-labels, JSON values.
            names: Names of all pseudo-labels below the folder.
            overwrite: Remove finished pseudo-labels, or another run's, first.

        Returns:
            Whether there is something to do; False where all is there already.

        Raises:
            UserError: If the folder holds something else, or can't be written, or a
                name leads out of it, or finished labels aren't what was written.
        """
        for name in (SPOOL, REPORT, *names):
            inside(self.out, name)
        try:
            complete = (self.out / REPORT).exists()
            if overwrite and (complete or not self._agrees(manifest)):
                self._clear(names)
            self._refuse_others(manifest, names)
            if (self.out / REPORT).exists() and self._is_whole(names):
                self.close()
                return False
            with atomic_write(self.folder / "manifest.json") as file:
                file.write(json.dumps(manifest, indent=2).encode())
        except OSError as error:
            raise UserError(
                f"--out {self.out}: cannot write there ({error.strerror}); choose "
                "another folder"
            ) from error
        return True

    def close(self) -> None:
        """Remove the spool."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_whole(self, names: list[str]) -> bool:
        """Return whether all labels are there; read them, so that each is right."""
        present = stat_labels(self.out)
        if not all(name in present for name in names):
            return False
        report = read_report(self.out)
        files = None if report is None else report.files
        changed = find_changed(self.out, names, present, files, read_all=True)
        if changed:
            raise UserError(
                f"--out {self.out}: {len(changed)} of {len(names)} pseudo-labels "
                f"aren't what was written ({told(changed)}); generate all anew with "
                "--overwrite, or choose another --out"
            )
        return True

    def _stored(self) -> dict[str, Any] | None:
        """Return the manifest of the run that wrote here, if there was one."""
        manifest, report = self.folder / "manifest.json", self.out / REPORT
        if manifest.exists():
            return read_json(manifest, f"remove {self.folder}, or take --overwrite")
        if report.exists():
            made_by = read_json(report, "remove it, or take --overwrite").get("made_by")
            return made_by if isinstance(made_by, dict) else None
        return None

    def _agrees(self, manifest: dict[str, Any]) -> bool:
        try:
            stored = self._stored()
        except UserError:  # damaged
            return False
        return stored is not None and not _differences(stored, manifest)

    def _refuse_others(self, manifest: dict[str, Any], names: list[str]) -> None:
        stored = self._stored()
        cure = "choose another --out, or replace them with --overwrite"
        if stored is None:
            if any((self.out / name).exists() for name in names):
                raise UserError(
                    f"--out {self.out}: holds pseudo-labels of unknown origin; {cure}"
                )
        elif differences := _differences(stored, manifest):
            raise UserError(
                f"--out {self.out}: holds pseudo-labels of another run "
                f"({'; '.join(differences)}); {cure}"
            )

    def _clear(self, names: list[str]) -> None:
        # The labels go first: a folder that lacks one is never taken for whole.
        for name in names:
            (self.out / name).unlink(missing_ok=True)
        (self.out / REPORT).unlink(missing_ok=True)
        if self.folder.exists():
            shutil.rmtree(self.folder)


def _differences(stored: dict[str, Any], manifest: dict[str, Any]) -> list[str]:
    keys = sorted((stored.keys() | manifest.keys()) - set(INFORMATION))
    if CLASSES not in stored:  # of an earlier version
        keys = [key for key in keys if key != CLASSES]
    result = []
    for key in keys:
        then, now = stored.get(key), manifest.get(key)
        if then != now:
            if key == "weights":
                then = f"{_listed(stored.get('checkpoint'))} ({_listed(then)})"
                now = f"{_listed(manifest.get('checkpoint'))} ({_listed(now)})"
            result.append(f"{key} {then} there, {now} here")
    return result


def _listed(value: Any) -> str:
    """Return a value, or several, as words."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
