"""How a training that was interrupted goes on, in words."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from mmengine.runner import Runner

from mmseg_cosda.checkpoint.newest import newest_whole


def has_begun(runner: Any) -> bool:
    """Return whether a Runner has built its loop, without letting it do so."""
    return not isinstance(getattr(runner, "_train_loop", None), Mapping)


def how_to_go_on(runner: Runner) -> str:
    """Say how an interrupted training goes on.

    Args:
        runner: That was interrupted.

    Returns:
        One line: where it stopped, what is saved, the command.
    """
    stopped = "before the first iteration"
    if has_begun(runner):
        stopped = f"in iteration {runner.iter + 1} of {runner.max_iters}"
    latest = newest_whole(runner.work_dir).path
    if latest is None:
        return (
            f"{stopped}; no checkpoint is written yet (default_hooks.checkpoint."
            f"interval), so that the same command begins anew"
        )
    if "TORCHELASTIC_RUN_ID" in os.environ:
        command = "the same command and --resume"
    else:
        command = command_line(sys.argv, "--resume")
    return f"{stopped}; go on from {latest} with: {command}"


def command_line(argv: list[str], option: str) -> str:
    """Return the command that was called, with one more option.

    Args:
        argv: The program and its arguments.
        option: Appended unless it is there.

    Examples:
        >>> command_line(["tools/train.py", "my config.py"], "--resume")
        "python tools/train.py 'my config.py' --resume"
        >>> command_line(["/usr/bin/mmseg-cosda", "train", "a.py"], "--resume")
        'mmseg-cosda train a.py --resume'
    """
    program, *arguments = argv
    if os.path.basename(program) == "__main__.py":
        start = ["python", "-m", "mmseg_cosda"]
    elif program.endswith(".py"):
        start = ["python", program]
    else:
        start = [os.path.basename(program)]
    # --cfg-options takes all that follows, an option with dashes excepted.
    extra = [] if option in arguments else [option]
    return shlex.join([*start, *arguments, *extra])
