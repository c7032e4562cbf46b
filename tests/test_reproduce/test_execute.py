"""The execution of plans, with commands that only pretend to train."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.pretended_training import ROOT, carry_out, make_plan

from mmseg_cosda.errors import UserError
from mmseg_cosda.locks import TRAINING, FolderLock
from mmseg_cosda.reproduce import execute as execution
from mmseg_cosda.reproduce.calls import locked
from mmseg_cosda.reproduce.execute import execute, lacking_models
from mmseg_cosda.reproduce.plan import Plan, Run, with_needed
from mmseg_cosda.reproduce.results import read_result
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import Setting

ONLY_LABELS = Run(ROWS["only-ssl"], 0)


def result(plan: Plan, name: str, seed: int = 0) -> dict[str, Any]:
    found = read_result(plan, Run(ROWS[name], seed))
    assert found is not None
    return found


def calls(project: Path) -> list[list[str]]:
    return [line.split() for line in (project / "calls").read_text().splitlines()]


def test_a_table_trains_its_teacher_first_and_each_run_once(project: Path) -> None:
    plan = make_plan(project)
    failed, lines = carry_out(plan, "only-ssl", "cosine", seeds=(0, 1))
    assert failed == {}
    made = [call[0] for call in calls(project)]
    assert made == ["train", "generate_pseudo_labels", *["train"] * 4]
    teacher, labels, *rest = calls(project)
    assert teacher[1].endswith("source_only/deeplabv2_demo.py")
    assert labels[2] == str(project / "work/demo/source-only/seed0/iter_30.pth")
    folder = project / "work/demo/pseudo_labels/source-only_seed0"
    key = "train_dataloader.dataset.target.pseudo_label_dir"
    assert all(f"{key}={folder}" in call for call in rest)
    seeds = [word for call in rest for word in call if word.startswith("randomness")]
    assert seeds == [f"randomness.seed={seed}" for seed in (0, 0, 1, 1)]
    assert len(lines) == 2 * 5

    again, lines = carry_out(plan, "only-ssl", "cosine", seeds=(0, 1))
    assert again == {}
    assert len(calls(project)) == 6
    assert all(line.endswith("done before") for line in lines)


def test_a_model_that_is_needed_and_not_here_is_trained_again(project: Path) -> None:
    plan = make_plan(project)
    carry_out(plan, "only-ssl")
    teacher, student = (Run(ROWS[name], 0) for name in ("source-only", "only-ssl"))
    shutil.rmtree(plan.work_root)  # as in a fresh clone, which has the results
    kept = plan.result(teacher).read_bytes()

    _, lines = carry_out(plan, "only-ssl", "source-only")
    assert len(calls(project)) == 3  # nobody needs it
    assert all("done before" in line for line in lines)

    plan.result(student).unlink()
    failed, lines = carry_out(plan, "only-ssl")
    assert failed == {}
    assert [call[0] for call in calls(project)[3:]] == [
        "train",
        "generate_pseudo_labels",
        "train",
    ]
    assert "training, again: its model is needed and isn't there" in lines[0]
    assert plan.result(teacher).read_bytes() == kept

    plan.result(student).unlink()
    shutil.rmtree(plan.work_dir(teacher))
    shutil.rmtree(plan.work_dir(student))
    carry_out(plan, "only-ssl")  # its pseudo-labels are there
    assert len(calls(project)) == 7


def test_a_whole_chain_of_models_is_trained_again(project: Path) -> None:
    plan = make_plan(
        project,
        setting=Setting("torcs2camvid"),
        teacher="cosine-no-pl",
        teacher_seed=None,
    )
    carry_out(plan, "only-ssl")
    assert len(calls(project)) == 4
    shutil.rmtree(plan.work_root)
    plan.result(Run(ROWS["only-ssl"], 0)).unlink()
    names = [str(run.row.name) for run in with_needed(plan, [ONLY_LABELS])]
    assert names == ["source-only", "cosine-no-pl", "only-ssl"]
    assert {run.row.name for run in lacking_models(plan, [ONLY_LABELS])} == set(
        names[:2]
    )
    failed, _ = carry_out(plan, "only-ssl")
    assert failed == {}
    assert len(calls(project)) == 8


def test_the_second_stage_waits_for_the_first(project: Path) -> None:
    plan = make_plan(project, setting=Setting("torcs2camvid"), teacher_seed=None)
    failed, _ = carry_out(plan, "source-only-continued", "only-ssl", seeds=(0, 1))
    assert failed == {}
    made = calls(project)
    assert [call[0] for call in made].count("train") == 6
    for seed in (0, 1):
        start = project / f"work/torcs2camvid/source-only/seed{seed}/iter_30.pth"
        began = [call for call in made if f"load_from={start}" in call]
        assert len(began) == 2
        assert all("--resume" not in call for call in began)
        found = read_result(plan, Run(ROWS["only-ssl"], seed))
        assert found is not None
        assert found["start"] == found["pseudo_labels"] == f"source-only seed {seed}"
        assert "load_from=CHECKPOINT" in found["command"]

    (project / "die").write_text("fail source_only")
    failed, _ = carry_out(plan, "cosine-no-pl", seeds=(2,))
    assert {run.row.name: text for run, text in failed.items()}["cosine-no-pl"] == (
        "needs source-only seed 2, which failed"
    )


def test_a_killed_second_stage_goes_on(project: Path) -> None:
    plan = make_plan(project, setting=Setting("torcs2camvid"), teacher_seed=None)
    (project / "die").write_text("checkpoint 10")
    carry_out(plan, "source-only")
    carry_out(plan, "source-only")
    (project / "die").write_text("checkpoint 20")
    failed, _ = carry_out(plan, "cosine-no-pl")
    assert len(failed) == 1
    failed, _ = carry_out(plan, "cosine-no-pl")
    assert failed == {}
    *_, killed, again = calls(project)
    assert "--resume" not in killed
    assert "--resume" in again
    assert [w for w in again if w != "--resume"] == killed


def test_a_mean_is_made_of_what_is_trained_first(project: Path) -> None:
    plan = make_plan(project, setting=Setting("torcs2camvid"))
    failed, _ = carry_out(plan, "mean-first")
    assert failed == {}
    made = [call[0] for call in calls(project)]
    assert made == [*["train"] * 3, "average_checkpoints"]
    rows = ("cosine-no-pl", "dacs-cosine")
    models = [str(plan.checkpoint(Run(ROWS[name], 0))) for name in rows]
    mean = plan.work_dir(Run(ROWS["mean-first"], 0)) / "mean.pth"
    assert calls(project)[-1][1:] == [*models, "--out", str(mean)]
    found = result(plan, "mean-first")
    assert found["averaged"] == ["cosine-no-pl seed 0", "dacs-cosine seed 0"]
    assert found["curve"]["step"] == [30]
    assert found["last"]["step"] == found["best"]["step"] == 30

    carry_out(plan, "mean-first")
    assert len(calls(project)) == 4
    # Of models that were trained again it is made again.
    plan.result(Run(ROWS["mean-first"], 0)).unlink()
    later = time.time() + 10
    os.utime(models[1], (later, later))
    carry_out(plan, "mean-first")
    assert len(calls(project)) == 5
    assert read_result(plan, Run(ROWS["mean-first"], 0)) == found


def test_a_result_says_what_it_is_of(project: Path) -> None:
    plan = make_plan(project)
    carry_out(plan, "cosine")
    found = result(plan, "cosine")
    values = found["curve"]["mIoU"]
    assert found["curve"]["step"] == [10, 20, 30]
    assert found["last"]["mIoU"] == values[2]
    assert found["best"]["mIoU"] == max(values)
    assert found["best"]["per_class"] == {"car": max(values)}
    assert (found["row"], found["seed"], found["task"]) == ("cosine", 0, "demo")
    assert found["config"] == "cosda/deeplabv2_demo.py"
    assert found["pseudo_labels"] == "source-only seed 0"
    assert found["seconds_per_iteration"] == 0.25
    assert found["training"]["loss"] == [1.0] * 3
    assert found["command"].startswith("python tools/train.py configs/cosda/")
    assert str(project) not in json.dumps(found)  # no path of a machine
    assert {"commit", "hardware", "options"} <= set(found)


@pytest.mark.parametrize("step", [10, 20, 30])
def test_a_killed_training_is_picked_up_without_losing_an_evaluation(
    project: Path, step: int
) -> None:
    whole = make_plan(project, work_root=project / "w", result_root=project / "r")
    carry_out(whole, "source-only")
    plan = make_plan(project)
    # killed between the checkpoint and its evaluation: the host never makes it up
    (project / "die").write_text(f"checkpoint {step}")
    failed, lines = carry_out(plan, "source-only")
    assert len(failed) == 1
    assert "exit status -9" in lines[-1]
    failed, _ = carry_out(plan, "source-only")
    assert failed == {}
    assert result(plan, "source-only")["curve"] == result(whole, "source-only")["curve"]


def test_a_failure_stops_what_depends_on_it_alone(project: Path) -> None:
    plan = make_plan(project)
    (project / "die").write_text("fail source_only")
    failed, _ = carry_out(plan, "cosine-no-pl", "cosine")
    reasons = {run.row.name: reason for run, reason in failed.items()}
    assert reasons["source-only"].startswith("exit status 1: ValueError: no such thing")
    assert reasons["cosine"] == "needs source-only seed 0, which failed"
    assert result(plan, "cosine-no-pl")["last"]["step"] == 30
    assert "reproduce.log" in reasons["source-only"]


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from helpers.pretended_training import carry_out, make_plan
carry_out(make_plan(Path({project!r})), "source-only")
"""


def test_killed_itself_it_doesnt_start_a_second_training_beside_the_first(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "die").write_text("linger 20")
    tests = str(ROOT / "tests")
    script = SCRIPT.format(tests=tests, project=str(project))
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], env={**os.environ}
    )
    deadline = time.monotonic() + 60
    while not (project / "lingers").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()

    plan = make_plan(project)
    work_dir = plan.work_dir(Run(ROWS["source-only"], 0))
    training = FolderLock(work_dir, TRAINING)
    with locked(work_dir) as free:
        assert free  # the killed process holds it no more
    with locked(work_dir, training) as free:
        assert not free  # the training that was left behind holds its own
    holder = training.holder()
    assert holder.startswith("process ")

    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        (project / "go").touch()  # the training ends while we wait

    monkeypatch.setattr(execution, "POLL_SECONDS", 0.05)
    assert execute(plan, [Run(ROWS["source-only"], 0)], say) == {}
    assert lines[0] == f"waiting for other processes: source-only seed 0 ({holder})"
    assert len(calls(project)) == 1  # it was collected, not trained again
    assert result(plan, "source-only")["curve"]["step"] == [10, 20, 30]


def test_results_of_other_options_are_not_mixed(project: Path) -> None:
    carry_out(make_plan(project), "source-only")
    options = ("train_cfg.max_iters=30", "train_cfg.val_interval=30")
    with pytest.raises(UserError, match=r"other options.*--results"):
        carry_out(make_plan(project, options=options), "source-only")
    carry_out(make_plan(project), "only-ssl")
    other = make_plan(project, teacher="advent-no-pl")
    with pytest.raises(UserError, match=r"other pseudo-labels.*source-only"):
        carry_out(other, "only-ssl")
    (project / "results/demo/only-ssl_seed0.json").write_text("[]")
    with pytest.raises(UserError, match="no result of this tool"):
        carry_out(make_plan(project), "only-ssl")


def test_a_training_of_another_length_is_refused(project: Path) -> None:
    carry_out(make_plan(project), "source-only", recorded=False)
    longer = ("train_cfg.max_iters=40", "train_cfg.val_interval=10")
    plan = make_plan(project, options=longer, result_root=project / "other")
    with pytest.raises(UserError, match="no evaluation of iteration 40"):
        carry_out(plan, "source-only", recorded=False)
