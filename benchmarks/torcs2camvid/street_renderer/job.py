"""Writing a folder of labelled streets: resumable, in several processes."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from benchmarks.torcs2camvid.street_renderer.art import Art, load_art
from benchmarks.torcs2camvid.street_renderer.finish import (
    annotate,
    as_jpeg,
    as_png,
    expose,
)
from benchmarks.torcs2camvid.street_renderer.layout import lay_out
from benchmarks.torcs2camvid.street_renderer.raster import StreetRaster
from benchmarks.torcs2camvid.street_renderer.view import draw_view
from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write, inside

LAST_SEED = 2**32 - 1
"""Largest seed of NumPy's ``RandomState``."""


@dataclass(frozen=True)
class Pair:
    """Where an image and its labels lie."""

    image: Path
    labels: Path

    @property
    def done(self) -> bool:
        """Whether both files are there; each is whole or absent."""
        return self.image.is_file() and self.labels.is_file()


def pair_of(out: Path, index: int) -> Pair:
    """Return the files of an image.

    Examples:
        >>> pair_of(Path("data"), 7).labels.as_posix()
        'data/source/labels/syn_00007.png'
    """
    stem = f"syn_{index:05d}"
    source = out / "source"
    return Pair(
        inside(source / "images", f"{stem}.jpg"),
        inside(source / "labels", f"{stem}.png"),
    )


def missing(out: Path, indices: Sequence[int]) -> list[int]:
    """Return the indices whose image or labels are not there yet."""
    return [index for index in indices if not pair_of(out, index).done]


def render_files(
    raster: StreetRaster, art: Art, seed: int, index: int
) -> tuple[bytes, bytes]:
    """Render one street.

    Args:
        raster: Where it is drawn.
        art: What it is made of.
        seed: Seed of the folder.
        index: Number of the image. The street is a function of ``seed + index``
            alone, so that neighboring seeds share all but one of their streets.

    Returns:
        The bytes of the JPEG and of the label PNG.
    """
    rng = np.random.RandomState(seed + index)
    street, scene = lay_out(rng, art)
    view = draw_view(rng)
    colors, labels = raster.draw(street, scene, view)
    return as_jpeg(expose(colors, view)), as_png(annotate(labels))


def write_pair(pair: Pair, image: bytes, labels: bytes) -> None:
    """Write an image and its labels, the labels first.

    Raises:
        UserError: If a file can't be written.
    """
    for path, content in ((pair.labels, labels), (pair.image, image)):
        try:
            with atomic_write(path) as file:
                file.write(content)
        except OSError as error:
            raise UserError(f"{path} can't be written: {error.strerror}") from error


class Worker:
    """Renders and writes images; one for each process.

    Args:
        out: The folder that gets ``source/``.
        seed: As in :func:`render_files`.
        art: What the streets are made of.
        raster: Where they are drawn.
    """

    def __init__(self, out: Path, seed: int, art: Art, raster: StreetRaster) -> None:
        self.out, self.seed, self.art, self.raster = out, seed, art, raster

    def __call__(self, index: int) -> int:
        """Render and write one image, and return its index."""
        files = render_files(self.raster, self.art, self.seed, index)
        write_pair(pair_of(self.out, index), *files)
        return index


_worker: Worker | None = None


def _start_process(out: Path, seed: int, torcs: Path | None) -> None:
    """Prepare a process of the pool; the parent alone reacts to an interrupt."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    art = load_art(torcs)
    _worker = Worker(out, seed, art, StreetRaster(art))


def _render_here(index: int) -> int:
    """Render in a process of the pool."""
    assert _worker is not None
    return _worker(index)


def render_all(
    out: Path, indices: Sequence[int], seed: int, torcs: Path | None, workers: int
) -> Generator[int, None, None]:
    """Render images and yield each index when its files are written.

    Args:
        out: The folder that gets ``source/``.
        indices: Which images.
        seed: As in :func:`render_files`.
        torcs: Data folder of TORCS, None for the Debian package's.
        workers: Processes; with one, this process renders.

    Raises:
        UserError: If the art or OpenGL is missing.
    """
    if workers == 1:
        art = load_art(torcs)
        with StreetRaster(art) as raster:
            yield from map(Worker(out, seed, art, raster), indices)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(indices)),
        # A forked process would inherit OpenGL's state.
        mp_context=get_context("spawn"),
        initializer=_start_process,
        initargs=(out, seed, torcs),
    )
    try:
        futures: list[Future[int]] = [pool.submit(_render_here, i) for i in indices]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise UserError(
            "a rendering process died, perhaps for want of memory: the same command, "
            f"with fewer than --workers {workers}, goes on"
        ) from error
    finally:
        # The images in work are finished, the others dropped.
        pool.shutdown(wait=True, cancel_futures=True)


def prepare_folder(out: Path, seed: int, driver: str) -> str | None:
    """Make the folders, and note beside them what rendered the images.

    Args:
        out: The folder that gets ``source/``.
        seed: Seed of the images.
        driver: The OpenGL driver.

    Returns:
        A warning if the images there came from another driver, else None.

    Raises:
        UserError: If the folder can't be written, or holds images of another seed.
    """
    note = out / "source" / "render.json"
    try:
        for folder in (pair_of(out, 0).image.parent, pair_of(out, 0).labels.parent):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        if not note.is_file():
            with atomic_write(note) as file:
                file.write(json.dumps({"seed": seed, "driver": driver}).encode())
        found = json.loads(note.read_text())
    except OSError as error:
        raise UserError(f"{out} can't be written: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{note} is damaged: remove it") from error
    if found["seed"] != seed:
        raise UserError(
            f"{out / 'source'} holds images of --seed {found['seed']}: give that seed "
            f"or another folder (now {seed})"
        )
    if found["driver"] != driver:
        return f"the images there were rendered by another driver, {found['driver']}"
    return None


def default_workers() -> int:
    """Return the number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
