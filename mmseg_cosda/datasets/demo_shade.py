"""From painted surfaces to a picture: textures, light, air, lens and sensor."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from mmseg_cosda.datasets.demo_canvas import (
    SUPERSAMPLE,
    Canvas,
    Float32,
    Texture,
    UInt8,
)
from mmseg_cosda.datasets.demo_look import Look, Photo

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
    colour = cv2.resize(canvas.pixels, size, interpolation=cv2.INTER_AREA)[..., :3]
    image: Float32 = colour.astype(np.float32)
    planes = np.zeros((256, 3), np.float32)
    planes[: len(canvas.surfaces)] = [s.plane for s in canvas.surfaces]
    kinds = np.zeros(256, np.uint8)
    kinds[: len(canvas.surfaces)] = [s.texture for s in canvas.surfaces]
    kind = kinds[surfaces]
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
    _windows(image, canvas, surfaces, kind, u, v, depth)
    _sky(image, look, kind, rng, photo.texture)
    if photo.texture:
        _textures(image, photo, kind, u, v, depth)
    _shadows(image, canvas, photo, ground)
    if photo.haze_per_metre:
        air = 1.0 - np.exp(-photo.haze_per_metre * depth)
        air[kind == Texture.SKY] = 0.0
        image += air[..., None] * (np.float32(photo.haze_colour) - image)
    return _photograph(image, photo, rng)


def _windows(
    image: Float32,
    canvas: Canvas,
    surfaces: UInt8,
    kind: UInt8,
    u: Float32,
    v: Float32,
    depth: Float32,
) -> None:
    """Set panes into the walls, with edges smoothed by the pixel's footprint."""
    count = len(canvas.surfaces)
    table = np.zeros((256, 7), np.float32)
    table[:count] = [(*s.windows, *s.window_colour) for s in canvas.surfaces]
    where = np.flatnonzero((kind == Texture.WALL) & (table[:, 0] > 0)[surfaces])
    if not len(where):
        return
    pitch, storey, offset, total, *_ = table[surfaces.ravel()[where]].T
    along = (u.ravel()[where] + offset) / pitch
    up = v.ravel()[where] / storey
    cell_u, cell_v = np.floor(along), np.floor(up)
    footprint = 1.2 * depth.ravel()[where] / canvas.camera.focal
    inside_u = (0.27 - np.abs(along - cell_u - 0.5)) * pitch / (2.5 * footprint)
    inside_v = (0.29 - np.abs(up - cell_v - 0.52)) * storey / footprint
    cover = np.clip(inside_u + 0.5, 0, 1) * np.clip(inside_v + 0.5, 0, 1)
    cover *= (v.ravel()[where] < total - 0.4) & (v.ravel()[where] > 0.4)
    lit = 0.75 + 0.5 * (np.abs(_lookup(cell_u * 7 + offset, cell_v * 13, 1.0)))
    panes = table[surfaces.ravel()[where], 4:] * lit[:, None]
    flat = image.reshape(-1, 3)
    flat[where] += cover[:, None] * (panes - flat[where])


def _sky(
    image: Float32, look: Look, kind: UInt8, rng: np.random.Generator, worn: float
) -> None:
    """Paint the sky: a gradient, and clouds."""
    height, width = kind.shape
    ramp = np.linspace(0, 1.6, height, dtype=np.float32)[:, None, None].clip(0, 1)
    top = np.float32(look.colour("sky_top"))
    low = np.float32(look.colour("sky_low"))
    shift = rng.random(2).astype(np.float32) * _TILE
    columns = np.arange(width, dtype=np.float32)[None, :] * (90.0 / width) + shift[0]
    rows = np.arange(height, dtype=np.float32)[:, None] * (110.0 / height) + shift[1]
    noise = _lookup(np.broadcast_to(columns, kind.shape), rows, 1.0)
    cloud = np.clip(noise * 2.2 - 0.35, 0, 1)[..., None]
    sky = top + ramp * (low - top)
    sky = sky + cloud * 0.8 * (np.float32(look.colour("cloud")) - sky)
    mask = kind == Texture.SKY
    image[mask] = sky[mask]


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
    image = image * np.float32(photo.white_balance)
    if photo.vignette:
        rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
        columns = np.linspace(-1, 1, width, dtype=np.float32)[None, :] ** 2
        image *= (1.0 - 0.5 * photo.vignette * (rows + columns))[..., None]
    if photo.noise:
        image += photo.noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.ascontiguousarray(image[..., ::-1].clip(0, 255).astype(np.uint8))
