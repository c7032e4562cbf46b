"""Files of DAFormer's family: which network becomes what, and with which logits."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmseg
import pytest
import torch
from helpers.daformer_network import (
    B5_DEPTHS,
    B5_WIDTHS,
    daformer_head,
    head_shapes,
    mit_shapes,
    mix_transformer,
    part_of,
    public_state,
)
from helpers.public_states import convert
from helpers.shrink import CONFIGS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_cosda.checkpoint.conversion import convert_public_state
from mmseg_cosda.checkpoint.daformer import host_names_of_mit

SMALL: dict[str, Any] = dict(depths=(1, 2, 1, 1), widths=(4, 8, 20, 32), channels=8)
CONVERTER = Path(mmseg.__path__[0]) / ".mim/tools/model_converters/mit2mmseg.py"


def small(**options: Any) -> dict[str, Tensor]:
    return public_state(**{**SMALL, **options})


def public_file(*, teacher: bool = True, **options: Any) -> dict[str, Tensor]:
    """A whole file: three networks of other weights."""
    networks = {"model": 0, "ema_model": 1, "imnet_model": 2}
    if not teacher:
        del networks["ema_model"]
    return {
        f"{prefix}.{name}": value
        for prefix, seed in networks.items()
        for name, value in small(seed=seed, **options).items()
    }


def network(
    state: dict[str, Tensor], depths: Sequence[int], width: int, channels: int
) -> Any:
    """Ours, with the main weights of a converted file and no others."""
    widths = [n * width for n in (1, 2, 5, 8)]
    backbone = dict(embed_dims=width, num_layers=list(depths), num_heads=[1, 2, 5, 8])
    head = dict(in_channels=widths, embed_dims=channels, channels=channels)
    return loaded(
        state,
        dict(type="MixVisionTransformer", **backbone),
        dict(type="DAFormerHead", num_classes=19, **head),
    )


def loaded(state: dict[str, Tensor], backbone: Any, head: Any) -> Any:
    init_default_scope("mmseg")
    parts = dict(backbone={**backbone, "init_cfg": None}, decode_head=head)
    model: Any = MODELS.build(dict(type="EncoderDecoder", **parts))
    main = {k: v for k, v in state.items() if not k.startswith("teacher.")}
    model.load_state_dict(main, strict=True)
    return model.eval()


def public_logits(state: dict[str, Tensor], image: Tensor) -> Tensor:
    maps = mix_transformer(part_of(state, "backbone."), image, (1, 2, 5, 8))
    return daformer_head(part_of(state, "decode_head."), maps)


def assert_same_logits(ours: Tensor, theirs: Tensor) -> None:
    assert float(theirs.std()) > 1e-2
    error = float((ours - theirs).abs().max() / theirs.abs().max())
    assert error < 1e-4, error


@torch.no_grad()
def test_mit_b5_of_the_published_shapes_gives_the_public_logits() -> None:
    public = public_state(B5_DEPTHS, B5_WIDTHS)
    found = convert_public_state({f"model.{k}": v for k, v in public.items()})
    assert found.options == ()
    assert "MiT-B5 with DAFormer's head" in found.notes
    named = Config.fromfile(CONFIGS / "daformer/daformer_gta2cs.py").model
    ours = loaded(found.state_dict, named.backbone, named.decode_head)
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    assert_same_logits(ours(image), public_logits(public, image))


@pytest.mark.parametrize("weights", ["student", "teacher"])
@torch.no_grad()
def test_the_chosen_network_becomes_the_main_one(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = convert(public_file(), tmp_path, "--weights", weights)
    said = capsys.readouterr().out
    public = small(seed=["student", "teacher"].index(weights))
    image = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    ours = network(found["state_dict"], SMALL["depths"], 4, 8)
    assert_same_logits(ours(image), public_logits(public, image))

    assert f"the main weights are the {weights}'s" in said
    assert "imnet_model.* (" in said
    assert "configs/daformer/daformer_gta2cs.py" in said
    assert '"model.backbone.num_layers=(1,2,1,1)"' in said
    assert '"model.decode_head.in_channels=(4,8,20,32)"' in said
    assert found["meta"]["dataset_meta"]["classes"][0] == "road"


def test_the_teacher_goes_along_with_the_student(tmp_path: Path) -> None:
    file = public_file()
    found = convert(file, tmp_path)["state_dict"]
    teacher = convert(file, tmp_path, "--weights", "teacher")["state_dict"]
    assert part_of(found, "teacher.").keys() == teacher.keys()
    assert all(torch.equal(found[f"teacher.{k}"], v) for k, v in teacher.items())
    assert not any(name.startswith(("imnet", "model", "ema")) for name in found)
    student = {k: v for k, v in found.items() if not k.startswith("teacher.")}
    assert student.keys() == teacher.keys()


def test_a_file_without_a_teacher_is_the_students(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = public_file(teacher=False)
    found = convert(file, tmp_path)["state_dict"]
    assert "teacher.*" not in capsys.readouterr().out
    bare = convert(small(seed=0), tmp_path)["state_dict"]  # without its wrapper
    assert found.keys() == bare.keys()
    with pytest.raises(ValueError, match=r"no ema_model\.\*; choose student"):
        convert(file, tmp_path, "--weights", "teacher")


@pytest.mark.skipif(not CONVERTER.is_file(), reason="this host ships no converter")
def test_names_are_those_of_the_hosts_converter() -> None:
    spec = importlib.util.spec_from_file_location("mit2mmseg", CONVERTER)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    public = part_of(small(), "backbone.")
    theirs = module.convert_mit(public)
    ours = host_names_of_mit(public)
    assert ours.keys() == {f"backbone.{name}" for name in theirs}
    for name, value in theirs.items():
        assert torch.equal(ours[f"backbone.{name}"], value), name


def test_the_published_names_are_all_known() -> None:
    """MiT-B5: 52 blocks of 12 weights, and 4 more where keys are reduced."""
    shapes = dict(mit_shapes(B5_DEPTHS, B5_WIDTHS))
    assert len(shapes) == 4 * 6 + 52 * 16 + 49 * 4
    assert sum(torch.Size(s).numel() for s in shapes.values()) == 81_443_008
    assert len(dict(head_shapes(B5_WIDTHS, 256, 19))) == 2 + 8 + 8 * 6


def test_other_networks_and_broken_files_are_refused(tmp_path: Path) -> None:
    file, one = public_file(), torch.zeros(1)
    kv = {"model.backbone.block2.1.attn.kv.weight": None}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"model.decode_head.scale_attention.conv_seg.weight": one}, "HRDA's network"),
        ({"model.decode_head.head.conv_seg.weight": one}, "HRDA's network"),
        ({"model.backbone.patch_embed1.proj.weight": None}, "DAFormer's head alone"),
        ({"model.backbone.extra": one}, r"has extra backbone\.extra"),
        ({"model.auxiliary_head.conv_seg.weight": one}, "has extra auxiliary_head"),
        (
            {"ema_model.backbone.norm4.bias": None},
            r"lacks backbone\.layers\.3\.2\.bias",
        ),
        ({"model.decode_head.conv_seg.weight": None}, r"lacks decode_head\.conv_seg"),
        (kv, r"mis-sizes backbone\.layers\.1\.1\.1\.attn\.attn\.in_proj_weight"),
        ({"projector.weight": one}, r"beside model\.\* the file has projector"),
    ]
    for change, message in cases:
        whole = {**file, **change}
        broken = {k: v for k, v in whole.items() if v is not None}
        with pytest.raises(ValueError, match=message) as error:
            convert(broken, tmp_path)
        assert "\n" not in str(error.value)
        assert str(error.value).startswith("IN=")
    segformer = {k: v for k, v in small().items() if "embed_layers" not in k}
    with pytest.raises(ValueError, match="DAFormer's head alone"):
        convert({**segformer, "decode_head.linear_c1.proj.weight": one}, tmp_path)
    resnet = {
        "model.backbone.conv1.weight": one,
        "model.decode_head.conv_seg.bias": one,
    }
    with pytest.raises(ValueError, match="DeepLabV2"):
        convert(resnet, tmp_path)


def test_a_teacher_is_asked_of_its_family_alone(
    hollow_vgg_state: dict[str, Tensor], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="one network and no teacher"):
        convert(hollow_vgg_state, tmp_path, "--weights", "teacher")
