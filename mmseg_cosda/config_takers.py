"""What takes a dict of a config, and which keys it reads."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import mmengine.registry
import torch
from mmengine.dist import init_dist
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing
from torch.utils.data import DataLoader

# Where the types of the host that a config may name are registered.
HOST_MODULES = (
    "mmengine.evaluator",
    "mmengine.hooks",
    "mmengine.optim",
    "mmengine.runner",
    "mmengine.visualization",
    "mmseg.engine",
    "mmseg.evaluation",
    "mmseg.visualization",
)
DEFAULT_TYPES = {
    ("default_hooks", "checkpoint"): "CheckpointHook",
    ("default_hooks", "logger"): "LoggerHook",
    ("default_hooks", "param_scheduler"): "ParamSchedulerHook",
    ("default_hooks", "runtime_info"): "RuntimeInfoHook",
    ("default_hooks", "sampler_seed"): "DistSamplerSeedHook",
    ("default_hooks", "timer"): "IterTimerHook",
    ("default_hooks", "visualization"): "SegVisualizationHook",
    ("log_processor",): "LogProcessor",
    ("test_cfg",): "TestLoop",
    ("val_cfg",): "ValLoop",
    ("visualizer",): "Visualizer",
}
"""What the Runner builds of a dict that names no type."""

ALWAYS = {"type", "_scope_", "_delete_"}
# The network's test_cfg and a dataset's data_prefix may hold anything: a key is refused
# only where it is nearly one that the host reads.
OPEN = {
    "test_cfg": {"mode", "stride", "crop_size", "threshold"},
    "data_prefix": {"img_path", "seg_map_path"},
}


class Taker(NamedTuple):
    """What a dict of a config becomes.

    Args:
        name: In words.
        keys: That it reads.
        is_open: Whether it passes others on.
    """

    name: str
    keys: set[str]
    is_open: bool = False


def find_taker(
    path: Sequence[str], value: Mapping[str, Any], cfg: Mapping[str, Any]
) -> Taker | None:
    """Return what reads a dict of a config.

    Args:
        path: Its keys from the top.
        value: The dict.
        cfg: The whole config.

    Returns:
        None where any key may be read.
    """
    place, last = tuple(path), path[-1]
    if place[0] == "optim_wrapper":
        return _of_optimizers(place, value, cfg)
    if last in OPEN and place != ("test_cfg",):
        return Taker(last, OPEN[last], is_open=True)
    if place == ("randomness",):
        return Taker("the seed", set(_names(Runner.set_randomness) or ()))
    if place == ("env_cfg",):
        return Taker("the Runner", _texts_in(Runner.setup_env))
    if place == ("env_cfg", "mp_cfg"):
        return Taker("the Runner", set(_names(set_multi_processing) or ()))
    if place == ("env_cfg", "dist_cfg"):
        starts = (init_dist, torch.distributed.init_process_group)
        return Taker("torch.distributed", {n for f in starts for n in _signature(f)[0]})
    if place == ("auto_scale_lr",):
        return Taker("the Runner", {"enable", "base_batch_size"})
    if len(place) == 1 and last.endswith("_dataloader"):
        keys = set(_signature(DataLoader)[0]) | _texts_in(Runner.build_dataloader)
        return Taker("the DataLoader", keys)
    if place == ("default_hooks",):
        hooks = {each[1] for each in DEFAULT_TYPES if each[0] == last and each[1:]}
        typed = {k for k, hook in value.items() if hook is None or "type" in hook}
        return Taker("the Runner", hooks | typed)
    if last.endswith("_cfg") and len(place) > 1:
        return None  # of layers, whose builders take more than their classes
    kind = value.get("type") or DEFAULT_TYPES.get(place)
    if kind is None and place == ("train_cfg",):
        loop = "EpochBased" if value.get("by_epoch") else "IterBased"
        kind = f"{loop}TrainLoop"
    taker = None if kind is None else of_type(kind)
    if taker is None:
        return None
    if place[0] in ("default_hooks", "custom_hooks"):
        taker.keys.add("priority")
    if place[0] == "param_scheduler":
        taker.keys.add("convert_to_iter_based")
    if place[0] in ("train_cfg", "val_cfg", "test_cfg"):
        taker.keys.add("by_epoch")
    return taker


def _of_optimizers(
    place: tuple[str, ...], value: Mapping[str, Any], cfg: Mapping[str, Any]
) -> Taker | None:
    last = place[-1]
    kind = (cfg.get("optim_wrapper") or {}).get("constructor")
    found = [] if kind is None else _classes(kind)
    constructors = found or ([] if kind else [DefaultOptimWrapperConstructor])
    if "optimizer" in value:
        taker = of_type(value.get("type", "OptimWrapper"))
        more = {"optimizer", "paramwise_cfg", "constructor"}
        return taker and Taker(taker.name, taker.keys | more)
    if last == "clip_grad":
        clip = "value" if value.get("type") == "value" else "norm"
        function = getattr(torch.nn.utils, f"clip_grad_{clip}_")
        return Taker(f"clip_grad_{clip}_", set(_signature(function)[0]) | {"type"})
    if last == "paramwise_cfg":
        read = {*constructors, DefaultOptimWrapperConstructor}
        keys = {t for c in read for base in c.__mro__[:-1] for t in _texts_in(base)}
        return Taker("the optimizer's constructor", keys) if keys else None
    if place[-2:-1] == ("custom_keys",):
        ours = all(issubclass(c, DefaultOptimWrapperConstructor) for c in found)
        return (
            Taker("a rule for parameters", {"lr_mult", "decay_mult"}) if ours else None
        )
    if "type" in value and last == "optimizer":
        return of_type(value["type"])
    return None


def of_type(kind: Any) -> Taker | None:
    """Return what a ``type`` builds; None where it is unknown, or takes anything."""
    keys: set[str] = set()
    found = _classes(kind)
    for each in found:
        names = _names(each)
        if names is None:
            return None
        keys |= names
    name = str(getattr(kind, "__name__", kind)).rpartition(".")[2]
    return Taker(name, keys | ALWAYS) if found else None


def _classes(kind: Any) -> list[Any]:
    """Return what is registered by a name, in whatever registry."""
    if not isinstance(kind, str):
        return [kind]
    for name in HOST_MODULES:
        importlib.import_module(name)
    name = kind.rpartition(".")[2]
    modules = [registry.module_dict.get(name) for registry in _registries()]
    return list(dict.fromkeys(module for module in modules if module is not None))


def _registries() -> Iterator[Registry]:
    waiting = [r for r in vars(mmengine.registry).values() if isinstance(r, Registry)]
    while waiting:
        registry = waiting.pop()
        yield registry
        waiting += registry.children.values()


def registered_names(registry: str) -> set[str]:
    """Return what the registries of a name hold, such as those called "model"."""
    return {n for r in _registries() if r.name == registry for n in r.module_dict}


def _names(taker: Any) -> set[str] | None:
    """Return the names that a class or function takes; None where it takes any.

    A class that hands ``**kwargs`` on takes those of the class behind it too, and those
    that its text names.
    """
    if not inspect.isclass(taker):
        names, passes_on = _signature(taker)
        return None if passes_on else set(names)
    keys: set[str] = set()
    for base in taker.__mro__:
        if "__init__" not in vars(base):
            continue
        if base is object or base is torch.nn.Module:
            break
        names, passes_on = _signature(vars(base)["__init__"])
        keys |= {*names}
        if not passes_on:
            return keys
        keys |= _texts_in(base)
    if taker.__name__ == "CheckpointHook":  # hands its own to the Runner
        return keys | {*_signature(Runner.save_checkpoint)[0]}
    return None


def _signature(function: Callable[..., Any]) -> tuple[list[str], bool]:
    """Return a function's parameters, and whether it takes others."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return [], True
    names = [
        p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    return names, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _texts_in(code: Any) -> set[str]:
    """Return the words between quotes in a function's or class' text: keys it reads."""
    try:
        return set(re.findall(r"""["'](\w+)["']""", inspect.getsource(code)))
    except (OSError, TypeError):
        return set()
