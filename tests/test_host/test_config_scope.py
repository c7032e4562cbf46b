from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.runner import Runner

import mmseg_cosda

ROOT = Path(__file__).resolve().parents[2]
MIM = Path(mmseg_cosda.__file__).parent / ".mim"
CHILD = (
    '_base_ = "mmseg_cosda::cosda/deeplabv2_demo_no-pl.py"\n'
    "train_cfg = dict(max_iters=7)\n"
)


def test_a_config_of_another_project_inherits_ours(tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text(CHILD)
    cfg = Config.fromfile(child)
    own = Config.fromfile(ROOT / "configs" / "cosda" / "deeplabv2_demo_no-pl.py")
    assert cfg.train_cfg.max_iters == 7
    assert cfg.train_cfg.val_interval == own.train_cfg.val_interval
    assert cfg.model.alignments.keys() == own.model.alignments.keys()


def test_an_inherited_config_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = tmp_path / "child.py"
    child.write_text(
        '_base_ = "mmseg_cosda::cosda/deeplabv2_demo_no-pl.py"\n'
        "train_cfg = dict(max_iters=1, val_interval=1)\n"
        "train_dataloader = dict(num_workers=0, persistent_workers=False)\n"
        "val_dataloader = dict(\n"
        "    dataset=dict(length=1), num_workers=0, persistent_workers=False\n"
        ")\n"
    )
    cfg = Config.fromfile(child)
    assert cfg.model["_scope_"] == "mmseg_cosda"
    cfg.work_dir = str(tmp_path / "work")
    Runner.from_cfg(cfg).train()
    assert (tmp_path / "work" / "iter_1.pth").is_file()
    printed = capsys.readouterr()
    for complaint in ("is not installed", "Failed to search registry"):
        assert complaint not in printed.err + printed.out


def test_a_base_file_is_inherited_too(tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text('_base_ = "mmseg_cosda::_base_/default_runtime.py"\n')
    assert Config.fromfile(child).default_scope == "mmseg"


def test_the_index_names_files_that_exist() -> None:
    index = load(MIM / "model-index.yml")
    names: set[str] = set()
    for path in index["Import"]:
        metafile = load(MIM / path)
        collections = {entry["Name"] for entry in metafile["Collections"]}
        for model in metafile["Models"]:
            assert (MIM / model["Config"]).is_file(), model["Config"]
            assert model["In Collection"] in collections
            assert model["Name"] not in names
            names.add(model["Name"])
    assert "cosda_deeplabv2_demo_no-pl" in names


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
    for name in ("mmseg_cosda", "configs", "tests"):
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


def test_the_wheel_holds_the_package_and_the_configs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mmseg_cosda"}
    for path in sorted((ROOT / "configs").rglob("*")):
        if path.suffix in {".py", ".yml"}:
            inner = Path("mmseg_cosda/.mim/configs") / path.relative_to(
                ROOT / "configs"
            )
            assert str(inner) in names
    assert "mmseg_cosda/.mim/model-index.yml" in names


def test_configs_are_inherited_out_of_the_wheel(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    (tmp_path / "child.py").write_text(CHILD)
    code = (
        "import mmseg_cosda\n"
        "from mmengine.config import Config\n"
        "cfg = Config.fromfile('child.py')\n"
        "print(mmseg_cosda.__file__, cfg.train_cfg.max_iters, cfg.train_cfg.type)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    site = tmp_path / "site" / "mmseg_cosda" / "__init__.py"
    last = result.stdout.strip().splitlines()[-1]  # the host prints too
    assert last.split() == [str(site), "7", "IterBasedTrainLoop"]
