"""What the later methods add to a source-only step: memory, host syncs, time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from mmengine.optim import OptimWrapper

from benchmarks.speed.measure import Work, interleave
from benchmarks.speed.report import Row, Settings
from benchmarks.speed.step import (
    Size,
    StepCost,
    build_segmentor,
    random_batch,
    step_cost,
)
from benchmarks.speed.step_rows import read_model

MIB = 2**20
IMAGES = 2
CROP = (512, 512)  # (H, W), the published batch
SMALL = (256, 256)  # on a CPU
BOUNDS = {"dacs": 1.10, "mic": 1.15}
"""Peak of a step over that of source-only training, two crops of each domain."""


def read_method(name: str) -> Any:
    """Return ``model`` of a method's training config, colors always changed.

    Args:
        name: Of the config, such as "dacs/deeplabv2_gta2cs".
    """
    config = read_model(name)
    for phase in config.phases.values():
        if phase and phase.get("type") in ("ClassMixPhase", "MaskedPhase"):
            phase.update(jitter_probability=1, blur_probability=1)
    return config


def method_cost(config: Any, size: Size, single_domain: bool = False) -> StepCost:
    """Measure a method's step on the meta device, on two images of each domain.

    Args:
        config: ``model`` of a training config, see :func:`read_method`.
        size: (H, W) of both domains.
        single_domain: Train on the source alone.

    Returns:
        The step's cost.
    """
    return step_cost(
        config,
        size,
        size,
        single_domain=single_domain,
        target_labels=False,
        images=IMAGES,
    )


def method_rows(settings: Settings) -> list[Row]:
    """Measure the methods' steps against a source-only step of the same network.

    Args:
        settings: Where, and how often.

    Returns:
        Rows of memory and host syncs (meta device), and of time.
    """
    rows = []
    alone = method_cost(read_method("dacs/deeplabv2_gta2cs"), CROP, True)
    for method, bound in BOUNDS.items():
        cost = method_cost(read_method(f"{method}/deeplabv2_gta2cs"), CROP)
        what = f"DeepLabV2-R101, {method}"
        note = f"live tensors, {IMAGES} x 512x512; peak {cost.peak / MIB:.0f} MiB"
        rows += [
            Row(
                "methods",
                f"{what}: peak memory against source-only step",
                cost.peak / alone.peak,
                bound=bound,
                note=note,
            ),
            Row(
                "methods", f"{what}: host syncs", cost.syncs, "syncs", 0, "meta device"
            ),
        ]
    return [*rows, _timed_row(settings)]


def _timed_row(settings: Settings) -> Row:
    """Time a DACS step against the passes that it can't do without."""
    size = CROP if settings.device == "cuda" else SMALL
    name = "dacs/deeplabv2_demo" if settings.quick else "dacs/deeplabv2_gta2cs"
    works = {
        "dacs": _step(read_method(name), size, settings.device, False),
        "passes": _passes(read_method(name), size, settings.device),
    }
    times = interleave(works, min(5, settings.rounds), settings.device)
    return Row(
        "methods",
        "DeepLabV2-R101: DACS step against two forward-backwards and one forward",
        times.ratio("dacs", "passes"),
        bound=1.10,
        note=f"{IMAGES} x {size}; {times.median('passes'):.2f} s for the passes",
    )


def _step(config: Any, size: Size, device: str, single: bool) -> Work:
    model, data, wrapper = _training(config, size, device, single)

    def work() -> None:
        model.train_step(data, wrapper)

    return work


def _passes(config: Any, size: Size, device: str) -> Callable[[], None]:
    """Return two forward-backwards, an optimizer step and a forward, nothing else."""
    model, data, wrapper = _training(config, size, device, True)

    def work() -> None:
        losses = model.loss(**model.data_preprocessor(data, True))
        model.parse_losses(losses)[0].backward()
        model.train_step(data, wrapper)
        images = model.data_preprocessor(data, True)["inputs"]["target"]
        with torch.no_grad():
            model.decode_head(model.extract_feat(images))

    return work


def _training(
    config: Any, size: Size, device: str, single: bool
) -> tuple[Any, dict[str, Any], OptimWrapper]:
    torch.manual_seed(0)
    model = build_segmentor(config, device, single)
    # A step too small to move anything: the work stays the same.
    trained = [p for p in model.parameters() if p.requires_grad]
    wrapper = OptimWrapper(torch.optim.SGD(trained, lr=1e-12, momentum=0.9))
    classes = model.decode_head.num_classes
    data = random_batch(size, size, classes, device, False, IMAGES)
    return model, data, wrapper
