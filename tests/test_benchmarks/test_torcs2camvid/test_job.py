"""Folders of streets: resuming, half pairs, seeds; rendering where OpenGL is."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from helpers.street_art import make_torcs, tiny_art
from helpers.tools import load_tool
from PIL import Image

from benchmarks.torcs2camvid.street_renderer import context, job, raster
from benchmarks.torcs2camvid.street_renderer.art import Art
from benchmarks.torcs2camvid.street_renderer.context import use_software_driver
from benchmarks.torcs2camvid.street_renderer.job import (
    Pair,
    missing,
    pair_of,
    prepare_folder,
    render_files,
    write_pair,
)
from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.layout import lay_out
from benchmarks.torcs2camvid.street_renderer.raster import StreetRaster
from benchmarks.torcs2camvid.street_renderer.scene import Scene
from benchmarks.torcs2camvid.street_renderer.street import Street
from benchmarks.torcs2camvid.street_renderer.view import draw_view
from mmseg_cosda.errors import UserError
from mmseg_cosda.files import atomic_write


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return load_tool("render_streets")


@pytest.fixture(scope="module")
def art() -> Art:
    return tiny_art()


@pytest.fixture(scope="module")
def drawn(art: Art) -> Iterator[StreetRaster]:
    """A rasteriser, where moderngl and EGL are installed."""
    pytest.importorskip("moderngl")
    use_software_driver(1)
    try:
        with pytest.MonkeyPatch.context() as patch:
            # Seconds for each street seen edge-on; the tool's own limit is for looks.
            patch.setattr(raster, "MAX_STRETCH", 1000.0)
            made = StreetRaster(art)
    except UserError as error:
        pytest.skip(str(error))
    with made:
        yield made


def test_a_half_pair_is_not_done(tmp_path: Path) -> None:
    for index in (3, 4, 6):
        write_pair(pair_of(tmp_path, index), b"image", b"labels")
    pair_of(tmp_path, 4).image.unlink()
    pair_of(tmp_path, 6).labels.unlink()
    assert missing(tmp_path, range(2, 7)) == [2, 4, 5, 6]


def test_the_image_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(tmp_path / "images" / "a.jpg", tmp_path / "labels" / "a.png")
    written: list[Path] = []

    def failing(path: Path) -> Any:
        written.append(path)
        if path == pair.image:
            raise OSError(28, "No space left on device")
        return atomic_write(path)

    monkeypatch.setattr(job, "atomic_write", failing)
    with pytest.raises(UserError, match=r"a\.jpg can't be written: No space left"):
        write_pair(pair, b"image", b"labels")
    assert written == [pair.labels, pair.image]
    assert not pair.done


def test_a_folder_keeps_to_one_seed(tmp_path: Path) -> None:
    assert prepare_folder(tmp_path, 5, "Mesa") is None
    assert prepare_folder(tmp_path, 5, "Mesa") is None
    warning = prepare_folder(tmp_path, 5, "NVIDIA")
    assert warning is not None
    assert "another driver, Mesa" in warning
    with pytest.raises(UserError, match=r"--seed 5: .*\(now 6\)"):
        prepare_folder(tmp_path, 6, "Mesa")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match="out can't be written"):
        prepare_folder(tmp_path / "out", 5, "Mesa")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--count", "0"], "--count 0"),
        (["--count", "1", "--first", "-1"], "--first -1"),
        (["--count", "1", "--seed", "-5"], "--seed -5"),
        (["--count", "1", "--workers", "0"], "--workers 0"),
        (["--count", "2", "--seed", str(2**32 - 1)], "--seed 4294967295"),
        (["--count", "1", "--torcs", "/nowhere"], "apt install torcs-data"),
    ],
)
def test_a_mistake_is_named(
    tool: ModuleType, tmp_path: Path, args: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        tool.main([str(tmp_path), *args])


def test_missing_moderngl_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(UserError, match=r"pip install .*\[renderer\]"):
        context.open_context()


def test_missing_egl_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def create_context(**options: Any) -> Any:
            raise Exception("libEGL.so not loaded")

    monkeypatch.setattr(importlib, "import_module", lambda name: Broken)
    with pytest.raises(UserError, match=r"libEGL.so not loaded.*apt install libegl1"):
        context.open_context()


def test_images_do_not_depend_on_their_order(art: Art, drawn: StreetRaster) -> None:
    forwards = [render_files(drawn, art, 50_000, i) for i in (0, 1, 2)]
    backwards = [render_files(drawn, art, 50_000, i) for i in (2, 1, 0)]
    assert forwards == backwards[::-1]
    assert len({image for image, _ in forwards}) == 3
    assert render_files(drawn, art, 49_999, 1) == forwards[0]


def test_ground_seen_edge_on_does_not_take_for_ever(
    art: Art, drawn: StreetRaster
) -> None:
    """Mesa's anisotropic filter would work for hours on this street's hilltop."""
    rng = np.random.RandomState(50_001)
    street, scene = lay_out(rng, art)
    _, labels = drawn.draw(street, scene, draw_view(rng))
    assert labels.max() <= 10


def test_labels_and_colors_lie_where_geometry_puts_them(
    art: Art, drawn: StreetRaster
) -> None:
    """A wall 10 m ahead, 4 m wide and up to 1 m above the eye; the ground; the sky."""
    view = dataclasses.replace(
        draw_view(np.random.RandomState(0)),
        field_of_view=np.pi / 2,
        yaw=0.0,
        pitch=0.0,
        roll=0.0,
        fog=0.0,
        sun=np.array([0.0, 1.0, 0.0]),
    )
    street = Street(4.0, 2.0, np.array([0.0, 1.5, 0.0]), (0.0, 0.0))
    scene = Scene()
    ground = ((-99, 0, 5), (99, 0, 5), (99, 0, -300), (-99, 0, -300))
    scene.quad("white", Label.ROAD, *ground)
    scene.quad(
        "white",
        Label.BUILDING,
        *((-2, 0, -10), (2, 0, -10), (2, 2.5, -10), (-2, 2.5, -10)),
        color=(1, 0, 0),
    )
    colors, labels = drawn.draw(street, scene, view)
    assert colors.shape == (720, 960, 3)
    # 480 samples are 10 m at the wall.
    assert (labels[313:431, 385:575] == Label.BUILDING).all()
    assert (labels[:310] == Label.SKY).all()
    assert (labels[340:430, :380] != Label.BUILDING).all()
    assert (labels[440:] == Label.ROAD).all()
    assert (labels[313:431, 578:] != Label.BUILDING).all()
    wall = colors[320:420, 400:560]
    assert wall[..., 0].min() > 50
    assert wall[..., 1:].max() == 0
    # In the wall's shadow the ground gets the sky's light alone.
    lit = colors[700, 480].astype(float)
    assert lit.min() > 150
    expected = np.sqrt(view.ambient + view.sun_color).clip(max=1) * 255
    np.testing.assert_allclose(lit, expected, atol=2)


def test_a_shadow_falls_away_from_the_sun(art: Art, drawn: StreetRaster) -> None:
    view = dataclasses.replace(
        draw_view(np.random.RandomState(0)),
        field_of_view=np.pi / 2,
        yaw=0.0,
        pitch=-0.3,
        roll=0.0,
        fog=0.0,
        sun=np.array([0.8, 0.6, 0.0]),
        ambient=np.array([0.2, 0.2, 0.2]),
        sun_color=np.array([0.5, 0.5, 0.5]),
    )
    street = Street(4.0, 2.0, np.array([0.0, 1.5, 0.0]), (0.0, 0.0))
    scene = Scene()
    ground = ((-99, 0, 5), (99, 0, 5), (99, 0, -300), (-99, 0, -300))
    scene.quad("white", Label.ROAD, *ground)
    scene.box("white", Label.CAR, (-0.5, 0.5), (0, 2), (-11, -9))
    colors, labels = drawn.draw(street, scene, view)
    ground_light = np.where(labels == Label.ROAD, colors[..., 0], 255)
    # Beside the box, just above the row in which its front meets the ground.
    at = np.nonzero((labels == Label.CAR).any(1))[0][-1] - 3
    row = ground_light[at].astype(int)
    box = np.nonzero(labels[at] == Label.CAR)[0]
    left, right = row[box[0] - 60 : box[0] - 10], row[box[-1] + 10 : box[-1] + 60]
    # A tenth of the sun's light remains in the shadow.
    assert left.max() == pytest.approx(np.sqrt(0.2 + 0.03) * 255, abs=2)
    assert right.min() == pytest.approx(np.sqrt(0.2 + 0.5 * 0.6) * 255, abs=2)


def test_the_tool_goes_on_and_mends_half_pairs(
    tool: ModuleType,
    drawn: StreetRaster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torcs, out = make_torcs(tmp_path / "torcs"), tmp_path / "out"
    base = ["--torcs", str(torcs), "--seed", "9"]
    tool.main([str(out), "--count", "2", "--workers", "1", *base])
    pairs = [pair_of(out, index) for index in range(3)]
    assert [pair.done for pair in pairs] == [True, True, False]
    with Image.open(pairs[0].labels) as labels, Image.open(pairs[0].image) as image:
        assert (labels.mode, labels.size) == ("L", (480, 360))
        assert (image.mode, image.size) == ("RGB", (480, 360))
        assert int(np.array(labels).max()) <= 10
    before = [(p.image.read_bytes(), p.labels.read_bytes()) for p in pairs[:2]]
    untouched = pairs[0].image.stat().st_mtime_ns
    pairs[1].image.unlink()
    capsys.readouterr()
    # Two processes, other bounds: the same bytes.
    tool.main([str(out), "--first", "0", "--count", "3", "--workers", "2", *base])
    assert "1 of 3 images are there already" in capsys.readouterr().out
    assert [(p.image.read_bytes(), p.labels.read_bytes()) for p in pairs[:2]] == before
    assert pairs[2].done
    assert pairs[0].image.stat().st_mtime_ns == untouched
    assert not list(out.rglob(".*"))
    with pytest.raises(UserError, match="--seed 9"):
        tool.main([str(out), "--count", "1", "--torcs", str(torcs), "--seed", "1"])
