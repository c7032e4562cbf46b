"""A project whose commands only pretend to train, and plans for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers.training_files import write_state
from mmseg_cosda.engine.run_record import write_record
from mmseg_cosda.reproduce.belonging import wanted_start
from mmseg_cosda.reproduce.execute import execute
from mmseg_cosda.reproduce.plan import Plan, Run, with_needed
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import Setting

ROOT = Path(__file__).parents[2]
# 30 iterations, evaluated every 10; dies where the file "die" says, once.
TRAIN = """
import fcntl, json, os, shutil, signal, sys, zlib
from pathlib import Path

config, work = sys.argv[1], Path(sys.argv[sys.argv.index("--work-dir") + 1])
begun = any(word.startswith("load_from=") for word in sys.argv)
resumed = (work / "last_checkpoint").exists()
assert ("--resume" in sys.argv) == (resumed or not begun)
root = Path(__file__).parents[1]
with open(root / "calls", "a") as file:
    print(Path(__file__).stem, *sys.argv[1:], file=file)
work.mkdir(parents=True, exist_ok=True)
lock = open(work / ".training.lock", "w")
fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
print(json.dumps(dict(pid=os.getpid(), host="h", since="s")), file=lock, flush=True)
start = 0
if (work / "last_checkpoint").exists():
    start = int((work / "last_checkpoint").read_text().split("_")[-1][:-4])
record = root / "records" / work.parent.name / work.name / "training.json"
if not start and record.exists():
    shutil.copy(record, work)
log = work / f"start_{start:02d}" / "vis_data" / "scalars.json"
log.parent.mkdir(parents=True, exist_ok=True)
for step in range(start + 10, 31, 10):
    die = (root / "die").read_text().split() if (root / "die").exists() else []
    shutil.copy(root / "states" / f"iter_{step}.pth", work)
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
assert Path(checkpoint).exists()
work = Path(sys.argv[sys.argv.index("--work-dir") + 1]) / "now"
work.mkdir(parents=True)
step = int(work.parent.name.split("_")[-1])
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


AVERAGE = """
import sys
from pathlib import Path

assert all(Path(name).exists() for name in sys.argv[1:-2])
Path(sys.argv[-1]).write_text("the mean")
with open(Path(__file__).parents[1] / "calls", "a") as file:
    print(Path(__file__).stem, *sys.argv[1:], file=file)
"""


def write_tools(folder: Path) -> None:
    """Write the tools that pretend: training, testing, labelling, averaging."""
    tools, states = folder / "tools", folder / "states"
    tools.mkdir()
    states.mkdir()
    for step in (10, 20, 30):
        write_state(states, step)
    for name, text in {
        "train": TRAIN,
        "test": TEST,
        "generate_pseudo_labels": LABELS,
        "average_checkpoints": AVERAGE,
    }.items():
        (tools / f"{name}.py").write_text(text)


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


def carry_out(
    plan: Plan, *names: str, seeds: tuple[int, ...] = (0,), recorded: bool = True
) -> Any:
    lines: list[str] = []
    chosen = [Run(ROWS[name], seed) for seed in seeds for name in names]
    runs = with_needed(plan, chosen)
    if recorded:
        for run in runs:
            write_wanted(plan, run)
    failed = execute(plan, runs, lines.append)
    return failed, lines


def write_wanted(plan: Plan, run: Run) -> None:
    """Lay ready the record that a pretended training of a run leaves."""
    assert plan.tools is not None
    folder = plan.tools.parent / "records" / run.row.name / f"seed{run.seed}"
    write_record(folder, [{"iteration": 0, **wanted_start(plan, run)}])
