"""One optimizer wrapper made of two: the segmentor's and the discriminators'."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import (
    AmpOptimWrapper,
    OptimWrapper,
    OptimWrapperDict,
)
from mmengine.registry import OPTIM_WRAPPERS
from torch import Tensor, nn


@OPTIM_WRAPPERS.register_module()
class JointOptimWrapper(OptimWrapperDict):
    """Steps a segmentor's and its discriminators' optimizer together.

    The host's ``OptimWrapperDict`` saves, resumes, schedules and logs several
    optimizers (``segmentor.lr``, ``discriminator.lr``), but refuses everything that
    a training step calls. Here one backward of one sum serves both: losses that
    must not meet are kept apart in the graph, not in the optimizers.

    The two wrappers count as one: accumulation, its last partial window and the
    fp16 loss scale (a single ``GradScaler``) are shared.

    Args:
        segmentor: Wrapper of everything but the discriminators.
        discriminator: Wrapper of the discriminators' parameters.

    Raises:
        ValueError: If one is fp16 and the other isn't, or their
            ``accumulative_counts`` differ.

    Examples:
        >>> net, critic = nn.Linear(1, 1), nn.Linear(1, 1)
        >>> joint = JointOptimWrapper(
        ...     OptimWrapper(torch.optim.SGD(net.parameters(), lr=0.1)),
        ...     OptimWrapper(torch.optim.Adam(critic.parameters(), lr=0.01)),
        ... )
        >>> joint.update_params(net(torch.ones(1, 1)).sum())
        >>> joint.get_lr()
        {'segmentor.lr': [0.1], 'discriminator.lr': [0.01]}
    """

    def __init__(self, segmentor: OptimWrapper, discriminator: OptimWrapper) -> None:
        super().__init__(segmentor=segmentor, discriminator=discriminator)
        self.segmentor, self.discriminator = segmentor, discriminator
        if type(segmentor) is not type(discriminator):
            raise ValueError(
                f"optim_wrapper: segmentor is a {type(segmentor).__name__} and "
                f"discriminator a {type(discriminator).__name__}: use one type"
            )
        counts = [w._accumulative_counts for w in self.values()]
        if counts[0] != counts[1]:
            raise ValueError(
                f"optim_wrapper: accumulative_counts are {counts[0]} (segmentor) and "
                f"{counts[1]} (discriminator): they step together, use one number"
            )
        if isinstance(segmentor, AmpOptimWrapper):
            # One backward can be scaled by one factor only.
            discriminator.loss_scaler = segmentor.loss_scaler
        self._both = _Both([segmentor.optimizer, discriminator.optimizer])
        if discriminator.clip_grad_kwargs:
            discriminator.grad_name = f"discriminator_{discriminator.grad_name}"

    @property
    def _inner_count(self) -> int:
        return int(self.segmentor._inner_count)

    @_inner_count.setter
    def _inner_count(self, count: int) -> None:
        for wrapper in self.values():
            wrapper._inner_count = count

    # What the host's counting reads; the rest of OptimWrapper then works as it is.
    @property
    def _accumulative_counts(self) -> int:
        return int(self.segmentor._accumulative_counts)

    @property
    def _max_counts(self) -> int:
        return int(self.segmentor._max_counts)

    @property
    def _remainder_counts(self) -> int:
        return int(self.segmentor._remainder_counts)

    def initialize_count_status(
        self, model: nn.Module, init_counts: int, max_counts: int
    ) -> None:
        """Tell both wrappers where training starts and ends.

        Args:
            model: The training model.
            init_counts: Iterations done already.
            max_counts: Iterations in all, for the last partial accumulation.
        """
        for wrapper in self.values():
            wrapper.initialize_count_status(model, init_counts, max_counts)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Enter the precision and gradient synchronisation that both share.

        Args:
            model: The training model, perhaps wrapped for several processes.

        Yields:
            Nothing; forward passes belong inside.
        """
        with self.segmentor.optim_context(model):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        """Propagate one loss back and count it once, in both wrappers.

        Args:
            loss: Sum of all losses, scaled by ``scale_loss``.
            kwargs: Keyword arguments of ``Tensor.backward``.
        """
        self.segmentor.backward(loss, **kwargs)
        self.discriminator._inner_count = self.segmentor._inner_count

    def step(self, **kwargs: Any) -> None:
        """Clip and step both optimizers; update the shared loss scale once.

        In fp16, a gradient of either that is not finite skips both.

        Args:
            kwargs: Keyword arguments of ``Optimizer.step``.
        """
        if not isinstance(self.segmentor, AmpOptimWrapper):
            for wrapper in self.values():
                wrapper.step(**kwargs)
            return
        if not _has_gradient(self._both):
            return
        scaler = self.segmentor.loss_scaler
        if any(wrapper.clip_grad_kwargs for wrapper in self.values()):
            scaler.unscale_(self._both)
            for wrapper in self.values():
                if wrapper.clip_grad_kwargs:
                    wrapper._clip_grad()
        scaler.step(self._both, **kwargs)
        scaler.update(self.segmentor._scale_update_param)

    def zero_grad(self, **kwargs: Any) -> None:
        """Clear both optimizers' gradients.

        Args:
            kwargs: Keyword arguments of ``Optimizer.zero_grad``.
        """
        for wrapper in self.values():
            wrapper.zero_grad(**kwargs)

    def update_params(
        self,
        loss: Tensor,
        step_kwargs: dict[str, Any] | None = None,
        zero_kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Do the backward, and the step where accumulation ends.

        Args:
            loss: Sum of all losses of the iteration.
            step_kwargs: Keyword arguments of ``step``.
            zero_kwargs: Keyword arguments of ``zero_grad``.
        """
        OptimWrapper.update_params(self, loss, step_kwargs, zero_kwargs)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume both optimizers.

        Args:
            state_dict: What ``state_dict`` of the same composition returned.

        Raises:
            ValueError: If the checkpoint holds other optimizers.
        """
        if set(state_dict) != set(self.keys()):
            raise ValueError(
                "the checkpoint's optimizer holds "
                f"{sorted(map(str, state_dict))}, this config trains "
                f"{sorted(self.keys())}: resume with the config it was trained with, "
                "or take its weights alone (load_from without resume)"
            )
        super().load_state_dict(state_dict)


class _Both:
    """As much of an optimizer as ``GradScaler`` asks for, over two: one decision."""

    def __init__(self, optimizers: list[torch.optim.Optimizer]) -> None:
        self.optimizers = optimizers

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for one in self.optimizers for group in one.param_groups]

    def step(self, **kwargs: Any) -> None:
        for optimizer in self.optimizers:
            optimizer.step(**kwargs)


def _has_gradient(optimizer: _Both) -> bool:
    groups = optimizer.param_groups
    return any(p.grad is not None for group in groups for p in group["params"])
