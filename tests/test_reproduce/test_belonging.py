"""What lies in a folder is taken up only by the run that it is of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.pretended_training import carry_out, make_plan, write_tools
from mmengine.config import Config

from mmseg_cosda.engine.run_record import RECORD
from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce import belonging
from mmseg_cosda.reproduce.belonging import label_state
from mmseg_cosda.reproduce.execute import check
from mmseg_cosda.reproduce.plan import Plan, Run
from mmseg_cosda.reproduce.results import parse_result, read_result
from mmseg_cosda.reproduce.rows import ROWS

SOURCE, LABELS = Run(ROWS["source-only"], 0), Run(ROWS["only-ssl"], 0)
LENGTH = ("train_cfg.max_iters=30", "train_cfg.val_interval=10")
Change = Callable[[dict[str, Any]], object]


def calls(project: Path) -> int:
    return len((project / "calls").read_text().splitlines())


def change_record(path: Path, change: Change) -> None:
    record = json.loads(path.read_text())
    change(record["starts"][0])
    path.write_text(json.dumps(record))


def without_results(plan: Plan) -> Plan:
    shutil.rmtree(plan.result_root)
    return plan


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Source-only, trained and collected."""
    folder = tmp_path_factory.mktemp("finished")
    write_tools(folder)
    carry_out(make_plan(folder), "source-only")
    return folder


@pytest.fixture
def trained(project: Path, finished: Path) -> Plan:
    """A copy of it, as whoever moves a project has one."""
    shutil.copytree(finished, project, dirs_exist_ok=True)
    return make_plan(project)


def test_other_options_dont_get_the_figures_of_an_old_training(
    project: Path, trained: Plan
) -> None:
    options = (*LENGTH, "optim_wrapper.optimizer.lr=0.5")
    other = make_plan(project, options=options, result_root=project / "other")
    with pytest.raises(UserError) as caught:
        carry_out(other, "source-only")
    folder = trained.work_dir(SOURCE)
    assert str(caught.value) == (
        f"{folder}: the training was made with optim_wrapper.optimizer.lr=0.001, "
        f"wanted is 0.5: choose another --work-dir, or remove {folder}"
    )
    assert not other.result_root.exists()
    shutil.rmtree(folder)
    assert carry_out(other, "source-only")[0] == {}


def test_a_half_training_isnt_gone_on_with_by_other_options(project: Path) -> None:
    (project / "die").write_text("checkpoint 20")
    assert carry_out(make_plan(project), "source-only")[0]
    options = (*LENGTH, "train_dataloader.dataset.source.length=7")
    with pytest.raises(
        UserError, match=r"source\.length=400, wanted is 7 \(and 1 more"
    ):
        carry_out(make_plan(project, options=options), "source-only")
    assert calls(project) == 1
    failed, lines = carry_out(make_plan(project), "source-only")
    assert failed == {}
    assert "(" not in lines[0]  # nothing to say of one's own half training


def test_nothing_is_trained_before_all_is_compared(
    project: Path, trained: Plan
) -> None:
    option = "optim_wrapper.optimizer.lr=0.5"
    other = make_plan(project, options=(*LENGTH, option), result_root=project / "other")
    with pytest.raises(UserError, match=r"lr=0\.001"):
        carry_out(other, "cosine-no-pl", "source-only")
    assert calls(project) == 1


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda start: start.update(seed=4), "randomness.seed=4, wanted is 0:"),
        (
            lambda start: start["values"].pop("model.backbone.depth"),
            "model.backbone.depth=nothing, wanted is 18:",
        ),
        (
            lambda start: start["values"].update({"custom_hooks.1.type": "EMAHook"}),
            "custom_hooks.0.type=EMAHook, wanted is nothing:",
        ),
        (
            lambda start: start["data"]["source"].update(digest="0", files=9),
            "data of source=9 files 0, wanted is 400 files",
        ),
    ],
)
def test_what_counts_is_refused_in_folders_and_results(
    trained: Plan, change: Change, key: str
) -> None:
    result = trained.result(SOURCE)
    content = json.loads(result.read_text())
    change(content["record"][0])
    result.write_text(json.dumps(content))
    with pytest.raises(UserError, match="--results") as caught:
        carry_out(trained, "source-only")
    assert f"{result}: the training was made with {key}" in str(caught.value)
    assert read_result(trained, SOURCE) == content  # a table can be made of it

    folder = without_results(trained).work_dir(SOURCE)
    change_record(folder / RECORD, change)
    with pytest.raises(UserError, match="--work-dir") as caught:
        carry_out(trained, "source-only")
    assert f"{folder}: the training was made with {key}" in str(caught.value)


def harmless(start: dict[str, Any]) -> None:
    start["values"].update(
        {
            "train_dataloader.num_workers": 7,
            "val_dataloader.persistent_workers": False,
            "default_hooks.logger.interval": 3,
            "default_hooks.checkpoint.interval": 3,
            "custom_hooks.0.interval": 3,
            "model.preflight": False,
            "work_dir": "/elsewhere",
            "log_level": "ERROR",
            "train_dataloader.dataset.source.data_root": "/elsewhere",
        }
    )


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (harmless, ""),
        (
            lambda start: start.update(commit="0123456789", clean=True),
            "trained at 0123456, now ",
        ),
        (
            lambda start: start["data"]["target"].update(dates="0"),
            "files of target have other dates, with the same names and sizes",
        ),
        (lambda start: start.update(iteration=20), "no record of its first 20 iter"),
        (lambda start: start["data"].clear(), ""),
    ],
)
def test_what_doesnt_count_is_accepted(
    trained: Plan, change: Change, note: str
) -> None:
    change_record(without_results(trained).work_dir(SOURCE) / RECORD, change)
    said = check(trained, SOURCE)
    assert said.startswith(note)
    assert bool(said) == bool(note)


def test_a_training_of_before_there_were_records_is_accepted_and_said(
    project: Path,
) -> None:
    plan = make_plan(project)
    carry_out(plan, "source-only", recorded=False)
    _, lines = carry_out(plan, "source-only", recorded=False)
    assert lines[0].endswith(
        "done before (its training left no record, so that options alone are compared)"
    )
    _, lines = carry_out(without_results(plan), "source-only", recorded=False)
    assert "takes up a training that left no record" in lines[0]
    result = read_result(plan, SOURCE)
    assert result is not None
    assert (result["record"], result["commit"]) == ([], "unknown")


def test_moved_folders_are_the_same(project: Path, trained: Plan) -> None:
    moved = make_plan(project, work_root=project / "moved")
    shutil.move(without_results(trained).work_root, moved.work_root)
    assert check(moved, SOURCE) == ""


def test_pseudo_labels_are_those_of_the_teacher_that_is_wanted(project: Path) -> None:
    plan = make_plan(project)
    carry_out(plan, "only-ssl")
    folder = plan.label_dir(LABELS)
    assert folder is not None
    shutil.rmtree(plan.work_dir(LABELS))
    plan.result(LABELS).unlink()
    assert check(plan, LABELS) == ""

    # The teacher would be trained anew, otherwise; the labels are still the old one's.
    shutil.rmtree(plan.work_dir(SOURCE))
    options = (*LENGTH, "optim_wrapper.optimizer.lr=0.5")
    other = make_plan(project, options=options, result_root=project / "other")
    with pytest.raises(
        UserError, match=r"pseudo-labels in .*lr=0\.001, wanted is 0\.5"
    ):
        carry_out(other, "only-ssl")
    (label_state(folder) / RECORD).unlink()
    assert "whose teacher left no record" in check(plan, LABELS)


def test_labels_arent_made_by_another_training_in_the_teachers_folder(
    project: Path, trained: Plan
) -> None:
    change_record(trained.work_dir(SOURCE) / RECORD, lambda start: start.update(seed=4))
    with pytest.raises(UserError, match=r"randomness\.seed=4, wanted is 0"):
        carry_out(trained, "only-ssl")
    assert calls(project) == 1


@pytest.mark.parametrize("text", ["[]", '{"starts": 3}', '{"starts": [{}]}', "{"])
def test_a_record_that_is_none_is_named(trained: Plan, text: str) -> None:
    path = without_results(trained).work_dir(SOURCE) / RECORD
    path.write_text(text)
    with pytest.raises(UserError, match=rf"{path} is no record of a training"):
        check(trained, SOURCE)


def test_data_that_comes_later_is_looked_at_again(tmp_path: Path) -> None:
    dataset = dict(
        type="FolderSegDataset",
        data_root=str(tmp_path),
        data_prefix=dict(img_path="images"),
        metainfo=dict(classes=("a",), palette=[[0, 0, 0]]),
        pipeline=[],
    )
    cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
    assert belonging._identity(cfg) == {}
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").touch()
    assert belonging._identity(cfg)["training"]["files"] == 1


def test_data_that_isnt_here_is_said(
    trained: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(belonging, "_identity", lambda cfg: {})
    assert check(trained, SOURCE) == "its data isn't here to be compared"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("[1]", ""),
        ("{}", "no task, net, row, seed, config, options, pseudo_labels, metric, last"),
    ],
)
def test_json_that_is_no_result_is_named(trained: Plan, text: str, reason: str) -> None:
    path = trained.result(SOURCE)
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_result(trained, SOURCE)
    assert str(caught.value).startswith(f"{path} is no result of this tool ({reason}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["row", "metric", "best", "last.per_class", "best.step"]
)
def test_a_result_with_a_missing_key_is_named(trained: Plan, key: str) -> None:
    path = trained.result(SOURCE)
    content = json.loads(path.read_text())
    part, *rest = key.split(".")
    if rest:
        del content[part][rest[0]]
    else:
        del content[part]
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"no {key.split('.')[-1]}"):
        parse_result(path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("last", 3),
        ("last", {"step": 1, "mIoU": "high", "per_class": {}}),
        ("best", {"step": 1, "mIoU": 1, "per_class": {"car": [1]}}),
        ("diagnosis", {"diagnosis/within": []}),
        ("diagnosis", {"diagnosis/within": ["x"]}),
        ("record", [{}]),
        ("record", 3),
    ],
)
def test_a_result_with_other_things_in_it_is_named(
    trained: Plan, part: str, value: object
) -> None:
    path = trained.result(SOURCE)
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, part: value}))
    with pytest.raises(UserError, match=f"{path} is no result of this tool"):
        parse_result(path)


@pytest.mark.parametrize("name", ["target-bn", "adversarial-no-pl"])
def test_a_renamed_result_is_not_another_rows(trained: Plan, name: str) -> None:
    run = Run(ROWS[name], 0)
    shutil.copy(trained.result(SOURCE), trained.result(run))
    with pytest.raises(
        UserError, match=f"is of row source-only, its name is of {name}"
    ):
        read_result(trained, run)


def test_a_metric_that_is_no_number_is_said(trained: Plan) -> None:
    path = trained.result(SOURCE)
    content = json.loads(path.read_text())
    content["last"]["mIoU"] = None
    path.write_text(json.dumps(content))
    _, lines = carry_out(trained, "source-only")
    assert "mIoU no number last" in lines[0]
