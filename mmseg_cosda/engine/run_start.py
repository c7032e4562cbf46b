"""Where a training begins: in which folder, alone, and from which checkpoint."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mmengine import dist
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.logging import print_log

from mmseg_cosda.checkpoint.newest import Found, newest_whole, read_meta
from mmseg_cosda.engine.run_record import former_starts
from mmseg_cosda.errors import UserError
from mmseg_cosda.work_dir import (
    read_last_evaluation,
    was_evaluated,
    write_last_evaluation,
)

Made = TypeVar("Made")
HOST_NAMES = ("iter_{}.pth", "epoch_{}.pth")
# What a killed ``atomic_write`` of a checkpoint or of a note leaves.
LEFTOVER = re.compile(r"\.(.+\.(pth|json)|last_evaluation)\.[a-z0-9_]{8}")


class Start(NamedTuple):
    """What a training begins with.

    Args:
        resume: Checkpoint to go on from, with optimizer, schedule and iteration.
        weights: Checkpoint whose weights alone are read.
        seed: That the run goes on with, where it isn't the one it began with.
        lines: What there is to say.
    """

    resume: str | None = None
    weights: str | None = None
    seed: int | None = None
    lines: tuple[str, ...] = ()


def on_main(make: Callable[[], Made]) -> Made:
    """Return what the main process makes, on all; raise its error on all.

    Args:
        make: Called by the main process alone.

    Raises:
        UserError: Of ``make``.
    """
    outcome: list[Any] = [None]
    if dist.is_main_process():
        try:
            outcome = [make()]
        except UserError as error:
            outcome = [error]
    dist.broadcast_object_list(outcome)
    if isinstance(outcome[0], UserError):
        raise outcome[0]
    made: Made = outcome[0]
    return made


def checkpoint_folder(runner: Any) -> Path | None:
    """Return the local folder of a Runner's checkpoints, before it trains.

    Args:
        runner: About to train.

    Returns:
        None where the host alone knows: no ``CheckpointHook``, a remote ``out_dir``, or
        names other than its own.
    """
    for hook in runner.hooks:
        if not isinstance(hook, CheckpointHook):
            continue
        if hook.filename_tmpl not in HOST_NAMES or "://" in str(hook.out_dir):
            return None
        if hook.out_dir in (None, runner.work_dir):
            return Path(runner.work_dir)
        return Path(str(hook.out_dir), os.path.basename(runner.work_dir))
    return None


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left, in a folder that is locked."""
    for path in folder.glob(".*"):
        if LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


def choose_start(runner: Any) -> Start:
    """Choose what a training begins with.

    The newest whole checkpoint of its own folder comes first. ``load_from`` of a config
    is where a training begins, and is passed over where it has begun; given beside the
    config (``--cfg-options``), together with ``resume`` it names what to go on from,
    unless the folder's training began with it: then the command is the one that began
    it, repeated with ``--resume``.

    Args:
        runner: About to train.

    Returns:
        The choice.

    Raises:
        UserError: If the run's seed was chosen, and is another than the checkpoint's.
    """
    resume, given = bool(runner._resume), runner._load_from
    folder = checkpoint_folder(runner)
    if folder is None:
        return Start(given, None) if resume and given else Start(None, given)
    found = newest_whole(folder)
    if not resume:
        over = () if found.path is None else (began_anew(found.path),)
        return Start(None, given, None, over)
    began = found.path is not None and _began_with(given, Path(runner.work_dir))
    if given is not None and is_given_beside(runner.cfg) and not began:
        return _with_seed(runner, Start(given), _meta_of(given))
    lines = tuple(f"{name} is passed over: {why}" for name, why in found.damaged)
    if found.path is None:
        rest = "" if given is None else f", from the weights of load_from={given}"
        nothing = f"no checkpoint in {folder} to go on from: training begins anew{rest}"
        return Start(None, given, None, (*lines, nothing))
    if given is not None:
        lines += (f"load_from={given} is passed over: the folder has its own",)
    lines += (going_on(found),)
    return _with_seed(runner, Start(str(found.path), lines=lines), dict(found.meta))


def going_on(found: Found) -> str:
    """Say which checkpoint a training goes on from."""
    return f"going on from {found.path}, iteration {found.iteration}"


def began_anew(newest: Path) -> str:
    """Say that a folder held another training's checkpoints."""
    return (
        f"{newest.parent} holds checkpoints of an earlier training ({newest.name}); "
        f"this one begins anew and writes over them. To go on instead: --resume"
    )


def is_given_beside(cfg: Any) -> bool:
    """Return whether ``load_from`` isn't the one that the config's file names."""
    try:
        written = Config.fromfile(cfg.filename).get("load_from")
    except Exception:  # of whatever kind of file, or without one
        return True
    return bool(written != cfg.get("load_from"))


def _began_with(checkpoint: str | None, folder: Path) -> bool:
    """Return whether a work folder's training began with a checkpoint's weights."""
    starts, _ = former_starts(folder)
    if not starts or starts[0]["iteration"] > 0:
        return False
    return bool(starts[0]["values"].get("load_from") == checkpoint)


def _meta_of(checkpoint: str) -> dict[str, Any]:
    path = Path(checkpoint).expanduser()
    return read_meta(path) if path.is_file() else {}


def _with_seed(runner: Any, start: Start, meta: dict[str, Any]) -> Start:
    """Keep to the checkpoint's seed, on which the order of the pairs depends."""
    seed = meta.get("seed")
    if not isinstance(seed, int) or seed == runner.seed:
        return start
    chosen = runner._randomness_cfg.get("seed")
    if chosen is not None:
        raise UserError(
            f"randomness.seed={chosen}, but {start.resume} was trained with seed "
            f"{seed}, which pairs, crops and dropout follow: set "
            f"randomness.seed={seed} to go on, or begin anew with another --work-dir "
            f"(load_from={start.resume} for its weights)"
        )
    line = f"the run goes on with the checkpoint's seed, {seed}"
    return start._replace(seed=seed, lines=(*start.lines, line))


def reseed(runner: Any, seed: int) -> None:
    """Let a Runner that has built its training data begin again with a seed.

    Its datasets took the order of their pairs from the seed, and its workers may have
    been started: all is built once more.

    Args:
        runner: About to train.
        seed: The seed.
    """
    runner._randomness_cfg = {**runner._randomness_cfg, "seed": seed}
    runner.set_randomness(**runner._randomness_cfg)
    runner._train_loop = runner.build_train_loop(copy.deepcopy(runner.cfg.train_cfg))


def last_evaluated(runner: Any, included: bool) -> tuple[bool, dict[str, float]]:
    """Find out about the evaluation of an iteration, and let none behind it be noted.

    Args:
        runner: That has loaded what it goes on from.
        included: Whether the evaluation is in it.

    Returns:
        Whether it was carried to its end, and its metrics if it is not included.
    """
    folder, step = Path(runner.work_dir), runner.iter
    noted = read_last_evaluation(folder)
    if step and noted is not None and noted[0] == step:
        return True, {} if included else noted[1]
    evaluated = bool(step) and (included or was_evaluated(folder, step))
    write_last_evaluation(folder, step if evaluated else 0)
    return evaluated, {}


def names_kept(runner: Any, resumed: str | None) -> set[str]:
    """Return the names of the checkpoints that a training goes on with."""
    info = runner.message_hub.runtime_info
    best = [str(value) for key, value in info.items() if key.startswith("best_ckpt")]
    kept = {Path(path).name for path in (*best, resumed or "")}
    ids = info.get("keep_ckpt_ids") or ()
    return kept | {name.format(number) for name in HOST_NAMES for number in ids}


def reroot(info: dict[str, Any], folder: Path) -> None:
    """Let a resumed run's checkpoints be those of its own folder.

    A checkpoint names the best one by its path. In a folder that was copied or moved
    that is another's file, which the host would delete for the next best one.

    Args:
        info: Of the ``MessageHub`` in a checkpoint; changed in place. A best score
            whose file isn't here is forgotten, so that the next evaluation writes one.
        folder: Of the run's checkpoints.
    """
    for key in [key for key in info if key.startswith("best_ckpt")]:
        here = folder / Path(str(info[key])).name
        if here.is_file():
            info[key] = str(here)
            continue
        del info[key]
        info.pop(key.replace("best_ckpt", "best_score"), None)
        print_log(
            f"the best checkpoint {here.name} is not in {folder}: the next evaluation "
            f"counts as the best",
            logger="current",
        )
    if info.get("last_ckpt"):
        info["last_ckpt"] = str(folder / Path(str(info["last_ckpt"])).name)
