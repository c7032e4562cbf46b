"""The bases of DAFormer's configs: its rates, its weight decay, its crops, its step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.daformer_network import B5_DEPTHS, B5_WIDTHS, head_shapes, mit_shapes
from helpers.shrink import CONFIGS, make_folders
from helpers.toys import sample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS, PARAM_SCHEDULERS, TRANSFORMS
from torch import Tensor

import mmseg_cosda  # noqa: F401  (registers what the configs name)
from mmseg_cosda.checkpoint.daformer import host_names_of_mit

BASES = CONFIGS / "_base_"
TASKS = ("gta2cs", "synthia2cs", "synthia2cs_19way")
PEAK, WARMUP, LENGTH = 6e-5, 1500, 40_000


def read(name: str) -> Config:
    return Config.fromfile(BASES / f"{name}.py")


def public_rate(iteration: int) -> float:
    """Linear warm-up from a millionth, times poly of power 1."""
    poly = 1 - iteration / LENGTH
    if iteration >= WARMUP:
        return PEAK * poly
    return PEAK * poly * (1 - (1 - iteration / WARMUP) * (1 - 1e-6))


def test_the_rate_is_the_public_curve() -> None:
    init_default_scope("mmseg")
    cfg = read("schedules/adamw_warmup_poly_40k")
    assert cfg.train_cfg.max_iters == LENGTH
    rate = cfg.optim_wrapper.optimizer.lr
    optim = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedulers: list[Any] = [
        PARAM_SCHEDULERS.build(dict(each, optimizer=optim))
        for each in cfg.param_scheduler
    ]
    for iteration in range(LENGTH):
        ours, public = optim.param_groups[0]["lr"], public_rate(iteration)
        assert abs(ours - public) <= 1e-3 * PEAK, iteration
        if iteration < 39_000:
            assert ours == pytest.approx(public, rel=2e-3), iteration
        if iteration == WARMUP:
            assert ours == pytest.approx(5.775e-5, rel=2e-3)
        for scheduler in schedulers:
            scheduler.step()
    assert optim.param_groups[0]["lr"] < 1e-9


def test_rates_and_decay_are_those_of_the_public_names() -> None:
    """`norm` of the original names is no part of all the host's: layers.0.2."""
    cfg, shapes = read("models/daformer_mitb5"), dict(mit_shapes(B5_DEPTHS, B5_WIDTHS))
    init_default_scope("mmseg")
    cfg.model.backbone.num_layers = [1, 1, 1, 1]  # one block stands for all
    kept = {k: s for k, s in shapes.items() if ".0." in k or "block" not in k}
    model: Any = MODELS.build(cfg.model)
    schedule = read("schedules/adamw_warmup_poly_40k")
    wrapper = build_optim_wrapper(model, schedule.optim_wrapper)
    named = {id(weight): name for name, weight in model.named_parameters()}
    found = {
        named[id(weight)]: (group["lr"], group["weight_decay"])
        for group in wrapper.optimizer.param_groups  # type: ignore[union-attr]
        for weight in group["params"]
    }
    expected = {}
    for theirs, shape in kept.items():
        if theirs.endswith((".attn.kv.weight", ".attn.kv.bias")):
            continue  # decays as the query does
        (ours,) = host_names_of_mit({theirs: torch.zeros(shape)})
        expected[ours] = (PEAK, 0.0 if "norm" in theirs else 0.01)
    for name in dict(head_shapes(B5_WIDTHS, 256, 19)):
        if "running" not in name and "tracked" not in name:
            expected[f"decode_head.{name}"] = (10 * PEAK, 0.01)
    assert found.keys() == expected.keys()
    for name, (rate, decay) in found.items():
        assert (rate, decay) == pytest.approx(expected[name], rel=1e-9), name


def test_the_network_is_mit_b5_with_the_public_head() -> None:
    cfg = read("models/daformer_mitb5").model
    backbone = cfg.backbone
    assert tuple(backbone.num_layers) == B5_DEPTHS
    widths = tuple(n * backbone.embed_dims for n in backbone.num_heads)
    assert widths == tuple(cfg.decode_head.in_channels) == B5_WIDTHS
    assert backbone.drop_path_rate == 0.1
    assert backbone.norm_cfg == dict(type="LN", eps=1e-6)
    assert backbone.init_cfg.checkpoint.endswith("/mit_b5_20220624-658746d9.pth")
    assert not cfg.decode_head.loss_decode.avg_non_ignore
    source, target = (cfg.data_preprocessor[k] for k in ("source", "target"))
    assert source == target
    assert source.bgr_to_rgb


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    make_folders(root)
    return root


@pytest.mark.parametrize("task", TASKS)
def test_pairs_are_crops_of_512_of_the_public_sizes(
    task: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    init_default_scope("mmseg")
    cfg = read(f"datasets/{task}_crop512")
    assert cfg.train_dataloader.batch_size == 2
    pairs: Any = DATASETS.build(cfg.train_dataloader.dataset)
    flips = set()
    for i in range(12):
        pair = pairs[i]
        for domain in ("source", "target"):
            packed = pair[domain]["data_samples"]
            assert pair[domain]["inputs"].shape == (3, 512, 512)
            assert ("gt_sem_seg" in packed) == (domain == "source")
            flips.add((domain, packed.flip))
        assert pair["source"]["data_samples"].gt_sem_seg.shape == (512, 512)
    assert len(flips) == 4
    classes = {"gta2cs": 19, "synthia2cs": 16, "synthia2cs_19way": 19}[task]
    assert len(pairs.metainfo["classes"]) == classes

    whole: Any = DATASETS.build(cfg.test_dataloader.dataset)
    sample = whole[0]
    assert sample["inputs"].shape == (3, 512, 1024)
    assert sample["data_samples"].gt_sem_seg.shape == sample["data_samples"].ori_shape


def test_gta5_keeps_its_ratio() -> None:
    init_default_scope("mmseg")
    (resize,) = (
        each
        for each in read("datasets/gta2cs_crop512").source_train_pipeline
        if each.type == "Resize"
    )
    image = np.zeros((1052, 1914, 3), np.uint8)
    sample = TRANSFORMS.build(resize)(dict(img=image, seg_fields=[]))
    assert sample["img"].shape == (704, 1280, 3)


def test_a_step_with_the_feature_distance_moves_all_that_trains(tmp_path: Path) -> None:
    init_default_scope("mmseg")
    cfg = read("models/daformer_mitb5")
    cfg.merge_from_dict(dict(model=dict(reference=dict(type="FrozenReference"))))
    cfg.model.alignments = dict(
        fd=dict(type="FeatureDistanceLoss", classes=[0, 1, 2, 3], loss_weight=1.0)
    )
    cfg.model.decode_head.num_classes = 4
    weights = tmp_path / "mit.pth"
    model, initial = small_model(cfg, weights)
    schedule = read("schedules/adamw_warmup_poly_40k")
    wrapper = build_optim_wrapper(model, schedule.optim_wrapper)
    model.init_weights()
    for name, value in initial.items():
        assert torch.equal(model.backbone.state_dict()[name], value)
    before = {k: v.detach().clone() for k, v in model.named_parameters()}
    label = torch.randint(4, (32, 64))
    label[:, 32:] = 1  # the map is 1x2: a cell of one class, and one of all
    data = dict(source=branch(label), target=branch(None))
    logs = model.train_step(data, wrapper)
    assert logs["fd.selected"] == 0.5
    assert logs["fd.loss"] > 0
    unmoved = {k for k, v in model.named_parameters() if v.equal(before[k])}
    assert not unmoved
    assert not any("reference" in name for name in model.state_dict())


def branch(label: Tensor | None) -> dict[str, list[Any]]:
    """Two images of one domain, with one label."""
    images = [torch.randint(256, (3, 32, 64)).byte() for _ in range(2)]
    return dict(inputs=images, data_samples=[sample(label) for _ in images])


def small_model(cfg: Config, weights: Path) -> tuple[Any, dict[str, Tensor]]:
    """The config's model with one block per stage, its pretrained weights in a file."""
    cfg.model.backbone.update(embed_dims=4, num_layers=[1, 1, 1, 1])
    cfg.model.decode_head.update(in_channels=[4, 8, 20, 32], embed_dims=8, channels=8)
    torch.manual_seed(0)
    net: Any = MODELS.build({**cfg.model.backbone, "init_cfg": None})
    net.init_weights()
    torch.save(net.state_dict(), weights)
    cfg.model.backbone.init_cfg.checkpoint = str(weights)
    return MODELS.build(cfg.model), dict(net.state_dict())
