"""Tables in Markdown: published figures beside ours, over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from mmseg_cosda.reproduce.gains import (
    beyond_noise,
    half_width,
    paired_gains,
    standard_error,
)
from mmseg_cosda.reproduce.paper import (
    FIGURES,
    HYPER_PARAMETERS,
    PUBLISHED,
    per_class,
)
from mmseg_cosda.reproduce.settings import PAPER_TASKS, SMALL, Setting, TableRow

Results = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""By row name, then by seed: what the result files hold."""
NOT_RUN = "not run"
NO_FIGURE = "—"
NET_TITLES = {
    "deeplabv2": "DeepLabV2-R101",
    "fcn8s": "FCN-8s-VGG16",
    "daformer": "MiT-B5 with DAFormer's head",
}
METHODS_CAPTION = (
    "Published: the methods' own papers, with the network that the column names, which "
    "is not ours to the last layer; a row without a figure was published with another "
    "network or not at all."
)


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


def interval(values: Mapping[int, float], base: Mapping[int, float]) -> str:
    """Write the mean of what a row has above another, with its 95 % interval.

    Args:
        values: By seed.
        base: The other's, by seed.

    Returns:
        Bold where zero is outside the interval; without one for a single seed.

    Examples:
        >>> interval({0: 3.0, 1: 5.0, 2: 4.0}, {0: 2.0, 1: 2.0, 2: 2.0})
        '+2.00 [-0.48, +4.48]'
        >>> interval({0: 3.0}, {0: 2.0, 1: 2.0})
        '+1.00'
    """
    gains = paired_gains(values, base)
    if not gains:
        return NO_FIGURE
    mean = statistics.fmean(gains)
    if len(gains) == 1:
        return f"{mean:+.2f}"
    half = half_width(gains)
    text = f"{mean:+.2f} [{mean - half:+.2f}, {mean + half:+.2f}]"
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


def published(setting: Setting) -> tuple[str, Mapping[str, str]]:
    """Return heading and figures that a setting's methods are set beside.

    Args:
        setting: Task and network.

    Returns:
        The heading, which names the network of the figures, and the figures by row:
        those of the methods' own papers. Empty where none is of this network.

    Examples:
        >>> heading, figures = published(Setting("gta2cs"))
        >>> heading, figures["dacs"]
        ('published (GTA5→CS, DeepLabV2-R101)', '52.1')
    """
    task = "gta2cs" if setting.task in SMALL else setting.task
    source = "GTA5" if task == "gta2cs" else "SYNTHIA"
    net = NET_TITLES[setting.net]
    return f"published ({source}→CS, {net})", PUBLISHED.get((setting.net, task), {})


def cited(table: str, setting: Setting) -> tuple[str, Mapping[str, str]]:
    """Return heading and cells of the column of figures that are not ours."""
    if table == "methods":
        return published(setting)
    heading, figures = reference(setting)
    return heading, {row: f"{figure:g}" for row, figure in figures.items()}


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
    """Write a table with our figures beside the published ones.

    Args:
        table: Its number or name.
        setting: Task and network.
        rows: Its rows.
        results: What the result files hold, of the baseline too if there are any.
        baseline: Name of the row that differences are taken to.

    Returns:
        Markdown.
    """
    heading, figures = cited(table, setting)
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
        cells = [
            f"{row.title} (`{row.name}`)",
            figures.get(row.name, NO_FIGURE),
            spread(list(best.values())),
            spread(list(last.values())),
            *gains,
            " ".join(map(str, sorted(last))) or NO_FIGURE,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", _caption(table, setting, len(seeds))]
    if table in ("2", "3"):
        lines += ["", *_class_lines(setting, rows[0], results)]
    return "\n".join(lines) + "\n"


def _caption(table: str, setting: Setting, seeds: int) -> str:
    text = (
        "Mean ± standard deviation over seeds; differences are paired by seed, mean ± "
        "standard error, bold where 95 % sure (Student's t). Best: the best snapshot "
        "on validation, which the field reports; last: the last iteration."
    )
    if setting.task in SMALL:
        text += " The published figures are of another task, for orientation."
    if table == "methods":
        text += f" {METHODS_CAPTION}"
        if setting.net == "deeplabv2" and setting.task not in SMALL:
            text += (
                " Each method has its own crops and schedule here, as published: these "
                "are differences of recipes."
            )
    elif setting.task in PAPER_TASKS and not setting.translated:
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
