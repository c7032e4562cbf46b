"""Which runs are one line: the seeds of one method."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmseg_cosda.errors import UserError

Groups = dict[str, list[Path]]
"""Label -> work folders and result files, one per seed."""


def group_runs(paths: Sequence[Path], labels: Mapping[str, Sequence[str]]) -> Groups:
    """Put the seeds of a method together.

    The seeds of a method are ``ROW_seed0.json``, ``ROW_seed1.json`` ... or the
    folders ``ROW/seed0``, ``ROW/seed1`` ...; their label is ROW, with as much of the
    path before it as tells it from the others. Any other folder is a line of its own.

    Args:
        paths: Work folders, result files, or folders of either.
        labels: Label -> glob patterns of what else makes one line, whatever its name.

    Returns:
        The runs of each line, in the order of the arguments, each run once.

    Raises:
        UserError: If a path or a pattern leads to no run.
    """
    by_group: dict[Path, list[Path]] = {}
    for path in paths:
        for run in expand(path):
            by_group.setdefault(_group_path(run), []).append(run)
    names = short_names(list(by_group))
    groups = {names[group]: runs for group, runs in by_group.items()}
    for label, patterns in labels.items():
        for pattern in patterns:
            groups.setdefault(label, []).extend(_find(label, pattern))
    return {name: _unique(runs) for name, runs in groups.items()}


def _find(label: str, pattern: str) -> list[Path]:
    found = glob.glob(str(Path(pattern).expanduser()), recursive=True)
    paths = [Path(name) for name in sorted(found)]
    # A pattern also matches logs and tables, which nobody means.
    paths = [path for path in paths if path.is_dir() or path.suffix == ".json"]
    if not paths:
        raise UserError(
            f"--label {label}={pattern}: no work folder or result file fits (quote a "
            "pattern, so that the shell leaves it alone)"
        )
    return [run for path in paths for run in expand(path)]


def expand(path: Path) -> list[Path]:
    """Return the runs at a path.

    Args:
        path: A result file; a work folder; a folder with one work folder per seed;
            a folder of result files.

    Returns:
        Work folders and result files, seeds ascending.

    Raises:
        UserError: If there is none.
    """
    if path.is_file() or _is_work_dir(path):
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: there is no such work folder or result file")
    runs = [folder for folder in path.glob("seed*") if _is_work_dir(folder)]
    runs = runs or list(path.glob("*_seed*.json"))
    if not runs:
        raise UserError(
            f"{path} is no work folder of a training (it has no "
            "*/vis_data/scalars.json), and holds neither seed*/ nor *_seed*.json"
        )
    return sorted(runs, key=_natural)


def short_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the shortest ends of paths that tell them apart.

    Examples:
        >>> names = short_names([Path("w/a/demo"), Path("w/b/demo"), Path("w/b/c")])
        >>> list(names.values())
        ['a/demo', 'b/demo', 'c']
    """

    def name(path: Path) -> str:
        for count in range(1, len(path.parts)):
            end = path.parts[-count:]
            if sum(other.parts[-count:] == end for other in paths) == 1:
                return "/".join(end)
        return str(path)

    return {path: name(path) for path in paths}


def _is_work_dir(path: Path) -> bool:
    patterns = ("*/vis_data/scalars.json", "evaluated/iter_*/*/*.json")
    return any(any(path.glob(pattern)) for pattern in patterns)


def _group_path(run: Path) -> Path:
    """Return a run's path without its seed."""
    run = run.absolute()
    if re.fullmatch(r"seed\d+", run.name):
        return run.parent
    if run.suffix == ".json":
        return run.with_name(re.sub(r"_seed\d+$", "", run.stem))
    return run


def _natural(path: Path) -> list[tuple[str, int]]:
    """Sort seed10 behind seed9."""
    parts = re.findall(r"(\D*)(\d*)", str(path))
    return [(text, int(digits or 0)) for text, digits in parts]


def _unique(runs: Sequence[Path]) -> list[Path]:
    return list({run.resolve(): run for run in runs}.values())
