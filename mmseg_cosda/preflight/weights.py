"""How much of a checkpoint fits a model: one check for every way of loading.

The host loads what fits and prints the rest in the middle of the log, so that a file
of which nothing fits trains random weights.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.logging import print_log
from torch import nn

from mmseg_cosda.commands import command
from mmseg_cosda.errors import UserError
from mmseg_cosda.preflight.callers import checkpoint_content, checkpoint_name
from mmseg_cosda.preflight.facts import LoadedFacts
from mmseg_cosda.preflight.loaded_classes import classes_of

Shapes = Mapping[str, Any]
"""A tensor's shape by its key."""

LEAST_SHARE = 0.5
"""Of a model's weights, or its backbone's. A backbone fits with any head behind it."""

MOST_OTHER_SHAPES = 0.2
"""Of a model's weights may be in the file in another shape: a head of other classes, a
window's biases. ResNet-34 in ResNet-50 has half of the names' weights, and is none."""

LOADED = "_loaded_facts"
"""Attribute of a segmentor and its head."""

PREDICTING = ("backbone.", "neck.", "decode_head.", "auxiliary_head.")


@dataclass(frozen=True)
class WeightsFit:
    """What fits of a checkpoint.

    Args:
        wanted: The model's weights, by key.
        found: The checkpoint's.
        missing: Keys of the model that got nothing.
        other_shape: Keys of the model that the file has in another shape.
    """

    wanted: Shapes
    found: Shapes
    missing: tuple[str, ...]
    other_shape: tuple[str, ...]

    @property
    def unfit(self) -> tuple[str, ...]:
        """The model's keys that stay as they were."""
        return self.missing + self.other_shape

    def share(self, prefix: str = "") -> float:
        """Return the share of the model's weights below a prefix that fit."""
        keys = [key for key in self.wanted if key.startswith(prefix)]
        unfit = set(self.unfit)
        return 1 - len(unfit.intersection(keys)) / len(keys) if keys else 0.0

    @property
    def is_another_net(self) -> bool:
        """Whether little or nothing fits."""
        if len(self.other_shape) > MOST_OTHER_SHAPES * len(self.wanted):
            return True
        return max(self.share(), self.share("backbone.")) < LEAST_SHARE


def compare_weights(
    wanted: Shapes, found: Shapes, missing: Iterable[str] | None = None
) -> WeightsFit:
    """Compare a checkpoint's weights with a model's.

    Args:
        wanted: The model's weights.
        found: The checkpoint's.
        missing: What got nothing; by default the keys that ``found`` lacks.

    Returns:
        What fits; the counters of BatchNorm, which old files lack, left out.

    Examples:
        >>> fit = compare_weights({"a": (1,), "b": (2,)}, {"a": (1,), "b": (3,)})
        >>> fit.unfit, fit.share()
        (('b',), 0.5)
    """
    wanted = {k: v for k, v in wanted.items() if "num_batches_tracked" not in k}
    lacking = set(wanted) - set(found) if missing is None else set(missing)
    return WeightsFit(
        wanted,
        found,
        tuple(key for key in wanted if key in lacking),
        tuple(k for k, v in wanted.items() if k in found and found[k] != v),
    )


def shapes(state: Mapping[str, Any], only: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the shape of each tensor of a state dict.

    Args:
        state: A state dict.
        only: Prefixes of the keys to take; all by default.
    """
    return {
        str(key): getattr(value, "shape", None)
        for key, value in state.items()
        if not only or str(key).startswith(only)
    }


def likely_cure(fit: WeightsFit) -> str:
    """Say what most likely makes a checkpoint fit.

    Args:
        fit: Of a checkpoint of which little fits.

    Examples:
        >>> model, file = {"a.w": (1,), "a.b": (2,)}, {"m.a.w": (1,), "m.a.b": (2,)}
        >>> likely_cure(compare_weights(model, file))[:61]
        "without the prefix 'm.' 2 would fit: strip it from the file's"
    """
    strip: Counter[str] = Counter()
    for key, shape in fit.found.items():
        strip.update(p for p, rest in _splits(key) if fit.wanted.get(rest) == shape)
    add: Counter[str] = Counter()
    for key, shape in fit.wanted.items():
        add.update(p for p, rest in _splits(key) if fit.found.get(rest) == shape)
    fitting = len(fit.wanted) - len(fit.unfit)
    (stripped, less), (added, more) = (
        (counter.most_common(1) or [("", 0)])[0] for counter in (strip, add)
    )
    if less > max(fitting, more):
        return (
            f"without the prefix {stripped!r} {less} would fit: strip it from the "
            f"file's keys (state = {{k.removeprefix({stripped!r}): v for k, v in "
            f"state.items()}}), or name it as prefix={stripped!r} of an "
            f'init_cfg=dict(type="Pretrained")'
        )
    if more > fitting:
        return (
            f"the file's keys lack the prefix {added!r}, with which {more} would fit: "
            f"give it to that part alone, model.{added.split('.')[0]}.init_cfg="
            f'dict(type="Pretrained", checkpoint=...)'
        )
    return (
        "it is another net's: give the config it was trained with, or convert a "
        f"public checkpoint with `{command('convert_checkpoint')}`"
    )


def _splits(key: str) -> Iterable[tuple[str, str]]:
    """Split a key behind each of its dots."""
    for i, letter in enumerate(key):
        if letter == ".":
            yield key[: i + 1], key[i + 1 :]


def misfit(fit: WeightsFit, name: str) -> str:
    """Say in one line that a checkpoint is another net's.

    Args:
        fit: What fits of it.
        name: What to call it.
    """
    theirs = next((k for k in fit.found if k not in fit.wanted), None)
    ours = fit.unfit[0]
    example = f"the model has {ours!r} {_shape(fit.wanted[ours])}"
    if ours in fit.other_shape:
        example += f", the file has it as {_shape(fit.found[ours])}"
    elif theirs is not None:
        example += f", the file {theirs!r} {_shape(fit.found[theirs])}"
    return (
        f"{name} is of another model than the config: {len(fit.unfit)} of "
        f"{len(fit.wanted)} weights are missing or of another shape ({example}); "
        f"{likely_cure(fit)}"
    )


def _shape(shape: Any) -> str:
    return "" if shape is None else "x".join(map(str, shape)) or "scalar"


def judge(fit: WeightsFit, name: str) -> None:
    """Refuse a checkpoint of another net; log what another leaves as it was.

    Args:
        fit: What fits of it, not all.
        name: What to call it.

    Raises:
        UserError: If little or nothing fits.
    """
    if fit.is_another_net:
        raise UserError(misfit(fit, name))
    unfit = fit.unfit
    some = ", ".join(unfit[:3]) + (", ..." if len(unfit) > 3 else "")
    why = f" ({len(fit.other_shape)} in another shape)" if fit.other_shape else ""
    text = (
        f"{name}: {len(unfit)} of {len(fit.wanted)} weights aren't in it{why} and stay "
        f"random: {some}"
    )
    print_log(text, logger="current", level=logging.WARNING)


def watch_loading(segmentor: nn.Module) -> None:
    """Judge whatever is loaded into a segmentor or into one of its parts.

    The hooks are torch's, so that ``load_from``, ``init_cfg=dict(type="Pretrained")``,
    ``--resume``, the host's scripts and its ``init_model`` pass them alike. What only
    training needs (alignments) may be missing.

    Args:
        segmentor: The model, built.
    """
    for module in (segmentor, *segmentor.children()):
        module.register_load_state_dict_pre_hook(_before_loading)
        module.register_load_state_dict_post_hook(_after_loading)


def _before_loading(
    module: nn.Module, state: Mapping[str, Any], prefix: str, *rest: Any
) -> None:
    if not prefix:  # the whole of what arrives is for this module
        module.__dict__["_arriving"] = shapes(state)


def _after_loading(module: nn.Module, keys: Any) -> None:
    found = module.__dict__.pop("_arriving", None)
    if found is None:
        return
    only = PREDICTING if hasattr(module, "decode_head") else ()
    wanted = shapes(module.state_dict(), only)
    fit = compare_weights(wanted, found, keys.missing_keys)
    if fit.unfit:
        judge(fit, checkpoint_name())
    _remember_classes(module, fit)


def _remember_classes(module: nn.Module, fit: WeightsFit) -> None:
    """Keep what a file says of its classes, if a segmentor or a head takes its head."""
    head = "decode_head." if hasattr(module, "decode_head") else ""
    if not hasattr(module, "num_classes"):
        return
    module.__dict__.pop(LOADED, None)
    content = checkpoint_content()
    taken = fit.share(head) == 1
    if isinstance(content, Mapping) and taken:
        classes = classes_of(content.get("meta"))
        module.__dict__[LOADED] = LoadedFacts(checkpoint_name(), classes)


def loaded_facts(segmentor: Any) -> LoadedFacts | None:
    """Return whose head a segmentor has; None of one that begins anew.

    Args:
        segmentor: The model, with what :func:`watch_loading` has seen.
    """
    parts = (segmentor, getattr(segmentor, "decode_head", None))
    found = (getattr(part, "__dict__", {}).get(LOADED) for part in parts)
    return next((facts for facts in found if facts is not None), None)
