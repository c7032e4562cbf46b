from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from benchmarks.speed.live_memory import LiveMemory
from benchmarks.speed.step import peak_ratio, step_cost
from mmseg_cosda.models.phases import Losses, Phase, Step
from mmseg_cosda.models.segmentors import uda_encoder_decoder
from mmseg_cosda.models.segmentors.parts import build_phases

CONFIGS = Path(__file__).parents[2] / "configs" / "cosda"
REAL = (720, 1280), (512, 1024)  # (H, W) of source and target


def model(name: str) -> Any:
    return Config.fromfile(CONFIGS / f"{name}.py").model


def narrow() -> Any:
    """The demo's network with few weights, as against its maps."""
    config = model("deeplabv2_demo")
    config.backbone.update(stem_channels=16, base_channels=16)
    config.decode_head.in_channels = 128
    config.alignments.cosine.taps.layer4.channels = 128
    return config


def test_the_bytes_of_a_hand_counted_block() -> None:
    held = torch.zeros(25)
    with LiveMemory([held, held[:3]]) as memory:
        a = torch.ones(1000)
        view = a.view(10, 100)[2:]
        b = a + 1
        del a
        assert memory.live == 100 + 8000  # the view keeps a alive
        del view
        assert memory.live == 100 + 4000
        b.mul_(2)
        held.add_(1)
    assert memory.peak == 100 + 8000
    assert memory.live == 100 + 4000
    assert memory.syncs == 0
    with memory:
        b.sum().item()
        b[b > 0]
    assert memory.syncs == 2


@pytest.mark.parametrize("target_labels", [False, True])
def test_a_step_fits_where_a_single_domain_step_fits(target_labels: bool) -> None:
    sizes = (256, 512), (256, 512)  # of equal size, the target's phase has the peak
    ratio = peak_ratio(narrow(), *sizes, device="cpu", target_labels=target_labels)
    assert 0.9 < ratio <= 1.10


def test_two_graphs_at_once_break_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:

    class AllAtOnce(Phase):
        align = True

        def losses(self, segmentor: Any, step: Step) -> Losses:
            losses: Losses = {}
            for phase in build_phases({}).values():
                losses.update(phase.losses(segmentor, step))
            return losses

    both: dict[str, Phase] = {"both": AllAtOnce()}
    monkeypatch.setattr(uda_encoder_decoder, "build_phases", lambda _: both)
    sizes = (256, 512), (256, 512)
    assert peak_ratio(narrow(), *sizes, device="cpu") > 1.3


@pytest.mark.parametrize(
    ("name", "bound"),
    [("deeplabv2_gta2cs", 1.02), ("fcn8s_gta2cs", 1.10)],
)
def test_the_papers_networks_at_full_size(name: str, bound: float) -> None:
    """Runs on the meta device, which has no values: a host sync would raise."""
    both = step_cost(model(name), *REAL)
    alone = step_cost(model(name), *REAL, single_domain=True)
    assert (both.peak - both.queue) / alone.peak <= bound
    assert both.syncs == alone.syncs == 0


def test_a_step_leaves_nothing_behind() -> None:
    gc.collect()
    costs = [step_cost(narrow(), (64, 128), (64, 128), device="cpu") for _ in range(2)]
    assert costs[0] == costs[1]


def test_a_view_of_what_was_there_before_is_no_new_memory() -> None:
    before = torch.ones(1000)
    with LiveMemory() as memory:
        view = before.view(10, 100)
        view.add_(1)
        copied = view + 1
    assert memory.peak == copied.numel() * 4
