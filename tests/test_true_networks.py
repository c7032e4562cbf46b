"""The networks at their true size, for which the other tests have toys."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.config_files import files_opened
from helpers.folders import save_image
from helpers.shrink import CONFIGS, config_names
from helpers.toys import sample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.registry import DATASETS, MODELS
from torch import nn

import mmseg_cosda  # noqa: F401  (registers what the configs name)

SIZE = (97, 161)  # (H, W)
# Each method on its networks, with and without pseudo-labels; MIC has all parts of
# DACS and DAFormer.
NAMES = [
    name
    for name in config_names()
    if re.fullmatch(r"\w+/\w+_gta2cs(_no-pl|_online)?\.py", name)
    and not name.startswith(("dacs/", "daformer/"))
]


def without_downloads(node: Any) -> None:
    if isinstance(node, dict):
        if (node.get("init_cfg") or {}).get("type") == "Pretrained":
            node["init_cfg"] = None
        for value in node.values():
            without_downloads(value)


def branch(num_classes: int, labelled: bool, seed: int) -> dict[str, list[Any]]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(256, (3, *SIZE), generator=generator).byte()
    label = torch.randint(num_classes, SIZE, generator=generator)
    made = sample(label if labelled else None)
    made.set_metainfo(dict.fromkeys(("img_shape", "ori_shape", "pad_shape"), SIZE))
    return dict(inputs=[image], data_samples=[made])


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_step_reaches_all_that_trains_and_nothing_else(name: str) -> None:
    cfg = Config.fromfile(CONFIGS / name)
    without_downloads(cfg.model)
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model: Any = MODELS.build(cfg.model)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    if model.reference is not None:  # its weights would be downloaded
        net = copy.deepcopy(model.backbone)
        net.eval()
        model.reference.hold(net.requires_grad_(False))
    model.init_weights()
    reached: dict[str, bool] = {}
    for key, weight in model.named_parameters():

        def see(weight: torch.Tensor, key: str = key) -> None:
            assert weight.grad is not None
            reached[key] = bool(weight.grad.isfinite().all())

        if weight.requires_grad:
            weight.register_post_accumulate_grad_hook(see)
    frozen = {
        key: weight.clone()
        for key, weight in model.named_parameters()
        if not weight.requires_grad and not key.startswith("teacher.")
    }

    norms = {
        f"{name}.{part}"
        for name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        and not name.startswith(("teacher.", "decode_head."))
        for part in ("weight", "bias")
    }
    upsampling = {key for key in frozen if ".upscore" in key}  # FCN-8s, bilinear
    assert frozen.keys() - upsampling == norms
    assert len(upsampling) in (0, 3)

    classes = model.decode_head.num_classes
    target = cfg.train_dataloader.dataset.target
    has_labels = target.type == "PseudoLabelDataset"
    data = dict(source=branch(classes, True, 1), target=branch(classes, has_labels, 2))
    logs = model.train_step(data, wrapper)

    assert all(torch.as_tensor(value).isfinite().all() for value in logs.values())
    assert "source.decode.loss_ce" in logs
    online = (cfg.model.get("phases", {}).get("target") or {}).get("labels")
    assert ("target.decode.loss_ce" in logs) == (has_labels or online == "teacher")
    for phase in ("mixed", "masked"):
        named = phase in cfg.model.get("phases", {})
        assert (f"{phase}.decode.loss_ce" in logs) == named
    for alignment in cfg.model.get("alignments", {}):
        assert any(key.startswith(f"{alignment}.loss") for key in logs), logs.keys()
    trained = {k for k, weight in model.named_parameters() if weight.requires_grad}
    assert reached.keys() == trained
    assert all(reached.values())
    for key, value in frozen.items():
        assert torch.equal(model.get_parameter(key), value), key


PHOTO = (200, 150)  # (W, H), of no dataset's size
# A config of each network that configs ship, the aerial one for its sliding windows.
OF_EACH_NETWORK = [
    "cosda/deeplabv2_gta2cs.py",
    "cosda/fcn8s_gta2cs.py",
    "cosda/deeplabv2_torcs2camvid.py",
    "cosda/deeplabv2_demo.py",
    "own_data/cosda.py",
    "source_only/daformer_gta2cs.py",
    "cosda/deeplabv2_potsdam2vaihingen.py",
]


def networks(names: list[str]) -> set[str]:
    opened = (path for name in names for path in files_opened(name))
    return {path.name for path in opened if path.parent.name == "models"}


def test_each_network_is_among_them() -> None:
    assert networks(OF_EACH_NETWORK) == networks(config_names())


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_EACH_NETWORK)
def test_the_host_predicts_a_photograph_with_what_was_trained(
    name: str, tmp_path: Path
) -> None:
    cfg = Config.fromfile(CONFIGS / name)
    without_downloads(cfg.model)
    init_default_scope("mmseg")
    torch.manual_seed(0)
    trained: Any = MODELS.build(cfg.model).state_dict()
    data = DATASETS.build(dict(cfg.test_dataloader.dataset, lazy_init=True))
    weights, photo = str(tmp_path / "weights.pth"), str(tmp_path / "photo.png")
    meta = dict(dataset_meta=data.metainfo)
    torch.save(dict(state_dict=trained, meta=meta), weights)
    save_image(Path(photo), *PHOTO)

    model = init_model(str(CONFIGS / name), weights, device="cpu")
    for key, value in model.state_dict().items():
        assert torch.equal(value, trained[key]), key
    result = inference_model(model, photo)
    classes = len(data.metainfo["classes"])
    assert result.seg_logits.data.shape == (classes, PHOTO[1], PHOTO[0])
    assert result.seg_logits.data.isfinite().all()
    inferencer = MMSegInferencer(cfg, weights, device="cpu")
    inferencer.show_progress = False  # an argument in newer hosts alone
    found = torch.as_tensor(inferencer(photo)["predictions"])
    assert found.equal(result.pred_sem_seg.data[0])
