"""Textures, people that are cut out, cars' paints; the whole art at toy size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.street_art import CAR_AC3D, make_torcs
from PIL import Image

from benchmarks.torcs2camvid.street_renderer import art_files, materials
from benchmarks.torcs2camvid.street_renderer.art import DEFAULT_ROOT, find_art, load_art
from benchmarks.torcs2camvid.street_renderer.art_files import ArtFile
from benchmarks.torcs2camvid.street_renderer.car_models import repainted
from benchmarks.torcs2camvid.street_renderer.crowd import cut_out_people
from benchmarks.torcs2camvid.street_renderer.pictures import (
    cropped,
    read_picture,
    trimmed,
)
from mmseg_cosda.errors import UserError


def test_noise_spans_its_range() -> None:
    noise = materials.fractal_noise(64, 10, 20, 3, seed=1)
    assert noise.min() == 10
    assert noise.max() == 20
    # Smooth on the scale of the finest octave, 16 cells of 4 pixels.
    assert np.abs(np.diff(noise, axis=1)).max() < 3
    np.testing.assert_array_equal(noise, materials.fractal_noise(64, 10, 20, 3, 1))
    assert (noise != materials.fractal_noise(64, 10, 20, 3, 2)).any()


def test_materials_have_their_colors() -> None:
    asphalt = np.array(materials.asphalt(0)).reshape(-1, 3).mean(0)
    assert 80 < asphalt[0] < 115
    assert asphalt[0] == pytest.approx(asphalt[1])
    for variant in range(materials.VARIANTS):
        red, green, blue = np.array(materials.grass(variant)).reshape(-1, 3).mean(0)
        assert green >= red > blue
    stones = np.array(materials.paving(0)).astype(float)
    joints = stones[:: materials.STONES[0]].mean()
    assert joints < 0.8 * stones.mean()


def test_people_are_cut_out_one_by_one() -> None:
    pixels = np.zeros((120, 200, 4), np.uint8)
    pixels[10:60, 100:120] = (255, 0, 0, 255)  # 50 x 20: a person
    pixels[20:70, 10:30] = (0, 255, 0, 255)  # another, met later
    pixels[20:70, 130:190] = (0, 0, 255, 255)  # 50 x 60: a group
    pixels[90:120, 10:20] = (9, 9, 9, 255)  # 30 high: too small
    pixels[70, 30] = (0, 255, 0, 255)  # touches the second at a corner
    pixels[10:12, 121:123] = (7, 7, 7, 99)  # hardly visible
    pixels[30:40, 105:115] = 0  # a hole in the first, with a speck that is not its
    pixels[34:36, 109:111] = (255, 255, 255, 255)
    red, green = cut_out_people(Image.fromarray(pixels))
    assert red.size == (40, 100)
    assert green.size == (42, 102)
    assert red.getpixel((4, 50)) == (255, 0, 0, 255)
    assert red.getpixel((20, 50))[3] == 0  # the speck
    assert green.getpixel((20, 50)) == (0, 255, 0, 255)
    assert green.getpixel((41, 5))[3] == 0  # beside the figure, in its box


def test_a_picture_is_cropped_then_shrunk() -> None:
    pixels = np.zeros((100, 40, 3), np.uint8)
    pixels[50:] = 200
    picture = Image.fromarray(pixels)
    half = cropped(picture, ArtFile("a.png", top=0.5, max_width=20))
    assert half.size == (20, 25)
    assert np.array(half).min() == 200
    assert cropped(picture, ArtFile("a.png", bottom=0.25)).size == (40, 25)
    assert cropped(picture, ArtFile("a.png", max_width=40)).size == (40, 100)


def test_a_transparent_border_is_trimmed() -> None:
    pixels = np.zeros((10, 12, 4), np.uint8)
    pixels[..., 3] = 60  # transparent enough
    pixels[2:5, 3:10, 3] = 61
    assert trimmed(Image.fromarray(pixels)).size == (7, 3)


def test_a_paint_is_a_function_of_the_car_and_its_number() -> None:
    texture = Image.new("RGB", (4, 4), (200, 40, 40))
    one, again = repainted(texture, "p406", 0), repainted(texture, "p406", 0)
    assert one.tobytes() == again.tobytes()
    colors = {repainted(texture, "p406", i).getpixel((0, 0)) for i in range(5)}
    assert len(colors) == 5
    assert repainted(texture, "other", 0).tobytes() != one.tobytes()


def test_the_art_is_found_and_read(tmp_path: Path) -> None:
    root = make_torcs(tmp_path)
    art = load_art(root)
    assert len(art.facades) == len(set(art.facades)) == 28
    assert len(art.trees) == 27
    assert len(art.people) == len(art_files.CROWDS)
    assert art.aspect(art.trees[0]) == 20 / 50  # trimmed
    assert art.aspect("asphalt 3") == 1
    assert sum(car.share for car in art.cars) == pytest.approx(1)
    assert {car.axles for car in art.cars} == {(1.5, -1.3)}
    names = [*art.facades, *art.roofs, *art.walls, *art.trees, *art.hedges]
    names += [*art.fences, *art.forests, *art.people]
    names += [paint for car in art.cars for paint in car.paints]
    assert set(names) <= set(art.pictures)
    assert all(picture.mode == "RGBA" for picture in art.pictures.values())


def test_missing_art_is_told_with_its_cure(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="apt install torcs-data"):
        find_art(tmp_path / "nowhere")
    root = make_torcs(tmp_path)
    (root / art_files.TREES[3].path).unlink()
    with pytest.raises(UserError, match=r"lacks 1 .*treeg1\.rgb: apt install"):
        find_art(root)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    root = make_torcs(tmp_path)
    picture = root / art_files.ROOFS[0].path
    picture.write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"house24roof\.png is not a readable picture"):
        read_picture(picture)
    picture.write_bytes((root / art_files.ROOFS[1].path).read_bytes())
    mesh = root / art_files.CARS[0].path(".acc")
    mesh.write_text(CAR_AC3D[:200])
    with pytest.raises(UserError, match=r"p406\.acc is not a readable mesh"):
        load_art(root)


@pytest.mark.skipif(not DEFAULT_ROOT.is_dir(), reason="torcs-data is not installed")
def test_the_art_of_torcs() -> None:
    art = load_art()
    assert len(art.people) == 55
    sizes = [len(car.corners) // 3 for car in art.cars]
    assert sizes == [10952, 473, 311, 5686, 2806, 299, 4537, 4583]
    assert art.cars[0].axles == (1.37, -1.37)
    for car in art.cars:
        length, height, width = np.ptp(car.corners[:, :3], axis=0)
        assert 3.5 < length < 5.5
        assert 1 < height < 1.6
        assert 1.7 < width < 2.3
