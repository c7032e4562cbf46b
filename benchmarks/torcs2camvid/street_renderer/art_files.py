"""Which files of TORCS the streets are made of (paths below its data folder)."""

from __future__ import annotations

from dataclasses import dataclass

_TOWN = "tracks/road/e-track-2"
_STREET = "tracks/road/street-1"
_FORZA = "tracks/road/forza"
_BRONDE = "tracks/road/brondehach"
_CORKSCREW = "tracks/road/corkscrew"
_ALPINE = "tracks/road/alpine-2"
_DIRT1 = "tracks/dirt/dirt-1"
_DIRT2 = "tracks/dirt/dirt-2"
_ETRACK3 = "tracks/road/e-track-3"
_ETRACK6 = "tracks/road/e-track-6"


@dataclass(frozen=True)
class ArtFile:
    """A texture and the part of it that is used.

    Args:
        path: Path below the data folder of TORCS.
        top: Share of the height that is cut off above.
        bottom: Share of the height where the used part ends.
        max_width: Wider textures are shrunk to this many pixels; None keeps the size.
    """

    path: str
    top: float = 0.0
    bottom: float = 1.0
    max_width: int | None = None


FACADES = (
    *(
        ArtFile(f"{_TOWN}/{name}.png", max_width=512)
        for name in (
            "house17facade",
            "house18facade",
            "house20facade",
            "house21w2",
            "house22facade",
            "house23facade",
            "house24facade",
            "house25side",
            "house27side",
            "house28facade",
            "house32facade",
            "house33facade",
            "house33side",
            "house34facade",
            "house35facade",
        )
    ),
    *(
        ArtFile(f"{_STREET}/tr-building{i}.rgb", max_width=512)
        for i in (3, 5, 6, 7, 8, 9)
    ),
    ArtFile("tracks/road/wheel-2/building2.png", max_width=512),
    # Its upper third is sky.
    ArtFile(f"{_TOWN}/house36facade.png", top=0.32, max_width=512),
    ArtFile(f"{_DIRT2}/pitfacade1.png", max_width=512),
    ArtFile(f"{_TOWN}/house26facade.png", max_width=512),
    # Grandstands: only what is below their roof.
    ArtFile("tracks/road/g-track-1/facade1-512.rgb", top=0.42),
    ArtFile("tracks/oval/michigan/facade4-512.rgb", top=0.42),
    ArtFile("tracks/road/g-track-1/facade6-512.rgb", top=0.42),
)

ROOFS = (
    ArtFile(f"{_TOWN}/house24roof.png"),
    ArtFile(f"{_TOWN}/house25roof.png"),
    ArtFile(f"{_DIRT2}/house12r.png"),
    ArtFile(f"{_DIRT2}/house14r.png"),
    ArtFile(f"{_TOWN}/house16roof.png"),
)

WALLS = (
    ArtFile(f"{_TOWN}/house24brick.png"),
    ArtFile(f"{_ALPINE}/brick01.png"),
    ArtFile(f"{_TOWN}/house17concrete.png"),
    ArtFile(f"{_TOWN}/house31roof.png"),
)

TREES = tuple(
    ArtFile(path)
    for path in (
        "data/textures/tree11.rgb",
        "data/textures/tree12.rgb",
        "data/textures/tree18.rgb",
        "data/textures/treeg1.rgb",
        f"{_DIRT1}/tree13_n.rgb",
        f"{_DIRT1}/tree16_n.rgb",
        f"{_DIRT1}/tree1_n.rgb",
        f"{_DIRT1}/tree2_n.rgb",
        f"{_DIRT2}/tree10_n.png",
        f"{_DIRT2}/tree13_n.png",
        f"{_DIRT2}/tree15_n.png",
        f"{_BRONDE}/tree1_n.png",
        f"{_BRONDE}/tree2_n.png",
        f"{_CORKSCREW}/tree3_n.png",
        f"{_CORKSCREW}/treeSC2_n.png",
        f"{_CORKSCREW}/treeSC_n.png",
        f"{_CORKSCREW}/tree_n.png",
        f"{_TOWN}/tree11_n.png",
        f"{_TOWN}/tree7_n.png",
        f"{_TOWN}/tree9_n.png",
        f"{_ETRACK3}/tree12_n.png",
        f"{_ETRACK3}/tree195_n.png",
        f"{_ETRACK6}/tree_apple_n.png",
        f"{_ETRACK6}/tree_bush_n.png",
        f"{_ETRACK6}/tree_maple_n.png",
        f"{_DIRT1}/tree9_n.rgb",
        f"{_DIRT1}/tree4_n.rgb",
    )
)

HEDGES = (
    ArtFile(f"{_BRONDE}/treebit1_n.png"),
    ArtFile(f"{_BRONDE}/treebit2_n.png"),
    ArtFile(f"{_BRONDE}/treeq1.png"),
    ArtFile(f"{_BRONDE}/treeq2_n.png"),
    ArtFile(f"{_FORZA}/BUtree_n.png"),
)

FENCES = (
    ArtFile(f"{_FORZA}/GGtree.png"),
    ArtFile(f"{_FORZA}/GNtree_n.png"),
    ArtFile(f"{_TOWN}/treefc_n.png"),
    ArtFile(f"{_ALPINE}/RAILtree_n.png", bottom=0.42),
)

FORESTS = (
    ArtFile("tracks/oval/michigan/forest1-tree-m1_n.rgb"),
    ArtFile(f"{_ETRACK3}/tree4_n.png"),
    ArtFile(f"{_ETRACK3}/tree19_n.png"),
    ArtFile(f"{_ETRACK3}/tree35_n.png"),
    ArtFile(f"{_ETRACK6}/treeline_n.png"),
)

CROWDS = (
    f"{_DIRT2}/treeUGLIES02_n.png",
    f"{_ALPINE}/ppla_tree_n.png",
    f"{_ALPINE}/pplb_tree_n.png",
    f"{_ALPINE}/pplc_tree_n.png",
    f"{_BRONDE}/treeUGLIES01_n.png",
    f"{_BRONDE}/treeUGLIES03_n.png",
    f"{_CORKSCREW}/treeC3_n.png",
    f"{_CORKSCREW}/treeC4_n.png",
    f"{_TOWN}/GBtree_n.png",
    f"{_TOWN}/GEtree_n.png",
    f"{_TOWN}/GSPAtree.png",
    f"{_TOWN}/treeUGLIES01_n.png",
    f"{_ETRACK6}/treeUGLIES04_n.png",
    f"{_ETRACK6}/tree_apple_n.png",
    f"{_FORZA}/GBtree_n.png",
    f"{_FORZA}/GCtree_n.png",
    f"{_FORZA}/GDtree_n.png",
)
"""Sheets with groups of people, from which single people are cut out."""


@dataclass(frozen=True)
class CarFiles:
    """A car of TORCS: its files, how often it comes and how it stands.

    Args:
        name: Folder and stem of its files.
        share: Probability among all cars.
        mesh: Stem of the mesh; the coarser of two where TORCS has several.
        clearance: Height of the body above the road in metres.
        any_size: Whether its size is varied.
    """

    name: str
    share: float
    mesh: str
    clearance: float = 0.17
    any_size: bool = True

    def path(self, suffix: str, stem: str | None = None) -> str:
        """Return the path of one of its files below the data folder."""
        return f"cars/{self.name}/{stem or self.name}{suffix}"


CARS = (
    CarFiles("p406", 0.36, "p406"),
    CarFiles("155-DTM", 0.14, "155-DTM-lod1", any_size=False),
    CarFiles("acura-nsx-sz", 0.1, "acura-nsx-sz-lod1"),
    CarFiles("car1-stock1", 0.14, "car1-stock1"),
    CarFiles("car1-stock2", 0.12, "car1-stock2"),
    CarFiles("baja-bug", 0.08, "baja-bug-lod1", clearance=0.3),
    CarFiles("car5-trb1", 0.03, "car5-trb1"),
    CarFiles("car2-trb1", 0.03, "car2-trb1"),
)
