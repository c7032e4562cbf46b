"""What a resumed training does otherwise than the one that it goes on with."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine import dist
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapperDict
from torch import nn

from mmseg_cosda.engine.config_changes import changed_values, plain
from mmseg_cosda.errors import UserError

TRAINING = "training"
"""Entry of a checkpoint's ``meta`` that says what the config's text doesn't."""
GRADIENTS = "open_gradients"
"""Entry of a checkpoint that was saved within an accumulation window."""
MOST_NAMED = 8
# Of a scheduler's state: where it stands, not what it is.
STANDING = ("last_step", "_global_step", "_last_value", "base_values", "verbose")
ANEW = "or begin anew with another --work-dir (load_from for the weights)"


def training_state(runner: Any, iteration: int) -> dict[str, Any]:
    """Say what a training is, for a later resume to compare.

    Args:
        runner: That trains.
        iteration: How many are done.

    Returns:
        Plain values.
    """
    loader = runner.train_dataloader
    domains = getattr(loader.dataset, "domains", {})
    count = int(runner.optim_wrapper._accumulative_counts)
    gradients = any(p.grad is not None for p in _bare(runner.model).parameters())
    return {
        "processes": dist.get_world_size(),
        "batch_size": int(loader.batch_size or 1),
        "accumulative_counts": count,
        "open_window": iteration % count != 0 and gradients,
        "images": {name: len(dataset) for name, dataset in domains.items()},
    }


def open_gradients(model: nn.Module) -> dict[str, Any]:
    """Return the gradients that wait for the rest of their window, on the CPU."""
    parameters = _bare(model).named_parameters()
    return {k: p.grad.detach().cpu() for k, p in parameters if p.grad is not None}


def require_finite_state(checkpoint: Mapping[str, Any], place: str) -> None:
    """Refuse to go on with an optimizer whose state would make the weights NaN.

    Args:
        checkpoint: As it was read.
        place: Its file, for the error.

    Raises:
        UserError: Naming the optimizer's first tensor that holds NaN or infinity.
    """
    key = next(_not_finite(checkpoint.get("optimizer")), None)
    if key is not None:
        raise UserError(
            f"{place}: not finite: the optimizer's {key} holds NaN or infinity; remove "
            f"this file, so that --resume goes on from the checkpoint before it, {ANEW}"
        )


def _not_finite(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, torch.Tensor):
        if not bool(value.isfinite().all()):
            yield key
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _not_finite(part, f"{key}.{name}" if key else str(name))


def reconcile(runner: Any, checkpoint: dict[str, Any]) -> list[str]:
    """Compare a resumed training with its checkpoint, and let the config hold.

    Args:
        runner: With optimizer and schedule as the config has them.
        checkpoint: As it was read; what its optimizer and schedule hold against the
            config is replaced.

    Returns:
        What there is to say.

    Raises:
        UserError: If what changed can't be followed.
    """
    iteration = int(checkpoint["meta"]["iter"])
    then = checkpoint["meta"].get(TRAINING) or {}
    now = training_state(runner, iteration)
    _restore_window(runner, checkpoint, then, now, iteration)
    _refuse_other_batches(then, now)
    lines = []
    for name, count in now["images"].items():
        before = (then.get("images") or {}).get(name, count)
        if before != count:
            lines.append(
                f"the {name} has {count:,} images, had {before:,}: from here on the "
                f"order is that of {count:,}"
            )
    if _follow_rates(runner, checkpoint, iteration):
        lines.append(
            f"optimizer and schedule are the config's, no more the checkpoint's: from "
            f"iteration {iteration + 1:,} on the rates are those of a training that "
            f"had them from its beginning"
        )
    changes = list(changed_values(checkpoint["meta"].get("cfg"), runner.cfg))
    if changes:
        more = len(changes) - MOST_NAMED
        rest = f" and {more} more" if more > 0 else ""
        shown = "; ".join(changes[:MOST_NAMED])
        lines.append(f"changed since the checkpoint, and followed: {shown}{rest}")
    return lines


def _restore_window(
    runner: Any,
    checkpoint: dict[str, Any],
    then: Mapping[str, Any],
    now: Mapping[str, Any],
    iteration: int,
) -> None:
    """Put the gradients of an open accumulation window back; refuse to lose them."""
    gradients = checkpoint.pop(GRADIENTS, None)
    old = then.get("accumulative_counts", now["accumulative_counts"])
    new = now["accumulative_counts"]
    is_open = then.get("open_window", iteration % old != 0)
    if is_open and (gradients is None or old != new):
        raise UserError(
            f"iteration {iteration} lies within an accumulation window (optim_wrapper."
            f"accumulative_counts={old}), whose gradients "
            + ("aren't those of now" if gradients else "were not saved")
            + f": go on from a checkpoint at a multiple of {old} (load_from=... on the "
            f"command line), and let default_hooks.checkpoint.interval be one, {ANEW}"
        )
    if gradients is None:
        return
    for name, parameter in _bare(runner.model).named_parameters():
        if name in gradients:
            parameter.grad = gradients[name].to(parameter.device, parameter.dtype)


def _refuse_other_batches(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    if "processes" not in then:
        return
    (was, size), (is_now, new) = (
        (side["processes"], side["batch_size"]) for side in (then, now)
    )
    if was * size != is_now * new:
        fits = was * size % is_now == 0
        cure = f"train_dataloader.batch_size={was * size // is_now}" if fits else ""
        cure = cure or f"as many processes ({was}) as before"
        raise UserError(
            f"an iteration has {is_now} x {new} images of a domain (processes x "
            f"train_dataloader.batch_size), in the checkpoint's training {was} x "
            f"{size}: positions in the data would repeat or be left out. Take "
            f"{cure}, {ANEW}"
        )


def _follow_rates(runner: Any, checkpoint: dict[str, Any], iteration: int) -> bool:
    """Let optimizer and schedule be the config's; return whether they were others."""
    if "optimizer" not in checkpoint:
        return False
    saved, wrappers = _by_name(checkpoint["optimizer"], runner.optim_wrapper)
    if saved.keys() != wrappers.keys():
        return False  # the wrapper's own error says so
    groups = [
        pair
        for name, wrapper in wrappers.items()
        for pair in zip(saved[name]["param_groups"], wrapper.param_groups, strict=False)
    ]
    schedulers = list(_flat(runner.param_schedulers))
    stored = list(_flat(checkpoint.get("param_schedulers")))
    same = len(stored) == len(schedulers) and all(
        _kept(state) == _kept(scheduler.state_dict())
        for state, scheduler in zip(stored, schedulers, strict=True)
    )
    if same and all(_settings(old, new) == _settings(new, old) for old, new in groups):
        return False
    _advance(schedulers, iteration)
    for old, new in groups:
        old.update({key: value for key, value in new.items() if key != "params"})
    checkpoint["param_schedulers"] = _states(runner.param_schedulers)
    return True


def _advance(schedulers: Sequence[Any], iteration: int) -> None:
    """Bring schedules that begin to where an iteration is."""
    if any(
        scheduler.by_epoch or hasattr(scheduler, "monitor") for scheduler in schedulers
    ):
        raise UserError(
            "the learning rate or its schedule was changed, and can't be followed in "
            f"the middle of a training (by_epoch or monitor): set it back, {ANEW}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of steps without the optimizer's
        for _ in range(iteration):
            for scheduler in schedulers:
                scheduler.step()


def _by_name(state: Any, wrapper: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the optimizers of a checkpoint and of a wrapper by their names."""
    if isinstance(wrapper, OptimWrapperDict):
        return dict(state), dict(wrapper.items())
    return {"": state}, {"": wrapper}


def _flat(schedulers: Any) -> Iterator[Any]:
    if isinstance(schedulers, Mapping):
        for each in schedulers.values():
            yield from each
    else:
        yield from schedulers or ()


def _states(schedulers: Any) -> Any:
    if isinstance(schedulers, Mapping):
        return {key: _states(each) for key, each in schedulers.items()}
    return [scheduler.state_dict() for scheduler in schedulers or ()]


def _kept(state: Mapping[str, Any]) -> dict[str, Any]:
    return {key: plain(v) for key, v in state.items() if key not in STANDING}


def _settings(group: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a parameter group was given, without what a schedule made of it."""
    moved = {
        key.removeprefix("initial_") for key in group if key.startswith("initial_")
    }
    return {
        key: plain(value)
        for key, value in group.items()
        if key in other and key != "params" and key not in moved
    }


def _bare(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model
