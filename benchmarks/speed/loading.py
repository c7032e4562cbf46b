"""Images per second and core of the data pipeline, against decode and resize alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from mmengine.registry import init_default_scope
from mmseg.registry import TRANSFORMS
from PIL import Image

from benchmarks.speed.measure import Work, interleave
from benchmarks.speed.report import Row, Settings

UInt8 = npt.NDArray[np.uint8]
Size = tuple[int, int]
GTA5, CITYSCAPES = (1914, 1052), (2048, 1024)  # (W, H) as downloaded
SOURCE, TARGET = (1280, 720), (1024, 512)  # (W, H) of the network's input


def texture(size: Size, seed: int) -> UInt8:
    """Return an image (H, W, 3) with detail at every scale, as a photo's, and noise.

    Examples:
        >>> texture((64, 32), seed=0).shape
        (32, 64, 3)
    """
    rng = np.random.default_rng(seed)
    image = 128 + 2 * rng.standard_normal((size[1], size[0], 3)).astype(np.float32)
    for cells, amplitude in ((8, 60), (32, 40), (128, 25), (512, 10)):
        shape = (max(2, cells * size[1] // 2048), max(2, cells * size[0] // 2048), 3)
        noise = rng.standard_normal(shape).astype(np.float32)
        image += amplitude * cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
    return image.clip(0, 255).astype(np.uint8)


def write_files(folder: Path, scale: float = 1.0) -> dict[str, Path]:
    """Write one image of each domain and one palette label, at their real sizes.

    Args:
        folder: Where to.
        scale: Of both sides, below 1 for a quick look.

    Returns:
        The files by name: "source", "label", "target".
    """
    files = {name: folder / f"{name}.png" for name in ("source", "label", "target")}
    sizes = {"source": GTA5, "target": CITYSCAPES}
    for seed, (name, (width, height)) in enumerate(sizes.items()):
        size = (int(width * scale), int(height * scale))
        cv2.imwrite(str(files[name]), texture(size, seed))
    size = (int(GTA5[0] * scale), int(GTA5[1] * scale))
    blocks = np.random.default_rng(0).integers(0, 34, (40, 70)).astype(np.uint8)
    ids = cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST)
    label = Image.fromarray(ids).convert("P")
    label.save(files["label"])
    return files


def pipelines(cache: str) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Return each domain's training pipeline as configured, plain and cached."""
    init_default_scope("mmseg")
    pack: dict[str, Any] = dict(type="PackSegInputs")
    built = {}
    for kind in ("plain", "cached"):
        for domain, size in (("source", SOURCE), ("target", TARGET)):
            load: dict[str, Any] = dict(type="LoadImageFromFile")
            if kind == "cached":
                load = dict(type="LoadResizedImage", size=size, cache_dir=cache)
            labels: list[dict[str, Any]] = [
                dict(type="RawIdsToTrainIds", id_map="gta5")
            ]
            resize: dict[str, Any] = dict(type="ResizePIL", size=size)
            steps = [load, *(labels if domain == "source" else []), resize, pack]
            built[f"{kind} {domain}"] = _compose([TRANSFORMS.build(s) for s in steps])
    return built


def _compose(transforms: list[Any]) -> Callable[[dict[str, Any]], Any]:
    def run(sample: dict[str, Any]) -> Any:
        for transform in transforms:
            sample = transform(sample)
        return sample

    return run


def decode_and_resize(path: Path, size: Size) -> UInt8:
    """Do what no loading of an image can do without."""
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(resized)


def loading_rows(settings: Settings) -> list[Row]:
    """Measure a pair (one source, one target sample) on one core."""
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        files = write_files(Path(folder), 0.25 if settings.quick else 1.0)
        run = pipelines(f"{folder}/cache")

        def pair(kind: str) -> None:
            for domain in ("source", "target"):
                sample = dict(img_path=str(files[domain]), seg_fields=[])
                if domain == "source":
                    sample["seg_map_path"] = str(files["label"])
                run[f"{kind} {domain}"](sample)

        def floor() -> None:
            decode_and_resize(files["source"], SOURCE)
            decode_and_resize(files["target"], TARGET)

        works: dict[str, Work] = {
            "floor": floor,
            "plain": partial(pair, "plain"),
            "cached": partial(pair, "cached"),
        }
        times = interleave(works, max(5, settings.rounds), "cpu")
        cached = sum(f.stat().st_size for f in Path(folder, "cache").rglob("*.npy"))
    row = partial(Row, "data loading")
    rate = {name: 2 / times.median(name) for name in works}
    return [
        row(
            "images per second and core", rate["plain"], "1/s", note="GTA5 + Cityscapes"
        ),
        row("the same, decode and resize alone", rate["floor"], "1/s"),
        row("the same, cache of resized images", rate["cached"], "1/s"),
        row("pipeline against decode and resize", times.ratio("plain", "floor")),
        row(
            "pipeline with cache against without",
            times.ratio("cached", "plain"),
            note=f"{cached / 1e6:.1f} MB per pair on disk",
        ),
    ]
