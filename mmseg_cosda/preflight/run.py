"""The preflight of a Runner, found by the segmentor that it runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mmengine.logging import print_log
from mmengine.registry import HOOKS
from mmseg.registry import DATASETS

from mmseg_cosda.datasets.domain_pair import DomainPairDataset
from mmseg_cosda.errors import UserError
from mmseg_cosda.preflight.callers import calling_loop, calling_runner
from mmseg_cosda.preflight.facts import DataFacts, Facts, Finding
from mmseg_cosda.preflight.networks import class_numbers
from mmseg_cosda.preflight.rules import compare
from mmseg_cosda.preflight.samples import data_facts, take_sample
from mmseg_cosda.preflight.schedules import training_facts
from mmseg_cosda.preflight.weights import loaded_facts
from mmseg_cosda.randomness import derived_randomness

LEVELS = {"warning": logging.WARNING, "info": logging.INFO}


def check_before_run(model: Any) -> None:
    """Run the preflight of the Runner that calls, if one does.

    Args:
        model: The segmentor, about to do its first step.

    Raises:
        UserError: If something is wrong, with all that is, in one line.
    """
    loop = calling_loop()
    if loop is not None:
        report(compare(run_facts(loop, model)))


def begin_training(check: Callable[[], None]) -> None:
    """Let a ``RunKeeper`` look after the training that begins, if a Runner calls.

    The keeper is asked for by its name in the registry: models don't import the engine.

    Args:
        check: What the keeper calls before it evaluates anything.

    Raises:
        UserError: If another process trains in the work folder, or the checkpoint that
            the Runner should go on from doesn't allow it.
    """
    runner = calling_runner()
    if runner is not None:
        HOOKS.build(dict(type="RunKeeper")).begin(runner, check)


def report(findings: Iterable[Finding]) -> None:
    """Log what was found; what can't be trained on ends the run.

    Every process looks at the same samples, so that all of them end, and none waits
    for another.

    Args:
        findings: Of :func:`compare`.

    Raises:
        UserError: If there is an error among them.
    """
    findings = list(findings)
    for finding in findings:
        if finding.level in LEVELS:
            text = f"preflight: {finding.text}"
            print_log(text, logger="current", level=LEVELS[finding.level])
    errors = [finding.text for finding in findings if finding.level == "error"]
    if len(errors) > 1:
        numbered = (f"({i}) {text}" for i, text in enumerate(errors, 1))
        raise UserError(f"{len(errors)} things are wrong: {' '.join(numbered)}")
    if errors:
        raise UserError(errors[0])


def run_facts(loop: Any, model: Any) -> Facts:
    """Gather what a run's preflight compares.

    Args:
        loop: The loop that runs: of a training all datasets are looked at, else its
            own.
        model: The segmentor.

    Returns:
        The facts.
    """
    runner = loop.runner
    numbers, loaded = class_numbers(model), loaded_facts(model)
    if loop is not runner._train_loop:
        role = "test" if loop is runner._test_loop else "val"
        key = f"{role}_dataloader.dataset"
        data = data_facts(key, role, loop.dataloader.dataset)
        return Facts((data,), numbers, loaded=loaded)
    parts = [*pair_facts(loop.dataloader.dataset)]
    if runner.val_loop is not None:
        dataset = runner.val_loop.dataloader.dataset
        parts.append(data_facts("val_dataloader.dataset", "val", dataset))
    parts += _test_facts(runner.cfg)
    return Facts(tuple(parts), numbers, training_facts(runner, model), loaded)


def pair_facts(dataset: Any) -> Iterable[DataFacts]:
    """Look at both domains of a training dataset; at nothing of another.

    A pair is looked at where it is transformed, so that what can't be transformed is
    told here.

    Args:
        dataset: A ``DomainPairDataset``, which knows its domains.

    Yields:
        The facts of each.
    """
    if isinstance(dataset, DomainPairDataset):
        for name, domain in dataset.domains.items():
            yield data_facts(f"train_dataloader.dataset.{name}", name, domain)
        if dataset.pair_transforms.transforms:
            take_sample("train_dataloader.dataset.pair_transforms", dataset, 0, 0)


def _test_facts(cfg: Mapping[str, Any]) -> list[DataFacts]:
    """Look at the test data of a training, which needn't be there yet."""
    test, val = (
        (cfg.get(f"{role}_dataloader") or {}).get("dataset") for role in ("test", "val")
    )
    if not isinstance(test, Mapping) or test == val:
        return []
    key = "test_dataloader.dataset"
    try:
        with derived_randomness(0):
            dataset = DATASETS.build(test)
        return [data_facts(key, "test", dataset)]
    except Exception as error:
        text = " ".join(str(error).split())
        report([Finding("warning", f"a test would fail: {key}: {text}")])
        return []
