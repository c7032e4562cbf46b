from __future__ import annotations

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
