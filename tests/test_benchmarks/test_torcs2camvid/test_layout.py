"""What stands where on a random street, with art that needs no TORCS."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from helpers.street_art import tiny_art

from benchmarks.torcs2camvid.street_renderer.art import Art
from benchmarks.torcs2camvid.street_renderer.label import Label
from benchmarks.torcs2camvid.street_renderer.layout import lay_out
from benchmarks.torcs2camvid.street_renderer.scene import Scene
from benchmarks.torcs2camvid.street_renderer.street import KERB, Street
from benchmarks.torcs2camvid.street_renderer.vehicles import add_car, add_van
from mmseg_cosda.datasets.label_maps import CAMVID_CLASSES


@pytest.fixture(scope="module")
def art() -> Art:
    return tiny_art()


def triangles(scene: Scene) -> Counter[str]:
    count: Counter[str] = Counter()
    for finish in scene.groups:
        count[finish.label.name] += len(scene.corners(finish)) // 3
    return count


def test_labels_are_camvids() -> None:
    assert [label.name.lower() for label in Label] == list(CAMVID_CLASSES)
    assert [int(label) for label in Label] == list(range(11))


def test_the_data_sets_first_street(art: Art) -> None:
    """The draws and their order are part of the data set."""
    street, scene = lay_out(np.random.RandomState(50_000), art)
    assert street.half_width == pytest.approx(5.629017564623863)
    assert street.pavement == pytest.approx(3.283712222636251)
    assert street.eye == pytest.approx((-1.67096855, 1.44328858, 0))
    assert street.bend == pytest.approx((0.00011930138473, -0.00111872550656))
    assert triangles(scene) == {
        "ROAD": 252,
        "PAVEMENT": 400,
        "TREE": 212,
        "BUILDING": 514,
        "POLE": 636,
        "SIGNSYMBOL": 120,
        "CAR": 8128,
        "PEDESTRIAN": 1934,
        "BICYCLIST": 1668,
    }


def test_a_street_is_a_function_of_its_seed(art: Art) -> None:
    one, again, other = (
        lay_out(np.random.RandomState(seed), art)[1] for seed in (7, 7, 8)
    )
    assert list(one.groups) == list(again.groups)
    for finish in one.groups:
        np.testing.assert_array_equal(one.corners(finish), again.corners(finish))
    assert triangles(one) != triangles(other)


@pytest.mark.parametrize("seed", range(6))
def test_everything_stands_where_it_belongs(art: Art, seed: int) -> None:
    street, scene = lay_out(np.random.RandomState(seed), art)
    edge = street.half_width
    for finish in scene.groups:
        corners = scene.corners(finish)
        x, y, z = corners[:, :3].T
        assert np.isfinite(corners).all()
        assert finish.texture in art.pictures
        if finish.texture.startswith("paving") and finish.label == Label.PAVEMENT:
            assert np.abs(x).min() >= edge - 1e-5
            assert y.min() >= KERB - 0.01 - 1e-6
        if finish.texture.startswith("facade"):
            near = z > -215
            assert (np.abs(x[near]) > edge + street.pavement - 1e-5).all()
        if finish.label == Label.CAR:
            assert y.min() > -0.01  # wheels touch the road
            assert y.max() < 4
        if finish.label == Label.ROAD and finish.texture.startswith("asphalt"):
            assert y.max() < KERB + 0.02
    assert abs(street.eye[0]) < edge


def test_a_crossing_is_kept_clear() -> None:
    street = Street(4, 2, np.zeros(3), (0, 0), {}, [(-30.0, 4.0)])
    assert not street.is_clear(-33.9)
    assert street.is_clear(-34.1)
    assert not street.is_clear(-34.1, margin=1.0)
    assert street.is_clear(0)


def test_a_car_stands_on_its_wheels(art: Art) -> None:
    scene = Scene()
    add_car(scene, np.random.RandomState(1), art, 5.0, -9.0, 0.0)
    body, wheels = (scene.corners(finish) for finish in scene.groups)
    scale = float(np.ptp(body[:, 0]))
    assert 0.96 * 4 <= scale <= 1.08 * 4
    scale /= 4
    assert body[:, 1].min() == pytest.approx(0.17 * scale, rel=1e-5)
    assert wheels[:, 1].min() == pytest.approx(0, abs=1e-6)
    middle = (body[:, :3].max(0) + body[:, :3].min(0)) / 2
    assert middle[[0, 2]] == pytest.approx((5, -9))
    axles = {round(float(x - 5) / scale, 1) for x in wheels[::3, 0]}
    assert {-1.3, 1.3} <= axles


@pytest.mark.parametrize("seed", range(4))
def test_the_lamps_of_a_van_tell_its_ends(seed: int) -> None:
    scene = Scene()
    add_van(scene, np.random.RandomState(seed), 0.0, 0.0, 0.0)
    corners = np.concatenate([scene.corners(f) for f in scene.groups])
    x, color = corners[:, 0], corners[:, 8:]
    front = np.isclose(color, (0.95, 0.93, 0.8)).all(1)
    rear = np.isclose(color, (0.6, 0.05, 0.05)).all(1)
    assert front.sum() == rear.sum() == 12
    assert x[front].min() > 2
    assert x[rear].max() < -2
