"""The rendered street: what is in it, and what it depends on."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers.processes import run_script

from mmseg_cosda.datasets import demo
from mmseg_cosda.datasets.demo import look
from mmseg_cosda.datasets.demo.street import DEMO_CLASSES, DEMO_PALETTE, DemoStreet
from mmseg_cosda.datasets.demo_streets import DemoStreetsDataset

DIGEST = (
    "import hashlib; from mmseg_cosda.datasets.demo.street import DemoStreet;"
    "r = [DemoStreet(d, 'val', i, seed=5).render()"
    " for d in ('source', 'target') for i in (3, 1)];"
    "print(hashlib.sha256(b''.join(a.tobytes() for p in r for a in p)).hexdigest())"
)


def street(domain: str = "target", index: int = 0, **options: Any) -> DemoStreet:
    return DemoStreet(domain, options.pop("split", "train"), index, **options)


def test_the_classes_are_cityscapes_in_their_order_and_colors() -> None:
    assert DemoStreetsDataset.METAINFO["classes"] == DEMO_CLASSES
    assert DEMO_CLASSES[0] == "road"
    assert DEMO_PALETTE[0] == (128, 64, 128)
    assert DEMO_CLASSES[9] == "bicycle"
    assert DEMO_PALETTE[9] == (119, 11, 32)
    assert DEMO_PALETTE[4] == (220, 220, 0)  # traffic sign


def test_an_image_is_the_same_in_every_process_and_leaves_no_trace(
    tmp_path: Path,
) -> None:
    np.random.seed(1)
    before = str(np.random.get_state())
    rendered = [
        DemoStreet(domain, "val", index, seed=5).render()
        for domain in ("source", "target")
        for index in (1, 3)
    ]
    after = str(np.random.get_state())
    assert before == after  # the global generator is neither read nor moved
    order = [rendered[1], rendered[0], rendered[3], rendered[2]]
    ours = hashlib.sha256(b"".join(a.tobytes() for pair in order for a in pair))
    script = tmp_path / "digest.py"
    script.write_text(DIGEST)
    theirs = run_script(script, [], tmp_path)
    assert theirs.returncode == 0, theirs.stderr
    assert theirs.stdout.split()[-1] == ours.hexdigest()


def test_every_part_of_the_key_matters() -> None:
    keys = [
        street(),
        street("source"),
        street(split="val"),
        street(index=1),
        street(seed=1),
        street(seed=2**40),
    ]
    images = [key.render()[0].tobytes() for key in keys]
    assert len(set(images)) == len(images)
    layouts = [key.render()[1].tobytes() for key in keys]
    assert len(set(layouts)) == len(layouts)


@pytest.mark.parametrize("domain", ["source", "target"])
def test_every_class_is_seen_often_and_thin_ones_stay_small(domain: str) -> None:
    counts = np.stack(
        [
            np.bincount(street(domain, i).render()[1].ravel(), minlength=10)
            for i in range(80)
        ]
    )
    assert counts.shape == (80, 10)  # no other label
    present = (counts > 0).mean(0)
    assert present.min() >= 0.3, dict(zip(DEMO_CLASSES, present, strict=True))
    share = dict(zip(DEMO_CLASSES, counts.sum(0) / counts.sum(), strict=True))
    for thin in ("pole", "traffic sign", "person", "bicycle"):
        assert 0.003 < share[thin] < 0.03, (thin, share[thin])
    for large in ("road", "building", "vegetation"):
        assert share[large] > 0.08, (large, share[large])


def test_labels_never_depend_on_the_gap_but_the_look_does() -> None:
    images = []
    for gap in (0.0, 0.5, 1.0):
        image, labels = street(index=4, gap=gap).render()
        np.testing.assert_array_equal(labels, street(index=4).render()[1])
        images.append(image.astype(float))
    near = np.abs(images[1] - images[0]).mean()
    far = np.abs(images[2] - images[0]).mean()
    assert 3.0 < near < far


def test_the_source_ignores_the_gap() -> None:
    a, b = street("source", gap=0.0).render(), street("source", gap=1.0).render()
    np.testing.assert_array_equal(a[0], b[0])


def _saturation(domain: str, gap: float) -> float:
    pixels = [street(domain, i, gap=gap).render()[0] for i in range(8)]
    hsv = [cv2.cvtColor(p, cv2.COLOR_BGR2HSV)[..., 1].mean() for p in pixels]
    return float(np.mean(hsv))


def _grain(domain: str, gap: float) -> float:
    """Median local variation: near 0 on flat colors."""
    values = []
    for i in range(8):
        gray = cv2.cvtColor(street(domain, i, gap=gap).render()[0], cv2.COLOR_BGR2GRAY)
        values.append(np.median(np.abs(np.diff(gray.astype(float), axis=1))))
    return float(np.mean(values))


def _red_over_blue(domain: str, gap: float) -> float:
    pixels = [street(domain, i, gap=gap).render()[0] for i in range(8)]
    return float(np.mean([p[..., 2].mean() / p[..., 0].mean() for p in pixels]))


def test_the_camera_sees_warm_light() -> None:
    assert _red_over_blue("target", 1.0) > 1.25 * _red_over_blue("target", 0.0)
    assert _red_over_blue("target", 1.0) > 1.25 * _red_over_blue("source", 1.0)


def test_the_game_is_flat_and_saturated_and_the_camera_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The colors themselves, in neutral light: warm light lends saturation to gray.
    neutral = {**look.PHOTO_RANGES, "warmth": (0.0, 0.0, 0.0)}
    monkeypatch.setattr(look, "PHOTO_RANGES", neutral)
    assert _grain("source", 1.0) < 1.0
    assert _grain("target", 0.0) < 1.0
    assert _grain("target", 1.0) > 2.0
    assert _saturation("source", 1.0) > 1.25 * _saturation("target", 1.0)
    assert _saturation("target", 0.0) > 1.25 * _saturation("target", 1.0)


def test_the_target_has_another_camera() -> None:
    """Its lower camera sees a narrower pavement, at any gap."""
    share = {
        domain: np.mean(
            [(street(domain, i).render()[1] == 1).mean() for i in range(40)]
        )
        for domain in ("source", "target")
    }
    assert share["source"] > 1.3 * share["target"]


@pytest.mark.parametrize("size", [(64, 32), (200, 120), (512, 256)])
def test_a_street_scales_with_its_size(size: tuple[int, int]) -> None:
    image, labels = street(image_size=size).render()
    assert image.shape == (size[1], size[0], 3)
    assert labels.shape == (size[1], size[0])
    assert image.dtype == labels.dtype == np.uint8
    base = street().render()[1]
    small = cv2.resize(labels, (256, 128), interpolation=cv2.INTER_NEAREST)
    assert (small == base).mean() > 0.8


def test_road_is_below_sky_and_sky_is_bright() -> None:
    for domain in ("source", "target"):
        image, labels = street(domain, 2).render()
        rows = np.arange(128)[:, None] * np.ones((1, 256))
        assert rows[labels == 0].min() > rows[labels == 6].mean()
        assert image[labels == 6].mean() > image[labels == 0].mean() + 20


def test_no_painter_touches_the_global_generator() -> None:
    folder = Path(inspect.getfile(demo)).parent
    sources = [path.read_text() for path in folder.glob("*.py")]
    assert len(sources) > 5
    allowed = ("np.random.Generator", "np.random.default_rng", "np.random.SeedSequence")
    for text in sources:
        for name in allowed:
            text = text.replace(name, "")
        assert "np.random." not in text
        assert "import random" not in text
