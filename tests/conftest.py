"""One thread per test process: the suite runs on small machines, several at once."""

from __future__ import annotations

import logging
import os

# Before torch is imported, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import torch

torch.set_num_threads(1)

# The host's logger keeps the stream of the test that made it, which is closed since.
logging.raiseExceptions = False

# Imported by tests: collected for doctests as well, it would register its parts twice.
collect_ignore = ["toys.py"]
