"""Simulated landscapes as a satellite sees them: reflectance and reference classes of any seed.

A landscape is drawn at a quarter of the ground sampling distance (2.5 m for 10 m pixels): river
and lakes, forest, fields in blocks, roads, villages. Every small cell has a kind of ground
(`covers`) and a place between that kind's two spectra; the cells of a pixel are averaged, so border
pixels are truly mixed, and the class of a pixel is the one that covers most of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import covers
import numpy as np
import numpy.typing as npt
import shapely
from sensor import SENTINEL2, Air, Channels, observe, response
from terrain import Blocks, Grid, anywhere, halls, lake, make_blocks, river, smooth_noise, village

Float = npt.NDArray[np.float32]

SUPERSAMPLING = 4
CLASSES = (
    (covers.WATER, "water", (46, 112, 190)),
    (covers.FOREST, "forest", (27, 94, 50)),
    (covers.GRASSLAND, "grassland", (164, 206, 104)),
    (covers.CROPLAND, "cropland", (240, 208, 94)),
    (covers.BARE_SOIL, "bare soil", (173, 127, 86)),
    (covers.BUILT_UP, "built-up", (214, 62, 56)),
    (covers.ROAD, "road", (92, 92, 98)),
)


@dataclass(frozen=True)
class Look:
    """What differs between two acquisitions of such landscapes; see `random_look`.

    Attributes
    ----------
    season : 0 for early or late in the year, 1 for full summer.
    haze : reflectance that haze adds at 490 nm.
    relief : how much slopes brighten and darken.
    forest, pasture, bare : share of the land in forest, of blocks in pasture, of fields without crop.
    block_m : mean size of the blocks between roads.
    field_m : mean width of a field.
    """

    season: float = 0.8
    haze: float = 0.006
    relief: float = 0.08
    forest: float = 0.22
    pasture: float = 0.24
    bare: float = 0.22
    block_m: float = 850.0
    field_m: float = 150.0


def random_look(rng: np.random.Generator) -> Look:
    """Draw the look of one scene."""
    return Look(
        season=rng.uniform(0.25, 1.0),
        haze=rng.uniform(0.0, 0.02),
        relief=rng.uniform(0.0, 0.15),
        forest=rng.uniform(0.10, 0.35),
        pasture=rng.uniform(0.12, 0.40),
        bare=rng.uniform(0.10, 0.40),
        block_m=rng.uniform(600.0, 1100.0),
        field_m=rng.uniform(90.0, 220.0),
    )


@dataclass
class _Kinds:
    """The table of covers of a scene, and where each group of kinds starts and ends in it."""

    table: covers.Covers
    span: dict[str, tuple[int, int]]

    def pick(self, rng: np.random.Generator, group: str) -> int:
        return int(rng.integers(*self.span[group]))


def _kinds(rng: np.random.Generator, look: Look) -> _Kinds:
    groups = {
        "water": covers.waters(rng, 12),
        "conifer": covers.forests(rng, 32, look.season),
        "grass": covers.grasslands(rng, 40, look.season),
        "crop": covers.crops(rng, 160, look.season),
        "soil": covers.soils(rng, 60),
        "roof": covers.roofs(rng, 36),
        "road": covers.roads(rng, 8),
    }
    ends = np.cumsum([len(group.label) for group in groups.values()])
    span = {
        name: (int(end) - len(group.label), int(end))
        for (name, group), end in zip(groups.items(), ends, strict=True)
    }
    first, *others = groups.values()
    table = sum(others, first)
    middle = span["conifer"][0] + 16
    span["conifer"], span["broadleaf"] = (span["conifer"][0], middle), (middle, middle + 16)
    return _Kinds(table, span)


def _fields(
    rng: np.random.Generator, grid: Grid, block: npt.NDArray, kinds: _Kinds, look: Look
) -> tuple[npt.NDArray[np.int32], Float]:
    """Kind of every cell of the open land, and its tillage rows (-1 to 1)."""
    n = int(block.max()) + 1
    angle = rng.uniform(0.0, np.pi, n)
    cos, sin = np.cos(angle).astype(np.float32)[block], np.sin(angle).astype(np.float32)[block]
    u, v = cos * grid.x + sin * grid.y, cos * grid.y - sin * grid.x
    width = (look.field_m * rng.uniform(0.7, 1.5, n)).astype(np.float32)[block]
    length = (look.field_m * rng.uniform(1.6, 3.2, n)).astype(np.float32)[block]
    strip = u / width
    strip += np.float32(0.28) * np.sin(strip * np.float32(2.1))
    i = np.floor(strip)
    piece = v / length + np.float32(0.41) * i
    j = np.floor(piece)
    key = block.astype(np.uint32) * np.uint32(73856093)
    for index, factor in ((i, 19349663), (j, 83492791)):
        key ^= index.astype(np.int32).astype(np.uint32) * np.uint32(factor)
    key ^= key >> np.uint32(13)
    key %= np.uint32(997)
    crop, soil, grass = (rng.integers(*kinds.span[name], 997) for name in ("crop", "soil", "grass"))
    use = rng.random(997)
    kind_of_field = np.where(use < look.bare, soil, np.where(use > 0.94, grass, crop)).astype(
        np.int32
    )
    pasture = (rng.random(n) < look.pasture)[block]
    kind = np.where(pasture, grass.astype(np.int32)[key], kind_of_field[key])
    # A grassy margin of about 3 m between fields.
    margin = np.minimum((strip - i) * width, (piece - j) * length) < 3.0
    kind = np.where(margin, np.int32(kinds.span["grass"][0]), kind)
    rows = np.sin(u * np.float32(2.0 * np.pi / 17.0))
    return kind, rows


def _forest(
    rng: np.random.Generator, grid: Grid, block: npt.NDArray, kinds: _Kinds, look: Look
) -> npt.NDArray[np.int32]:
    """Kind of every cell under forest, -1 elsewhere."""
    shape = (grid.rows, grid.cols)
    height = smooth_noise(rng, shape, 480.0 / grid.step_m) + 0.16 * smooth_noise(
        rng, shape, 60.0 / grid.step_m
    )
    # The share is taken on a coarse sample: a quantile of all cells is slow and no better.
    edge = np.quantile(height[::8, ::8], 1.0 - look.forest)
    n = int(block.max()) + 1
    conifer = rng.integers(*kinds.span["conifer"], n).astype(np.int32)
    broadleaf = rng.integers(*kinds.span["broadleaf"], n).astype(np.int32)
    mixed = smooth_noise(rng, shape, 220.0 / grid.step_m) > 0.1
    return np.where(height > edge, np.where(mixed, conifer[block], broadleaf[block]), np.int32(-1))


@dataclass
class _Sheet:
    """What is drawn above fields and forest: (shape, kind + 1), lowest first."""

    rng: np.random.Generator
    kinds: _Kinds
    low: list[tuple[shapely.Geometry, int]] = field(default_factory=list)
    high: list[tuple[shapely.Geometry, int]] = field(default_factory=list)

    def add(self, group: str, *shapes: shapely.Geometry) -> None:
        """Draw shapes of a group, each with a kind of its own; roads lie above everything else."""
        layer = self.high if group == "road" else self.low
        layer += [(shape, self.kinds.pick(self.rng, group) + 1) for shape in shapes]


def _add_edges(sheet: _Sheet, blocks: Blocks) -> None:
    """Put country roads and hedges on borders of blocks."""
    for edge in blocks.edges:
        chance = sheet.rng.random()
        if chance < 0.34:
            sheet.add("road", edge.buffer(sheet.rng.uniform(10.0, 14.0), quad_segs=4))
        elif chance < 0.46:
            sheet.add("broadleaf", edge.buffer(sheet.rng.uniform(9.0, 14.0), quad_segs=4))


def _add_highways(sheet: _Sheet, grid: Grid) -> None:
    for _ in range(max(1, round(grid.area_km2 / 25))):
        start, end = anywhere(sheet.rng, grid), anywhere(sheet.rng, grid)
        line = shapely.LineString([start + (start - end) * 5, end + (end - start) * 5])
        sheet.add("road", line.buffer(14.0))


def _add_places(sheet: _Sheet, grid: Grid, blocks: Blocks, wet: shapely.Geometry) -> None:
    """Put villages at junctions and industrial estates between them, away from water."""
    rng, taken = sheet.rng, wet.buffer(60.0)
    for centre in rng.permutation(blocks.junctions)[: max(1, round(grid.area_km2 / 3.5))]:
        radius = rng.uniform(220.0, 420.0)
        if shapely.Point(centre).buffer(radius).intersects(taken):
            continue
        taken = taken.union(shapely.Point(centre).buffer(1.6 * radius))
        place = village(rng, centre, radius)
        sheet.add("grass", place.garden)
        sheet.add("broadleaf", *place.trees)
        sheet.add("roof", *place.buildings)
        sheet.add("road", shapely.union_all(place.streets))
    for _ in range(max(1, round(grid.area_km2 / 5))):
        centre = anywhere(rng, grid)
        if not shapely.Point(centre).buffer(320.0).intersects(taken):
            sheet.add("grass", shapely.Point(centre).buffer(270.0))
            sheet.add("roof", *halls(rng, centre))


def _drawn(
    rng: np.random.Generator, grid: Grid, blocks: Blocks, kinds: _Kinds
) -> list[tuple[shapely.Geometry, int]]:
    """Everything drawn above fields and forest, lowest first; values are kinds + 1."""
    sheet = _Sheet(rng, kinds)
    stream = river(rng, grid)
    sizes = [(150.0, 330.0)] * max(1, round(grid.area_km2 / 14))
    sizes += [(50.0, 100.0)] * round(grid.area_km2 / 5)
    lakes = [lake(rng, anywhere(rng, grid), rng.uniform(*size)) for size in sizes]
    sheet.add("grass", stream.buffer(45.0))
    _add_edges(sheet, blocks)
    _add_highways(sheet, grid)
    _add_places(sheet, grid, blocks, shapely.union_all([stream, *lakes]))
    sheet.add("water", stream)
    lowest = sheet.low + sheet.high
    # Roads bridge the river but end at lakes.
    return lowest + [(shape, kinds.pick(rng, "water") + 1) for shape in lakes]


def _draw(
    rng: np.random.Generator, grid: Grid, kinds: _Kinds, look: Look
) -> tuple[npt.NDArray[np.int32], Float]:
    """Kind of every cell, and its place between the kind's low (0) and high (1) spectrum."""
    blocks = make_blocks(rng, grid, look.block_m)
    block = grid.draw([(cell, i + 1) for i, cell in enumerate(blocks.cells)])
    kind, rows = _fields(rng, grid, block, kinds, look)
    forest = _forest(rng, grid, block, kinds, look)
    kind = np.where(forest >= 0, forest, kind)
    drawn = grid.draw(_drawn(rng, grid, blocks, kinds))
    kind = np.where(drawn > 0, drawn - 1, kind)
    shape = (grid.rows, grid.cols)
    texture = {
        "fine": smooth_noise(rng, shape, max(1.0, 9.0 / grid.step_m)),
        "patch": smooth_noise(rng, shape, max(1.5, 70.0 / grid.step_m)),
        "rows": rows,
    }
    place = np.full(shape, 0.5, np.float32)
    for name, values in texture.items():
        place += np.float32(0.4) * getattr(kinds.table, name).astype(np.float32)[kind] * values
    return kind, np.clip(place, 0.0, 1.0)


def make_scene(
    seed: int,
    rows: int,
    cols: int,
    *,
    gsd_m: float = 10.0,
    channels: Channels = SENTINEL2,
    look: Look | None = None,
) -> tuple[Float, npt.NDArray[np.uint8]]:
    """Simulate a scene.

    Parameters
    ----------
    seed : the landscape; the same seed and size give the same scene.
    rows, cols : size in pixels.
    gsd_m : ground sampling distance in metres.
    channels : the sensor's bands.
    look : season, haze and land use; drawn from the seed when None.

    Returns
    -------
    Reflectance (bands, rows, cols), and class values (rows, cols): the class that covers most of
    each pixel.
    """
    rng = np.random.default_rng(seed)
    drawn_look = random_look(rng)
    look = look or drawn_look
    n = SUPERSAMPLING
    grid = Grid(rows * n, cols * n, gsd_m / n)
    kinds = _kinds(rng, look)
    kind, place = _draw(rng, grid, kinds, look)

    def cells(image: npt.NDArray) -> npt.NDArray:
        """(n * n, pixels): the cells of each pixel."""
        return image.reshape(rows, n, cols, n).transpose(1, 3, 0, 2).reshape(n * n, rows * cols)

    weights = response(channels)
    low = (kinds.table.low @ weights).astype(np.float32)
    rise = (kinds.table.high @ weights).astype(np.float32) - low
    image = np.zeros((rows * cols, len(channels.names)), np.float32)
    counts = np.zeros((len(CLASSES), rows * cols), np.uint8)
    for kind_of, place_of in zip(cells(kind), cells(place), strict=True):
        image += low[kind_of] + place_of[:, None] * rise[kind_of]
        label = kinds.table.label[kind_of]
        for value, _, _ in CLASSES:
            counts[value - 1] += label == value
    image = np.ascontiguousarray((image / (n * n)).T).reshape(-1, rows, cols)
    truth = (counts.argmax(axis=0) + 1).astype(np.uint8).reshape(rows, cols)
    return observe(rng, image, channels, gsd_m, Air(look.haze, look.relief)), truth
