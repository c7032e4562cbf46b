"""``tools/train.py --amp`` on adversarial configs, with the host's own wrapper."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.shrink import CONFIGS, config_names
from helpers.tools import load_tool
from helpers.toys import head_config, segmentor_config
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import Runner

from mmseg_cosda import launch
from mmseg_cosda.engine.joint_optim_wrapper import JointOptimWrapper
from mmseg_cosda.launch import use_mixed_precision

STEPS, HALF, END = 8, 4, 20  # END: of the schedule
# So high that fp16 gradients overflow, and that it soon grows back to where they do.
SCALE = {"init_scale": 2.0**20, "growth_interval": 2}


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("needs a GPU")
    else:
        if torch.cuda.is_available():
            pytest.skip("the Runner takes the GPU")
        request.getfixturevalue("amp_on_cpu")
        monkeypatch.setattr(launch, "get_device", lambda: "cuda")
    return str(request.param)


class Watch(Hook):
    """Keeps the weights, the loss scale and the maps' type of each iteration."""

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []
        self.scales: list[float] = []
        self.dtypes: set[torch.dtype] = set()

    def before_train(self, runner: Runner) -> None:
        joint = runner.optim_wrapper
        assert isinstance(joint, JointOptimWrapper)
        assert all(type(part) is AmpOptimWrapper for part in joint.values())
        model = runner.model
        model.backbone.last.register_forward_hook(self.see)
        model.alignments.adversarial.discriminator.register_forward_hook(self.see)
        self.keep(runner)

    def see(self, module: torch.nn.Module, _: Any, output: torch.Tensor) -> None:
        if module.training:  # the host validates in float32
            self.dtypes.add(output.dtype)

    def after_train_iter(self, runner: Runner, *_: Any, **__: Any) -> None:
        self.keep(runner)

    def keep(self, runner: Runner) -> None:
        named = runner.model.named_parameters()
        self.weights.append({name: p.detach().cpu().clone() for name, p in named})
        self.scales.append(runner.optim_wrapper["segmentor"].loss_scaler.get_scale())


def write_config(path: Path, dtype: str, iterations: int) -> Path:
    """The demo's adversarial config on a toy network, as a file."""
    cfg = Config.fromfile(CONFIGS / "adversarial" / "deeplabv2_demo_no-pl.py")
    small = dict(image_size=(64, 32), length=5)
    cfg.train_dataloader.dataset.source.update(small)
    cfg.train_dataloader.dataset.target.update(small)
    cfg.val_dataloader.dataset.update(small)
    cfg.merge_from_dict(
        {
            "train_dataloader.num_workers": 0,
            "train_dataloader.persistent_workers": False,
            "val_dataloader.num_workers": 0,
            "val_dataloader.persistent_workers": False,
            "train_cfg.max_iters": iterations,
            "train_cfg.val_interval": 100,
            "param_scheduler.0.end": END,
            "default_hooks.checkpoint.interval": HALF,
            "default_hooks.logger.interval": 1,
            "optim_wrapper.dtype": dtype,
            "optim_wrapper.loss_scale": SCALE,
            "log_level": "ERROR",
            # The host keeps one visualizer per name and process.
            "visualizer.name": f"{path}",
            "experiment_name": f"{path.stem}_{iterations}",
        }
    )
    critic = dict(type="FCDiscriminator", num_classes=10, base_channels=4)
    cfg.model = segmentor_config(
        decode_head=head_config(num_classes=10),
        alignments=dict(adversarial=dict(type="AdversarialLoss", discriminator=critic)),
    )
    cfg.dump(path)
    return path


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Watch]:
    """Run the tool; return what each iteration left."""
    tool = load_tool("train")

    def run(folder: Path, dtype: str, iterations: int, *options: str) -> Watch:
        folder.mkdir(exist_ok=True)
        config = write_config(folder / f"{folder.name}.py", dtype, iterations)
        watch = Watch()

        def build(cfg: Config) -> Runner:
            runner = launch.build_runner(cfg)
            runner.register_hook(watch)
            return runner

        monkeypatch.setattr(tool, "build_runner", build)
        tool.main([str(config), "--amp", "--work-dir", str(folder), *options])
        return watch

    return run


def read(folder: Path, iteration: int) -> dict[str, Any]:
    content = torch.load(folder / f"iter_{iteration}.pth", weights_only=False)
    return {key: content[key] for key in ("state_dict", "optimizer")}


def part(weights: dict[str, torch.Tensor], critic: bool) -> list[torch.Tensor]:
    return [w for n, w in weights.items() if (".discriminator." in n) is critic]


def changed(old: list[torch.Tensor], new: list[torch.Tensor]) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(old, new, strict=True))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_both_networks_train_and_resume_in_mixed_precision(
    tmp_path: Path, device: str, dtype: str, train: Callable[..., Watch]
) -> None:
    watch = train(tmp_path / "whole", dtype, STEPS)
    assert watch.dtypes == {getattr(torch, dtype)}
    skipped = []
    for i in range(STEPS):
        before, after = watch.weights[i], watch.weights[i + 1]
        skipped.append(watch.scales[i + 1] < watch.scales[i])
        for critic in (False, True):
            moved = changed(part(before, critic), part(after, critic))
            assert moved is not skipped[-1], (i, critic)
    if dtype == "float16":
        assert 0 < sum(skipped) < STEPS
    else:  # bfloat16 has the range of float32
        assert not any(skipped)
    for scale, later, skip in zip(
        watch.scales, watch.scales[1:], skipped, strict=False
    ):
        assert later in ({scale / 2} if skip else {scale, 2 * scale})

    whole = read(tmp_path / "whole", STEPS)
    parts = tmp_path / "parts"
    train(parts, dtype, HALF)
    middle = read(parts, HALF)["optimizer"]
    for name in ("segmentor", "discriminator"):
        assert middle[name]["loss_scaler"]["scale"] == watch.scales[HALF]
    torch.rand(17)
    resumed = train(parts, dtype, STEPS, "--resume")
    assert resumed.scales == watch.scales[HALF:]
    exact = dict(rtol=0, atol=0) if device == "cpu" else dict(rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(read(parts, STEPS), whole, **exact)
    check_logs(tmp_path / "whole")


def check_logs(folder: Path) -> None:
    """Both learning rates and all losses, finite, at each iteration."""
    (scalars,) = folder.glob("*/vis_data/scalars.json")
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    lines = [line for line in lines if "iter" in line]  # the others validate
    assert [line["iter"] for line in lines] == [*range(1, STEPS + 1)]
    for i, line in enumerate(lines):
        shape = (1 - i / (END - 1)) ** 0.9
        assert line["segmentor.lr"] == pytest.approx(1e-3 * shape, abs=1e-9)
        assert line["discriminator.lr"] == pytest.approx(1e-4 * shape, abs=1e-9)
        losses = {k: v for k, v in line.items() if "loss" in k and k != "loss"}
        assert len(losses) == 4, losses  # CE, adversarial, two of the discriminator
        assert all(map(math.isfinite, losses.values()))
        assert line["loss"] == pytest.approx(sum(losses.values()), rel=1e-3)


@pytest.mark.parametrize("name", [n for n in config_names() if "adversarial" in n])
def test_amp_turns_every_adversarial_config(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "get_device", lambda: "cuda")
    cfg = Config.fromfile(CONFIGS / name)
    before = cfg.optim_wrapper.to_dict()
    use_mixed_precision(cfg)
    expected = {**before, "type": "AmpOptimWrapper", "loss_scale": "dynamic"}
    assert cfg.optim_wrapper.to_dict() == expected
    assert cfg.optim_wrapper.constructor == "JointOptimWrapperConstructor"
