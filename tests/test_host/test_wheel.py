"""What a wheel holds, and its commands in another directory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECKOUT_ONLY = {"benchmark", "prepare_camvid", "render_streets"}
CONFIG = "cosda/deeplabv2_demo_no-pl.py"
NO_WORKER = ("num_workers=0", "persistent_workers=False")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that the working tree stays clean."""
    build_meta = pytest.importorskip(
        "setuptools.build_meta", reason="building a wheel needs setuptools >= 70.1"
    )
    copy = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "model-index.yml", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("mmseg_cosda", "benchmarks", "configs", "tests", "tools"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=ignore)
    out = tmp_path_factory.mktemp("wheel")
    # In a process of its own: a build changes the working directory and sys.argv.
    code = f"from setuptools import build_meta as b; b.build_wheel({str(out)!r})"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=copy, capture_output=True, text=True
    )
    if "invalid command 'bdist_wheel'" in result.stderr:
        pytest.skip(f"{build_meta.__name__} needs setuptools >= 70.1 or wheel")
    assert result.returncode == 0, result.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into a folder, scripts in its bin/."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", folder, wheel],
        check=True,
    )
    return folder


def run(site: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the wheel's package is found before the checkout's."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
    )


def test_it_holds_package_configs_and_tools(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mmseg_cosda"}
    mim = "mmseg_cosda/.mim"
    assert f"{mim}/model-index.yml" in names
    for path in sorted((ROOT / "configs").rglob("*")):
        if path.suffix in {".py", ".yml"}:
            assert f"{mim}/{path.relative_to(ROOT)}" in names
    tools = {Path(name).name for name in names if name.startswith(f"{mim}/tools/")}
    wanted = {path.name for path in (ROOT / "tools").iterdir() if path.is_file()}
    assert tools == wanted - {f"{name}.py" for name in CHECKOUT_ONLY}


def test_it_trains_and_evaluates_in_another_directory(
    site: Path, tmp_path: Path
) -> None:
    trained = run(
        *(site, tmp_path, str(site / "bin" / "mmseg-cosda")),
        *("train", f"mmseg_cosda::{CONFIG}", "--cfg-options"),
        *("train_cfg.max_iters=1", "val_cfg=None", "val_dataloader=None"),
        *("val_evaluator=None", "default_hooks.checkpoint.save_best=None"),
        *(f"train_dataloader.{value}" for value in NO_WORKER),
    )
    assert trained.returncode == 0, trained.stderr
    checkpoint = tmp_path / "work_dirs/cosda/deeplabv2_demo_no-pl/iter_1.pth"
    assert checkpoint.is_file()
    tested = run(
        *(site, tmp_path, sys.executable, "-m", "mmseg_cosda"),
        *("test", f"configs/{CONFIG}", str(checkpoint), "--cfg-options"),
        *(f"test_dataloader.{v}" for v in ("dataset.length=1", *NO_WORKER)),
    )
    assert tested.returncode == 0, tested.stderr
    assert "mIoU: " in tested.stdout
    assert f"configs/{CONFIG}: taken from the package, {site}" in tested.stderr


# In one process, since importing torch takes its time: what each command's help says,
# a mistake, the commands of a table's runs, and a config that inherits one of ours.
SCRIPT = """
import sys
import mmseg_cosda
from mmengine.config import Config
from mmseg_cosda import commands
from mmseg_cosda.__main__ import main

def say(*args):
    print(">>>", *args)
    try:
        main(args)
    except SystemExit as stop:
        assert stop.code == 0
    except ValueError as error:
        print(error)

sys.argv[0] = "mmseg-cosda"
print(mmseg_cosda.__file__)
say()
for path in commands.tool_files():
    say(path.stem, "--help")
say("benchmarks")
say("reproduce", "--table", "4", "--rows", "cosine", "--seeds", "0", "--dry-run")
print(">>> inherited")
cfg = Config.fromfile("child.py")
print(cfg.train_cfg.max_iters, cfg.train_cfg.type)
"""


def test_its_commands_speak_of_themselves(site: Path, tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(
        f'_base_ = "mmseg_cosda::{CONFIG}"\ntrain_cfg = dict(max_iters=7)\n'
    )
    done = run(site, tmp_path, sys.executable, "-c", SCRIPT)
    assert done.returncode == 0, done.stderr
    start, listed, *helps, unknown, plan, child = done.stdout.split(">>>")
    assert start.split() == [str(site / "mmseg_cosda" / "__init__.py")]
    names = {path.stem for path in (ROOT / "tools").glob("*.py")} - CHECKOUT_ONLY
    rows = [line.split() for line in listed.splitlines() if line.startswith("  ")]
    assert {row[0] for row in rows} == names == {text.split()[0] for text in helps}
    for text in helps:
        name = text.split()[0]
        assert f"usage: mmseg-cosda {name} [-h]" in text
        assert f"  mmseg-cosda {name} " in text.partition("Example:")[2]
        assert "tools/" not in text
    assert "did you mean" in unknown or "choose from" in unknown
    assert "benchmark," not in unknown
    lines = [line.split()[:4] for line in plan.splitlines()[1:]]
    assert lines == [
        ["python", "-m", "mmseg_cosda", name]
        for name in ("train", "generate_pseudo_labels", "train")
    ]
    assert child.split() == ["inherited", "7", "IterBasedTrainLoop"]
