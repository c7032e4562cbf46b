"""Prediction holds one set of weights and the maps that are needed next."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.memory_checks import (
    CONFIG,
    MB,
    check_that_blocks_go_back,
    check_that_state_is_not_read,
)
from helpers.processes import run_ranks
from helpers.shrink import CONFIGS
from helpers.toys import build
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from benchmarks.speed.live_memory import LiveMemory
from mmseg_cosda.checkpoint import load_checkpoint_file
from mmseg_cosda.inference import checkpoint_content
from mmseg_cosda.inference.loading import load_model, weights_digest
from mmseg_cosda.inference.low_memory import forget_unused_maps, return_freed_memory


def deeplab(device: str, **backbone: Any) -> Any:
    """The paper's network without what only training needs."""
    init_default_scope("mmseg")
    config = Config.fromfile(CONFIGS / "cosda" / "deeplabv2_gta2cs_no-pl.py").model
    config.alignments = ConfigDict()
    config.backbone.update(init_cfg=None, **backbone)
    config.decode_head.in_channels = 8 * 4 * backbone.get("base_channels", 64)
    torch.manual_seed(0)
    with torch.device(device):
        return MODELS.build(config).eval()


def peak(model: Any) -> int:
    """Return the most bytes of maps alive at once, at the paper's 1024x512."""
    image = torch.zeros(1, 3, 512, 1024, device="meta")
    with torch.no_grad(), LiveMemory() as memory:
        model(image, mode="tensor")
    return memory.peak


def test_the_papers_network_holds_the_maps_of_one_block() -> None:
    model = deeplab("meta")
    early = sum(4 * n for n in (256 * 129 * 257, 512 * 65 * 129))  # layer1 and layer2
    before = peak(model)
    forget_unused_maps(model)
    assert before - peak(model) == early
    # layer4's first block: its input, its output, its shortcut before and after BN
    maps = 4 * 65 * 129 * (1024 + 3 * 2048)
    assert peak(model) == pytest.approx(maps, rel=1e-3)


@pytest.mark.parametrize("index", [-1, 2])
def test_forgetting_maps_changes_no_bit(index: int) -> None:
    model = deeplab("cpu", depth=50, stem_channels=4, base_channels=4)
    if index == 2:
        model.decode_head.in_index = 2
        model.backbone.res_layers.pop()  # the head then fits layer3's channels
        model.backbone.out_indices = (2, 1, 0)
        model.decode_head = deeplab("cpu", base_channels=2).decode_head
        model.decode_head.in_index = index
    image = torch.randn(1, 3, 65, 97)
    with torch.inference_mode():
        expected = model(image, mode="tensor")
        forget_unused_maps(model)
        assert len(model.backbone(image)) == 1
        assert torch.equal(model(image, mode="tensor"), expected)


def test_a_head_that_may_read_more_maps_keeps_them() -> None:
    model = deeplab("cpu", depth=50, stem_channels=4, base_channels=4)

    class Own(type(model.decode_head)):  # type: ignore[misc]
        """Might read an early map, as DeepLabV3+ does."""

    model.decode_head.__class__ = Own
    forget_unused_maps(model)
    assert tuple(model.backbone.out_indices) == (0, 1, 2, 3)
    toy = build()
    forget_unused_maps(toy)
    assert toy.decode_head.in_index == -1


def write_training_checkpoint(path: Path, state: int) -> dict[str, torch.Tensor]:
    """Weights, and ``state`` bytes of queue and optimizer beside them."""
    weights: dict[str, torch.Tensor] = build(seed=3).state_dict()
    queue = torch.zeros(state // 8)
    momentum = [torch.zeros(state // 8 // 16) for _ in range(16)]
    content = {
        "state_dict": {**weights, "alignments.cosine.queue": queue},
        "optimizer": {"state": dict(enumerate(momentum))},
        "meta": {"iter": 7},
    }
    torch.save(content, path)
    return weights


def test_a_training_checkpoints_state_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "iter_7.pth"
    write_training_checkpoint(path, 256 * MB)
    # A process of its own: a test run's heap has room for what it once freed.
    run_ranks(check_that_state_is_not_read, path)


def test_nothing_of_the_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "iter_7.pth"
    weights = write_training_checkpoint(path, MB)
    seen: list[weakref.ref[Any]] = []

    def load(*args: Any, **kwargs: Any) -> Any:
        content = load_checkpoint_file(*args, **kwargs)
        seen.extend(weakref.ref(v) for v in content["state_dict"].values())
        seen.extend(weakref.ref(v) for v in content["optimizer"]["state"].values())
        return content

    monkeypatch.setattr(checkpoint_content, "load_checkpoint_file", load)
    model = load_model(CONFIG, str(path), "cpu")
    assert len(seen) == len(weights) + 1 + 16
    assert all(ref() is None for ref in seen)
    digest = weights_digest(model)
    with path.open("r+b") as file:  # as training that writes in place would
        file.write(b"\0" * os.path.getsize(path))
    assert weights_digest(model) == digest
    for name, value in weights.items():
        assert torch.equal(model.state_dict()[name], value), name


def test_the_old_format_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    weights = build(seed=3).state_dict()
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    model = load_model(CONFIG, str(path), "cpu")
    for name, value in weights.items():
        assert torch.equal(model.state_dict()[name], value), name


def test_freed_blocks_go_back_to_the_system() -> None:
    if not return_freed_memory():
        pytest.skip("needs glibc")
    run_ranks(check_that_blocks_go_back, True)
    run_ranks(check_that_blocks_go_back, False)  # or the ruler measures nothing
