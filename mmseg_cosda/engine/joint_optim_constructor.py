"""Shares a model's parameters out between segmentor and discriminators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from mmseg_cosda.engine.joint_optim_wrapper import JointOptimWrapper

DISCRIMINATOR = "discriminator"


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class JointOptimWrapperConstructor:
    """Builds a ``JointOptimWrapper``: the segmentor's config plus one sub-config.

    The outer keys are those of a plain optimizer wrapper and belong to the
    segmentor, so that a child config turns its parent's schedule into a joint one
    by adding two keys, and ``type="AmpOptimWrapper"`` (the host's ``--amp``) and
    ``accumulative_counts`` hold for both::

        optim_wrapper = dict(
            constructor="JointOptimWrapperConstructor",
            discriminator=dict(optimizer=dict(type="Adam", lr=1e-4)),
        )

    Args:
        optim_wrapper_cfg: ``type``, ``optimizer``, ``accumulative_counts``,
            ``clip_grad``, ... of the segmentor, and ``discriminator``: a dict of
            ``optimizer`` and, optionally, ``paramwise_cfg`` and ``clip_grad``.
        paramwise_cfg: The segmentor's parameter-wise options.

    Raises:
        ValueError: If ``discriminator`` is missing or holds anything else, or the
            model has no discriminator (no parameter below a module of that name).
    """

    def __init__(
        self,
        optim_wrapper_cfg: Mapping[str, Any],
        paramwise_cfg: dict[str, Any] | None = None,
    ) -> None:
        shared = dict(optim_wrapper_cfg)
        own = dict(shared.pop(DISCRIMINATOR, None) or {})
        unknown = sorted(set(own) - {"optimizer", "paramwise_cfg", "clip_grad"})
        if "optimizer" not in own or unknown:
            raise ValueError(
                "optim_wrapper.discriminator needs 'optimizer' and may hold "
                f"'paramwise_cfg' and 'clip_grad'; it holds {sorted(own)}"
            )
        own_paramwise = own.pop("paramwise_cfg", None)
        self.segmentor = DefaultOptimWrapperConstructor(shared, paramwise_cfg)
        self.discriminator = DefaultOptimWrapperConstructor(
            {**shared, "clip_grad": None, **own}, own_paramwise
        )

    def __call__(self, model: nn.Module) -> JointOptimWrapper:
        """Share the model's parameters out between two optimizers.

        Args:
            model: The training model, perhaps wrapped for several processes.

        Returns:
            The composition of both wrappers.
        """
        model = getattr(model, "module", model)
        critics = select_parameters(model, _is_discriminators)
        if next(critics.parameters(), None) is None:
            raise ValueError(
                "optim_wrapper.constructor is JointOptimWrapperConstructor, but the "
                "model has no discriminator: add an AdversarialLoss to "
                "model.alignments, or remove constructor and discriminator"
            )
        rest = select_parameters(model, lambda name: not _is_discriminators(name))
        return JointOptimWrapper(
            segmentor=self.segmentor(rest), discriminator=self.discriminator(critics)
        )


def select_parameters(
    module: nn.Module, keep: Callable[[str], bool], prefix: str = ""
) -> nn.Module:
    """View a module tree with some of its parameters alone, under the same names.

    Modules whose parameters are all kept are the originals, so that rules by type
    (norm layers, depthwise convolutions) still see them.

    Args:
        module: The tree's root.
        keep: Tells from a parameter's full name whether it stays.
        prefix: Full name of ``module`` with a trailing dot; empty at the root.

    Returns:
        ``module`` itself, or a bare container of what is kept of it.

    Examples:
        >>> tree = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm2d(1))
        >>> view = select_parameters(tree, lambda name: name.startswith("1."))
        >>> [name for name, _ in view.named_parameters()]
        ['1.weight', '1.bias']
    """
    names = [prefix + name for name, _ in module.named_parameters()]
    if all(map(keep, names)):
        return module
    view = nn.Module()
    for name, parameter in module.named_parameters(recurse=False):
        if keep(prefix + name):
            view.register_parameter(name, parameter)
    for name, child in module.named_children():
        kept = select_parameters(child, keep, f"{prefix}{name}.")
        if next(kept.parameters(), None) is not None:
            view.add_module(name, kept)
    return view


def _is_discriminators(name: str) -> bool:
    return DISCRIMINATOR in name.split(".")[:-1]
