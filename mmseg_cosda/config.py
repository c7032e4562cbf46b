"""The one reader of configs, and what several tools ask of a config."""

from __future__ import annotations

import argparse
import copy
import difflib
import errno
import importlib.util
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope

from mmseg_cosda.config_files import config_files, names_used
from mmseg_cosda.config_keys import (
    refuse_unread_keys,
    refuse_unread_parts,
    refuse_used_variables,
)
from mmseg_cosda.errors import UserError
from mmseg_cosda.safe_yaml import refuse_executable_yaml

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
SUFFIXES = (".py", ".yml", ".yaml", ".json")

# Methods of the host's Config whose local ``filename`` is the config being read.
_HOST_READERS = ("fromfile", "_file2dict", "_is_lazy_import", "_parse_lazy_import")


class ConfigOption(DictAction):
    """The host's ``--cfg-options``, with one clear error for a missing ``=``."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Sequence[str],
        option_string: str | None = None,
    ) -> None:
        """Parse ``key=value`` pairs."""
        for pair in values:
            if "=" not in pair:
                parser.error(f"{option_string} {pair}: give key=value")
        super().__call__(parser, namespace, values, option_string)


def read_config(
    name: str | os.PathLike[str], options: Mapping[str, Any] | None = None
) -> Config:
    """Read a config, change values of it, and set the scope of its types.

    Args:
        name: Path of the file, or ``PACKAGE::PATH`` as in :func:`find_config`.
        options: Dotted key -> new value, as :class:`ConfigOption` parses them.

    Returns:
        The config. Its ``default_scope``, else the host's, is the current scope.

    Raises:
        UserError: If there is no such config, or it, one of its bases or an option
            of it can't be read; one line with file, line and cure. If an option is one
            that nothing reads; with the nearest key.
    """
    path = find_config(name)
    refuse_executable_yaml(path)
    try:
        cfg = Config.fromfile(path)
    except Exception as error:
        # A config is a program: whatever it raises is its author's mistake.
        raise UserError(_explain(error, path)) from error
    before = cfg.to_dict()
    if options:
        refuse_unread_keys(before, options)
        refuse_used_variables(before, options, names_used(config_files(path)))
    try:
        cfg.merge_from_dict(dict(options or {}))
    except Exception as error:
        given = " ".join(f"{key}={value}" for key, value in (options or {}).items())
        raise UserError(
            f"--cfg-options {given} don't fit config {path}: {_one_line(error)}"
        ) from error
    init_default_scope(cfg.get("default_scope") or "mmseg")
    if options:
        refuse_unread_parts(before, cfg.to_dict(), options)
    return cfg


def find_config(name: str | os.PathLike[str]) -> Path:
    """Return the file of a config.

    Args:
        name: A path, relative to the working directory or absolute;
            ``PACKAGE::PATH`` for a config that an installed package ships, such as
            ``mmseg_cosda::cosda/deeplabv2_demo_no-pl.py``; or ``configs/PATH``, which
            is ours too where the working directory has no such file (a line on stderr
            says so): the documentation names configs as in a checkout.

    Returns:
        An existing file with the suffix of a config.

    Raises:
        UserError: If there is none; with the nearest names in its folder.
    """
    package, separator, inner = os.fspath(name).partition("::")
    if separator:
        path, place = _shipped_configs(package) / inner, ""
    else:
        path, place = Path(name).expanduser(), f" (looked for from {Path.cwd()})"
        if path.parts[:1] == ("configs",) and not path.exists():
            shipped = _shipped_configs("mmseg_cosda") / Path(*path.parts[1:])
            if shipped.is_file():
                print(f"{path}: taken from the package, {shipped}", file=sys.stderr)
                path = shipped
    if path.is_dir():
        raise UserError(f"config {path} is a folder: give a file in it")
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.glob("*") if p.suffix in SUFFIXES)
        near = difflib.get_close_matches(path.name, beside)
        cure = f"closest: {', '.join(near)}" if near else "give the path of a config"
        raise UserError(f"config {path} does not exist{place}; {cure}")
    if path.suffix not in SUFFIXES:
        *others, last = SUFFIXES
        kinds = f"{', '.join(others)} or {last}"
        raise UserError(f"config {path} is no config: give a {kinds} file")
    return path


def _shipped_configs(package: str) -> Path:
    """Return the folder of the configs of an installed package or a checkout."""
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or spec.origin is None:
        raise UserError(f"config {package}::...: no package {package!r} is installed")
    root = Path(spec.origin).parent
    installed = root / ".mim" / "configs"
    return installed if installed.is_dir() else root.parent / "configs"


def _explain(error: Exception, config: Path) -> str:
    """Say in a line which file of a config's chain is wrong, where and how."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return (
            f"config {_shown(config)}: the host copies it to {tempfile.gettempdir()} "
            f"to read it, and can't write there ({error.strerror}); make room, or set "
            f"TMPDIR to another folder"
        )
    files, line = _chain(error, config)
    if isinstance(error, OSError) and not files[-1].is_file():
        owner = [file for file in files if file.is_file()][-1]
        return (
            f"config {_shown(owner)}: its _base_ names {_shown(files[-1])}, which is "
            "no file"
        )
    source = files[-1]
    if isinstance(error, SyntaxError):
        # The host raises a second one, which doesn't know the line.
        inner = error.__context__
        error = inner if isinstance(inner, SyntaxError) else error
        line = error.lineno
        if error.filename and Path(error.filename).is_file():  # of a custom import
            source = Path(error.filename)
    where = f"config {_shown(config)}"
    if source.resolve() != config.resolve():
        where += f": {_shown(source)}"
    if line is not None:
        where += f", line {line}"
    return f"{where}: {_variable_problem(error) or _one_line(error)}"


def _chain(error: Exception, config: Path) -> tuple[list[Path], int | None]:
    """Return the files that were being read, outermost first, and the last's line."""
    files, line = [config], None
    for frame, number in traceback.walk_tb(error.__traceback__):
        code = frame.f_code
        if code.co_name in _HOST_READERS and "filename" in frame.f_locals:
            files.append(Path(frame.f_locals["filename"]))
        elif Path(code.co_filename) == files[-1]:
            line = number
    return files, line


def _variable_problem(error: Exception) -> str | None:
    """Say what is wrong with an environment variable that the config reads."""
    found = re.match(r"`(\w+)` cannot be found in `os.environ`", _text(error))
    if not isinstance(error, KeyError) or found is None:
        return None
    variable = found.group(1)
    if variable in os.environ:
        return (
            f"the environment variable {variable} is set but empty: unset it, or set "
            "it to a folder"
        )
    return f"the environment variable {variable} is not set: set it"


def _one_line(error: Exception) -> str:
    kind, message = type(error).__name__, " ".join(_text(error).split())
    if isinstance(error, SyntaxError):
        message = error.msg
    elif isinstance(error, ImportError) and isinstance(error.__cause__, ImportError):
        # The host's message of a custom import lists sys.path, a line per folder.
        message = f"{error.__cause__}; put the folder of the module on PYTHONPATH"
    return message if isinstance(error, UserError) else f"{kind}: {message}"


def _text(error: Exception) -> str:
    # str() of a KeyError is the repr of its message.
    return str(error.args[0] if isinstance(error, KeyError) and error.args else error)


def _shown(path: Path) -> Path:
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    return absolute.relative_to(here) if absolute.is_relative_to(here) else absolute


def type_name(config: Mapping[str, Any]) -> str:
    """Return the bare type name of a registry config.

    Examples:
        >>> type_name(dict(type="mmseg.LoadAnnotations"))
        'LoadAnnotations'
    """
    kind = config.get("type")
    return str(getattr(kind, "__name__", kind)).rsplit(".", 1)[-1]


def target_config(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of the target's training images, without pseudo-labels.

    Args:
        cfg: A whole config, whose ``train_dataloader.dataset`` pairs two domains.

    Raises:
        UserError: If the config has no target.

    Examples:
        >>> images = dict(type="CityscapesDataset")
        >>> target = dict(type="PseudoLabelDataset", dataset=images)
        >>> target_config(dict(train_dataloader=dict(dataset=dict(target=target))))
        {'type': 'CityscapesDataset'}
    """
    dataset = (cfg.get("train_dataloader") or {}).get("dataset") or {}
    target = dataset.get("target")
    if not target:
        raise UserError(
            "the config has no target domain: train_dataloader.dataset is of type "
            f"{type_name(dataset)}, expected DomainPairDataset(source=..., "
            "target=...), as in configs/self_training/"
        )
    while type_name(target) == "PseudoLabelDataset":
        target = target["dataset"]
    return copy.deepcopy(dict(target))


def find_test_pipeline(cfg: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return how a config loads the images that it tests on, a copy.

    Args:
        cfg: A whole config. The pipeline is that of its ``test_dataloader``, else of
            its ``val_dataloader``, else ``test_pipeline``.

    Raises:
        UserError: If the config has none.

    Examples:
        >>> find_test_pipeline(dict(test_pipeline=[dict(type="PackSegInputs")]))
        [{'type': 'PackSegInputs'}]
    """
    loaders = [cfg.get(f"{split}_dataloader") or {} for split in ("test", "val")]
    found = [(loader.get("dataset") or {}).get("pipeline") for loader in loaders]
    for pipeline in (*found, cfg.get("test_pipeline")):
        if pipeline:
            return [dict(copy.deepcopy(transform)) for transform in pipeline]
    raise UserError(
        "the config has no test pipeline (test_dataloader.dataset.pipeline): it "
        "tells how the target's images are loaded and resized"
    )
