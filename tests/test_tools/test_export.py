"""tools/export.py: the host's own API predicts from its files what was trained."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from helpers.config_files import read
from helpers.prediction_project import (
    META,
    NAMES,
    PALETTE,
    build_model,
    project_config,
    write_photograph,
    write_project,
)
from helpers.pseudo_label_project import write_config
from helpers.shrink import config_names, shrink
from helpers.small_nets import HOST_ALONE, NETS, small_net
from helpers.tools import load_tool
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.registry import MODELS

from mmseg_cosda.checkpoint import parse_config_literals
from mmseg_cosda.errors import UserError
from mmseg_cosda.inference.class_names import ClassNames
from mmseg_cosda.inference.export import comparable_config, export_config
from mmseg_cosda.inference.export_check import require_same_logits

tool = load_tool("export")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(*args: str, out: str = "out/net.pth") -> None:
    tool.main(["net.pth", out, *args])


def trained(cfg: dict[str, Any], path: str, weights: dict[str, Any]) -> Any:
    """The trained net on a picture: its own transforms, without the label's."""
    model = build_model(cfg)
    model.load_state_dict(weights)
    init_default_scope("mmseg")
    pipeline = [cfg["test_pipeline"][i] for i in (0, 1, -1)]
    sample = Compose(pipeline)(dict(img_path=path))
    with torch.no_grad():
        return model.test_step(pseudo_collate([sample]))[0]


@pytest.mark.parametrize("net", NETS)
def test_the_host_predicts_the_same_bit_for_bit(
    root: Path, net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = write_project(root, project_config(model=small_net(net)))
    write_photograph(root / "a.jpg", (90, 70), 3)
    export()
    printed = capsys.readouterr().out
    assert printed.startswith("wrote out/net.pth and out/net.py: ")
    assert ("host parts alone" in printed) == (net in HOST_ALONE)
    assert ("needs mmseg_cosda where it is loaded" in printed) != (net in HOST_ALONE)
    weights = torch.load("net.pth")["state_dict"]
    expected = trained(cfg, "a.jpg", weights)
    model = init_model("out/net.py", "out/net.pth", device="cpu")
    assert model.dataset_meta == {"classes": list(NAMES), "palette": PALETTE}
    for image in ("a.jpg", cv2.imread("a.jpg")):
        found = inference_model(model, image)
        assert torch.equal(found.seg_logits.data, expected.seg_logits.data)
        assert torch.equal(found.pred_sem_seg.data, expected.pred_sem_seg.data)
    assert expected.seg_logits.data.flatten(1).std(1).min() > 0


@pytest.mark.parametrize("net", ["segformer", "upernet"])
def test_what_is_exported_is_plain_and_small(root: Path, net: str) -> None:
    cfg = project_config(model=small_net(net))
    write_project(root, cfg)
    content = torch.load("net.pth")
    content["state_dict"]["alignments.cosine.queue"] = torch.zeros(1000)
    torch.save({**content, "optimizer": torch.zeros(1000)}, "net.pth")
    export()
    text = Path("out/net.py").read_text("utf-8")
    said = parse_config_literals(text)
    assert said["model"]["type"] == "EncoderDecoder"
    assert said["model"]["data_preprocessor"]["type"] == "SegDataPreProcessor"
    for absent in ("SyncBN", "https:", "torchvision:", "auxiliary", "custom_imports"):
        assert absent not in text
    assert [t["type"] for t in said["test_pipeline"]] == [
        "LoadImageFromFile",
        "Resize",
        "PackSegInputs",
    ]
    exported = torch.load("out/net.pth", weights_only=True)
    assert sorted(exported) == ["meta", "state_dict"]
    kept = ("backbone.", "decode_head.")
    assert all(key.startswith(kept) for key in exported["state_dict"])
    assert exported["meta"]["cfg"] == text


LOADED_ELSEWHERE = """
import json, sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "mmseg_cosda":
            raise ImportError("mmseg_cosda is not installed here")


sys.meta_path.insert(0, Blocker())
from mmseg.apis import inference_model, init_model

found = {}
for net in sys.argv[1:]:
    model = init_model(f"{net}/net.py", f"{net}/net.pth", device="cpu")
    found[net] = inference_model(model, "a.png").pred_sem_seg.data[0].tolist()
print(json.dumps(found))
"""


def test_host_nets_load_where_the_plugin_is_not_installed(root: Path) -> None:
    write_photograph(root / "a.png", (40, 30), 3)
    expected = {}
    nets = ("segformer", "upernet")
    for net in nets:
        cfg = write_project(root, project_config(model=small_net(net)))
        export(out=f"{net}/net.pth")
        weights = torch.load("net.pth")["state_dict"]
        expected[net] = trained(cfg, "a.png", weights).pred_sem_seg.data[0].tolist()
    command = [sys.executable, "-c", LOADED_ELSEWHERE, *nets]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == expected


def test_the_inferencer_needs_the_checkpoint_alone(root: Path) -> None:
    cfg = write_project(root, project_config(model=small_net("deeplabv2")))
    write_photograph(root / "a.png", (50, 40), 3)
    export()
    expected = trained(cfg, "a.png", torch.load("net.pth")["state_dict"])
    for model in ("out/net.py", None):
        inferencer = MMSegInferencer(model, "out/net.pth", device="cpu")
        found = inferencer("a.png", show=False)["predictions"]
        np.testing.assert_array_equal(found, expected.pred_sem_seg.data[0])


def test_every_shipped_config_is_exported_whole() -> None:
    seen: set[str] = set()
    for name in config_names():
        cfg = shrink(read(name))
        count = cfg.model.decode_head.num_classes
        names = ClassNames(
            [f"{i}" for i in range(count)], [[i, 0, 0] for i in range(count)]
        )
        cfg.pop("test_pipeline")  # shrink() leaves it as it was
        exported = export_config(cfg, names)
        assert "alignments" not in exported.cfg["model"], name
        assert exported.modules == ["mmseg_cosda"], name
        if repr(exported.cfg["model"]) in seen:
            continue
        seen.add(repr(exported.cfg["model"]))
        assert parse_config_literals(exported.text) == exported.cfg, name
        init_default_scope("mmseg")
        torch.manual_seed(0)
        whole = MODELS.build(comparable_config(cfg)).eval()
        plain = MODELS.build(Config(exported.cfg).model).eval()
        own = plain.state_dict()
        plain.load_state_dict({k: v for k, v in whole.state_dict().items() if k in own})
        require_same_logits(whole, plain)
    assert len(seen) > 3


def test_the_teacher_is_exported_where_there_is_one(root: Path) -> None:
    cfg = write_project(root)
    with pytest.raises(UserError, match=r"net\.pth holds no teacher"):
        export("--weights", "teacher")
    content = torch.load("net.pth")
    teacher = build_model(cfg, seed=7).state_dict()
    student = content["state_dict"]
    content["state_dict"] = {
        **student,
        **{f"teacher.{key}": value for key, value in teacher.items()},
    }
    torch.save(content, "net.pth")
    for arguments, expected in (
        ([], student),
        (["--weights", "teacher"], teacher),
    ):
        export(*arguments)
        found = torch.load("out/net.pth")["state_dict"]
        assert not any(key.startswith("teacher.") for key in found)
        for key, value in found.items():
            assert torch.equal(value, expected[key]), key


def test_the_config_in_a_checkpoint_is_read_and_never_run(
    root: Path,
) -> None:
    write_project(root)
    content = torch.load("net.pth")
    content["meta"]["cfg"] += "\nopen('ran', 'w').close()\n"
    torch.save(content, "net.pth")
    with pytest.raises(UserError, match="give the one that it was trained with"):
        export()
    del content["meta"]["cfg"]
    torch.save(content, "net.pth")
    with pytest.raises(UserError, match="--config CONFIG"):
        export()
    assert not Path("ran").exists()
    export("--config", "config.py")
    assert torch.load("out/net.pth")["meta"]["dataset_meta"]["classes"] == list(NAMES)
    content["meta"]["dataset_meta"]["classes"] = ("{{$HOME:a}}", "b", "c", "d")
    torch.save(content, "net.pth")
    with pytest.raises(UserError, match=r"holds '\{\{', which the host replaces"):
        export("--config", "config.py")


@pytest.mark.parametrize(
    ("arguments", "out", "message"),
    [
        ([], "out/net.onnx", "must end with .pth"),
        ([], "net.pth", "OUT net.pth would replace net.pth"),
        (["--config", "config.py"], "config.pth", "would replace config.py"),
        (
            ["--config", "other.py"],
            "out/net.pth",
            "net.pth is of another model than",
        ),
    ],
)
def test_mistakes_are_told(
    root: Path, arguments: list[str], out: str, message: str
) -> None:
    write_project(root)
    write_config(root / "other.py", project_config(model=small_net("swin")))
    with pytest.raises(UserError) as error:
        export(*arguments, out=out)
    assert message in str(error.value)
    assert not Path("out").exists()


def test_weights_that_are_no_numbers_are_refused(root: Path) -> None:
    write_project(root)
    content = torch.load("net.pth")
    content["state_dict"]["backbone.stem.bias"][1] = float("inf")
    torch.save(content, "net.pth")
    with pytest.raises(UserError, match=r"NaN or infinite \(backbone\.stem\.bias\)"):
        export()


@MODELS.register_module(force=True)
class DoublingSegmentor(MODELS.get("UDAEncoderDecoder")):  # type: ignore[misc]
    """Computes what the host's segmentor doesn't."""

    def extract_feat(self, inputs: Any) -> Any:
        return super().extract_feat(2 * inputs)


def test_a_segmentor_that_computes_otherwise_is_refused(root: Path) -> None:
    model = small_net("deeplabv2", type="DoublingSegmentor")
    write_project(root, project_config(model=model))
    with pytest.raises(UserError, match="DoublingSegmentor predicts otherwise"):
        export()
    assert not Path("out").exists()


@pytest.mark.parametrize("net", ["deeplabv2", "fcn8s", "segformer", "upernet", "swin"])
def test_onnx_gives_the_logits_of_torch(
    root: Path, net: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    cfg = write_project(root, project_config(model=small_net(net)))
    export("--onnx")
    fixed = net == "swin"
    printed = capsys.readouterr().out
    assert ("one image of 64x32 alone" in printed) == fixed
    assert ("any height, width and number of images" in printed) != fixed
    session = onnxruntime.InferenceSession("out/net.onnx")
    model = build_model(cfg)
    model.load_state_dict(torch.load("net.pth")["state_dict"])
    for count, height, width in [(1, 32, 64)] if fixed else [(1, 65, 91), (3, 70, 48)]:
        image = torch.rand(count, 3, height, width) * 255
        with torch.no_grad():
            logits = model.encode_decode(
                (image - 127.5) / 127.5, [dict(img_shape=(height, width))] * count
            )
        found = session.run(["logits"], {"image": image.numpy()})[0]
        scale = max(1.0, float(logits.abs().max()))
        assert np.abs(found - logits.numpy()).max() / scale < 1e-4


def test_onnx_says_what_to_install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    write_project(root)
    with pytest.raises(UserError, match="pip install onnx onnxruntime"):
        export("--onnx")
    assert not Path("out").exists()


assert META["classes"] == NAMES
