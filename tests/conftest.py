"""One thread per test process: the suite runs on small machines, several at once."""

from __future__ import annotations

import functools
import gc
import io
import logging
import os
from collections.abc import Iterator
from multiprocessing import reduction
from typing import Any

# Before torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch
from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer

torch.set_num_threads(1)
# Seconds after which a data worker looks whether its loader is still there: torch's 5
# pass at each training whose loader ends as garbage.
torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.25

LONGEST = ("tests/test_host/test_wheel.py", "tests/test_host/test_stock_scripts.py")

# The host's logger keeps the stream of the test that made it, which is closed since.
logging.raiseExceptions = False

# Imported by tests: collected for doctests as well, it would register its parts twice.
collect_ignore = ["helpers"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests: at the end one process would wait for the other."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


def pytest_collection_finish() -> None:
    """Keep what was imported out of every later search for garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def configs_unformatted() -> Iterator[None]:
    """Write configs as they are: the host's formatter takes longer than a training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("yapf.yapflib.yapf_api.FormatCode", lambda text, **_: (text, 1))
        yield


@pytest.fixture(autouse=True, scope="session")
def names_of_their_own() -> Iterator[None]:
    """Refuse to hand what a test file defines to a process that must import it.

    There it is ``tests.test_...``, and an installed package may own that name.
    """

    def dump(obj: Any, file: Any, protocol: int | None = None) -> None:
        buffer = io.BytesIO()
        original(obj, buffer, protocol)
        assert b"tests.test_" not in buffer.getvalue(), (
            "a new process would import a test file: move what it runs to tests/helpers"
        )
        file.write(buffer.getbuffer())

    original = reduction.dump
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reduction, "dump", dump)
        yield


@pytest.fixture(autouse=True)
def instances_of_their_own() -> None:
    """Forget what the host keeps of the tests before, one instance per name.

    A visualizer would go on writing to the folder of the training that made it, a step
    outside a training would take itself for one of the last training's, and a training
    would log to the file of one that began in the same second.
    """
    for kind in (Visualizer, *Visualizer.__subclasses__(), MessageHub, MMLogger):
        kind._instance_dict.clear()


@pytest.fixture
def amp_on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the host's AmpOptimWrapper run where there is no GPU, in fp16 too.

    Its own code runs; only the check for a GPU, the scaler's device and the autocast
    that refuses fp16 on a CPU are others.
    """
    from mmengine.optim.optimizer import amp_optimizer_wrapper
    from mmengine.runner import amp

    scaler = functools.partial(torch.amp.GradScaler, device="cpu")
    monkeypatch.setattr(amp_optimizer_wrapper, "GradScaler", scaler)
    monkeypatch.setattr(amp_optimizer_wrapper, "is_cuda_available", lambda: True)
    monkeypatch.setattr(amp, "autocast", functools.partial(torch.autocast, "cpu"))
