"""The children of docs/backbones.md: at full size, one step from random weights."""

from __future__ import annotations

import gc
import json
import re
import shutil
from pathlib import Path

import pytest
from helpers.folders import save_ids, save_image
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from numpy import arange

import mmseg_cosda  # noqa: F401  (registers what the configs name)

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "backbones.md").read_text()
FILE = re.compile(
    r"`configs/own_data/(\S+)\.py`( \(not run\))?:\n\n```python\n(.*?)```", re.DOTALL
)
FILES = {name: text for name, _, text in FILE.findall(PAGE)}
RUN = [name for name, not_run, _ in FILE.findall(PAGE) if not not_run]
SIZE = (64, 64)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("backbones")
    for base in ("_base_", "own_data"):
        shutil.copytree(ROOT / "configs" / base, root / "configs" / base)
    for name, text in FILES.items():
        (root / f"configs/own_data/{name}.py").write_text(text)
    for part in ("renders", "photos/val"):
        save_image(root / f"data/{part}/images/0.png", *SIZE)
        ids = arange(SIZE[0] * SIZE[1]).reshape(SIZE[::-1]) // 1000 + 1
        save_ids(root / f"data/{part}/labels/0.png", ids)
    save_image(root / "data/photos/train/0.png", *SIZE, 1)
    return root


def read(project: Path, name: str) -> Config:
    cfg = Config.fromfile(project / f"configs/own_data/{name}.py")
    cfg.model.backbone.init_cfg = None  # no download
    return cfg


def test_the_page_has_every_network_of_its_table() -> None:
    named = re.findall(r"^\|.*`(\w+)\.py`", PAGE, re.MULTILINE)
    assert named == list(FILES)
    assert RUN == ["resnet101", "mobilenetv2", "mit_b0", "swin_t"]
    for name, text in FILES.items():
        assert len(text.splitlines()) <= 15, name


@pytest.mark.parametrize("name", ["cosda_no-pl", *RUN])
def test_a_child_trains_a_step(
    name: str, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(gc, "collect", lambda *_: 0)
    monkeypatch.setattr("mmengine.runner.runner.collect_env", dict)
    cfg = read(project, name)
    for pipeline in (
        cfg.train_dataloader.dataset[part] for part in ("source", "target")
    ):
        for transform in pipeline.pipeline:
            if transform.type == "ResizePIL":
                transform.size = SIZE
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    cfg.train_cfg.max_iters = 1
    cfg.default_hooks.checkpoint = None
    cfg.default_hooks.logger.interval = 1
    cfg.work_dir = str(tmp_path)
    cfg.visualizer.name = cfg.experiment_name = name
    cfg.log_level = "ERROR"
    runner = Runner.from_cfg(cfg)
    before = {k: v.detach().clone() for k, v in runner.model.named_parameters()}
    runner.train()
    moved = {k for k, v in runner.model.named_parameters() if not v.equal(before[k])}
    assert {key.split(".")[0] for key in moved} >= {"backbone", "decode_head"}
    (scalars,) = tmp_path.glob("*/vis_data/scalars.json")
    line = json.loads(scalars.read_text().splitlines()[0])
    assert line["loss"] > 0
    assert "cosine.loss" in line
    check_table(name, runner.model.backbone)


def check_table(name: str, backbone: object) -> None:
    """The table's parameter counts are those of the built nets."""
    row = re.search(rf"`{name}\.py` \| ([\d.]+) M", PAGE)
    count = sum(p.numel() for p in backbone.parameters()) / 1e6  # type: ignore[attr-defined]
    if name == "cosda_no-pl":
        row = re.search(r"ResNet-50 \|.*\| ([\d.]+) M", PAGE)
    assert row is not None
    assert float(row[1]) == pytest.approx(count, abs=0.06)


@pytest.mark.parametrize("name", sorted(set(FILES) - set(RUN)))
def test_a_child_that_is_not_run_reads(name: str, project: Path) -> None:
    text = FILES[name].replace(', "mmpretrain.models"', "")
    (project / f"configs/own_data/{name}.py").write_text(text)
    cfg = read(project, name)
    assert cfg.model.backbone.type in ("mmpretrain.ConvNeXt", "TIMMBackbone")


def test_a_cascade_of_heads_is_refused() -> None:
    init_default_scope("mmseg")
    head = dict(type="FCNHead", in_channels=8, channels=8, num_classes=2)
    with pytest.raises(ValueError, match=r"decode_head.*2 heads.*num_stages"):
        MODELS.build(
            dict(
                type="UDAEncoderDecoder",
                backbone=dict(type="MobileNetV2"),
                decode_head=[head, head],
            )
        )
    with pytest.raises(ValueError, match="num_stages=2"):
        MODELS.build(
            dict(
                type="UDAEncoderDecoder",
                backbone=dict(type="MobileNetV2"),
                decode_head=head,
                num_stages=2,
            )
        )
