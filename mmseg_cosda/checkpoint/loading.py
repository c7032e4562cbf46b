"""Checkpoints are read as data: reading one never runs code of the file."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch.serialization import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
)

from mmseg_cosda.checkpoint.host_text import drop_executable_text
from mmseg_cosda.checkpoint.integrity import check_zip_members, is_zip
from mmseg_cosda.errors import UserError

# What the logged histories of mmengine ask of the class HistoryBuffer.
HISTORY_METHODS = frozenset({"current", "mean", "max", "min"})

MapLocation = str | torch.device | Callable[..., Any] | dict[str, str] | None


def history_method(owner: object, name: object) -> Any:
    """Stand in for ``getattr`` while a checkpoint is read.

    mmengine pickles the statistics of a ``HistoryBuffer`` as
    ``getattr(HistoryBuffer, "mean")``. The real ``getattr`` would reach from there
    to ``__globals__`` and run anything.

    Args:
        owner: Must be the class ``HistoryBuffer``.
        name: One of current, mean, max and min.

    Returns:
        The method.

    Raises:
        pickle.UnpicklingError: If anything else is asked for.
    """
    if owner is HistoryBuffer and isinstance(name, str) and name in HISTORY_METHODS:
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(
        f"getattr of {owner!r} is not allowed in a checkpoint (only "
        f"HistoryBuffer's {', '.join(sorted(HISTORY_METHODS))})"
    )


def _as_global(function: Callable[..., Any], module: str, name: str) -> Any:
    """Return a function that answers to another global name in a pickle."""

    def stand_in(*args: Any) -> Any:
        return function(*args)

    stand_in.__module__ = module
    stand_in.__name__ = stand_in.__qualname__ = name
    return stand_in


def _allowed_globals() -> list[Any]:
    """List what a checkpoint of mmengine holds besides tensors and containers."""
    numpy_core = getattr(np, "_core", None) or np.core
    arrays = numpy_core.multiarray
    allowed: list[Any] = [
        HistoryBuffer,
        slice,
        np.ndarray,
        np.dtype,
        _as_global(history_method, "builtins", "getattr"),
    ]
    # numpy 2 renamed the module that its pickles name; both must be readable.
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        allowed += [
            _as_global(arrays._reconstruct, module, "_reconstruct"),
            _as_global(arrays.scalar, module, "scalar"),
        ]
    return allowed + [type(np.dtype(code)) for code in "?bBhHiIlLqQefd"]


# Made once: the unpickler compares functions by identity.
ALLOWED_GLOBALS = tuple(_allowed_globals())


@contextmanager
def only_training_state() -> Iterator[None]:
    """Allow torch's weights-only unpickler what mmengine's checkpoints hold.

    The list holds inside the block alone. What a user allowed through
    ``torch.serialization.add_safe_globals`` stays allowed, except ``getattr``:
    together with any class it lets a file run code.

    Yields:
        Nothing.
    """
    before = get_safe_globals()
    own = [entry for entry in before if _global_name(entry) != "builtins.getattr"]
    clear_safe_globals()
    add_safe_globals([*own, *ALLOWED_GLOBALS])
    try:
        yield
    finally:
        clear_safe_globals()
        add_safe_globals(before)


def _global_name(entry: Any) -> str:
    """Return the name under which a pickle finds an allowed global."""
    if isinstance(entry, tuple):
        return str(entry[1])
    return f"{entry.__module__}.{entry.__qualname__}"


def load_checkpoint_file(
    file: str | os.PathLike[str] | BinaryIO,
    map_location: MapLocation = None,
    name: str | None = None,
    mmap: bool = False,
) -> Any:
    """Read a checkpoint as data, never as code.

    Every part of a zip checkpoint is compared with its CRC, also with ``mmap``; the
    old format has none. Texts that the host would execute are left out
    (:func:`~mmseg_cosda.checkpoint.host_text.drop_executable_text`).

    Args:
        file: A path, ``~`` expanded, or an open binary file.
        map_location: Where tensors go, as of ``torch.load``; default: where they
            were saved.
        name: What to call the file in an error; default: its path.
        mmap: Leave the tensors in the file until they are used, so that what is not
            used (optimizer state, queues) takes no memory. For who copies what it
            needs at once: the file must not change before. Ignored for an open file
            and for the old format, of which no part can be left out.

    Returns:
        What was saved: a state_dict or mmengine's dict around one.

    Raises:
        FileNotFoundError: If there is no such file.
        UserError: If it holds anything but weights and training state, or is not
            a whole checkpoint, or damaged. Nothing of it has been run.

    Examples:
        >>> import io
        >>> file = io.BytesIO()
        >>> torch.save({"weight": torch.ones(2)}, file); _ = file.seek(0)
        >>> load_checkpoint_file(file)["weight"].tolist()
        [1.0, 1.0]
    """
    source: Path | BinaryIO
    if isinstance(file, (str, os.PathLike)):
        source, name = Path(file).expanduser(), name or str(file)
        if not source.is_file():
            raise FileNotFoundError(f"checkpoint {source} does not exist")
    else:
        source = file
    name = name or str(getattr(source, "name", source))
    with plain_errors(name), only_training_state():
        zipped = is_zip(source)
        if zipped:
            check_zip_members(source, name)
        content = torch.load(
            source,
            map_location=map_location,
            weights_only=True,
            mmap=mmap and isinstance(source, Path) and zipped,
        )
    drop_executable_text(content, name)
    return content


@contextmanager
def plain_errors(name: str) -> Iterator[None]:
    """Tell in one line why a checkpoint cannot be read.

    Args:
        name: What to call the file.

    Yields:
        Nothing.

    Raises:
        UserError: Instead of torch's errors of unpickling.
    """
    try:
        yield
    except pickle.UnpicklingError as error:
        raise UserError(
            f"checkpoint {name} is refused: it is damaged, or holds objects other "
            f"than weights and training state, whose loading could run code "
            f"({_reason(error)}). Nothing of it was run. If you trust its origin, "
            f"save its state_dict alone and load that"
        ) from error
    except (
        RuntimeError,
        AssertionError,
        ArithmeticError,
        struct.error,  # a number of the old format, cut off
        EOFError,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
    ) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"checkpoint {name} cannot be read: it is truncated, or no PyTorch "
            f"checkpoint ({_reason(error)}). Give a .pth file that training wrote"
        ) from error


def _reason(error: Exception) -> str:
    """Return the telling sentence of torch's long errors of unpickling."""
    # torch hides the unpickler's own words behind a page of advice.
    inner = error.__context__
    if isinstance(error, pickle.UnpicklingError) and inner is not None:
        error = inner if isinstance(inner, Exception) else error
    line = next(iter(str(error).strip().splitlines()), "")
    return line.split(" Please use")[0].rstrip(". ") or type(error).__name__
