"""What fits of a checkpoint, on every way of loading one."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.toy_runs import demo_config
from helpers.toys import build, cosine_config, head_config
from mmengine.runner import Runner, load_checkpoint
from torch import Tensor

from mmseg_cosda.errors import UserError
from mmseg_cosda.models.backbones.fcn_vgg import PUBLIC_NAMES
from mmseg_cosda.preflight import weights
from mmseg_cosda.preflight.weights import compare_weights, likely_cure

MODEL = {"backbone.a": (1,), "backbone.b": (2, 2), "decode_head.c": (3,)}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(
        weights, "print_log", lambda text, **options: found.append(text)
    )
    return found


def state(**options: Any) -> dict[str, Tensor]:
    return dict(build(seed=3, **options).state_dict())


def saved(tmp_path: Path, content: dict[str, Tensor]) -> str:
    path = tmp_path / "file.pth"
    torch.save({"state_dict": content}, path)
    return str(path)


def test_another_net_by_share_and_by_shapes() -> None:
    assert compare_weights(MODEL, {}).is_another_net
    assert not compare_weights(MODEL, {**MODEL, "fc.weight": (9,)}).is_another_net
    backbone = {k: v for k, v in MODEL.items() if k.startswith("backbone")}
    assert not compare_weights(MODEL, backbone).is_another_net
    head = {k: v for k, v in MODEL.items() if k.startswith("decode")}
    assert compare_weights(MODEL, head).is_another_net
    # Most of the names fit, as those of ResNet-34 in ResNet-50; the shapes don't.
    other = {**MODEL, "backbone.b": (2, 2, 1)}
    assert compare_weights(MODEL, other).is_another_net


@pytest.mark.parametrize("prefix", ["model.", "module.model."])
def test_a_prefix_is_named(prefix: str) -> None:
    cure = likely_cure(
        compare_weights(MODEL, {prefix + k: v for k, v in MODEL.items()})
    )
    assert f"without the prefix {prefix!r} 3 would fit" in cure


def test_a_missing_prefix_is_named() -> None:
    cure = likely_cure(compare_weights(MODEL, {"a": (1,), "b": (2, 2)}))
    assert "lack the prefix 'backbone.', with which 2 would fit" in cure
    assert "model.backbone.init_cfg" in cure


def test_another_net_has_no_cure_but_its_config() -> None:
    assert "another net's" in likely_cure(compare_weights(MODEL, {"x.y": (7,)}))


def test_loading_into_a_model(tmp_path: Path, lines: list[str]) -> None:
    model = build()
    good = state()
    load_checkpoint(model, saved(tmp_path, good))
    assert lines == []
    prefixed = {f"model.{key}": value for key, value in good.items()}
    path = saved(tmp_path, prefixed)
    with pytest.raises(UserError) as caught:
        load_checkpoint(model, path)
    text = str(caught.value)
    assert text.startswith(
        f"checkpoint {path} is of another model than the config: 6 of 6"
    )
    assert "the model has 'backbone.stem.weight' 6x3x3x3" in text
    assert "the file 'model.backbone.stem.weight'" in text
    assert "without the prefix 'model.' 6 would fit" in text


def test_a_head_of_other_classes_is_one_line(tmp_path: Path, lines: list[str]) -> None:
    # 2 of 34 weights: a toy's head is a large part of it.
    model = build(auxiliary_head=[head_config() for _ in range(14)])
    other = {k: v for k, v in model.state_dict().items() if "decode_head" not in k}
    load_checkpoint(model, saved(tmp_path, other))
    ((line),) = lines
    assert "2 of 34 weights aren't in it and stay random: decode_head.conv_seg" in line


def test_alignments_may_be_missing(tmp_path: Path, lines: list[str]) -> None:
    model = build(alignments=dict(cosine=cosine_config()))
    load_checkpoint(model, saved(tmp_path, state()))
    assert lines == []


def test_pretrained_backbones(tmp_path: Path, lines: list[str]) -> None:
    whole = {k: v for k, v in state().items() if k.startswith("backbone.")}
    alone = {k.removeprefix("backbone."): v for k, v in whole.items()}

    def initialize(content: dict[str, Tensor], **options: Any) -> None:
        path = saved(tmp_path, content)
        model = build()
        model.backbone.init_cfg = dict(type="Pretrained", checkpoint=path, **options)
        model.init_weights()
        assert torch.equal(model.backbone.stem.weight, whole["backbone.stem.weight"])

    initialize({**alone, "fc.weight": torch.ones(9, 6)})
    initialize(whole, prefix="backbone.")
    assert lines == []
    with pytest.raises(UserError, match=r"init_cfg\.checkpoint=.* without the prefix"):
        initialize(whole)


def test_names_that_a_backbone_translates(lines: list[str]) -> None:
    backbone = dict(type="FCNVGG", base_channels=2, fc_channels=4)
    model = build(backbone=backbone, decode_head=head_config(in_channels=4))
    own = model.backbone.state_dict()
    public = {
        f"{theirs}.{kind}": own[f"{ours}.{kind}"]
        for theirs, ours in PUBLIC_NAMES.items()
        for kind in ("weight", "bias")
    }
    model.backbone.load_state_dict(public, strict=False)
    assert lines == []


def test_a_training_from_a_file_that_does_not_fit(tmp_path: Path) -> None:
    cfg = demo_config(tmp_path / "work", 1)
    cfg.load_from = saved(tmp_path, {f"model.{k}": v for k, v in state().items()})
    with pytest.raises(UserError, match=r"load_from=.*file\.pth is of another model"):
        Runner.from_cfg(cfg).train()


def test_models_with_the_hooks_are_copied() -> None:
    model = copy.deepcopy(build())
    with pytest.raises(UserError, match="the checkpoint is of another model"):
        model.load_state_dict({"x": torch.ones(1)}, strict=False)
    pickle.loads(pickle.dumps(model.backbone))
