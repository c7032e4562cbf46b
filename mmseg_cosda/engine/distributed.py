"""Several processes: the model's wrapper."""

from __future__ import annotations

import inspect
from typing import Any

import torch
import torch.distributed as dist
from mmengine.registry import MODEL_WRAPPERS
from torch import Tensor, nn
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

BUCKET_BYTES = 64 * 2**20


@MODEL_WRAPPERS.register_module()
class UDADistributedDataParallel(nn.Module):
    """Data parallelism for a model whose iteration has several backward passes.

    The host's wrapper bypasses the model's own ``train_step``, and its gradient hooks
    expect one backward pass per iteration. This one trains through the model's phases
    and averages the gradients over the ranks once, when they are complete and the
    optimizer is about to step: every parameter's, whichever phase used it. Buffers
    (BatchNorm's statistics) stay each rank's own, as with the host's
    ``broadcast_buffers=False``; the feature queues are gathered by the loss itself.

    Args:
        module: A ``UDAEncoderDecoder``, or a model whose ``train_step`` takes
            ``before_step`` as that does.

    Raises:
        ValueError: If the model's ``train_step`` doesn't.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        train_step: Any = getattr(module, "train_step", module.forward)
        if "before_step" not in inspect.signature(train_step).parameters:
            raise ValueError(
                "model_wrapper_cfg: UDADistributedDataParallel wraps a "
                f"UDAEncoderDecoder, got {type(module).__name__}; remove "
                "model_wrapper_cfg to use the host's wrapper"
            )
        self.module: Any = module
        for tensor in module.state_dict().values():
            if isinstance(tensor, Tensor):
                dist.broadcast(tensor, src=0)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Forward the wrapped model."""
        return self.module(*args, **kwargs)

    def train_step(self, data: Any, optim_wrapper: Any) -> dict[str, Tensor]:
        """Train the wrapped model on this rank's batch."""
        return self.module.train_step(
            data, optim_wrapper, before_step=self.average_gradients
        )

    def val_step(self, data: Any) -> Any:
        """Evaluate the wrapped model on this rank's batch."""
        return self.module.val_step(data)

    def test_step(self, data: Any) -> Any:
        """Test the wrapped model on this rank's batch."""
        return self.module.test_step(data)

    @torch.no_grad()
    def average_gradients(self) -> None:
        """Average all gradients over the ranks, in buckets.

        A parameter that has a gradient on some ranks alone counts as zero on the
        others; one that has none anywhere keeps none.
        """
        parameters = [p for p in self.module.parameters() if p.requires_grad]
        if not parameters:
            return
        used = torch.tensor(
            [p.grad is not None for p in parameters],
            dtype=torch.uint8,
            device=parameters[0].device,
        )
        dist.all_reduce(used, op=dist.ReduceOp.MAX)
        gradients = []
        for parameter, anywhere in zip(parameters, used.tolist(), strict=True):
            if anywhere and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if parameter.grad is not None:
                gradients.append(parameter.grad)
        for bucket in _buckets(gradients):
            flat = _flatten_dense_tensors(bucket)
            dist.all_reduce(flat)
            flat /= dist.get_world_size()
            synced = _unflatten_dense_tensors(flat, bucket)
            torch._foreach_copy_(bucket, list(synced))


def _buckets(gradients: list[Tensor]) -> list[list[Tensor]]:
    """Group gradients of one dtype into runs of about ``BUCKET_BYTES``."""
    buckets: list[list[Tensor]] = []
    size = 0
    for gradient in gradients:
        nbytes = gradient.numel() * gradient.element_size()
        same = bool(buckets) and buckets[-1][0].dtype == gradient.dtype
        if not same or size + nbytes > BUCKET_BYTES:
            buckets.append([])
            size = 0
        buckets[-1].append(gradient)
        size += nbytes
    return buckets
