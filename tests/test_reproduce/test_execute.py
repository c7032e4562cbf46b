"""The plan and its execution, with commands that only pretend to train."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce import execute as execution
from mmseg_cosda.reproduce.execute import execute, locked
from mmseg_cosda.reproduce.plan import (
    Plan,
    Run,
    producer_name,
    read_options,
    with_producers,
)
from mmseg_cosda.reproduce.results import read_result
from mmseg_cosda.reproduce.rows import ROWS, Row, Setting
from mmseg_cosda.reproduce.tables import TABLES, table_rows

ROOT = Path(__file__).parents[2]
# 30 iterations, evaluated every 10; dies where the file "die" says, once.
TRAIN = """
import json, os, signal, sys, zlib
from pathlib import Path

config, work = sys.argv[1], Path(sys.argv[sys.argv.index("--work-dir") + 1])
assert "--resume" in sys.argv
root = Path(__file__).parents[1]
with open(root / "calls", "a") as file:
    print(Path(__file__).stem, *sys.argv[1:], file=file)
start = 0
if (work / "last_checkpoint").exists():
    start = int((work / "last_checkpoint").read_text().split("_")[-1][:-4])
log = work / f"start_{start:02d}" / "vis_data" / "scalars.json"
log.parent.mkdir(parents=True, exist_ok=True)
for step in range(start + 10, 31, 10):
    die = (root / "die").read_text().split() if (root / "die").exists() else []
    (work / f"iter_{step}.pth").touch()
    (work / "last_checkpoint").write_text(f"{work}/iter_{step}.pth")
    if die == ["checkpoint", str(step)]:
        (root / "die").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if die == ["fail", Path(config).parent.name]:
        sys.exit("ValueError: no such thing")
    with log.open("a") as file:
        value = zlib.crc32(f"{config} {step}".encode()) % 100
        line = {"mIoU": value, "IoU.car": value, "step": step}
        print(json.dumps({"loss": 1.0, "time": 0.25, "step": step}), file=file)
        print(json.dumps(line), file=file, flush=True)
    if die == ["linger", str(step)]:
        (root / "die").unlink()
        (root / "lingers").touch()
        while not (root / "go").exists():
            import time
            time.sleep(0.02)
"""
TEST = """
import json, sys, zlib
from pathlib import Path

config, checkpoint = sys.argv[1:3]
work = Path(sys.argv[sys.argv.index("--work-dir") + 1]) / "now"
work.mkdir(parents=True)
step = int(checkpoint.split("_")[-1][:-4])
value = zlib.crc32(f"{config} {step}".encode()) % 100
(work / "now.json").write_text(json.dumps({"mIoU": value, "IoU.car": value}))
"""
LABELS = """
import sys
from pathlib import Path

out = Path(sys.argv[sys.argv.index("--out") + 1])
assert Path(sys.argv[2]).exists()
out.mkdir(parents=True)
(out / "report.json").write_text("{}")
with open(Path(__file__).parents[1] / "calls", "a") as file:
    print(Path(__file__).stem, *sys.argv[1:], file=file)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {
        "train": TRAIN,
        "test": TEST,
        "generate_pseudo_labels": LABELS,
    }.items():
        (tools / f"{name}.py").write_text(text)
    return tmp_path


def make_plan(project: Path, **changes: Any) -> Plan:
    values: dict[str, Any] = dict(
        setting=Setting("demo"),
        configs=ROOT / "configs",
        tools=project / "tools",
        work_root=project / "work",
        result_root=project / "results",
        options=("train_cfg.max_iters=30", "train_cfg.val_interval=10"),
    )
    return Plan(**{**values, **changes})


def carry_out(plan: Plan, *names: str, seeds: tuple[int, ...] = (0,)) -> Any:
    lines: list[str] = []
    chosen = [Run(ROWS[name], seed) for seed in seeds for name in names]
    failed = execute(plan, with_producers(plan, chosen), lines.append)
    return failed, lines


def result(plan: Plan, name: str, seed: int = 0) -> dict[str, Any]:
    found = read_result(plan, Run(ROWS[name], seed))
    assert found is not None
    return found


def calls(project: Path) -> list[list[str]]:
    return [line.split() for line in (project / "calls").read_text().splitlines()]


def test_a_table_trains_its_label_maker_first_and_each_run_once(project: Path) -> None:
    plan = make_plan(project)
    failed, lines = carry_out(plan, "only-ssl", "cosine", seeds=(0, 1))
    assert failed == {}
    made = [call[0] for call in calls(project)]
    assert made == ["train", "generate_pseudo_labels", *["train"] * 4]
    maker, labels, *rest = calls(project)
    assert maker[1].endswith("source_only/deeplabv2_demo.py")
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
from test_execute import carry_out, make_plan
carry_out(make_plan(Path({project!r})), "source-only")
"""


def test_killed_itself_it_doesnt_start_a_second_training_beside_the_first(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "die").write_text("linger 20")
    folder = Path(__file__).parent
    script = SCRIPT.format(tests=str(folder), project=str(project))
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], env={**os.environ}
    )
    deadline = time.monotonic() + 60
    while not (project / "lingers").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()

    plan = make_plan(project)
    with locked(plan.work_dir(Run(ROWS["source-only"], 0))) as lock:
        assert lock is None  # the training that was left behind holds it

    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        (project / "go").touch()  # the training ends while we wait

    monkeypatch.setattr(execution, "POLL_SECONDS", 0.05)
    assert execute(plan, [Run(ROWS["source-only"], 0)], say) == {}
    assert lines[0] == "waiting for other processes: source-only seed 0"
    assert len(calls(project)) == 1  # it was collected, not trained again
    assert result(plan, "source-only")["curve"]["step"] == [10, 20, 30]


def test_results_of_other_options_are_not_mixed(project: Path) -> None:
    carry_out(make_plan(project), "source-only")
    options = ("train_cfg.max_iters=30", "train_cfg.val_interval=30")
    with pytest.raises(UserError, match=r"other options.*--results"):
        carry_out(make_plan(project, options=options), "source-only")
    carry_out(make_plan(project), "only-ssl")
    other = make_plan(project, producer="advent-no-pl")
    with pytest.raises(UserError, match=r"other pseudo-labels.*source-only"):
        carry_out(other, "only-ssl")
    (project / "results/demo/only-ssl_seed0.json").write_text("[]")
    with pytest.raises(UserError, match="no result of this tool"):
        carry_out(make_plan(project), "only-ssl")


def test_a_training_of_another_length_is_refused(project: Path) -> None:
    carry_out(make_plan(project), "source-only")
    longer = ("train_cfg.max_iters=40", "train_cfg.val_interval=10")
    plan = make_plan(project, options=longer, result_root=project / "other")
    with pytest.raises(UserError, match="no evaluation of iteration 40"):
        carry_out(plan, "source-only")


def test_whose_pseudo_labels_is_a_choice(project: Path, tmp_path: Path) -> None:
    run = Run(ROWS["cosine"], 2)
    assert make_plan(project).producer_of(run) == Run(ROWS["source-only"], 0)
    each = make_plan(project, producer="cosine-no-pl", producer_seed=None)
    assert each.producer_of(run) == Run(ROWS["cosine-no-pl"], 2)
    given = make_plan(project, pseudo_labels=tmp_path)
    assert given.producer_of(run) is None
    assert given.label_dir(run) == tmp_path
    assert given.label_dir(Run(ROWS["source-only"], 0)) is None
    with pytest.raises(UserError, match="needs none itself"):
        make_plan(project, producer="only-ssl")
    with pytest.raises(UserError, match="is no folder"):
        make_plan(project, pseudo_labels=tmp_path / "nowhere")


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
    assert producer_name(Setting(task, net)) == row


@pytest.mark.parametrize("table", list(TABLES))
def test_every_row_of_every_table_has_a_config_that_takes_its_options(
    table: str, project: Path
) -> None:
    for setting in settings_of(table):
        plan = make_plan(project, setting=setting, options=())
        cosine = read_options(plan.config(Run(ROWS["cosine"], 0)), [])
        for row in table_rows(table, setting, cosine.model.alignments.cosine):
            assert plan.config(Run(row, 0)).is_file()
            if setting.name in ("demo", "synthia2cs_fcn8s"):
                check_row(plan, row)


def settings_of(table: str) -> list[Setting]:
    other = {"2": "synthia2cs", "3": "gta2cs"}.get(table)
    real = [task for task in ("gta2cs", "synthia2cs") if task != other]
    nets = [(net, old) for net in ("deeplabv2", "fcn8s") for old in (False, True)]
    settings = [Setting(task, net, old) for task in real for net, old in nets]
    return [*settings, Setting("demo"), Setting("torcs2camvid")]


def check_row(plan: Plan, row: Row) -> None:
    run = Run(row, 3)
    cfg = read_options(plan.config(run), plan.train_options(run))
    assert cfg.randomness.seed == 3
    for key, value in row.options.items():
        found: Any = cfg
        for part in key.split("."):
            found = found[part]
        assert found == value
    target = cfg.train_dataloader.dataset.target
    assert (target.type == "PseudoLabelDataset") == row.pseudo_labels
    if row.pseudo_labels:
        assert target.pseudo_label_dir == str(plan.label_dir(run))


def test_an_alignments_options_reach_only_the_rows_that_have_it(project: Path) -> None:
    option = "model.alignments.cosine.loss_weight=3"
    plan = make_plan(project, options=(option, "train_cfg.max_iters=5"))
    assert option in plan.own_options(Run(ROWS["cosine"], 0))
    assert plan.own_options(Run(ROWS["only-ssl"], 0)) == [
        "randomness.seed=0",
        "train_cfg.max_iters=5",
    ]


def test_bad_options_are_told(project: Path) -> None:
    config = ROOT / "configs/source_only/deeplabv2_demo.py"
    with pytest.raises(UserError, match="don't fit"):
        read_options(config, ["param_scheduler.9.end=5"])
    with pytest.raises(UserError, match="does not exist"):
        read_options(project / "nothing.py", [])
