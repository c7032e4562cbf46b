"""Drawing a scene with OpenGL, without a window: colors and labels at once."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.torcs2camvid.street_renderer import shaders
from benchmarks.torcs2camvid.street_renderer import view as views
from benchmarks.torcs2camvid.street_renderer.art import Art
from benchmarks.torcs2camvid.street_renderer.context import open_context
from benchmarks.torcs2camvid.street_renderer.finish import SAMPLES, UInt8
from benchmarks.torcs2camvid.street_renderer.scene import Finish, Scene
from benchmarks.torcs2camvid.street_renderer.street import Street
from benchmarks.torcs2camvid.street_renderer.view import View

WIDTH, HEIGHT = 480, 360
SHADOW_SIZE = 1536
ANISOTROPY = 8.0
"""Sharpness of textures that are seen at a slant."""
MAX_STRETCH = 1e6
"""Length over width of a pixel's footprint above which a texture is not filtered.

Mesa's software driver averages all texels round a footprint: where the crest of a hill
shows the ground edge-on, that would take hours for a few pixels. With this limit such
an image takes up to some minutes, and no pixel of the published images is concerned.
"""


class StreetRaster:
    """An OpenGL context that holds the art's textures and draws streets.

    Use it as a context manager. What it returns does not depend on what it drew
    before.

    Args:
        art: The textures.

    Raises:
        UserError: As :func:`open_context`.
    """

    def __init__(self, art: Art) -> None:
        self.gl, self.context = open_context()
        self.art = art
        self.textures: dict[str, Any] = {}
        program = self.context.program
        constants = {"SHADOW_SIZE": f"{SHADOW_SIZE}.", "MAX_STRETCH": f"{MAX_STRETCH}"}
        surface = shaders.SURFACE
        for name, value in constants.items():
            surface = surface.replace(name, value)
        self.surface = program(shaders.VERTEX, surface)
        self.depth = program(shaders.VERTEX, shaders.DEPTH)
        self.sky = program(shaders.SKY_VERTEX, shaders.SKY)
        corners = np.array([-1, -1, 1, -1, -1, 1, 1, 1], np.float32)
        self.screen = self.context.simple_vertex_array(
            self.sky, self.context.buffer(corners.tobytes()), "corner"
        )
        shape = (WIDTH * SAMPLES, HEIGHT * SAMPLES)
        self.colors = self.context.texture(shape, 4)
        self.labels = self.context.texture(shape, 4)
        self.target = self.context.framebuffer(
            [self.colors, self.labels], self.context.depth_texture(shape)
        )
        self.shadow_map = self.context.depth_texture((SHADOW_SIZE, SHADOW_SIZE))
        self.shadow_map.compare_func = ""
        self.shadow_target = self.context.framebuffer([], self.shadow_map)

    def __enter__(self) -> StreetRaster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.context.release()

    def draw(self, street: Street, scene: Scene, view: View) -> tuple[UInt8, UInt8]:
        """Draw a scene.

        Returns:
            Samples of color, (SAMPLES * HEIGHT, SAMPLES * WIDTH, 3), and of the
            class, the same without channels.
        """
        groups = [
            self._upload(finish, scene.corners(finish)) for finish in scene.groups
        ]
        self._draw_shadows(groups, street, view)
        self.target.use()
        self.target.clear(0, 0, 0, 1, depth=1.0)
        self._draw_sky(view)
        self._draw_surfaces(groups, street, view)
        for _, *items in groups:
            for item in items:
                item.release()
        return self._read(self.colors)[..., :3], self._read(self.labels)[..., 0]

    def _upload(
        self, finish: Finish, corners: npt.NDArray[np.float32]
    ) -> tuple[Any, ...]:
        """Return a group's finish, how both programs read it, and its buffer."""
        buffer = self.context.buffer(corners.tobytes())
        lit = [(buffer, "3f 3f 2f 3f", "position", "normal", "uv", "color")]
        dark = [(buffer, "3f 12x 2f 12x", "position", "uv")]
        array = self.context.vertex_array
        return (
            finish,
            array(self.surface, lit),
            array(self.depth, dark),
            buffer,
        )

    def _texture(self, name: str) -> Any:
        """Return a texture with mipmaps, uploaded when it is first used."""
        if name not in self.textures:
            flipped = self.art.pictures[name].transpose(Image.Transpose.FLIP_TOP_BOTTOM)
            texture = self.context.texture(flipped.size, 4, flipped.tobytes())
            texture.build_mipmaps()
            texture.anisotropy = ANISOTROPY
            texture.filter = (self.gl.LINEAR_MIPMAP_LINEAR, self.gl.LINEAR)
            texture.repeat_x = texture.repeat_y = True
            self.textures[name] = texture
        return self.textures[name]

    def _draw_shadows(
        self, groups: list[tuple[Any, ...]], street: Street, view: View
    ) -> None:
        """Fill the shadow map: depths as the sun sees them."""
        _write(self.depth["clip_from_world"], views.world_to_light(view.sun))
        self.depth["bend"].value = street.bend
        self.context.enable(self.gl.DEPTH_TEST)
        self.shadow_target.use()
        self.shadow_target.clear(depth=1.0)
        for finish, _, dark, *_ in groups:
            self._texture(finish.texture).use(0)
            dark.render()

    def _draw_sky(self, view: View) -> None:
        """Draw the sky behind everything."""
        self.context.disable(self.gl.DEPTH_TEST)
        inverse = views.clip_to_direction(view, WIDTH / HEIGHT)
        _write(self.sky["direction_from_clip"], inverse)
        self.sky["zenith"].value = tuple(view.zenith)
        self.sky["horizon"].value = tuple(view.horizon)
        self.sky["clouds"].value = view.clouds
        self.sky["seed"].value = view.cloud_seed
        self.screen.render(self.gl.TRIANGLE_STRIP)

    def _draw_surfaces(
        self, groups: list[tuple[Any, ...]], street: Street, view: View
    ) -> None:
        """Draw all triangles, lit and labelled."""
        self.context.enable(self.gl.DEPTH_TEST)
        program = self.surface
        clip = views.world_to_clip(view, street.eye, WIDTH / HEIGHT)
        _write(program["clip_from_world"], clip)
        _write(program["light_from_world"], views.world_to_light(view.sun))
        program["bend"].value = street.bend
        program["sun"].value = tuple(view.sun)
        program["sun_color"].value = tuple(view.sun_color)
        program["ambient"].value = tuple(view.ambient)
        program["horizon"].value = tuple(view.horizon)
        program["fog"].value = view.fog
        program["eye"].value = tuple(street.eye)
        program["surface"].value = 0
        program["shadow_map"].value = 1
        self.shadow_map.use(1)
        for finish, lit, *_ in groups:
            self._texture(finish.texture).use(0)
            program["label"].value = int(finish.label)
            program["flat_picture"].value = int(finish.flat)
            program["gloss"].value = finish.gloss
            lit.render()

    def _read(self, texture: Any) -> UInt8:
        """Return a render target, (rows from above, columns, 4)."""
        shape = (HEIGHT * SAMPLES, WIDTH * SAMPLES, 4)
        return np.frombuffer(texture.read(), np.uint8).reshape(shape)[::-1]


def _write(uniform: Any, matrix: npt.NDArray[np.float64]) -> None:
    """Set a matrix uniform; OpenGL wants columns first."""
    uniform.write(matrix.astype(np.float32).T.tobytes())
