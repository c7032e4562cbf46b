from __future__ import annotations

from typing import Any

import pytest

from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce.paper import FIGURES, HYPER_PARAMETERS, per_class
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import Setting
from mmseg_cosda.reproduce.table import settings_table, write_table
from mmseg_cosda.reproduce.tables import (
    BASELINES,
    STAGED_TABLES,
    TABLES,
    sweep_rows,
    table_rows,
)

COSINE: dict[str, Any] = {
    "taps": {"layer4": {"threshold": 0.6}},
    "queue_size": 2500,
    "loss_weight": 0.01,
}
GTA = Setting("gta2cs", translated=True)


def result(last: float, best: float, metric: str = "mIoU") -> dict[str, Any]:
    return {
        "last": {"step": 20, metric: last, "per_class": {"road": last}},
        "best": {"step": 10, metric: best, "per_class": {"road": best, "train": None}},
    }


def cells(markdown: str, name: str) -> list[str]:
    line = next(line for line in markdown.splitlines() if name in line)
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_table_has_means_deviations_and_paired_differences() -> None:
    results = {
        "only-ssl": {0: result(40.0, 42.0), 1: result(42.0, 43.0)},
        # differences: last +3, +5; best +1, +3
        "cosine": {0: result(43.0, 43.0), 1: result(47.0, 46.0), 2: result(90.0, 90.0)},
        "no-queue": {0: result(41.0, 42.5)},
    }
    text = write_table("4", GTA, table_rows("4", GTA, COSINE), results, "only-ssl")
    assert cells(text, "`cosine`") == [
        "Ours (eq. 12) (`cosine`)",
        "49.7",
        "59.67 ± 26.31",
        "60.00 ± 26.06",
        "+2.00 ± 1.00",
        "+4.00 ± 1.00",
        "0 1 2",
    ]
    assert cells(text, "SSL (`only-ssl`)")[2:] == [
        "42.50 ± 0.71",
        "41.00 ± 1.41",
        "—",
        "—",
        "0 1",
    ]
    assert cells(text, "`no-queue`")[2:] == ["42.50", "41.00", "+0.50", "+1.00", "0"]
    assert cells(text, "`with-adversarial`")[1:] == [
        "48.71",
        *["not run"] * 2,
        *["—"] * 3,
    ]
    assert "paper (GTA5→CS, R)" in text


def test_few_seeds_and_original_images_are_said() -> None:
    one = {"cosine": {0: result(1.0, 1.0)}}
    original = Setting("gta2cs")
    rows = table_rows("4", original, COSINE)
    assert "1 seed(s)" in write_table("4", original, rows, one, "only-ssl")
    assert "Original source images" in write_table("4", original, rows, one, "only-ssl")
    assert "Original" not in write_table("4", GTA, rows, one, "only-ssl")
    demo = Setting("demo")
    assert "of another task" in write_table("4", demo, rows, one, "only-ssl")


def test_synthia_is_measured_as_in_the_paper() -> None:
    for net, metric, figure in (
        ("deeplabv2", "mIoU13", "53.2"),
        ("fcn8s", "mIoU16", "41.2"),
    ):
        setting = Setting("synthia2cs", net)
        results = {"cosine": {0: result(30.0, 31.0, metric)}}
        rows = table_rows("3", setting, COSINE)
        text = write_table("3", setting, rows, results, "only-ssl")
        assert cells(text, "`cosine`")[1:4] == [figure, "31.00", "30.00"]
        assert metric in text.splitlines()[0]


def test_tables_2_and_3_list_classes() -> None:
    results = {"cosine": {0: result(30.0, 31.0), 1: result(30.0, 33.0)}}
    text = write_table("2", GTA, table_rows("2", GTA, COSINE), results, "only-ssl")
    assert cells(text, "| road") == ["road", "92.6", "32.00 ± 1.41"]
    assert cells(text, "| train") == ["train", "2.4", "not run"]  # None: never seen
    assert cells(text, "| bicycle") == ["bicycle", "34", "not run"]


@pytest.mark.parametrize(
    ("net", "task", "mean"),
    [
        ("deeplabv2", "gta2cs", 49.7),
        ("fcn8s", "gta2cs", 44.3),
        ("deeplabv2", "synthia2cs", 53.2),
        ("fcn8s", "synthia2cs", 41.2),
    ],
)
def test_the_papers_classes_average_to_its_own_mean(
    net: str, task: str, mean: float
) -> None:
    figures = per_class(net, task)
    assert sum(figures.values()) / len(figures) == pytest.approx(mean, abs=0.06)
    assert FIGURES[net, task]["cosine"] == mean


def test_the_sweeps_are_those_of_table_6() -> None:
    rows = {row.name: row for row in table_rows("6", GTA, COSINE)}
    figures = FIGURES["deeplabv2", "gta2cs"]
    sweeps = {name for name in figures if name.startswith(("threshold", "queue"))}
    assert set(rows) == sweeps | {"cosine"}
    assert dict(rows["threshold-0.55"].options) == {
        "model.alignments.cosine.taps.layer4.threshold": 0.55
    }
    assert dict(rows["queue-3000"].options) == {
        "model.alignments.cosine.queue_size": 3000
    }


def test_a_sweep_moves_every_map() -> None:
    taps = {"fc7": {"threshold": 0.4}, "pool4": {"threshold": 0.5}}
    row = sweep_rows({"taps": taps, "queue_size": 2000})[0]
    assert row.name == "threshold-0.3"
    assert list(row.options.values()) == [0.3, 0.4]


def test_table_5_sets_ours_beside_the_papers() -> None:
    text = settings_table(dict.fromkeys(HYPER_PARAMETERS, COSINE))
    assert cells(text, "| synthia2cs | fcn8s") == [
        "synthia2cs",
        "fcn8s",
        "0.6 (0.2)",
        "2500 (2000)",
        "0.01 (0.001)",
    ]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("mars", "deeplabv2"), "tasks are"),
        (("demo", "resnet"), "nets deeplabv2"),
        (("demo", "fcn8s"), "fcn8s is for"),
        (("torcs2camvid", "daformer"), "daformer is for gta2cs"),
        (("synthia2cs_19way", "fcn8s"), "fcn8s is for"),
        (("gta2cs", "daformer", True), "no translated"),
        (("synthia2cs_19way", "deeplabv2", True), "no translated"),
        (("demo", "deeplabv2", True), "no translated"),
    ],
)
def test_a_setting_that_is_none_is_refused(arguments: Any, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        Setting(*arguments)


def test_rows_of_other_tables_are_refused() -> None:
    with pytest.raises(UserError, match="Table 2 is GTA5"):
        table_rows("2", Setting("synthia2cs"), COSINE)
    with pytest.raises(UserError, match="table 1 has adversarial-no-pl"):
        table_rows("1", GTA, COSINE, only=["cosine"])
    for setting, hint in (
        (Setting("gta2cs", "daformer"), "--net daformer is for --table methods"),
        (Setting("synthia2cs_19way"), "--task synthia2cs_19way is for --table methods"),
    ):
        for table in set(TABLES) - {"methods", "3"}:
            with pytest.raises(UserError, match=hint):
                table_rows(table, setting, COSINE)
    for table in STAGED_TABLES:
        with pytest.raises(UserError, match=f"{table} --task demo: it is about torcs2"):
            table_rows(table, Setting("demo"), COSINE)
    with pytest.raises(UserError, match="original source images"):
        table_rows("methods", GTA, COSINE)
    assert table_rows("4", GTA, COSINE, only=["only-ssl"]) == [ROWS["only-ssl"]]


LATER = ("dacs", "daformer", "mic")
BOTH_NETS = [
    "source-only",
    "cosine-no-pl",
    *(f"{name}{end}" for name in LATER for end in ("", "-cosine")),
]
PAPER_NETS_ALONE = ["cosine", "only-ssl", "adversarial-no-pl"]
ONLINE = ["cosine-online", "only-ssl-online"]
DEEPLAB_ALONE = [*PAPER_NETS_ALONE, *ONLINE, "fda", "fda-cosine"]
TORCS_ALONE = [
    "other-streets-labels",
    "source-only-continued",
    "dacs-cosine-target",
    "mic-cosine-target",
    "dacs-rare-classes",
    "dacs-feature-distance",
]


@pytest.mark.parametrize(
    ("setting", "more"),
    [
        (Setting("gta2cs", "daformer"), []),
        (Setting("synthia2cs_19way", "daformer"), []),
        (Setting("synthia2cs_19way"), DEEPLAB_ALONE),
        (Setting("gta2cs"), DEEPLAB_ALONE),
        (Setting("demo"), [*DEEPLAB_ALONE, "target-supervised"]),
        (
            Setting("torcs2camvid"),
            [*DEEPLAB_ALONE, *TORCS_ALONE, "target-supervised"],
        ),
    ],
    ids=str,
)
def test_the_methods_that_a_net_has_configs_of(
    setting: Setting, more: list[str]
) -> None:
    names = [row.name for row in table_rows("methods", setting, COSINE)]
    assert sorted(names) == sorted([*BOTH_NETS, *more])
    assert names[0] == BASELINES["methods"] == "source-only"


@pytest.mark.parametrize(
    ("setting", "metric", "heading", "figures"),
    [
        (
            Setting("gta2cs"),
            "mIoU",
            "(GTA5→CS, DeepLabV2-R101)",
            {"dacs": "52.1", "fda": "50.45 (three bands, two rounds)", "mic": "—"},
        ),
        (
            Setting("gta2cs", "daformer"),
            "mIoU",
            "(GTA5→CS, MiT-B5 with DAFormer's head)",
            {"dacs": "—", "daformer": "68.3", "mic": "—"},
        ),
        (
            Setting("synthia2cs"),
            "mIoU13",
            "(SYNTHIA→CS, DeepLabV2-R101)",
            {"cosine": "53.2 (translated images)", "dacs": "—"},  # 48.3 is of 16
        ),
        (
            Setting("synthia2cs_19way"),
            "mIoU16",
            "(SYNTHIA→CS, DeepLabV2-R101)",
            {"cosine": "—", "dacs": "48.3", "daformer": "—"},
        ),
        (
            Setting("synthia2cs_19way", "daformer"),
            "mIoU16",
            "(SYNTHIA→CS, MiT-B5 with DAFormer's head)",
            {"daformer": "60.9"},
        ),
        (
            Setting("synthia2cs", "daformer"),
            "mIoU16",
            "(SYNTHIA→CS, MiT-B5 with DAFormer's head)",
            {"daformer": "—"},  # 60.9 is of 19 trained classes
        ),
        (
            Setting("torcs2camvid"),
            "mIoU",
            "(GTA5→CS, DeepLabV2-R101)",
            {"dacs": "52.1", "daformer": "—"},
        ),
    ],
    ids=str,
)
def test_published_figures_stand_beside_the_net_that_they_are_of(
    setting: Setting, metric: str, heading: str, figures: dict[str, str]
) -> None:
    rows = table_rows("methods", setting, COSINE)
    results = {
        "source-only": {0: result(30.0, 31.0, metric)},
        "dacs": {0: result(35.0, 36.0, metric)},
    }
    text = write_table("methods", setting, rows, results, "source-only")
    assert f"| row | published {heading} | best " in text
    assert cells(text, "`dacs`")[2:] == ["36.00", "35.00", "+5.00", "+5.00", "0"]
    for name, figure in figures.items():
        assert cells(text, f"`{name}`")[1] == figure
    other = "of another task" in text
    assert other == (setting.task == "torcs2camvid")
    own = setting.net == "deeplabv2" and setting.task.startswith(("gta", "synthia"))
    assert ("crops and schedule" in text) == own
