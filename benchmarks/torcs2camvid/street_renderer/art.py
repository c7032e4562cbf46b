"""All pictures and meshes that a street is made of, loaded from TORCS."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from benchmarks.torcs2camvid.street_renderer import art_files, materials
from benchmarks.torcs2camvid.street_renderer.art_files import ArtFile
from benchmarks.torcs2camvid.street_renderer.car_models import CarModel, load_car
from benchmarks.torcs2camvid.street_renderer.crowd import cut_out_people
from benchmarks.torcs2camvid.street_renderer.pictures import (
    cropped,
    read_picture,
    trimmed,
)
from mmseg_cosda.errors import UserError

DEFAULT_ROOT = Path("/usr/share/games/torcs")
INSTALL = "apt install torcs-data, or name its folder with --torcs DIR"


@dataclass
class Art:
    """Everything a street is made of; textures are known by their names.

    Args:
        pictures: Textures by name, RGBA.
        facades: Names of house fronts.
        roofs: Names of roof textures.
        walls: Names of wall textures, the first for flat roofs.
        trees: Names of trees on a transparent ground.
        hedges: Names of hedges.
        fences: Names of fences on a transparent ground; railings take the first two.
        forests: Names of rows of trees for the horizon.
        people: Names of people on a transparent ground; may be empty.
        cars: The cars.
    """

    pictures: dict[str, Image.Image] = field(default_factory=dict, repr=False)
    facades: list[str] = field(default_factory=list)
    roofs: list[str] = field(default_factory=list)
    walls: list[str] = field(default_factory=list)
    trees: list[str] = field(default_factory=list)
    hedges: list[str] = field(default_factory=list)
    fences: list[str] = field(default_factory=list)
    forests: list[str] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    cars: list[CarModel] = field(default_factory=list)

    def add(self, name: str, picture: Image.Image) -> str:
        """Keep a picture under a name, and return the name."""
        self.pictures[name] = picture.convert("RGBA")
        return name

    def aspect(self, name: str) -> float:
        """Return a texture's width over its height."""
        width, height = self.pictures[name].size
        return width / height

    def add_materials(self) -> None:
        """Add what is not read from files: plain white and the ground."""
        self.add("white", Image.new("RGBA", (4, 4), (255,) * 4))
        for variant in range(materials.VARIANTS):
            self.add(f"asphalt {variant}", materials.asphalt(variant))
            self.add(f"paving {variant}", materials.paving(variant))
            self.add(f"grass {variant}", materials.grass(variant))


def find_art(root: str | os.PathLike[str] | None = None) -> Path:
    """Return the data folder of TORCS.

    Args:
        root: The folder; by default that of the Debian package torcs-data.

    Raises:
        UserError: If it is not there or lacks a file that is needed.
    """
    folder = Path(root) if root is not None else DEFAULT_ROOT
    if not folder.is_dir():
        raise UserError(f"the art of TORCS is not at {folder}: {INSTALL}")
    missing = [path for path in needed_files() if not (folder / path).is_file()]
    if missing:
        raise UserError(
            f"{folder} lacks {len(missing)} of the files that are needed, such as "
            f"{missing[0]}: {INSTALL}"
        )
    return folder


def needed_files() -> list[str]:
    """Return the paths of all files that are read, below the data folder."""
    pictures: Iterable[Sequence[ArtFile]] = (
        art_files.FACADES,
        art_files.ROOFS,
        art_files.WALLS,
        art_files.TREES,
        art_files.HEDGES,
        art_files.FENCES,
        art_files.FORESTS,
    )
    paths = [file.path for files in pictures for file in files]
    for car in art_files.CARS:
        paths += [car.path(".acc", car.mesh), car.path(".rgb"), car.path(".xml")]
    return [*paths, *art_files.CROWDS]


def load_art(root: str | os.PathLike[str] | None = None) -> Art:
    """Read the art of TORCS.

    Args:
        root: As in :func:`find_art`.

    Raises:
        UserError: If a file is missing or can't be read.
    """
    folder = find_art(root)
    art = Art()
    art.facades = _load_all(art, folder, "facade", art_files.FACADES)
    art.roofs = _load_all(art, folder, "roof", art_files.ROOFS)
    art.walls = _load_all(art, folder, "wall", art_files.WALLS)
    for file in art_files.TREES:
        tree = trimmed(read_picture(folder / file.path))
        art.trees.append(art.add(f"tree {file.path}", tree))
    art.hedges = _load_all(art, folder, "hedge", art_files.HEDGES)
    art.fences = _load_all(art, folder, "fence", art_files.FENCES)
    art.forests = _load_all(art, folder, "forest", art_files.FORESTS)
    for path in art_files.CROWDS:
        for figure in cut_out_people(read_picture(folder / path)):
            art.people.append(art.add(f"person {len(art.people)}", figure))
    art.add_materials()
    for files in art_files.CARS:
        car, paints = load_car(folder, files)
        for name, picture in paints.items():
            art.add(name, picture)
        art.cars.append(car)
    return art


def _load_all(art: Art, folder: Path, kind: str, files: Sequence[ArtFile]) -> list[str]:
    """Load the textures of one kind and return their names."""
    return [
        art.add(f"{kind} {file.path}", cropped(read_picture(folder / file.path), file))
        for file in files
    ]
