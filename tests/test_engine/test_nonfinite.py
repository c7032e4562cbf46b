"""A number that isn't one ends a training before anything of it is saved."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.bad_images import NoNumbersIn
from helpers.own_data import make_own_data, own_config
from helpers.processes import free_port, run_ranks
from helpers.ranks import train_with_a_bad_image
from helpers.small_nets import small_net
from helpers.toy_runs import assert_equal_states
from helpers.toys import batch, build, cosine_config, segmentor_config
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from benchmarks.speed.live_memory import LiveMemory
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.loading import load_model
from mmseg_cosda.models.nonfinite import guard as guards
from mmseg_cosda.models.nonfinite import require_finite_weights

pytestmark = pytest.mark.filterwarnings("ignore:(invalid value|divide by zero)")

STOCK = dict(type="RuntimeInfoHook")


def config(tmp_path: Path, domain: str, *names: str, iterations: int = 12) -> Config:
    """A training in which images of a domain are NaN, by the host's own hooks."""
    root = make_own_data(tmp_path / "data")
    cfg = own_config(root, tmp_path / "work", iterations)
    pipeline = cfg.train_dataloader.dataset[domain].pipeline
    pipeline.insert(-1, dict(type=NoNumbersIn.__name__, names=list(names)))
    cfg.default_hooks.checkpoint = dict(
        type="CheckpointHook", interval=3, by_epoch=False, save_best="mIoU"
    )
    cfg.default_hooks.runtime_info = STOCK
    cfg.default_hooks.logger.interval = 5
    cfg.train_cfg.val_interval = 4
    return cfg


def log_lines(work_dir: Path) -> list[dict[str, Any]]:
    (path,) = work_dir.glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in path.read_text().splitlines()]


def iteration_of(text: str) -> int:
    return int(text.partition("not finite at iteration ")[2].partition(":")[0])


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("domain", ["source", "target"])
def test_one_image_ends_it(
    tmp_path: Path, domain: str, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if waits:  # as on a GPU
        monkeypatch.setattr(guards, "must_wait", lambda values: True)
    cfg = config(tmp_path, domain, "1.png")
    # However weights are drawn: pixels are taken for class 0, which the queue then has.
    zeros = dict(type="Constant", val=0, override=dict(name="conv_seg"))
    cfg.model.decode_head.init_cfg = zeros
    runner = Runner.from_cfg(cfg)
    with pytest.raises(UserError, match="not finite at iteration") as caught:
        runner.train()
    text = str(caught.value)
    part = "source" if domain == "source" else "target/train"
    assert f"{tmp_path}/data/{part}/images/1.png ({domain})" in text
    term = "source.decode.loss_ce" if domain == "source" else "cosine.loss"
    assert f"{term} is nan" in text
    first = iteration_of(text)
    assert first <= 3  # of three images
    if waits:
        assert runner.iter + 1 == 3  # the first checkpoint
    else:
        assert runner.iter + 1 == first
        assert all(w.isfinite().all() for w in runner.model.parameters())
    assert not list((tmp_path / "work").glob("*.pth"))
    assert not list((tmp_path / "work").glob("*/vis_data/scalars.json"))


class Spoil(Hook):
    """Makes a weight NaN behind an optimizer step."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        if runner.iter + 1 == self.iteration:
            nn.init.constant_(next(runner.model.parameters()), math.nan)


def test_what_was_good_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "must_wait", lambda values: True)
    cfg = config(tmp_path, "source", iterations=18)
    cfg.default_hooks.checkpoint.max_keep_ckpts = 1
    runner = Runner.from_cfg(cfg)
    runner.register_hook(Spoil(6), "LOWEST")  # when its checkpoint is written
    with pytest.raises(UserError, match="not finite at iteration 7"):
        runner.train()
    assert runner.iter == 8  # the evaluation
    work = tmp_path / "work"
    assert {path.name for path in work.glob("*.pth")} == {
        "best_mIoU_iter_4.pth",
        "iter_6.pth",
    }
    assert [line["step"] for line in log_lines(work)] == [4, 5]


@pytest.mark.parametrize("iteration", [3, 4])
def test_weights_alone(tmp_path: Path, iteration: int) -> None:
    """As in fp16, where no gradient is looked at: 3 is saved, 4 is evaluated."""
    cfg = config(tmp_path, "source", iterations=8)
    runner = Runner.from_cfg(cfg)
    runner.register_hook(Spoil(iteration), "HIGHEST")
    with pytest.raises(UserError, match=r"not finite: 1 of its weights .*\(backbone"):
        runner.train()
    names = {path.name for path in (tmp_path / "work").glob("*.pth")}
    assert names == (set() if iteration == 3 else {"iter_3.pth"})


def test_a_statistic_of_a_norm_counts(tmp_path: Path) -> None:
    model = build(backbone=dict(type="ToyBackbone", norm=True))
    require_finite_weights(model, "a.pth", "take another")
    model.backbone.norm.running_var[0] = math.inf
    with pytest.raises(UserError, match=r"a.pth: not finite: 1 .*running_var.*another"):
        require_finite_weights(model, "a.pth", "take another")


def test_another_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finite loss whose gradient isn't."""
    model = build()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    model.train_step(batch(0), wrapper)
    before = copy.deepcopy(model.state_dict())
    model.backbone.stem.weight.register_hook(lambda grad: grad / 0)
    with pytest.raises(UserError, match=r"the gradient of backbone.stem.weight is"):
        model.train_step(batch(1), wrapper)
    assert_equal_states(model.state_dict(), before, "")


def test_large_is_not_infinite() -> None:
    model = build()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.0))
    model.backbone.stem.weight.register_hook(lambda grad: torch.full_like(grad, 1e38))
    model.train_step(batch(0), wrapper)


def test_a_checkpoint_to_begin_with() -> None:
    model = build()
    nn.init.constant_(model.decode_head.conv_seg.bias, math.nan)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    with pytest.raises(UserError, match=r"1 weights held NaN .*decode_head.conv_seg"):
        model.train_step(batch(0), wrapper)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_skipping_is_as_if_it_had_not_been(accumulate: int) -> None:
    """Weights, momentum and the norms' statistics; a window of accumulation begins."""

    def train(data: list[Any], counts: int) -> Any:
        model = build(
            backbone=dict(type="ToyBackbone", norm=True),
            alignments=dict(cosine=cosine_config()),
            nonfinite="skip",
        )
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
        wrapper = OptimWrapper(optimizer, accumulative_counts=counts)
        logs = [model.train_step(each, wrapper) for each in data]
        return model, optimizer, logs

    good = [batch(i) for i in range(4)]
    bad = batch(9)
    bad["source"]["inputs"][0] = torch.full((3, 16, 32), math.nan)
    MessageHub.get_current_instance().pop_info(guards.SKIPPED, None)
    if accumulate == 1:
        model, optimizer, logs = train([*good[:2], bad, *good[2:]], 1)
        expected = train(good, 1)
        assert not any("loss" in key for key in logs[2])
        assert all("loss" in log for log in (*logs[:2], *logs[3:]))
    else:  # the first of the second window goes with the bad one
        model, optimizer, _ = train([*good[:2], good[3], bad], 2)
        expected = train(good[:2], 2)
    assert MessageHub.get_current_instance().get_info(guards.SKIPPED) == 1
    for name, weight in model.named_parameters():
        assert weight.equal(dict(expected[0].named_parameters())[name]), name
    for name, value in model.backbone.named_buffers():
        if accumulate == 1:
            assert value.equal(dict(expected[0].backbone.named_buffers())[name]), name
        assert value.isfinite().all()
    assert_equal_states(
        optimizer.state_dict()["state"], expected[1].state_dict()["state"], "optimizer"
    )


def test_a_training_that_skips(tmp_path: Path) -> None:
    cfg = config(tmp_path, "source", "1.png")
    cfg.model.nonfinite = "skip"
    cfg.model.backbone.norm = True
    runner = Runner.from_cfg(cfg)
    runner.train()
    content = torch.load(tmp_path / "work" / "iter_12.pth", weights_only=False)
    assert content["message_hub"]["runtime_info"][guards.SKIPPED] == 4
    require_finite_weights(runner.model, "", "")
    assert all(
        math.isfinite(x["loss"]) for x in log_lines(tmp_path / "work") if "loss" in x
    )


def test_skipping_everything_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "MOST_IN_A_ROW", 3)
    model = build(nonfinite="skip")
    bad = batch(9)
    bad["source"]["inputs"][0] = torch.full((3, 16, 32), math.nan)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    data = [bad, bad, batch(1), bad, bad]
    for each in data:
        model.train_step(copy.deepcopy(each), wrapper)
    with pytest.raises(UserError, match="3 steps in a row were skipped"):
        model.train_step(bad, wrapper)


@pytest.mark.parametrize("step", ["val_step", "test_step"])
def test_no_evaluation_of_nan(step: str) -> None:
    model = build()
    data = batch(0, target_labels=True)["target"]
    getattr(model, step)(data)
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    weights["decode_head.conv_seg.bias"][0] = math.nan
    model.load_state_dict(weights)
    with pytest.raises(
        UserError, match=r"not finite: 1 of .*decode_head.conv_seg.bias"
    ):
        getattr(model, step)(data)


def test_no_pseudo_labels_of_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    weights = build().state_dict()
    weights["alignments.cosine.queues.last.storage"] = torch.tensor(math.nan)
    torch.save(dict(state_dict=weights), path)  # what only training has is no matter
    cfg = dict(model=segmentor_config())
    load_model(cfg, str(path), "cpu")
    weights["decode_head.conv_seg.bias"][0] = math.inf
    torch.save(dict(state_dict=weights), path)
    with pytest.raises(UserError, match=r"a.pth: 1 of .*decode_head.conv_seg.bias"):
        load_model(cfg, str(path), "cpu")


def test_two_processes_both_end(tmp_path: Path) -> None:
    make_own_data(tmp_path / "data", count=4)
    run_ranks(train_with_a_bad_image, free_port(), str(tmp_path), processes=2)
    texts = [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)]
    assert texts[0] == texts[1]
    assert "not finite at iteration" in texts[0]
    assert "1.png" in texts[0]


def test_no_sync_on_a_device() -> None:
    """On the meta device each question raises."""
    model = build(**{k: v for k, v in small_net("deeplabv2").items() if k != "type"})
    model = model.to("meta")
    data = batch(0)
    for branch in data.values():
        branch["inputs"] = [each.to("meta") for each in branch["inputs"]]
        branch["data_samples"] = [each.to("meta") for each in branch["data_samples"]]
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    model.train_step(data, wrapper)
    with LiveMemory() as memory:
        model.train_step(data, wrapper)
    assert memory.syncs == 0
    assert len(model._checks.guard._waiting) == 2


def test_outside_a_runner_a_device_is_read_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guards, "must_wait", lambda values: True)
    monkeypatch.setattr(guards, "MOST_WAITING", 3)
    model = build()
    model.backbone.stem.weight.register_hook(lambda grad: grad * math.nan)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    model.train_step(batch(0), wrapper)
    model.train_step(batch(0), wrapper)
    with pytest.raises(UserError, match="not finite at iteration"):
        model.train_step(batch(0), wrapper)


def test_a_choice() -> None:
    with pytest.raises(ValueError, match="UDAEncoderDecoder: nonfinite='warn'"):
        build(nonfinite="warn")


def test_a_loss_that_overflows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build()
    losses = model.phases["source"].losses

    def infinite(*args: Any) -> dict[str, Tensor]:
        found: dict[str, Tensor] = losses(*args)
        return {
            **found,
            "other.loss": torch.tensor(math.inf),
            "note": torch.tensor(math.nan),
        }

    monkeypatch.setattr(model.phases["source"], "losses", infinite)
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), 0.1))
    with pytest.raises(UserError, match=r"iteration \d+: other.loss is inf. Images"):
        model.train_step(batch(0), wrapper)
