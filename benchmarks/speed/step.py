"""A training step of a config's network: its memory, operators and host syncs."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from mmengine.config import ConfigDict
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from benchmarks.speed.live_memory import LiveMemory

Size = tuple[int, int]


class StepCost(NamedTuple):
    """What one training step takes.

    Args:
        peak: Most bytes alive at once, with weights, momentum and queues.
        queue: Bytes of the alignments' buffers.
        operators: Operators run.
        syncs: Those that make the host wait for a device.
        peak_operator: After which the peak was reached.
    """

    peak: int
    queue: int
    operators: int
    syncs: int
    peak_operator: str


def build_segmentor(config: Any, device: str, single_domain: bool) -> Any:
    """Build a config's segmentor with random weights.

    Args:
        config: ``model`` of a training config.
        device: Such as "cpu" or "meta".
        single_domain: Leave out what only a training on two domains has.

    Returns:
        The segmentor in train mode; a frozen reference is a copy of its backbone.
    """
    init_default_scope("mmseg")
    config = ConfigDict(copy.deepcopy(dict(config)))
    for part in (config, config.backbone):
        part.pop("init_cfg", None)
        part.pop("pretrained", None)
    if single_domain:
        for part in ("alignments", "phases", "teacher", "reference"):
            config.pop(part, None)
    with torch.device(device):
        model = MODELS.build(config)
    model = model.to(device).train()
    if model.reference is not None:
        copied = copy.deepcopy(model.backbone)
        copied.eval()  # of a host's ResNet it returns None
        copied.requires_grad_(False)
        model.reference.hold(copied)
    return model


def random_batch(
    source: Size,
    target: Size,
    classes: int,
    device: str,
    target_labels: bool,
    images: int = 1,
) -> dict[str, Any]:
    """Return a collated batch of both domains, labels in blocks of 8x8.

    Args:
        source: (H, W), multiples of 8 pixels.
        target: (H, W), multiples of 8 pixels.
        classes: C.
        device: Of the images and labels.
        target_labels: Whether the target has pseudo-labels.
        images: Of each domain.

    Returns:
        What ``DomainPairDataset`` yields through the host's collate.
    """

    def sample(size: Size, labelled: bool) -> SegDataSample:
        sample = SegDataSample()
        shape = dict(img_shape=size, ori_shape=size, pad_shape=size, flip=False)
        sample.set_metainfo(shape)
        if labelled:
            small = (1, size[0] // 8, size[1] // 8)
            label = torch.randint(classes, small, device=device)
            label = label.repeat_interleave(8, 1).repeat_interleave(8, 2)
            sample.gt_sem_seg = PixelData(data=label)
        return sample

    def branch(size: Size, labelled: bool) -> dict[str, list[Any]]:
        samples = [sample(size, labelled) for _ in range(images)]
        shape = (3, *size)
        inputs = [
            torch.randint(256, shape, dtype=torch.uint8, device=device)
            for _ in range(images)
        ]
        return dict(inputs=inputs, data_samples=samples)

    return dict(source=branch(source, True), target=branch(target, target_labels))


def step_cost(
    config: Any,
    source: Size,
    target: Size,
    *,
    device: str = "meta",
    single_domain: bool = False,
    target_labels: bool = True,
    images: int = 1,
) -> StepCost:
    """Measure the second training step of a config's network.

    Args:
        config: ``model`` of a training config.
        source: (H, W) of the source image, multiples of 8 pixels.
        target: (H, W) of the target image, multiples of 8 pixels.
        device: "meta" computes nothing, refuses each host sync, and so measures
            networks of any size; "cpu" runs.
        single_domain: Train on the source alone, without alignments.
        target_labels: Whether the target has pseudo-labels (eq. 12) or none (eq. 11).
        images: Of each domain.

    Returns:
        The step's cost.
    """
    torch.manual_seed(0)
    model = build_segmentor(config, device, single_domain)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-3, momentum=0.9)
    wrapper = OptimWrapper(optimizer)
    labelled = target_labels and not single_domain
    classes = model.decode_head.num_classes
    data = random_batch(source, target, classes, device, labelled, images)
    model.train_step(data, wrapper)  # allocates the momentum, builds the teacher
    state = [each["momentum_buffer"] for each in optimizer.state.values()]
    held = [*model.parameters(), *model.buffers(), *state]
    if model.reference is not None:
        held += model.reference.weights()
    with LiveMemory(held) as memory:
        model.train_step(data, wrapper)
    queue = sum(b.numel() * b.element_size() for b in model.alignments.buffers())
    return StepCost(
        memory.peak, queue, memory.operators, memory.syncs, memory.peak_operator
    )


def peak_ratio(config: Any, source: Size, target: Size, **options: Any) -> float:
    """Return the peak of a step on both domains over the larger single-domain step.

    The queues, which a single-domain step doesn't have, are left out of the peak.

    Args:
        config: ``model`` of a training config.
        source: (H, W) of the source image.
        target: (H, W) of the target image.
        options: ``device`` and ``target_labels`` of :func:`step_cost`.

    Returns:
        The ratio; 1.10 is what the project holds.
    """
    both = step_cost(config, source, target, **options)
    larger = max(source, target, key=lambda size: size[0] * size[1])
    alone = step_cost(config, larger, larger, single_domain=True, **options)
    return (both.peak - both.queue) / alone.peak
