"""Reproduce the paper's tables: list their runs, train what is missing, write them."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mmseg_cosda  # noqa: F401  (before any config is read)
from mmseg_cosda.commands import in_checkout, tool_parser
from mmseg_cosda.errors import UserError, ended_by_sigterm, run_tool
from mmseg_cosda.files import atomic_write
from mmseg_cosda.reproduce.evidence import lower_bound, upper_bounds, write_evidence
from mmseg_cosda.reproduce.execute import check, execute, lacking_models
from mmseg_cosda.reproduce.options import read_options
from mmseg_cosda.reproduce.pictures import (
    CLASSES,
    GAINS,
    check_pictures,
    draw_pictures,
)
from mmseg_cosda.reproduce.plan import Plan, Run, teacher_name, with_needed
from mmseg_cosda.reproduce.protocol import protocol_line
from mmseg_cosda.reproduce.results import read_result
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import (
    NET_TASKS,
    NETS,
    STAGED,
    TASKS,
    Setting,
    TableRow,
)
from mmseg_cosda.reproduce.table import settings_table, write_table
from mmseg_cosda.reproduce.tables import BASELINES, TABLES, has_gaps, table_rows

ROOT = Path(__file__).resolve().parents[1]
EPILOG = """\
Tables 1 to 6 are the paper's; "bounds" is source-only, its control and the oracle
(target-supervised); "variants" and "variants-no-pl" are departures from the literal
loss, with and without pseudo-labels; "evidence" is all of these in one table; "methods"
is the methods that came after the paper, with and without the cosine loss on top; "gap"
is second rounds, and what stands between adapting and training on the target's labels
(torcs2camvid); "reasons" is what tells why the cosine loss adds what it adds, to
source-only and to DACS (torcs2camvid). A run that has a result is not run again; one
that was killed goes on where it was. Started twice, side by side, the two share the
runs out. Rows with pseudo-labels take those of one teacher (--pseudo-labels-from),
which is trained first.

Example:
  python tools/reproduce.py --table 4 --task demo
  python tools/reproduce.py --table 1 4 6 --task torcs2camvid --seeds 0 1 2 --dry-run
  python tools/reproduce.py --table 3 --task synthia2cs --net fcn8s --translated
  python tools/reproduce.py --table evidence --task torcs2camvid --no-runs
  python tools/reproduce.py --table methods --task gta2cs --net daformer --dry-run
"""


def parse_args(args: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = tool_parser("reproduce", __doc__, EPILOG)
    add = parser.add_argument
    tables = sorted([*TABLES, "5"])
    add("--table", nargs="+", required=True, choices=tables, help="which tables")
    add("--task", default="demo", choices=TASKS, help="default demo: no download")
    add("--net", default="deeplabv2", choices=NETS, help="default deeplabv2")
    add("--seeds", nargs="+", type=int, default=[0, 1, 2], help="default 0 1 2")
    add("--rows", nargs="+", default=[], metavar="ROW", help="only these rows")
    add(
        "--translated",
        action="store_true",
        help="translated source images: the paper's exact setting",
    )
    add(
        "--baseline",
        choices=list(ROWS),
        help="row that differences are taken to (default by table: only-ssl, in "
        "table 1 adversarial-no-pl)",
    )
    add(
        "--pseudo-labels-from",
        metavar="ROW",
        help="the teacher: row whose last model makes the pseudo-labels (the paper's, "
        "advent-no-pl for DeepLabV2 and adversarial-no-pl for FCN-8s; source-only on "
        "demo and torcs2camvid)",
    )
    add(
        "--pseudo-labels-seed",
        type=int,
        metavar="SEED",
        help="the teacher's seed, one for all runs (0); -1: each run's own, which is "
        "the default on torcs2camvid, where each seed has a source-only model",
    )
    add("--pseudo-labels", type=Path, metavar="DIR", help="take finished ones instead")
    add("--work-dir", type=Path, default=Path("work_dirs/reproduce"), metavar="DIR")
    add("--results", type=Path, default=Path("results"), metavar="DIR")
    add("--dry-run", action="store_true", help="only print the commands")
    add(
        "--no-runs",
        action="store_true",
        help="run nothing, only write the tables from the results that there are",
    )
    add(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw what each row gains, of one table: evidence, gap, reasons, or "
        "methods on demo and torcs2camvid: .png, .pdf or .svg",
    )
    add(
        "--plot-classes",
        type=Path,
        metavar="FILE",
        help="draw what each row of such a table gains on each class",
    )
    add("--cfg-options", nargs="+", default=[], metavar="K=V", help="for every run")
    return parser.parse_args(args)


def make_plan(args: argparse.Namespace) -> Plan:
    """Turn the command line into a plan."""
    setting = Setting(args.task, args.net, args.translated)
    if min(args.seeds) < 0 or len(set(args.seeds)) < len(args.seeds):
        raise UserError(f"--seeds {args.seeds}: give different integers from 0 on")
    seed = args.pseudo_labels_seed
    if seed is None:
        seed = -1 if args.task in STAGED else 0
    root = Path(os.path.relpath(ROOT)) if Path.cwd() == ROOT else ROOT
    return Plan(
        setting=setting,
        configs=root / "configs",
        tools=root / "tools" if in_checkout() else None,
        work_root=args.work_dir,
        result_root=args.results,
        options=tuple(args.cfg_options),
        teacher=args.pseudo_labels_from or teacher_name(setting),
        teacher_seed=None if seed < 0 else seed,
        pseudo_labels=args.pseudo_labels,
    )


def cosine_of(plan: Plan) -> dict[str, Any]:
    """Return the settings of a plan's cosine loss, eq. 12's where there is one."""
    row = ROWS["cosine"]
    if plan.setting.net not in row.nets:
        row = ROWS["cosine-no-pl"]
    path = plan.configs / row.config(plan.setting)
    cfg = read_options(path, plan.options)
    return dict(cfg.model.alignments.cosine)


def shown(command: Sequence[str]) -> str:
    """Write a command for a shell."""
    return shlex.join(["python", *command[1:]])


def show_commands(plan: Plan, runs: Sequence[Run]) -> None:
    """Print what is left to do, as commands for a shell."""
    labels_made = set()
    lacking = lacking_models(plan, runs)
    for run in runs:
        note = check(plan, run)
        behind = f" ({note})" if note else ""
        if read_result(plan, run) is not None and run not in lacking:
            print(f"# done: {run}{behind}")
            continue
        if note:
            print(f"# {run}{behind}")
        teacher, folder = plan.teacher_of(run), plan.label_dir(run)
        if teacher and folder and folder not in labels_made:
            labels_made.add(folder)
            if not (folder / "report.json").is_file():
                print(shown(plan.label_command(teacher, folder)))
        print(shown(plan.train_command(run)))


def read_results(
    plan: Plan, rows: Iterable[TableRow], seeds: Sequence[int]
) -> dict[str, dict[int, dict[str, Any]]]:
    """Read the results that there are, by row and seed."""
    results: dict[str, dict[int, dict[str, Any]]] = {}
    for row in rows:
        for seed in seeds:
            result = read_result(plan, Run(row, seed))
            if result is not None:
                results.setdefault(row.name, {})[seed] = result
    return results


def write_tables(
    plan: Plan,
    tables: dict[str, list[TableRow]],
    seeds: Sequence[int],
    baseline: str | None,
    pictures: Mapping[str, Path | None],
) -> None:
    """Write each table from the results that there are, and print it."""
    for table, rows in tables.items():
        base = baseline or BASELINES.get(table, "only-ssl")
        gaps = has_gaps(table, plan.setting)
        compared = [base]
        if gaps:
            compared = [lower_bound(plan.setting), *upper_bounds(plan.setting)]
        compared += [row.added_to for row in rows if gaps and row.added_to]
        wanted = dict.fromkeys([*rows, *(ROWS[name] for name in compared)])
        results = read_results(plan, wanted, seeds)
        if gaps:
            text = write_evidence(plan.setting, rows, results, table)
        else:
            text = write_table(table, plan.setting, rows, results, base)
        line = protocol_line(results)
        if line:
            text = f"{text}\n{line}\n"
        path = plan.result_root / plan.setting.name / f"table_{table}.md"
        with atomic_write(path) as file:
            file.write(text.encode())
        print(f"\n{text}\n({path})", flush=True)
        if gaps:
            for picture in draw_pictures(pictures, plan.setting, rows, results):
                print(f"({picture})", flush=True)


def show_settings() -> None:
    """Print Table 5, which needs no run."""
    cosines = {}
    for task in TASKS:
        for net in (net for net in ROWS["cosine"].nets if task in NET_TASKS[net]):
            plan = Plan(Setting(task, net), ROOT / "configs", None, Path(), Path())
            cosines[net, task] = cosine_of(plan)
    print(settings_table(cosines))


def main(args: Sequence[str] | None = None) -> None:
    """Reproduce as the command line says."""
    options = parse_args(args)
    setting = Setting(options.task, options.net, options.translated)
    pictures = {GAINS: options.plot, CLASSES: options.plot_classes}
    check_pictures(pictures, options.table, setting)
    if "5" in options.table:
        show_settings()
    names = [name for name in options.table if name != "5"]
    if not names:
        return
    plan = make_plan(options)
    cosine = cosine_of(plan)
    tables = {n: table_rows(n, plan.setting, cosine, options.rows) for n in names}
    chosen = [
        Run(r, s) for s in options.seeds for rows in tables.values() for r in rows
    ]
    runs = with_needed(plan, chosen)
    if options.dry_run:
        show_commands(plan, runs)
        return
    pending = [] if options.no_runs else runs
    with ended_by_sigterm():
        failed = execute(plan, pending, lambda line: print(line, flush=True))
    write_tables(plan, tables, options.seeds, options.baseline, pictures)
    if failed:
        reasons = "; ".join(f"{run}: {reason}" for run, reason in failed.items())
        raise UserError(f"{len(failed)} of {len(runs)} runs failed: {reasons}")


if __name__ == "__main__":
    run_tool(main)
