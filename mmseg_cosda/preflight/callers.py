"""Who is calling? The one place that looks up the call's own way.

A model isn't told who trains or loads it. Hooks, loops and loaders are entries of a
config that a child may replace, or the host's own functions; so a check that every run
passes sits in the segmentor, and looks for its caller.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from mmengine.model import PretrainedInit
from mmengine.runner import CheckpointLoader, Runner
from mmengine.runner.base_loop import BaseLoop


def calling_loop() -> Any | None:
    """Return the host's loop that is calling, None in other code."""
    return _caller(BaseLoop)


def loaded_checkpoint() -> str:
    """Return which network a calling loop runs, for an error."""
    loop = calling_loop()
    name = None if loop is None else loop.runner._load_from
    return "the network" if name is None else f"checkpoint {name}"


def calling_runner() -> Any | None:
    """Return the host's Runner that is calling, None in other code."""
    return _caller(Runner)


def _caller(kind: type) -> Any | None:
    """Return the nearest object of a kind whose method is running."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        caller = _locals(frame).get("self")
        if isinstance(caller, kind):
            return caller
        frame = frame.f_back
    return None


def checkpoint_name() -> str:
    """Return the checkpoint that is being loaded, as a config names it.

    Returns:
        Such as ``load_from=a.pth`` or ``init_cfg.checkpoint=b.pth``.
    """
    # Its own frame is left out: looked at, it would hold itself, and what is loaded.
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        found = _locals(frame)
        caller, name = found.get("self"), found.get("filename")
        function, frame = frame.f_code.co_name, frame.f_back
        if isinstance(caller, PretrainedInit):
            return f"init_cfg.checkpoint={caller.checkpoint}"
        if not isinstance(name, str) or frame is None:
            continue
        if isinstance(caller, Runner):
            key = "resume" if frame.f_code.co_name == "resume" else "load_from"
            return f"{key}={name}"
        outer = _locals(frame).get("self")
        if function == "load_checkpoint" and not isinstance(outer, PretrainedInit):
            return f"checkpoint {name}"
    return "the checkpoint"


def checkpoint_content() -> Any | None:
    """Return what a file holds that is being loaded, as the host has read it.

    Returns:
        None where no file is read.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        found = _locals(frame)
        caller = found.get("self")
        if isinstance(caller, PretrainedInit) and caller.prefix is not None:
            # The host hands on a part of what it has read, without its meta.
            return CheckpointLoader.load_checkpoint(caller.checkpoint, "cpu")
        if frame.f_code.co_name == "load_checkpoint" and "filename" in found:
            return found.get("checkpoint")
        frame = frame.f_back
    return None


def _locals(frame: FrameType) -> Mapping[str, Any]:
    """Return the locals of a method, or of a function that reads a file.

    Python keeps what was looked at alive until the function ends: a tool's own
    function, which drops one model before it loads the next, is passed over.
    """
    arguments = frame.f_code.co_varnames[: frame.f_code.co_argcount]
    is_of_interest = arguments[:1] == ("self",) or "filename" in arguments
    return frame.f_locals if is_of_interest else {}
