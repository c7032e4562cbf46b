"""What the processes of a distributed training run in tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import torch.distributed as dist
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from helpers.bad_images import NoNumbersIn
from helpers.own_data import dataset, own_config
from helpers.toys import batch, build, cosine_config
from mmseg_cosda.engine.distributed import UDADistributedDataParallel
from mmseg_cosda.errors import UserError
from mmseg_cosda.models.alignments import FeatureDistanceLoss
from mmseg_cosda.models.alignments.gather import gather_rows

STEPS = 4


def part(data: Any, index: int) -> Any:
    return {
        domain: {key: value[index : index + 1] for key, value in branch.items()}
        for domain, branch in data.items()
    }


def train(model: Any, segmentor: Any, rank: int | None, accumulate: int) -> None:
    wrapper = OptimWrapper(
        torch.optim.SGD(segmentor.parameters(), 0.1, momentum=0.9),
        accumulative_counts=accumulate,
    )
    wrapper.initialize_count_status(model, 0, STEPS)
    for step in range(STEPS):
        data = batch(seed=step, size=2, target_labels=step % 2 == 0)
        model.train_step(data if rank is None else part(data, rank), wrapper)


def segmentor(**options: Any) -> Any:
    return build(alignments=dict(cosine=cosine_config(**options)))


def train_rank(
    rank: int, port: int, out: str, accumulate: int, options: dict[str, Any]
) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    model = segmentor(**options)
    if rank == 1:  # the wrapper must bring rank 0's weights
        nn.init.zeros_(model.backbone.stem.weight)
    train(UDADistributedDataParallel(model), model, rank, accumulate)
    torch.save(model.state_dict(), Path(out) / f"{rank}.pth")
    rows = torch.full((rank + 2, 2), float(rank))
    labels = torch.full((rank + 2,), rank)
    labels[0] = 255
    gathered = gather_rows(rows, labels, num_classes=2)
    torch.save(gathered, Path(out) / f"rows{rank}.pth")
    dist.destroy_process_group()


def method_segmentor(**options: Any) -> Any:
    """DACS, MIC and the cosine loss on the mixed image."""
    config: dict[str, Any] = dict(
        phases=dict(
            target=None,
            mixed=dict(type="ClassMixPhase", align=True),
            masked=dict(type="MaskedPhase", block=4),
        ),
        teacher=dict(decay=0.6, threshold=0.4, ignore_top=3),
        alignments=dict(cosine=cosine_config()),
    )
    model = build(**{**config, **options})
    model.init_weights()
    nn.init.normal_(model.decode_head.conv_seg.weight)  # a teacher of some confidence
    return model


def train_numbered(
    model: Any, wrapper: OptimWrapper, rank: int | None, accumulate: int = 1
) -> list[dict[str, Tensor]]:
    """Train as a Runner does, with iteration numbers; return what is logged.

    Without a rank, on batches of both images; with one, on one of each. An iteration
    that is one of several accumulated ones has one image of the batch.
    """
    hub = MessageHub.get_current_instance()
    hub.update_info("seed", 5)
    logs = []
    for iteration in range(STEPS * accumulate):
        hub.update_info("iter", iteration)
        step, image = divmod(iteration, accumulate)
        data = batch(seed=step, size=2)
        if rank is not None or accumulate > 1:
            data = part(data, image if rank is None else rank)
        logs.append(model.train_step(data, wrapper))
    return logs


def sgd(model: Any, accumulate: int = 1) -> OptimWrapper:
    trained = [p for p in model.parameters() if p.requires_grad]
    wrapper = OptimWrapper(
        torch.optim.SGD(trained, 0.1, momentum=0.9), accumulative_counts=accumulate
    )
    wrapper.initialize_count_status(model, 0, STEPS * accumulate)
    return wrapper


def train_method_rank(rank: int, port: int, out: str, options: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    model = method_segmentor(**options)
    if rank == 1:  # the wrapper must bring rank 0's weights
        nn.init.zeros_(model.backbone.stem.weight)
    logs = train_numbered(UDADistributedDataParallel(model), sgd(model), rank)
    torch.save((model.state_dict(), logs), Path(out) / f"{rank}.pth")
    dist.destroy_process_group()


class Partial(nn.Linear):
    def train_step(
        self, data: Any, optim_wrapper: Any, before_step: Any = None
    ) -> dict[str, Tensor]:
        return {}


def partial_gradients(rank: int, port: int, out: str) -> None:
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    model = Partial(1, 1)
    wrapper = UDADistributedDataParallel(model)
    if rank == 1:
        model.weight.grad = torch.full((1, 1), 3.0)
    wrapper.average_gradients()
    torch.save((model.weight.grad, model.bias.grad), Path(out) / f"{rank}.pth")
    dist.destroy_process_group()


def train_on_leaked_labels(rank: int, port: int, folder: str) -> None:
    """Write what a training on the target's own labels ends with."""
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    root = Path(folder)
    cfg = own_config(root / "data", root / "work")
    cfg.launcher = "pytorch"
    cfg.train_dataloader.dataset.target = dataset(root / "data", "target/train", True)
    try:
        Runner.from_cfg(cfg).train()
    except UserError as error:
        (root / f"{rank}.txt").write_text(str(error))
    dist.destroy_process_group()


def train_with_a_bad_image(rank: int, port: int, folder: str) -> None:
    """Write what a training ends with whose second process sees a NaN image."""
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    root = Path(folder)
    cfg = own_config(root / "data", root / "work", iterations=8)
    cfg.launcher = "pytorch"
    pipeline = cfg.train_dataloader.dataset.source.pipeline
    pipeline.insert(-1, dict(type=NoNumbersIn.__name__, names=["1.png"]))
    try:
        Runner.from_cfg(cfg).train()
    except UserError as error:
        (root / f"{rank}.txt").write_text(str(error))
    dist.destroy_process_group()


def feature_distance_rank(rank: int, port: int, out: str) -> None:
    """Save the gradient of one image of a batch, of which each process has one."""
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    parts, options = torch.load(Path(out) / "in.pth")
    feature, reference, labels = (each[rank : rank + 1] for each in parts)
    feature = feature.detach().requires_grad_()
    domain: Any = SimpleNamespace(
        features={"backbone[-1]": feature},
        reference={"backbone[-1]": reference},
        labels=labels,
        pixels=None,
    )
    loss = FeatureDistanceLoss(**options).on_source(domain)["loss"]
    torch.save(torch.autograd.grad(loss, feature)[0], Path(out) / f"{rank}.pth")
    dist.destroy_process_group()
