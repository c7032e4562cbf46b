"""Kill a training again and again, and compare it with one that was left alone.

Not a test of the suite: it takes minutes. It trains the demo at small size through
tools/train.py, once undisturbed and once with random ``kill -9``, restarted with
--resume after each, and compares bit for bit what both leave. Memory is read from
/proc, so that it runs on Linux alone.

Example:
  python tests/soak.py --method teacher --kills 20 --iterations 2000 --work-dir soak
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout's

from helpers.soak.compare import compare_runs
from helpers.soak.kills import plan_kills
from helpers.soak.project import METHODS, VAL_INTERVAL, Project, SoakError
from helpers.soak.runs import Tell, Undisturbed, run_killed, run_undisturbed

MEMORY_FROM = 500
MEMORY_SHARE = 0.01


def main(args: Sequence[str] | None = None) -> int:
    """Run both trainings, print the table; return 1 if anything differs."""
    options = parse_args(args)
    folder = options.work_dir.resolve() / options.method
    if folder.exists():
        if not options.overwrite:
            print(f"{folder} is there: --overwrite, or another --work-dir")
            return 2
        shutil.rmtree(folder)
    project = Project(
        folder, options.method, options.iterations, options.seed, options.workers
    )
    rng = random.Random(options.seed)
    kills = plan_kills(options.kills, options.iterations, VAL_INTERVAL, rng)
    try:
        project.make()
        with _bar("undisturbed", options.iterations) as tell:
            times = run_undisturbed(project, tell)
        with _bar(f"{len(kills)} kills", options.iterations) as tell:
            met = run_killed(project, kills, times, tell)
    except SoakError as error:
        print(f"FAILED: {error}")
        return 1
    done, planned = len(met), len(kills)
    print(f"\n{options.method}, {options.iterations} iterations, seed {options.seed}")
    print(f"undisturbed: {times.seconds:.0f} s, its start {times.start_seconds:.1f} s")
    print(f"kills that met it: {done} of {planned}: {'; '.join(met)}\n")
    rows = compare_runs(folder / "undisturbed", folder / "killed", options.iterations)
    for name, (content, difference) in rows.items():
        print(f"{name:36} {difference or 'identical':12} {content}")
    memory = compare_memory(times, options.iterations)
    for name, (content, wrong) in memory.items():
        print(f"{name:36} {wrong or 'within 1 %':12} {content}")
    results = [*rows.values(), *memory.values()]
    differences = [text for _, text in results if text]
    print(f"\n{len(differences)} differences")
    return 1 if differences or done < planned else 0


def parse_args(args: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    summary, _, rest = str(__doc__).partition("\n")
    parser = argparse.ArgumentParser(
        "soak",
        description=summary,
        epilog=rest.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--method", choices=list(METHODS), required=True)
    parser.add_argument("--kills", type=int, default=20, help="default 20")
    parser.add_argument("--iterations", type=int, default=2000, help="default 2000")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the training and the kills; default 0"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="of the data loaders; default 1"
    )
    parser.add_argument(
        "--work-dir",
        type=Path,
        required=True,
        help="where a folder is made for it",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="remove an earlier soak there first"
    )
    return parser.parse_args(args)


def compare_memory(times: Undisturbed, iterations: int) -> dict[str, tuple[str, str]]:
    """Compare the memory at the end with that after 500 iterations, or a quarter.

    Returns:
        Of the process and its workers: the curve in MiB at some iterations, and what is
        wrong with it, "" for nothing.
    """
    early = min(MEMORY_FROM, iterations // 4)
    steps = range(early, iterations + 1, early)
    rows = {}
    for index, name in ((1, "memory"), (2, "memory of the workers")):
        curve = [_memory_before(times, step, early // 5, index) for step in steps]
        change = curve[-1] / max(1.0, curve[0]) - 1
        parts = zip(steps, curve, strict=True)
        content = ", ".join(f"{step}: {kib / 1024:.1f}" for step, kib in parts)
        wrong = f"{change:+.2%}" if abs(change) > MEMORY_SHARE and curve[0] else ""
        rows[name] = (f"{change:+.2%}; MiB by iteration {content}", wrong)
    return rows


def _memory_before(times: Undisturbed, step: int, window: int, index: int) -> float:
    """Return the median of the memory just before an iteration, in KiB.

    Before, as workers end with the last one.
    """
    near = [entry[index] for entry in times.memory if step - window <= entry[0] < step]
    return statistics.median(near or [entry[index] for entry in times.memory])


@contextmanager
def _bar(name: str, total: int) -> Iterator[Tell]:
    """Show a bar with the time left; of a log file it is a line at the end."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
    ) as bar:
        task = bar.add_task(name, total=total)
        yield lambda iteration: bar.update(task, completed=iteration)


if __name__ == "__main__":
    sys.exit(main())
