"""Which runs a plan has, with which configs, options and pseudo-labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.pretended_training import ROOT, make_plan

from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce.options import read_options
from mmseg_cosda.reproduce.plan import Plan, Run, teacher_name, with_needed
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import NET_TASKS, NETS, Setting, TableRow
from mmseg_cosda.reproduce.tables import STAGED_TABLES, TABLES, table_rows


def test_whose_pseudo_labels_is_a_choice(project: Path, tmp_path: Path) -> None:
    run = Run(ROWS["cosine"], 2)
    assert make_plan(project).teacher_of(run) == Run(ROWS["source-only"], 0)
    each = make_plan(project, teacher="cosine-no-pl", teacher_seed=None)
    assert each.teacher_of(run) == Run(ROWS["cosine-no-pl"], 2)
    given = make_plan(project, pseudo_labels=tmp_path)
    assert given.teacher_of(run) is None
    assert given.label_dir(run) == tmp_path
    assert given.label_dir(Run(ROWS["source-only"], 0)) is None
    with pytest.raises(UserError, match="needs none itself"):
        make_plan(project, teacher="only-ssl")
    with pytest.raises(UserError, match="is no folder"):
        make_plan(project, pseudo_labels=tmp_path / "nowhere")


def test_whose_results_are_there_needs_no_pseudo_labels(project: Path) -> None:
    plan = make_plan(project, teacher="cosine-no-pl", teacher_seed=None)
    first, second = Run(ROWS["cosine"], 1), Run(ROWS["cosine"], 2)
    teacher = Run(ROWS["cosine-no-pl"], 2)
    plan.result(first).parent.mkdir(parents=True)
    plan.result(first).touch()
    assert with_needed(plan, [first, second]) == [teacher, first, second]
    assert with_needed(plan, [first]) == [first]


@pytest.mark.parametrize(
    ("net", "task", "row"),
    [
        ("deeplabv2", "gta2cs", "advent-no-pl"),
        ("fcn8s", "synthia2cs", "adversarial-no-pl"),
        ("deeplabv2", "torcs2camvid", "source-only"),
    ],
)
def test_the_papers_pseudo_labels_are_the_default(
    net: str, task: str, row: str
) -> None:
    assert teacher_name(Setting(task, net)) == row


@pytest.mark.parametrize("table", list(TABLES))
def test_every_row_of_every_table_has_a_config_that_takes_its_options(
    table: str, project: Path
) -> None:
    for setting in settings_of(table):
        plan = make_plan(project, setting=setting, options=())
        eq_11 = plan.config(Run(ROWS["cosine-no-pl"], 0))
        cosine = read_options(eq_11, [])
        for row in table_rows(table, setting, cosine.model.alignments.cosine):
            assert plan.config(Run(row, 0)).is_file()
            small = ("demo", "synthia2cs_fcn8s", "gta2cs_daformer")
            if setting.name in small or table in STAGED_TABLES:
                check_row(plan, row)


def settings_of(table: str) -> list[Setting]:
    if table == "methods":
        return [Setting(task, net) for net in NETS for task in NET_TASKS[net]]
    if table in STAGED_TABLES:
        return [Setting("torcs2camvid")]
    other = {"2": "synthia2cs", "3": "gta2cs"}.get(table)
    real = [task for task in ("gta2cs", "synthia2cs") if task != other]
    nets = [(net, old) for net in ("deeplabv2", "fcn8s") for old in (False, True)]
    settings = [Setting(task, net, old) for task in real for net, old in nets]
    return [*settings, Setting("demo"), Setting("torcs2camvid")]


def check_row(plan: Plan, row: TableRow) -> None:
    run = Run(row, 3)
    cfg = read_options(plan.config(run), plan.train_options(run))
    assert cfg.randomness.seed == 3
    for key, value in row.values(plan.setting).items():
        found: Any = cfg
        for part in key.split("."):
            found = found[int(part) if part.isdigit() else part]
        assert found == value
    start = plan.start_of(run)
    assert cfg.get("load_from") == (start and str(plan.checkpoint(start)))
    target = cfg.train_dataloader.dataset.target
    assert (target.type == "PseudoLabelDataset") == row.pseudo_labels
    if row.pseudo_labels:
        assert target.pseudo_label_dir == str(plan.label_dir(run))


def test_a_second_round_takes_the_model_and_the_labels_of_its_seeds_first(
    project: Path,
) -> None:
    setting = Setting("torcs2camvid")
    plan = make_plan(project, setting=setting, options=(), teacher_seed=None)
    first, source = (Run(ROWS[name], 4) for name in ("cosine-no-pl", "source-only"))
    for name, models in (
        ("cosine", [source]),
        ("cosine-second", [first]),
        ("only-ssl-second", [first, source]),
        ("dacs-cosine-second", [first]),
    ):
        run = Run(ROWS[name], 4)
        assert plan.needed_by(run) == models
        assert f"load_from={plan.checkpoint(models[-1])}" in plan.train_options(run)
    assert with_needed(plan, [run]) == [source, first, run]
    mean = Run(ROWS["mean-mic"], 4)
    for name, models in (
        ("cosine-third", [mean]),
        ("only-ssl-third", [mean, source]),
    ):
        run = Run(ROWS[name], 4)
        assert plan.needed_by(run) == models
        assert f"load_from={plan.checkpoint(models[-1])}" in plan.train_options(run)
        needed = with_needed(plan, [run])
        assert [each.row.name for each in needed[:2]] == ["source-only", "cosine-no-pl"]
        assert needed[-2:] == [mean, run]


def test_an_alignments_options_reach_only_the_rows_that_have_it(project: Path) -> None:
    option = "model.alignments.cosine.loss_weight=3"
    plan = make_plan(project, options=(option, "train_cfg.max_iters=5"))
    assert option in plan.own_options(Run(ROWS["cosine"], 0))
    assert plan.own_options(Run(ROWS["only-ssl"], 0)) == [
        "randomness.seed=0",
        "train_cfg.max_iters=5",
    ]


def test_options_of_a_method_reach_only_the_rows_that_have_its_part(
    project: Path,
) -> None:
    block = "model.phases.masked.block=16"
    decay = "model.teacher.decay=0.9"
    source = "model.phases.source.start_iter=0"
    target = "model.phases.target.start_iter=3"
    plan = make_plan(project, options=(block, decay, source, target))
    for row, wanted in {
        "source-only": {source, target},
        "cosine-online": {decay, source, target},
        "dacs": {decay, source},  # it has no target phase
        "mic": {block, decay, source},
    }.items():
        options = plan.own_options(Run(ROWS[row], 0))
        assert set(options) - {"randomness.seed=0"} == wanted, row
        read_options(plan.config(Run(ROWS[row], 0)), options)


def test_translated_images_may_lie_in_a_folder_of_another_name(project: Path) -> None:
    option = "train_dataloader.dataset.source.data_prefix.img_path=elsewhere"
    setting = Setting("gta2cs", translated=True)
    plan = make_plan(project, setting=setting, options=(option,))
    run = Run(ROWS["source-only"], 0)
    cfg = read_options(plan.config(run), plan.train_options(run))
    source = cfg.train_dataloader.dataset.source
    assert source.data_prefix.img_path == "elsewhere"
    assert source.same_size is False


def test_rows_of_two_stages_begin_with_their_seeds_source_only_model(
    project: Path,
) -> None:
    plan = make_plan(project, setting=Setting("torcs2camvid"), teacher_seed=None)
    source_only, dacs = Run(ROWS["source-only"], 4), Run(ROWS["dacs"], 4)
    assert plan.start_of(source_only) is None
    assert plan.start_of(Run(ROWS["target-supervised"], 4)) is None
    assert plan.start_of(dacs) == source_only
    checkpoint = project / "work/torcs2camvid/source-only/seed4/iter_30.pth"
    assert plan.train_options(dacs)[-1] == f"load_from={checkpoint}"
    assert "--resume" not in plan.train_command(dacs)  # nothing to go on from
    assert "--resume" in plan.train_command(source_only)
    assert plan.shown_command(dacs).endswith("load_from=CHECKPOINT")
    assert with_needed(plan, [dacs]) == [source_only, dacs]
    # A teacher that has a start of its own.
    plan = make_plan(
        project, setting=plan.setting, teacher="cosine-no-pl", teacher_seed=None
    )
    labels, teacher = Run(ROWS["only-ssl"], 4), Run(ROWS["cosine-no-pl"], 4)
    assert with_needed(plan, [labels]) == [source_only, teacher, labels]
    assert make_plan(project).start_of(dacs) is None  # the demo has one stage


def test_bad_options_are_told(project: Path) -> None:
    config = ROOT / "configs/source_only/deeplabv2_demo.py"
    with pytest.raises(UserError, match="don't fit"):
        read_options(config, ["param_scheduler.9.end=5"])
    with pytest.raises(UserError, match="does not exist"):
        read_options(project / "nothing.py", [])
