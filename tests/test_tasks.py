"""Tasks over the host's own dataset classes, from check to pseudo-labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.config_files import read
from helpers.shrink import SIZE, make_folders, shrink
from helpers.tools import load_tool
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from PIL import Image

TASKS = {
    "potsdam2vaihingen": 6,
    "loveda_urban2rural": 7,
    "cityscapes2acdc": 19,
    "cityscapes2darkzurich": 19,
}
AERIAL = [task for task, classes in TASKS.items() if classes < 19]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    make_folders(root)
    return root


def small(name: str, path: Path) -> Config:
    cfg = shrink(read(name))
    cfg.dump(str(path))
    return cfg


@pytest.mark.parametrize("task", TASKS)
def test_a_tasks_folders_are_read_without_a_complaint(
    task: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    path = tmp_path / "config.py"
    cfg = small(f"self_training/deeplabv2_{task}.py", path)
    init_default_scope("mmseg")
    assert len(DATASETS.build(cfg.val_dataloader.dataset)) == 2
    load_tool("check_dataset").main([str(path), "--workers", "1"])


@pytest.mark.parametrize("task", AERIAL)
def test_zero_is_ignored_in_both_domains(
    task: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    cfg = read(f"source_only/deeplabv2_{task}.py")
    init_default_scope("mmseg")
    for config in (cfg.train_dataloader.dataset.source, cfg.val_dataloader.dataset):
        config.pipeline = cfg.test_pipeline  # uncropped
        dataset = DATASETS.build(config)
        sample = dataset[0]["data_samples"]
        found = sample.gt_sem_seg.data[0].numpy().astype(int)
        stored = np.asarray(Image.open(sample.seg_map_path)).astype(int)
        assert set(np.unique(stored)) == set(range(TASKS[task] + 1))
        np.testing.assert_array_equal(found, np.where(stored == 0, 255, stored - 1))
    assert cfg.model.decode_head.num_classes == TASKS[task]


@pytest.mark.parametrize("task", TASKS)
def test_pseudo_labels_are_those_of_the_tests_windows(
    task: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    path = tmp_path / "config.py"
    cfg = small(f"cosda/deeplabv2_{task}_no-pl.py", path)
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "weights.pth")
    out = tmp_path / "pseudo"
    args = [str(path), str(tmp_path / "weights.pth"), "--out", str(out)]
    load_tool("generate_pseudo_labels").main([*args, "--workers", "0", "--cap", "1e-6"])

    slides = cfg.model.test_cfg.mode == "slide"
    assert slides == (task in AERIAL)
    names = sorted(path.relative_to(out) for path in out.rglob("*.png"))
    assert len(names) == 2
    target = dict(cfg.train_dataloader.dataset.target)
    target["pipeline"] = [t for t in cfg.test_pipeline if t.type != "LoadAnnotations"]
    dataset = DATASETS.build(target)
    found = np.asarray(Image.open(out / names[0]))
    assert found.shape == SIZE[::-1]
    sample = dataset[0]
    batch = dict(inputs=[sample["inputs"]], data_samples=[sample["data_samples"]])
    with torch.no_grad():
        (result,) = model.test_step(batch)
        model.test_cfg["mode"] = "whole"
        (whole,) = model.test_step(batch)
    same = np.mean(found == result.pred_sem_seg.data[0].numpy())
    as_whole = np.mean(found == whole.pred_sem_seg.data[0].numpy())
    # Without windows the tool upsamples probabilities, the test logits (0.9966).
    assert same == 1 if slides else same > 0.99
    assert (as_whole < 0.98) == slides
