"""The tool's whole way, against predictions and counts made pixel by pixel."""

from __future__ import annotations

import gc
import importlib.util
import weakref
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image
from pseudo_label_project import (
    METAINFO,
    NAMES,
    images_config,
    write_checkpoint,
    write_config,
    write_images,
)
from shrink import CONFIGS, shrink
from toys import CLASSES, build, head_config, segmentor_config

from mmseg_cosda.errors import UserError, run_tool

UInt8 = npt.NDArray[np.uint8]
PALETTE = [[200, 10, 10], [10, 200, 10], [10, 10, 200], [200, 200, 10]]


def load_tool() -> Any:
    path = Path(__file__).parents[2] / "tools" / "compare_predictions.py"
    spec = importlib.util.spec_from_file_location("compare_predictions", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = load_tool()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Seven images of 40x24, a config and checkpoints a, b and c of its net."""
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path)
    pipeline: list[dict[str, Any]] = [
        dict(type="LoadImageFromFile"),
        dict(type="Resize", scale=(32, 16), keep_ratio=False),
        dict(type="LoadAnnotations"),
        dict(type="PackSegInputs"),
    ]
    images = images_config(tmp_path, pipeline)
    images["metainfo"] = {**METAINFO, "palette": PALETTE}
    config = dict(
        default_scope="mmseg",
        custom_imports=dict(imports=["toys"]),
        model=segmentor_config(),
        val_dataloader=dict(dataset=images),
    )
    write_config(tmp_path / "config.py", config)
    write_checkpoint(tmp_path / "a.pth")
    for seed, name in enumerate("bc"):  # the same net, a little further
        content = torch.load(tmp_path / "a.pth")
        weight = content["state_dict"]["decode_head.conv_seg.weight"]
        generator = torch.Generator().manual_seed(seed)
        weight += torch.randn(weight.shape, generator=generator)
        torch.save(content, tmp_path / f"{name}.pth")
    return tmp_path


def compare(*args: str, names: str = "abc") -> None:
    checkpoints = [f"{name}={name}.pth" for name in names]
    arguments = [
        "config.py",
        "--checkpoints",
        *checkpoints,
        "--out",
        "out/compared.png",
    ]
    tool.main([*arguments, "--device", "cpu", "--workers", "0", *args])


def shown_rows(monkeypatch: pytest.MonkeyPatch, *args: str, names: str = "abc") -> Any:
    rows: list[Any] = []

    def record(shown: Any, *options: Any) -> Any:
        rows.extend(shown)
        return drawn(shown, *options)

    drawn = tool.draw_panels
    with monkeypatch.context() as patch:
        patch.setattr(tool, "draw_panels", record)
        compare(*args, names=names)
    return rows


def read(path: str) -> Any:
    return cv2.imread(path, cv2.IMREAD_UNCHANGED)


def naive_prediction(name: str, checkpoint: str) -> UInt8:
    """Network, bilinear upsampling to the image's size, argmax."""
    model = build()
    model.load_state_dict(torch.load(checkpoint)["state_dict"])
    model.eval()
    image = cv2.resize(read(f"images/{name}_img.png"), (32, 16))
    inputs = (torch.from_numpy(image).permute(2, 0, 1)[None].float() - 127.5) / 127.5
    with torch.no_grad():
        logits = model.decode_head(model.backbone(inputs))
        for size in ((16, 32), (24, 40)):
            logits = F.interpolate(logits, size, mode="bilinear", align_corners=True)
    return logits[0].argmax(0).to(torch.uint8).numpy()


def counts(name: str, checkpoints: str) -> tuple[float, list[float], list[UInt8]]:
    """Share of labelled pixels that differ, accuracies, predictions: pixel by pixel."""
    truth = read(f"labels/{name}_gt.png")
    maps = [naive_prediction(name, f"{c}.pth") for c in checkpoints]
    differ = labelled = 0
    right = [0] * len(maps)
    for y in range(24):
        for x in range(40):
            if truth[y, x] == 255:
                continue
            labelled += 1
            found = [label[y, x] for label in maps]
            differ += len(set(found)) > 1
            right = [n + (f == truth[y, x]) for n, f in zip(right, found, strict=True)]
    return 100 * differ / labelled, [100 * n / labelled for n in right], maps


@pytest.mark.parametrize("batch_size", ["1", "3"])
def test_the_images_that_differ_most_are_shown(
    project: Path, monkeypatch: pytest.MonkeyPatch, batch_size: str
) -> None:
    expected = {name: counts(name, "abc") for name in NAMES}
    order = sorted(NAMES, key=lambda name: -expected[name][0])
    assert expected[order[2]][0] - expected[order[3]][0] > 0.2  # a clear choice
    rows = shown_rows(monkeypatch, "--rows", "3", "--batch-size", batch_size)
    assert [row.name for row in rows] == order[:3]
    for row in rows:
        share, accuracies, maps = expected[row.name]
        assert row.note == f"{share:.1f} % differ"
        ours = [score.accuracy for score in row.scores]
        np.testing.assert_allclose(ours, accuracies, atol=0.2)
        for predicted, naive in zip(row.predictions, maps, strict=True):
            assert (predicted != naive).mean() < 0.002  # ties of rounding
        truth = read(f"labels/{row.name}_gt.png")
        np.testing.assert_array_equal(row.truth, truth)


def test_the_largest_gains_of_the_last_over_the_first(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sorted(NAMES)[:5]
    gains = {}
    for name in names:
        _, accuracies, _ = counts(name, "ac")
        gains[name] = accuracies[1] - accuracies[0]
    order = sorted(names, key=lambda name: -gains[name])
    args = ("--by", "improvement", "--limit", "5", "--rows", "9")
    rows = shown_rows(monkeypatch, *args, names="ac")
    assert [row.name for row in rows] == order
    assert rows[0].note == f"accuracy {gains[order[0]]:+.1f} points"


def test_named_images_are_shown_in_their_order(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ("--images", "ulm_2", "top.v1", "--rows", "1")
    rows = shown_rows(monkeypatch, *args, names="b")
    assert [(row.name, row.note) for row in rows] == [("ulm/ulm_2", ""), ("top.v1", "")]
    image = read("images/ulm/ulm_2_img.png")[..., ::-1].astype(int)
    assert np.abs(rows[0].picture.astype(int) - image).mean() < 20  # it was resized


def test_the_file_shows_the_datasets_colours(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare("--rows", "2")
    assert "2 of 7 images: out/compared.png" in capsys.readouterr().out
    assert [path.name for path in Path("out").iterdir()] == ["compared.png"]
    pixels = np.asarray(Image.open("out/compared.png").convert("RGB"))
    assert pixels.shape[1] == 2160  # both columns, 7.2 inches at 300 dpi
    column = pixels[:, 432:864]  # ground truth, the second of five
    found = [(column == colour).all(-1).sum() for colour in PALETTE]
    coloured = sum((column == colour).all(-1).sum(1) for colour in PALETTE)
    black = (column[coloured > 200] == 0).all(-1).sum()  # lines with labels, no legend
    assert min(found) > 0.15 * sum(found)  # random labels: a quarter each
    assert black == 0  # the ignored three of 24 lines hold no class
    ignored = (column == 0).all(-1).sum()
    assert 0.8 < ignored / (sum(found) * 3 / 21) < 1.5  # and letters


def test_one_model_is_in_memory_at_a_time(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models: list[Any] = []

    def load(*args: Any) -> Any:
        gc.collect()
        assert all(model() is None for model in models)
        loaded = load_model(*args)
        models.append(weakref.ref(loaded))
        return loaded

    load_model = tool.load_model
    monkeypatch.setattr(tool, "load_model", load)
    compare("--limit", "1")
    assert len(models) == 6  # each once to see that it fits, once to predict


def test_the_demo_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = shrink(Config.fromfile(CONFIGS / "cosda" / "deeplabv2_demo.py"))
    config.dump("config.py")
    for seed, name in enumerate("ab"):
        torch.manual_seed(seed)
        model = MODELS.build(config.model)
        model.init_weights()
        torch.save({"state_dict": model.state_dict()}, f"{name}.pth")
    rows = shown_rows(monkeypatch, names="ab")
    names = {row.name for row in rows}
    assert names == {"target_val_00000", "target_val_00001"}
    assert rows[0].picture.shape == (32, 64, 3)
    assert Path("out/compared.png").is_file()


def other_net(path: Path) -> None:
    model = build(decode_head=head_config(num_classes=CLASSES + 1))
    torch.save({"state_dict": model.state_dict()}, path)


@pytest.mark.parametrize(
    ("names", "args", "message"),
    [
        ("ax", [], "checkpoint x.pth is of another model than the config"),
        ("ay", [], "checkpoint y.pth does not exist"),
        ("az", [], "checkpoint z.pth"),
        ("aa", [], "--checkpoints: a is there twice"),
        ("a", [], "--checkpoints: one alone differs from nothing"),
        ("ab", ["--images", "ulm_9"], "--images ulm_9: none of the 7"),
        ("ab", ["--images", "ulm_1", "--limit", "1"], "--limit and --images"),
        ("ab", ["--rows", "0"], "--rows 0: must be at least 1"),
        ("ab", ["--batch-size", "0"], "--batch-size 0: must be at least 1"),
        ("ab", ["--width", "99"], "--width 99: must be from 1 to 50"),
        ("ab", ["--out", "a.gif"], "--out a.gif: must end with"),
        ("ab", ["--device", "warp"], "--device warp: this machine has no"),
        (
            "ab",
            ["--cfg-options", "val_dataloader.dataset.pipeline=[]"],
            "val_dataloader.dataset is of type BaseSegDataset",
        ),
        (
            "ab",
            ["--cfg-options", "val_dataloader.dataset.data_root=away"],
            "check its data_root",
        ),
        (
            "ab",
            ["--cfg-options", "val_dataloader.dataset.metainfo.classes=[a,b]"],
            "palette does not match classes",
        ),
    ],
)
def test_a_mistake_is_one_line(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    names: str,
    args: list[str],
    message: str,
) -> None:
    other_net(project / "x.pth")
    (project / "z.pth").write_bytes(b"no weights")

    def never(*_: Any) -> None:
        raise AssertionError("predicted before the mistake was found")

    monkeypatch.setattr(tool, "predict_maps", never)
    with pytest.raises(ValueError):  # noqa: PT011 (the message is checked below)
        compare(*args, names=names)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run_tool(lambda: compare(*args, names=names))
    assert stop.value.code == 2
    errors = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error")]
    assert len(errors) == 1
    assert message in errors[0]
    assert not Path("out").exists()


def change_pipeline(index: int, *transforms: dict[str, Any]) -> None:
    config = Config.fromfile("config.py").to_dict()
    config["val_dataloader"]["dataset"]["pipeline"][index : index + 1] = transforms
    write_config(Path("config.py"), config)


def test_labels_are_needed_at_the_size_of_the_evaluation(project: Path) -> None:
    change_pipeline(2)
    with pytest.raises(UserError, match="loads no labels"):
        compare()
    resize = dict(type="Resize", scale=(32, 16), keep_ratio=False)
    change_pipeline(1, dict(type="LoadAnnotations"), resize)
    with pytest.raises(UserError, match=r"labels of \(16, 32\).* at \(24, 40\)"):
        compare()


def test_a_damaged_image_is_named(project: Path) -> None:
    (project / "images" / "ulm" / "ulm_1_img.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"image .*ulm_1_img\.png"):
        compare()
    compare("--images", "ulm_2")


def test_images_of_several_sizes_need_batches_of_one(project: Path) -> None:
    image = np.zeros((24, 80, 3), np.uint8)
    cv2.imwrite(str(project / "images" / "bonn" / "bonn_1_img.png"), image)
    label = np.zeros((24, 80), np.uint8)
    cv2.imwrite(str(project / "labels" / "bonn" / "bonn_1_gt.png"), label)
    resize = dict(type="Resize", scale=(32, 16), keep_ratio=True)
    change_pipeline(1, resize)
    with pytest.raises(UserError, match="take --batch-size 1"):
        compare("--batch-size", "2")
    compare("--rows", "7")


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    assert "python tools/compare_predictions.py" in capsys.readouterr().out
