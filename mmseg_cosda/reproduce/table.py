"""Tables in Markdown: the paper's figures beside ours, over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mmseg_cosda.reproduce.gains import beyond_noise, paired_gains, standard_error
from mmseg_cosda.reproduce.paper import FIGURES, HYPER_PARAMETERS, per_class
from mmseg_cosda.reproduce.rows import Setting, TableRow

Results = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""By row name, then by seed: what the result files hold."""
NOT_RUN = "not run"
NO_FIGURE = "—"


def spread(values: Sequence[float]) -> str:
    """Write a mean and, from two values on, the sample standard deviation.

    Examples:
        >>> spread([1.0, 2.0]), spread([1.0]), spread([])
        ('1.50 ± 0.71', '1.00', 'not run')
    """
    if not values:
        return NOT_RUN
    mean = f"{statistics.fmean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def paired_difference(values: Mapping[int, float], base: Mapping[int, float]) -> str:
    """Write the mean over seeds of what a row has above the baseline.

    Args:
        values: By seed.
        base: The baseline's, by seed.

    Returns:
        Mean and, from two common seeds on, its standard error, s / sqrt(n); bold
        where it is :func:`mmseg_cosda.reproduce.gains.beyond_noise`.

    Examples:
        >>> paired_difference({0: 3.0, 1: 5.0}, {0: 2.0, 1: 2.0, 2: 9.0})
        '+2.00 ± 1.00'
    """
    gains = paired_gains(values, base)
    if not gains:
        return NO_FIGURE
    mean = f"{statistics.fmean(gains):+.2f}"
    if len(gains) == 1:
        return mean
    text = f"{mean} ± {standard_error(gains):.2f}"
    return f"**{text}**" if beyond_noise(gains) else text


def reference(setting: Setting) -> tuple[str, Mapping[str, float]]:
    """Return the heading and the figures of the paper that a setting is set beside.

    Examples:
        >>> reference(Setting("demo"))[0]
        'paper (GTA5→CS, R)'
    """
    net = setting.net
    task = setting.task if (net, setting.task) in FIGURES else "gta2cs"
    source = {"gta2cs": "GTA5", "synthia2cs": "SYNTHIA"}[task]
    letter = "R" if net == "deeplabv2" else "V"
    return f"paper ({source}→CS, {letter})", FIGURES[net, task]


def column(results: Results, row: str, which: str, metric: str) -> dict[int, float]:
    """Return a row's metric at its last or best evaluation, by seed."""
    found = {s: r[which].get(metric) for s, r in results.get(row, {}).items()}
    return {seed: float(value) for seed, value in found.items() if value is not None}


def write_table(
    table: str,
    setting: Setting,
    rows: Sequence[TableRow],
    results: Results,
    baseline: str,
) -> str:
    """Write one of the paper's tables with our figures.

    Args:
        table: Its number or name.
        setting: Task and network.
        rows: Its rows.
        results: What the result files hold, of the baseline too if there are any.
        baseline: Name of the row that differences are taken to.

    Returns:
        Markdown.
    """
    heading, figures = reference(setting)
    metric = setting.metric
    seeds = sorted({seed for by_seed in results.values() for seed in by_seed})
    lines = [
        f"# Table {table}: {setting.name}, {metric} on the target's validation images",
        "",
        f"| row | {heading} | best | last | best, above `{baseline}` "
        f"| last, above `{baseline}` | seeds |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        best, last = (
            column(results, row.name, which, metric) for which in ("best", "last")
        )
        gains = [
            NO_FIGURE
            if row.name == baseline
            else paired_difference(ours, column(results, baseline, which, metric))
            for ours, which in ((best, "best"), (last, "last"))
        ]
        figure = figures.get(row.name)
        cells = [
            f"{row.title} (`{row.name}`)",
            NO_FIGURE if figure is None else f"{figure:g}",
            spread(list(best.values())),
            spread(list(last.values())),
            *gains,
            " ".join(map(str, sorted(last))) or NO_FIGURE,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", _caption(setting, len(seeds))]
    if table in ("2", "3"):
        lines += ["", *_class_lines(setting, rows[0], results)]
    return "\n".join(lines) + "\n"


def _caption(setting: Setting, seeds: int) -> str:
    text = (
        "Mean ± standard deviation over seeds; differences are paired by seed, mean ± "
        "standard error, bold where 95 % sure (Student's t). Best: the best snapshot "
        "on validation, which the field reports; last: the last iteration."
    )
    if setting.task not in ("gta2cs", "synthia2cs"):
        text += " The paper's figures are of another task, for orientation."
    elif not setting.translated:
        text += " Original source images; the paper's are translated (--translated)."
    if 0 < seeds < 3:
        text += f" **{seeds} seed(s): no difference here can be told from noise.**"
    return text


def _class_lines(setting: Setting, row: TableRow, results: Results) -> list[str]:
    """Write the IoU of each class, of the paper and ours at the best snapshot."""
    paper = per_class(setting.net, setting.task)
    runs = [
        result["best"]["per_class"] for result in results.get(row.name, {}).values()
    ]
    names = list(dict.fromkeys([*(name for run in runs for name in run), *paper]))
    lines = [f"| class | {reference(setting)[0]} | best |", "|---|---|---|"]
    for name in names:
        values = [run[name] for run in runs if run.get(name) is not None]
        figure = f"{paper[name]:g}" if name in paper else NO_FIGURE
        lines.append(f"| {name} | {figure} | {spread(values)} |")
    return lines


def settings_table(cosines: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    """Write Table 5: the settings of our configs beside the paper's.

    Args:
        cosines: ``model.alignments.cosine`` by (net, task).

    Returns:
        Markdown.
    """
    lines = [
        "# Table 5: hyper-parameters",
        "",
        "| task | net | T_cos (paper) | dict-size (paper) | lambda_cos (paper) |",
        "|---|---|---|---|---|",
    ]
    for (net, task), cosine in cosines.items():
        taps = (tap for tap in cosine["taps"].values() if tap is not None)
        threshold = next(taps)["threshold"]
        ours = (threshold, cosine["queue_size"], cosine["loss_weight"])
        paper = HYPER_PARAMETERS.get((net, task), (NO_FIGURE,) * 3)
        pairs = (f"{mine:g} ({its})" for mine, its in zip(ours, paper, strict=True))
        lines.append(f"| {task} | {net} | {' | '.join(pairs)} |")
    return "\n".join(lines) + "\n"
