"""What the training and the test tool share: arguments, processes, Runner."""

from __future__ import annotations

import argparse
import codecs
import locale
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.runner import Runner
from mmseg.registry import RUNNERS
from torch import distributed

from mmseg_cosda.build_errors import config_mistakes
from mmseg_cosda.commands import torchrun
from mmseg_cosda.config import ConfigOption, read_config
from mmseg_cosda.errors import Stopped, UserError, about_file, worker_message
from mmseg_cosda.going_on import has_begun, how_to_go_on
from mmseg_cosda.timeouts import lost_process, process_timeout


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that training and test share with the host's scripts.

    Args:
        parser: A parser that already has ``config``.
    """
    parser.add_argument(
        "--work-dir",
        help="folder of logs and results; default work_dirs/FOLDER/CONFIG_NAME",
    )
    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=ConfigOption,
        help='override values of the config: key=value, lists as key="[a,b]"',
    )
    parser.add_argument(
        "--launcher",
        choices=["none", "pytorch", "slurm", "mpi"],
        default="none",
        help="who started the processes; default none: one process",
    )
    # torch.distributed.launch hands it over by argument, torchrun by environment.
    parser.add_argument(
        "--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS
    )


def read_run_config(options: argparse.Namespace) -> Config:
    """Read the config of a run, with what the tool's arguments override.

    Args:
        options: Parsed arguments of ``add_run_arguments`` and ``config``.

    Returns:
        The config, with ``launcher`` and ``work_dir`` set.

    Raises:
        UserError: If the config or an override can't be read, or the system's
            encoding lacks letters of what the host writes of it.
    """
    cfg = read_config(options.config, options.cfg_options)
    cfg.launcher = options.launcher
    if options.work_dir is not None:
        cfg.work_dir = options.work_dir
    elif cfg.get("work_dir") is None:
        cfg.work_dir = str(default_work_dir(Path(cfg.filename)))
    _require_letters(cfg)
    return cfg


def _require_letters(cfg: Config) -> None:
    """Refuse a config that the host's log and ``last_checkpoint`` couldn't be of."""
    encoding = locale.getpreferredencoding(False)
    if codecs.lookup(encoding).name == "utf-8":
        return
    for name, text in (
        (f"work_dir={cfg.work_dir}", str(cfg.work_dir)),
        (f"config {cfg.filename}", cfg.pretty_text),
    ):
        try:
            text.encode(encoding)
        except UnicodeEncodeError as error:
            letter = text[error.start]
            raise UserError(
                f"{name}: the system's encoding, {encoding}, lacks {letter!r}, so that "
                f"no log could be written: set PYTHONUTF8=1 or LC_ALL=C.UTF-8"
            ) from error


def default_work_dir(config: Path) -> Path:
    """Return the folder of a config's results when none is named.

    Configs of several methods share a name: below a folder ``configs`` the whole
    path counts, elsewhere the file's name, as with the host's script.

    Args:
        config: The config's file.

    Returns:
        A folder under ``work_dirs``.

    Examples:
        >>> print(default_work_dir(Path("configs/cosda/deeplabv2_demo.py")))
        work_dirs/cosda/deeplabv2_demo
        >>> print(default_work_dir(Path("mine.py")))
        work_dirs/mine
    """
    parts = config.resolve().with_suffix("").parts
    start = max((i for i, part in enumerate(parts) if part == "configs"), default=-2)
    return Path("work_dirs", *parts[start + 1 :])


def use_mixed_precision(cfg: Config) -> None:
    """Turn the config's optimizer wrappers into mixed-precision ones.

    Args:
        cfg: A config; its wrapper, or each wrapper in it, is changed in place.

    Raises:
        UserError: If there is no accelerator, or a wrapper of another type.
    """
    if get_device() == "cpu":
        raise UserError("--amp needs a GPU: leave it out to train on the CPU")
    for name, wrapper in _optim_wrappers("optim_wrapper", cfg.optim_wrapper):
        kind = wrapper.get("type", "OptimWrapper")
        if kind not in {"OptimWrapper", "AmpOptimWrapper"}:
            raise UserError(
                f"--amp with {name}.type = {kind}: only an OptimWrapper can be "
                f"turned into an AmpOptimWrapper"
            )
        wrapper["type"] = "AmpOptimWrapper"
        wrapper.setdefault("loss_scale", "dynamic")


def _optim_wrappers(name: str, cfg: Any) -> Iterator[tuple[str, Any]]:
    """Find the wrappers of a config by the optimizer that each holds."""
    if not isinstance(cfg, Mapping):
        return
    if "optimizer" in cfg:
        yield name, cfg
        return
    for key, value in cfg.items():
        yield from _optim_wrappers(f"{name}.{key}", value)


@contextmanager
def processes(
    launcher: str, local_rank: int = 0, cfg: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Prepare the processes of a launcher, and part from them in the end.

    mmengine starts the pytorch launcher's processes on CUDA alone; on a machine
    without an accelerator they are joined over gloo before the Runner looks.

    Args:
        launcher: none, pytorch, slurm or mpi.
        local_rank: This process' number on its machine, where the environment
            doesn't say.
        cfg: The run's config, for how long processes wait for one another.

    Yields:
        Nothing.

    Raises:
        UserError: If the pytorch launcher is named but didn't start this process.
    """
    os.environ.setdefault("LOCAL_RANK", str(local_rank))
    if launcher == "pytorch":
        if not {"RANK", "WORLD_SIZE"} <= os.environ.keys():
            raise UserError(
                "--launcher pytorch: RANK and WORLD_SIZE are not set. Start it with "
                f"torchrun: `{torchrun('train')} CONFIG --launcher pytorch`"
            )
        if get_device() == "cpu" and not distributed.is_initialized():
            limit = process_timeout(cfg or {})
            distributed.init_process_group("gloo", timeout=limit)
    try:
        yield
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


def build_runner(cfg: Config) -> Runner:
    """Build the Runner that a config asks for.

    Raises:
        UserError: If the config has no model, or names what isn't there.
    """
    if "model" not in cfg:
        raise UserError(
            f"config {cfg.filename} has no model: inherit one by _base_, as the "
            f"configs of configs/cosda/ do, or give model=dict(type=...)"
        )
    with config_mistakes(cfg):
        return RUNNERS.build(cfg) if "runner_type" in cfg else Runner.from_cfg(cfg)


def run(runner: Runner, mode: str) -> None:
    """Train or test; a mistake in the data is one line, a failure is a traceback.

    Args:
        runner: A built Runner.
        mode: "train" or "test".

    Raises:
        UserError: For a ValueError or OSError of a data worker, with its message
            alone; for a file that can't be written or read, with its name.
        RuntimeError: For any other ValueError once training has begun, with its
            cause: no user's mistake any more.
        KeyboardInterrupt: As it comes; of a training with how to go on.
        Stopped: As it comes, for SIGTERM.
    """
    try:
        with config_mistakes(getattr(runner, "cfg", None)):
            getattr(runner, mode)()
    except KeyboardInterrupt as error:
        if mode != "train" or not is_main_process():
            raise
        raise KeyboardInterrupt(how_to_go_on(runner)) from error
    except RuntimeError as error:
        found = _killed_worker(error)
        if found is None and distributed.is_initialized():
            found = lost_process(error, runner.cfg)
        if found is None:
            raise
        going_on = f"; {how_to_go_on(runner)}" if mode == "train" else ""
        raise UserError(found + going_on) from error
    except Stopped:
        if is_main_process():
            print(f"terminated {how_to_go_on(runner)}", file=sys.stderr)
        raise
    except OSError as error:
        found = worker_message(error)
        if found is None and error.errno is None:
            raise
        going_on = f"; {how_to_go_on(runner)}" if mode == "train" else ""
        raise UserError((found or about_file(error)) + going_on) from error
    except ValueError as error:
        found = worker_message(error)
        if found is not None:
            raise UserError(found) from error
        if not isinstance(error, UserError) and has_begun(runner) and runner.iter > 0:
            raise RuntimeError(f"{mode} failed after {runner.iter} steps") from error
        raise


_KILLED = re.compile(r"DataLoader worker \(pid.*\) is killed by signal: (\w+)")


def _killed_worker(error: RuntimeError) -> str | None:
    """Say in a line that a data worker was killed; None for another error."""
    found = _KILLED.search(str(error))
    if found is None:
        return None
    return (
        f"a data worker was killed (signal {found[1]}), by the system if memory ran "
        f"short: then take fewer of them (train_dataloader.num_workers)"
    )
