"""The host under the plugin: is it there, new enough, and only once?"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from importlib import metadata
from types import ModuleType
from typing import Any, TextIO, cast

# The oldest versions that the parts and configs of this package are written for.
MINIMUM_VERSIONS: Mapping[str, tuple[int, ...]] = {
    "torch": (2, 4),
    "mmengine": (0, 10),
    "mmcv": (2, 1),
    "mmseg": (1, 2),
}

# Distributions that install the same import name: (original, maintained fork).
HOST_DISTRIBUTIONS: Mapping[str, tuple[str, str]] = {
    "mmengine": ("mmengine", "onedl-mmengine"),
    "mmcv": ("mmcv", "onedl-mmcv"),
    "mmseg": ("mmsegmentation", "onedl-mmsegmentation"),
}

# On its way the original's mmseg.models imports what mmcv-lite lacks (mmcv.ops) and
# what pip was not told to install (ftfy, regex). mmseg.datasets prints NEEDLESS_LINE.
HOST_PARTS = ("mmseg.models", "mmseg.datasets")

# Printed by the fork wherever a package of its makers isn't installed, which nothing
# here needs.
NEEDLESS_LINE = "Could not import OneDL"

CURE = (
    "install a host into a fresh environment with "
    '`pip install -c constraints.txt -e ".[onedl]"` (or the extra "openmmlab" for '
    "the original packages); see the README"
)


def version_tuple(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version.

    Args:
        version: A version as packages state it.

    Returns:
        Its numbers up to the first part that does not begin with a digit.

    Examples:
        >>> version_tuple("2.13.0+cpu"), version_tuple("1.2.0rc1")
        ((2, 13, 0), (1, 2, 0))
    """
    numbers: list[int] = []
    for part in version.split("+")[0].split("."):
        match = re.match(r"\d+", part)
        if match is None:
            break
        numbers.append(int(match.group()))
        if match.group() != part:
            break
    return tuple(numbers)


def require_version(name: str, version: str, minimum: tuple[int, ...]) -> None:
    """Refuse a package that is older than the plugin needs.

    Args:
        name: The import name.
        version: The version found.
        minimum: The oldest version that serves.

    Raises:
        ImportError: If it is older; the message names both and the cure.

    Examples:
        >>> require_version("mmseg", "0.30.0", (1, 2))
        Traceback (most recent call last):
        ...
        ImportError: mmseg_cosda needs mmseg >= 1.2, but found 0.30.0: install ...
    """
    if version_tuple(version) < minimum:
        oldest = ".".join(map(str, minimum))
        raise ImportError(
            f"mmseg_cosda needs {name} >= {oldest}, but found {version}: {CURE}"
        )


def require_host(minimums: Mapping[str, tuple[int, ...]] = MINIMUM_VERSIONS) -> None:
    """Check that torch and the host can be imported and are new enough.

    Args:
        minimums: The oldest version of each import name.

    Raises:
        ImportError: If one is missing, too old or refuses its neighbors; one
            message with the reason and the cure.
    """
    with without_line(NEEDLESS_LINE):
        for name, minimum in minimums.items():
            require_version(name, str(_import(name).__version__), minimum)
        for part in HOST_PARTS:
            _import(part)


@contextmanager
def without_line(line: str) -> Iterator[None]:
    """Leave a line out of what is printed meanwhile; all else passes.

    Args:
        line: The whole line, without its end.

    Yields:
        Nothing.

    Examples:
        >>> with without_line("noise"):
        ...     print("noise")
        ...     print("noise of another kind")
        noise of another kind
    """
    stream = _WithoutLine(sys.stdout, line)
    try:
        with redirect_stdout(cast(TextIO, stream)):
            yield
    finally:
        stream.release()


class _WithoutLine:
    """A stream that passes text on, except for one line."""

    def __init__(self, stream: TextIO, line: str) -> None:
        self.stream, self.line = stream, f"{line}\n"
        self.held = ""  # the beginning of what may be the line
        self.passed = ""  # the last that was passed on

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        for part in text.splitlines(keepends=True):
            self.held += part
            starts = self.passed.endswith("\n") or not self.passed
            if starts and self.held == self.line:
                self.held = ""
            elif not (starts and self.line.startswith(self.held)):
                self.release()
        return len(text)

    def release(self) -> None:
        """Pass on what was held back."""
        if self.held:
            self.stream.write(self.held)
            self.passed, self.held = self.held, ""


def _import(name: str) -> ModuleType:
    """Import a module of the host; whatever goes wrong is one ImportError."""
    try:
        with warnings.catch_warnings():
            # The fork has no compiled ops; nothing here needs them.
            warnings.filterwarnings("ignore", message="Fail to import ``Multi")
            return importlib.import_module(name)
    except (ImportError, AssertionError) as error:
        # mmseg asserts the versions of mmcv and mmengine while it is imported.
        reason = " ".join(str(error).split())
        raise ImportError(
            f"mmseg_cosda is a plugin of MMSegmentation 1.x, but {name} cannot be "
            f"imported ({reason}): {CURE}"
        ) from error


def is_distribution_installed(name: str) -> bool:
    """Return whether pip knows a distribution of this name here."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def warn_of_two_hosts(
    is_installed: Callable[[str], bool] = is_distribution_installed,
) -> None:
    """Warn where an original and its fork both own an import name.

    Both unpack into the same folder, so that the files of the one installed last
    lie among those of the other, and removing either breaks both.

    Args:
        is_installed: Tells whether a distribution is there.
    """
    doubles = [
        (name, *pair)
        for name, pair in HOST_DISTRIBUTIONS.items()
        if all(map(is_installed, pair))
    ]
    for name, original, fork in doubles:
        warnings.warn(
            f"{original} and {fork} both own the module {name}: their files are "
            f"mixed. Uninstall both, then install one of them again",
            UserWarning,
            stacklevel=3,
        )


def register_config_scope() -> None:
    """Let configs of other projects inherit ``mmseg_cosda::cosda/...``.

    mmengine resolves ``package::config`` for the packages of its table alone;
    this adds ours. A script must have imported this package before it reads such
    a config.
    """
    from mmengine.config import utils

    utils.MODULE2PACKAGE.setdefault("mmseg_cosda", "mmseg_cosda")
