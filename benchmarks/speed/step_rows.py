"""What alignment adds to a training step: memory, host syncs, operators, time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from torch.nn import functional as F

import mmseg_cosda
from benchmarks.speed.measure import (
    Work,
    count_kernels,
    count_syncs,
    interleave,
    peak_extra_mib,
)
from benchmarks.speed.report import Row, Settings
from benchmarks.speed.step import (
    Size,
    build_segmentor,
    peak_ratio,
    random_batch,
    step_cost,
)

MIB = 2**20
SOURCE, TARGET = (720, 1280), (512, 1024)  # (H, W)
# A quarter of the pixels: backbone and loss both grow with their number. Much fewer,
# and reading the full queue outweighs what is computed with it.
SMALL = (360, 640), (256, 512)


def read_model(name: str) -> Any:
    """Return ``model`` of one of the project's training configs, by its name."""
    folder = Path(mmseg_cosda.__file__).parent / ".mim" / "configs"
    return Config.fromfile(folder / f"{name}.py").model


def step_rows(settings: Settings) -> list[Row]:
    """Measure steps on both domains against single-domain and pseudo-label steps."""
    return [*_counted_rows(), *_timed_rows(settings)]


def _counted_rows() -> list[Row]:
    """Count on the meta device, which computes nothing, at the paper's sizes."""
    rows = []
    nets = {"DeepLabV2-R101": "deeplabv2_gta2cs", "FCN-8s-VGG16": "fcn8s_gta2cs"}
    for net, name in nets.items():
        config = read_model(f"cosda/{name}")
        cost = step_cost(config, SOURCE, TARGET)
        row = partial(Row, "step")
        note = f"peak {cost.peak / MIB:.0f} MiB, of it queue {cost.queue / MIB:.0f} MiB"
        rows += [
            row(
                f"{net}: peak memory without queue against single-domain step",
                peak_ratio(config, SOURCE, TARGET),
                bound=1.10,
                note=f"live tensors, 1280x720 + 1024x512; {note}",
            ),
            row(f"{net}: host syncs", cost.syncs, "syncs", 0, "meta device"),
            row(f"{net}: operators", cost.operators, "", None, "meta device"),
        ]
    config = read_model("cosda/deeplabv2_gta2cs")
    ratio = peak_ratio(config, SOURCE, SOURCE)
    what = "DeepLabV2-R101: the same with both domains at 1280x720"
    return [*rows, Row("step", what, ratio, note="live tensors")]


def _timed_rows(settings: Settings) -> list[Row]:
    on_gpu = settings.device == "cuda"
    sizes = (SOURCE, TARGET) if on_gpu else SMALL
    name = "cosda/deeplabv2_demo" if settings.quick else "cosda/deeplabv2_gta2cs"
    works = {
        "aligned": training_step(read_model(name), *sizes, settings.device),
        "alone": training_step(
            read_model(name), *sizes, settings.device, aligned=False
        ),
    }
    times = interleave(works, min(3, settings.rounds), settings.device)
    seconds = f"{times.median('alone'):.2f} s without"
    what = "DeepLabV2-R101: step with loss and queue against pseudo-labels alone"
    note = f"source {sizes[0]}, target {sizes[1]}, full queue; {seconds}"
    rows = [Row("step", what, times.ratio("aligned", "alone"), bound=1.05, note=note)]
    whats = ("kernels of a step", "host syncs of a step", "peak MiB of a step")
    for index, what in enumerate(whats):
        value: float | None = None
        if on_gpu:
            work = works["aligned"]
            value = (
                count_kernels(work),
                count_syncs(work),
                peak_extra_mib(work, settings.device),
            )[index]
        note = "" if on_gpu else "not run: no CUDA device"
        rows.append(Row("step on CUDA", what, value, "", None, note))
    return rows


def training_step(
    config: Any, source: Size, target: Size, device: str, aligned: bool = True
) -> Work:
    """Return a training step with pseudo-labels and, if aligned, full queues.

    Args:
        config: ``model`` of a training config.
        source: (H, W) of the source image.
        target: (H, W) of the target image.
        device: Where to run.
        aligned: Whether to keep the alignments.

    Returns:
        The step, the same batch each time.
    """
    torch.manual_seed(0)
    model = build_segmentor(config, device, single_domain=not aligned)
    trained = [p for p in model.parameters() if p.requires_grad]
    # A step too small to move anything: the work stays the same.
    wrapper = OptimWrapper(torch.optim.SGD(trained, lr=1e-12, momentum=0.9))
    data = random_batch(source, target, model.decode_head.num_classes, device, True)
    _label_as_predicted(model, data["source"])
    for module in model.modules():
        if hasattr(module, "as_tensors"):
            queue, counts = module.as_tensors()
            queue.copy_(F.normalize(torch.randn_like(queue), dim=-1))
            counts.fill_(queue.shape[1])
    return partial(model.train_step, data, wrapper)


@torch.no_grad()
def _label_as_predicted(model: Any, branch: dict[str, Any]) -> None:
    """Make the ground truth what the network says, so that features are enqueued."""
    image = branch["inputs"][0][None]
    logits = model.decode_head(model.extract_feat(image.float() - 127.5))
    label = F.interpolate(logits, image.shape[2:], mode="bilinear").argmax(dim=1)
    branch["data_samples"][0].gt_sem_seg.data = label
