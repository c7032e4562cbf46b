"""What it costs a training that its numbers, its files and its config are looked at."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

import mmseg_cosda
from benchmarks.speed.measure import Times, Work, interleave
from benchmarks.speed.report import Row, Settings
from benchmarks.speed.step import StepCost, step_cost
from benchmarks.speed.step_rows import SOURCE, TARGET, read_model, training_step
from mmseg_cosda.engine.run_keeper import RunKeeper
from mmseg_cosda.models.nonfinite import NonFiniteGuard
from mmseg_cosda.models.nonfinite.hook import NonFiniteHook

DEMO = "cosda/deeplabv2_demo_no-pl"
SIZE = (128, 256)  # (H, W) of the demo's images


def check_rows(settings: Settings) -> list[Row]:
    """Measure steps and trainings with the checks against the same without them."""
    return [*_counted_rows(), *_step_rows(settings), *_training_rows(settings)]


@contextmanager
def unguarded() -> Iterator[None]:
    """Let steps be taken whose losses and gradients nobody looks at."""
    nothing: dict[str, Any] = dict(begin=None, add_losses=None, allows_step=True)
    with ExitStack() as stack:
        for name, value in nothing.items():
            patch = mock.patch.object(NonFiniteGuard, name, return_value=value)
            stack.enter_context(patch)
        yield


def _counted_rows() -> list[Row]:
    """Count on the meta device, at the paper's sizes."""

    def cost() -> StepCost:
        return step_cost(read_model("cosda/deeplabv2_gta2cs"), SOURCE, TARGET)

    guarded = cost()
    with unguarded():
        bare = cost()
    what = "DeepLabV2-R101, a step's losses and gradients looked at"
    more = guarded.operators - bare.operators
    note = f"meta device; {more} operators more than {bare.operators}"
    return [
        Row("checks", f"{what}: host syncs", guarded.syncs, "syncs", 0, note),
        Row(
            "checks",
            f"{what}: peak memory against without",
            guarded.peak / bare.peak,
            bound=1.001,
            note="live tensors",
        ),
    ]


def _step_rows(settings: Settings) -> list[Row]:
    """Time a step of the demo, with and without the guard, of both kinds."""
    device = settings.device
    model = {name: read_model(DEMO) for name in ("bare", "stop", "skip")}
    model["skip"]["nonfinite"] = "skip"
    steps = {
        name: training_step(each, SIZE, SIZE, device) for name, each in model.items()
    }

    def bare() -> None:
        with unguarded():
            steps["bare"]()

    works: dict[str, Work] = {**steps, "bare": bare}
    number, rounds = (1, 1) if settings.quick else (3, max(settings.rounds, 5))
    repeated = {name: partial(_repeat, work, number) for name, work in works.items()}
    times = interleave(repeated, rounds, device)
    ms = 1000 * times.median("bare") / number
    row = partial(Row, "checks", note=f"{ms:.0f} ms without, {SIZE}")
    what = "demo: step with model.nonfinite={!r} against without"
    return [
        row(what.format("stop"), times.ratio("stop", "bare"), bound=1.02),
        row(what.format("skip"), times.ratio("skip", "bare")),
    ]


def _repeat(work: Work, number: int) -> None:
    for _ in range(number):
        work()


def _training_rows(settings: Settings) -> list[Row]:
    """Time trainings of the demo by a Runner, with all checks and with none."""
    iterations = 6 if settings.quick else 20
    steps: dict[str, list[float]] = {"checked": [], "bare": []}
    before: dict[str, list[float]] = {"checked": [], "bare": []}
    rounds = 1 if settings.quick else max(settings.rounds, 3)
    for turn in range(rounds + 1):
        for name in steps:
            with ExitStack() as stack:
                if name == "bare":
                    stack.enter_context(_without_checks())
                clock = _train(iterations, preflight=name == "checked")
            if turn:  # the first round isn't timed
                steps[name].append(clock.per_step)
                before[name].append(clock.first)
    times = Times(steps)
    once = statistics.median(before["checked"]) - statistics.median(before["bare"])
    ms = 1000 * times.median("bare")
    return [
        Row(
            "checks",
            "demo: iteration of a training with all checks against none",
            times.ratio("checked", "bare"),
            bound=1.02,
            note=f"{ms:.0f} ms without, loading included; CPU",
        ),
        Row(
            "checks",
            "demo: preflight, lock and resume finder, once in a training",
            max(0.0, once),
            "s",
            note="until the first iteration is done",
        ),
    ]


@contextmanager
def _without_checks() -> Iterator[None]:
    nothing = {
        RunKeeper: ("begin",),
        NonFiniteHook: ("after_train_iter", "after_train_epoch", "before_val"),
    }
    with unguarded(), ExitStack() as stack:
        for owner, names in nothing.items():
            for name in names:
                stack.enter_context(mock.patch.object(owner, name))
        yield


class _Clock(Hook):
    """Takes the process's time at the end of each iteration."""

    priority = "LOWEST"

    def __init__(self) -> None:
        self.began = time.process_time()
        self.ended: list[float] = []

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        self.ended.append(time.process_time())

    @property
    def first(self) -> float:
        """Seconds until the first iteration was done."""
        return self.ended[0] - self.began

    @property
    def per_step(self) -> float:
        """Seconds of an iteration behind the first two."""
        return (self.ended[-1] - self.ended[1]) / (len(self.ended) - 2)


def _train(iterations: int, preflight: bool) -> _Clock:
    """Train the demo, without workers and evaluations."""
    for kind in (Visualizer, *Visualizer.__subclasses__(), MessageHub):
        kind._instance_dict.clear()  # the host keeps one per name
    folder = Path(mmseg_cosda.__file__).parent / ".mim" / "configs"
    cfg = Config.fromfile(folder / f"{DEMO}.py")
    cfg.model.preflight = preflight
    with tempfile.TemporaryDirectory() as work_dir:
        changes = {
            "work_dir": work_dir,
            "log_level": "ERROR",
            "train_cfg.max_iters": iterations,
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
            "default_hooks.checkpoint.interval": iterations,
            "default_hooks.checkpoint.save_best": None,
            "default_hooks.logger.interval": 10,
        }
        cfg.merge_from_dict(changes)
        for part in ("dataloader", "cfg", "evaluator"):
            cfg.pop(f"val_{part}")
        runner = Runner.from_cfg(cfg)
        clock = _Clock()
        runner.register_hook(clock)
        runner.train()
    return clock
