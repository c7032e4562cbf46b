"""The files of docs/extend.md train as they stand there."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

PAGE = Path(__file__).parents[1] / "docs" / "extend.md"
BLOCK = re.compile(r"`(my_\w+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
SMALL = {
    "train_cfg.max_iters": 2,
    "train_cfg.val_interval": 2,
    "default_hooks.logger.interval": 1,
    "train_dataloader.num_workers": 0,
    "train_dataloader.persistent_workers": False,
    "val_dataloader.num_workers": 0,
    "val_dataloader.persistent_workers": False,
    "val_dataloader.dataset.length": 1,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the page's files, on the path."""
    for name, text in BLOCK.findall(PAGE.read_text()):
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("my_alignment", "my_phase"):
        sys.modules.pop(name, None)


def test_the_pages_files_train(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "my_alignment.py",
        "my_config.py",
        "my_phase.py",
    }
    cfg = Config.fromfile(folder / "my_config.py")
    cfg.merge_from_dict(SMALL)
    cfg.work_dir = str(folder / "work")
    runner = Runner.from_cfg(cfg)
    assert list(runner.model.phases) == ["source", "target", "mirror"]
    runner.train()
    (scalars,) = (folder / "work").glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    named = {"mean.loss", "mean.distance", "mirror.loss", "mirror.agreement"}
    assert named <= lines[0].keys()
    saved = torch.load(folder / "work" / "iter_2.pth", weights_only=False)
    assert saved["state_dict"]["alignments.mean.mean"].any()


def test_the_examples_are_as_short_as_promised() -> None:
    for name, text in BLOCK.findall(PAGE.read_text()):
        assert len(text.splitlines()) <= 40, name
