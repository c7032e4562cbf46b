"""From painted surfaces to a picture: textures, light, air, lens and sensor."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from mmseg_cosda.datasets.demo.canvas import (
    SUPERSAMPLE,
    Canvas,
    Float32,
    Texture,
    UInt8,
)
from mmseg_cosda.datasets.demo.look import Look, Photo

_TILE = 256
# relative strength of fine and coarse noise by Texture
_FINE = np.array([0.10, 0.0, 0.20, 0.16, 0.16, 0.75], np.float32)
_COARSE = np.array([0.10, 0.0, 0.22, 0.18, 0.24, 0.35], np.float32)


@lru_cache(maxsize=1)
def noise_tile() -> Float32:
    """Return a (256, 256) tile of multi-octave noise, about -1..1, that wraps."""
    rng = np.random.default_rng(20_240)
    tile = np.zeros((_TILE, _TILE), np.float32)
    for octave, size in enumerate((8, 32, 128)):
        grid = rng.uniform(-1, 1, (size, size)).astype(np.float32)
        wrapped = np.pad(grid, 2, mode="wrap")
        step = _TILE // size
        large = cv2.resize(wrapped, None, fx=step, fy=step, interpolation=1)
        tile += large[2 * step :, 2 * step :][:_TILE, :_TILE] / (1.0 + 0.5 * octave)
    return tile / np.float32(np.abs(tile).max())


def _lookup(u: Float32, v: Float32, per_metre: float) -> Float32:
    mask = _TILE - 1
    rows = (v * per_metre).astype(np.int32) & mask
    columns = (u * per_metre).astype(np.int32) & mask
    return noise_tile().ravel()[(rows << 8) | columns]


def surface_map(canvas: Canvas) -> UInt8:
    """Return the (H, W) uint8 index of each image pixel's surface."""
    middle = SUPERSAMPLE // 2
    picked = canvas.pixels[middle::SUPERSAMPLE, middle::SUPERSAMPLE, 3]
    return np.ascontiguousarray(picked)


def label_map(canvas: Canvas) -> UInt8:
    """Return the (H, W) uint8 class ids of a painted canvas."""
    table = np.zeros(256, np.uint8)
    labels = [surface.label for surface in canvas.surfaces]
    table[: len(labels)] = labels
    return table[surface_map(canvas)]


def picture(canvas: Canvas, look: Look, rng: np.random.Generator) -> UInt8:
    """Return the (H, W, 3) uint8 BGR picture of a painted canvas."""
    camera, photo = canvas.camera, look.photo
    size = (camera.width, camera.height)
    surfaces = surface_map(canvas)
    color = cv2.resize(canvas.pixels, size, interpolation=cv2.INTER_AREA)[..., :3]
    image: Float32 = color.astype(np.float32)
    planes = np.array([s.plane for s in canvas.surfaces], np.float32)
    kind = np.array([s.texture for s in canvas.surfaces], np.uint8)[surfaces]
    columns = np.arange(camera.width, dtype=np.float32)[None, :]
    rows = np.arange(camera.height, dtype=np.float32)[:, None]
    inverse = (
        planes[:, 0][surfaces]
        + planes[:, 1][surfaces] * columns
        + planes[:, 2][surfaces] * rows
    )
    depth = 1.0 / np.maximum(inverse, 1.0 / 400.0)
    x = (columns - camera.vanish_x) * depth / camera.focal
    y = camera.above_road - (rows - camera.horizon) * depth / camera.focal
    ground = (kind == Texture.ASPHALT) | (kind == Texture.PAVING)
    u = np.where(ground, x, x + depth)
    v = np.where(ground, depth, y)
    _windows(image, canvas, surfaces, u, v, depth)
    _sky(image, look, kind, rng)
    if photo.texture:
        _textures(image, photo, kind, u, v, depth)
    _shadows(image, canvas, photo, ground)
    if photo.haze_per_metre:
        air = 1.0 - np.exp(-photo.haze_per_metre * depth)
        air[kind == Texture.SKY] = 0.0
        image += air[..., None] * (np.array(photo.haze_color, np.float32) - image)
    return _photograph(image, photo, rng)


def _windows(
    image: Float32,
    canvas: Canvas,
    surfaces: UInt8,
    u: Float32,
    v: Float32,
    depth: Float32,
) -> None:
    """Set windows into the walls, with edges smoothed by the pixel's footprint."""
    table = np.zeros((len(canvas.surfaces), 10), np.float32)
    for row, surface in enumerate(canvas.surfaces):
        if surface.windows is not None:
            w = surface.windows
            sizes = (w.pitch, w.storey, w.offset, w.total)
            table[row] = (*sizes, *w.pane, *w.frame)
    where = np.flatnonzero((table[:, 0] > 0)[surfaces])
    if not len(where):
        return
    rows = table[surfaces.ravel()[where]]
    pitch, storey, offset, total = rows.T[:4]
    v = v.ravel()[where]
    along, up = (u.ravel()[where] + offset) / pitch, v / storey
    cell_u, cell_v = np.floor(along), np.floor(up)
    footprint = 1.2 * depth.ravel()[where] / canvas.camera.focal
    shop = cell_v == 0  # wide, low windows on the ground floor
    off_u = np.where(shop, 0.4, 0.26) - np.abs(along - cell_u - 0.5)
    off_v = np.where(shop, 0.34, 0.29) - np.abs(up - cell_v - np.where(shop, 0.42, 0.5))
    off_u *= pitch / (2.0 * footprint)
    off_v *= storey / footprint
    rim = 0.1 / footprint
    body = (v < total - 0.5) & (v > 0.3)
    framed = np.clip(np.minimum(off_u + rim, off_v + rim) + 0.5, 0, 1) * body
    glazed = np.clip(np.minimum(off_u, off_v) + 0.5, 0, 1) * body
    light = 0.7 + 0.6 * np.abs(_lookup(cell_u * 7 + offset, cell_v * 13, 1.0))
    flat = image.reshape(-1, 3)
    wall = flat[where] * np.where(v > total - 0.4, 1.15, 1.0)[:, None]
    wall += framed[:, None] * (rows[:, 7:] - wall)
    wall += glazed[:, None] * (rows[:, 4:7] * light[:, None] - wall)
    flat[where] = wall


def _sky(image: Float32, look: Look, kind: UInt8, rng: np.random.Generator) -> None:
    """Paint the sky: a gradient, and clouds."""
    height, width = kind.shape
    top, low, cloud = (
        np.array(look.color(name), np.float32)
        for name in ("sky_top", "sky_low", "cloud")
    )
    shift = rng.random(2) * _TILE
    row, column = np.nonzero(kind == Texture.SKY)
    u = (column * (90.0 / width) + shift[0]).astype(np.float32)
    v = (row * (110.0 / height) + shift[1]).astype(np.float32)
    cover = 0.8 * np.clip(_lookup(u, v, 1.0) * 2.2 - 0.35, 0, 1)[:, None]
    down = np.minimum(1.0, row * (1.6 / height))[:, None]
    sky = top + down * (low - top)
    image[row, column] = sky + cover * (cloud - sky)


def _textures(
    image: Float32, photo: Photo, kind: UInt8, u: Float32, v: Float32, depth: Float32
) -> None:
    """Roughen surfaces in world coordinates, so that texture follows perspective."""
    fade = np.minimum(1.0, 14.0 / depth)
    factor = _FINE[kind] * fade * _lookup(u, v, 26.0)
    factor += _COARSE[kind] * _lookup(u, v, 3.0)
    slabs = np.minimum(np.abs(u - np.round(u)), np.abs(v - np.round(v)))
    factor -= 0.22 * fade * ((kind == Texture.PAVING) & (slabs < 0.05))
    bricks = np.abs(4.0 * v - np.round(4.0 * v))
    factor -= 0.16 * fade * ((kind == Texture.WALL) & (bricks < 0.14))
    image *= (1.0 + photo.texture * factor)[..., None]


def _shadows(
    image: Float32, canvas: Canvas, photo: Photo, ground: npt.NDArray[np.bool_]
) -> None:
    size = (canvas.camera.width, canvas.camera.height)
    shadow = cv2.resize(canvas.shadow, size, interpolation=cv2.INTER_AREA)
    strength = shadow.astype(np.float32) * (photo.shadow / 255.0)
    image *= (1.0 - strength * ground)[..., None]


def _photograph(image: Float32, photo: Photo, rng: np.random.Generator) -> UInt8:
    """Apply lens and sensor, and return 8-bit BGR."""
    if photo.blur:
        image = cv2.GaussianBlur(image, (0, 0), photo.blur)
    height, width = image.shape[:2]
    if photo.contrast != 1.0 or photo.brightness:
        image = (image - 128.0) * photo.contrast + (128.0 + photo.brightness)
    image = image * np.array(photo.white_balance, np.float32)
    if photo.vignette:
        rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
        columns = np.linspace(-1, 1, width, dtype=np.float32)[None, :] ** 2
        image *= (1.0 - 0.5 * photo.vignette * (rows + columns))[..., None]
    if photo.noise:
        image += photo.noise * _grain(height, width, rng)
    np.clip(image, 0, 255, out=image)
    return cv2.cvtColor(image.astype(np.uint8), cv2.COLOR_RGB2BGR)


def _grain(height: int, width: int, rng: np.random.Generator) -> Float32:
    """Return (H, W, 3) noise of unit deviation: one field, shifted per channel."""
    field = rng.standard_normal((height + 2, width + 14), dtype=np.float32)
    shifts = ((0, 0), (1, 7), (2, 14))
    return np.dstack([field[r : r + height, c : c + width] for r, c in shifts])
