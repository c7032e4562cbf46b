"""tools/predict.py against predictions made step by step; no labels, no data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from helpers.prediction_project import (
    NAMES,
    PALETTE,
    SIZE,
    build_model,
    project_config,
    write_photograph,
    write_project,
)
from helpers.pseudo_label_project import write_config
from helpers.tools import load_tool
from PIL import Image

import mmseg_cosda.inference.predict as predicting
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.inference.predict import as_rgb

tool = load_tool("predict")
Array = npt.NDArray[np.uint8]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    return tmp_path


def predict(*args: str, out: str = "out") -> None:
    fixed = ["--device", "cpu", "--workers", "0", "config.py", "net.pth"]
    tool.main([*fixed, *args, "--out", out])


def label(name: str, out: str = "out") -> Array:
    with Image.open(f"{out}/labels/{name}.png") as image:
        assert image.mode == "L"
        return np.asarray(image)


def overlay(name: str, out: str = "out") -> Array:
    return np.asarray(Image.open(f"{out}/overlays/{name}.png"))


def naive(image: Array, size: tuple[int, int] = SIZE, seed: int = 0) -> Array:
    """Pillow's bicubic resize, the network, two bilinear upsamplings, argmax."""
    model = build_model(project_config(), seed)
    small = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    inputs = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        logits = model.decode_head(model.backbone((inputs - 127.5) / 127.5))
        for shape in ((size[1], size[0]), image.shape[:2]):
            logits = F.interpolate(logits, shape, mode="bilinear", align_corners=True)
    return logits[0].argmax(0).to(torch.uint8).numpy()


def files(folder: str) -> dict[str, bytes]:
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_a_folder_keeps_names_sizes_and_ids(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = {
        "a": write_photograph(root / "in/a.PNG", (40, 24), 1),
        "ulm/b": write_photograph(root / "in/ulm/b.png", (61, 90), 2),
        "ulm/Größe 3": write_photograph(root / "in/ulm/Größe 3.bmp", (33, 16), 3),
    }
    (root / "in/notes.txt").write_text("no picture")
    (root / "in/._a.png").write_bytes(b"left by a file manager")
    write_photograph(root / "in/.ipynb_checkpoints/a.png")
    predict("in")
    assert sorted(files("out")) == sorted(
        [f"{kind}/{name}.png" for kind in ("labels", "overlays") for name in images]
        + ["predictions.json"]
    )
    for name, image in images.items():
        np.testing.assert_array_equal(label(name), naive(image))
    assert len(np.unique(label("ulm/b"))) > 1
    said = json.loads(Path("out/predictions.json").read_text("utf-8"))
    assert (said["classes"], said["palette"]) == (list(NAMES), PALETTE)
    assert (said["config"], said["checkpoint"]) == ("config.py", "net.pth")
    printed = capsys.readouterr()
    assert "skipped 2 file(s) that are no pictures: 1 " in printed.err
    assert ".txt" in printed.err
    assert "ETA" in printed.err
    assert printed.out == "predictions: out/labels, to look at: out/overlays\n"


def test_the_overlay_blends_and_its_legend_names_what_occurs(root: Path) -> None:
    image = write_photograph(root / "a.png", (80, 50), 4)
    predict("a.png", "--opacity", "0.25")
    ids, drawn = label("a"), overlay("a")
    for y, x in ((0, 0), (49, 79), (20, 33)):
        expected = 0.25 * np.array(PALETTE[ids[y, x]]) + 0.75 * image[y, x, ::-1]
        assert np.abs(drawn[y, x] - expected).max() <= 0.5
    legend = drawn[50:].reshape(-1, 3).tolist()
    for i, color in enumerate(PALETTE):
        assert (legend.count(color) > 50) == (i in ids), NAMES[i]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["in/a.png"], ["a"]),
        (["in/x/b.png", "in/y/b.png"], ["x/b", "y/b"]),
        (["in/*/*.png"], ["x/b", "y/b"]),
        (["in/**/*.png"], ["a", "x/b", "y/b"]),
        (["in/?"], ["x/b", "y/b"]),
        (["in/x", "in/a.png"], ["a", "b"]),
        (["."], ["in/a", "in/x/b", "in/y/b"]),
    ],
)
def test_files_patterns_and_folders_name_their_predictions(
    root: Path, arguments: list[str], names: list[str]
) -> None:
    for i, name in enumerate(("a", "x/b", "y/b")):
        write_photograph(root / f"in/{name}.png", seed=i)
    for _ in range(2):  # the folder of the predictions is never read itself
        predict(*arguments)
        assert sorted(files("out/labels")) == [f"{name}.png" for name in names]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "IMAGES nowhere does not exist (looked for from "),
        (["empty"], "IMAGES empty: no pictures there (.png, "),
        (["in/*.gif"], "IMAGES in/*.gif: no pictures there"),
        (["in", "other"], "would share the prediction a.png: rename one"),
        (["twice"], "twice/a.jpg and twice/a.png would share the prediction a.png"),
        (["in", "--opacity", "0"], "--opacity 0: must be above 0"),
        (["in", "--batch-size", "0"], "--batch-size 0: must be at least 1"),
        (["in", "--workers", "-1"], "--workers -1: must be at least 0"),
    ],
)
def test_mistakes_are_told(root: Path, arguments: list[str], message: str) -> None:
    (root / "empty").mkdir()
    for name in ("in/a.png", "other/a.png", "twice/a.png", "twice/a.jpg"):
        write_photograph(root / name)
    with pytest.raises(UserError) as error:
        predict(*arguments)
    assert message in str(error.value)
    assert not Path("out").exists()


class PowerCutError(Exception):
    """As a power cut, but inside the process."""


def count_forwards(monkeypatch: pytest.MonkeyPatch, stop: int = 99) -> list[int]:
    forwards: list[int] = []
    loaded = tool.load_model

    def load(*args: Any) -> Any:
        model = loaded(*args)
        step = model.test_step

        def counted(batch: Any) -> Any:
            if len(forwards) == stop:
                raise PowerCutError
            forwards.append(len(batch["inputs"]))
            return step(batch)

        model.test_step = counted
        return model

    monkeypatch.setattr(tool, "load_model", load)
    return forwards


def test_an_interrupted_run_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(5):
        write_photograph(root / f"in/{i}.png", seed=i)
    predict("in", out="whole")
    with monkeypatch.context() as patch:
        count_forwards(patch, stop=2)
        with pytest.raises(PowerCutError):
            predict("in")
    Path("out/overlays/0.png").unlink()  # someone tidied up
    capsys.readouterr()
    forwards = count_forwards(monkeypatch)
    predict("in")
    assert forwards == [1] * 4
    assert "1 of 5 are there already" in capsys.readouterr().err
    assert files("out") == files("whole")
    predict("in")
    assert len(forwards) == 4


def test_ctrl_c_says_how_to_go_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photograph(root / "a.png")

    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(tool, "predict_pictures", interrupt)
    with pytest.raises(SystemExit) as stop:
        run_tool(lambda: predict("a.png"))
    assert stop.value.code == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_predictions_of_another_run_or_picture_stay_unless_told(root: Path) -> None:
    image = write_photograph(root / "in/a.png")
    predict("in")
    before = files("out")
    write_project(root, seed=1)
    with pytest.raises(UserError, match=r"of net\.pth with config\.py; .*--overwrite"):
        predict("in")
    write_project(root)
    other = write_photograph(root / "in/a.png", seed=5)
    with pytest.raises(UserError, match=r"is of another picture than in/a\.png is now"):
        predict("in")
    with pytest.raises(UserError, match="not of this checkpoint, config and options"):
        predict("in", "--opacity", "0.7")
    assert files("out") == before
    predict("in", "--overwrite")
    np.testing.assert_array_equal(label("a"), naive(other))
    assert (label("a") != naive(image)).any()
    Image.fromarray(label("a")).save("out/labels/a.png")  # of unknown origin
    with pytest.raises(UserError, match="not of this checkpoint"):
        predict("in")


def test_a_broken_picture_stops_nothing_but_the_status(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        write_photograph(root / f"in/{i}.jpg", (200, 120), seed=i)
    whole = Path("in/0.jpg").read_bytes()
    Path("in/0.jpg").write_bytes(whole[:-40])

    def of_opencv_4(data: Any, flags: int) -> Any:
        Path("read.jpg").write_bytes(data.tobytes())
        return cv2.imread("read.jpg", flags)

    monkeypatch.setattr(cv2, "imdecode", of_opencv_4)
    assert of_opencv_4(np.fromfile("in/0.jpg", np.uint8), cv2.IMREAD_COLOR) is not None
    Path("in/1.jpg").write_text("no picture")
    with pytest.raises(SystemExit) as stop:
        predict("in")
    assert stop.value.code == 1
    assert sorted(files("out/labels")) == ["2.png"]
    listed = capsys.readouterr().err.split("2 picture(s) could not be read:\n")[1]
    assert [line.split(":")[0] for line in listed.splitlines()] == [
        "  in/0.jpg",
        "  in/1.jpg",
    ]


def test_batches_are_of_one_size_and_change_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [(40, 24), (24, 40), (40, 24), (50, 30), (40, 24), (24, 40)]
    for i, size in enumerate(sizes):
        write_photograph(root / f"in/{i}.png", size, i)
    predict("in", out="singly")
    forwards = count_forwards(monkeypatch)
    predict("in", "--batch-size", "2")
    assert sorted(forwards) == [1, 1, 2, 2]
    for i in range(len(sizes)):
        same = label(f"{i}") == label(f"{i}", "singly")
        assert same.mean() > 0.99, "a batch may round differently, no more"


def test_no_more_than_a_few_batches_wait(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(20):
        write_photograph(root / f"in/{i:02d}.png", (40 + i, 24), i)
    loaded: list[int] = []

    def counted(image: Any) -> Array:
        loaded.append(1)
        return as_rgb(image)

    monkeypatch.setattr(predicting, "as_rgb", counted)
    count_forwards(monkeypatch, stop=0)
    with pytest.raises(PowerCutError):
        predict("in", "--batch-size", "3")
    assert len(loaded) == 4 * 3


def test_a_picture_is_predicted_as_it_is_shown(root: Path) -> None:
    pixels = write_photograph(root / "a.png", (40, 24), 6)
    exif = Image.Exif()
    exif[274] = 6  # turned by 90 degrees to be seen
    rgb = np.ascontiguousarray(pixels[..., ::-1])
    Image.fromarray(rgb).save("turned.png", exif=exif)
    predict("turned.png")
    shown = cv2.imread("turned.png")
    assert shown is not None
    assert shown.shape == (40, 24, 3)
    np.testing.assert_array_equal(label("turned"), naive(np.asarray(shown, np.uint8)))
    turned = np.rot90(rgb, -1)
    colors = np.array(PALETTE)[label("turned")]
    assert np.abs(overlay("turned")[:40, :24] - (turned + colors) / 2.0).max() <= 0.5


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16"])
def test_grey_palette_and_alpha_pictures(root: Path, mode: str) -> None:
    pixels = write_photograph(root / "rgb.png")
    image = Image.fromarray(pixels).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 256)
    image.save("a.png")
    predict("a.png")
    read = cv2.imread("a.png")
    assert read is not None
    np.testing.assert_array_equal(label("a"), naive(np.asarray(read, np.uint8)))


def test_a_checkpoint_that_is_no_number_is_refused(root: Path) -> None:
    write_photograph(root / "a.png")
    content = torch.load("net.pth")
    content["state_dict"]["decode_head.conv_seg.weight"][0] = float("nan")
    torch.save(content, "net.pth")
    with pytest.raises(UserError, match=r"net.pth: 1 of \d+ weights are NaN"):
        predict("a.png")


def test_classes_come_from_the_checkpoint_else_the_config(root: Path) -> None:
    write_photograph(root / "a.png")
    content = torch.load("net.pth")
    wrong = {"classes": ("road", "tree"), "palette": PALETTE[:2]}
    torch.save({**content, "meta": {"dataset_meta": wrong}}, "net.pth")
    with pytest.raises(UserError, match=r"names 2 classes \(road, tree\), but"):
        predict("a.png")
    torch.save(content["state_dict"], "net.pth")  # weights alone
    predict("a.png")
    assert json.loads(Path("out/predictions.json").read_text("utf-8"))[
        "classes"
    ] == list(NAMES)
    cfg = project_config()
    del cfg["test_dataloader"]
    write_config(root / "config.py", cfg)
    predict("a.png", out="unnamed")
    said = json.loads(Path("unnamed/predictions.json").read_text("utf-8"))
    assert said["classes"] == ["class 0", "class 1", "class 2", "class 3"]
    assert len({tuple(color) for color in said["palette"]}) == 4


def test_the_test_pipeline_counts_where_two_differ(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = write_photograph(root / "a.png", (90, 50))
    other = [dict(type="LoadImageFromFile"), dict(type="PackSegInputs")]
    write_config(root / "config.py", project_config(test_pipeline=other))
    predict("a.png")
    assert "test_pipeline is not the pipeline of" in capsys.readouterr().err
    np.testing.assert_array_equal(label("a"), naive(image))


def test_a_link_leads_no_prediction_out_of_the_folder(root: Path) -> None:
    write_photograph(root / "in/x/a.png")
    (root / "elsewhere").mkdir()
    (root / "out/labels").mkdir(parents=True)
    (root / "out/labels/x").symlink_to(root / "elsewhere")
    with pytest.raises(UserError, match="leaves the output folder"):
        predict("in")
    assert not list((root / "elsewhere").iterdir())
