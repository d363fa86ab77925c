"""Shapes of a landscape in metres: blocks between roads, river, lakes, villages, and smooth noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from rasterio.features import rasterize

Float = npt.NDArray[np.float32]


@dataclass
class Grid:
    """Small cells of a scene: x to the right and y down, in metres from the upper left corner."""

    rows: int
    cols: int
    step_m: float
    x: Float = field(init=False)
    y: Float = field(init=False)

    def __post_init__(self) -> None:
        self.x = ((np.arange(self.cols) + 0.5) * self.step_m).astype(np.float32)[None, :]
        self.y = ((np.arange(self.rows) + 0.5) * self.step_m).astype(np.float32)[:, None]

    @property
    def width_m(self) -> float:
        """Extent in x."""
        return self.cols * self.step_m

    @property
    def height_m(self) -> float:
        """Extent in y."""
        return self.rows * self.step_m

    @property
    def area_km2(self) -> float:
        """Area of the scene."""
        return self.width_m * self.height_m / 1e6

    def draw(
        self, shapes: Sequence[tuple[shapely.Geometry, int]], dtype: str = "int32"
    ) -> npt.NDArray:
        """Burn shapes in order, later ones above; 0 where there is none."""
        transform = Affine(self.step_m, 0.0, 0.0, 0.0, self.step_m, 0.0)
        kept = [(shape, value) for shape, value in shapes if not shape.is_empty]
        if not kept:
            return np.zeros((self.rows, self.cols), dtype)
        return rasterize(kept, (self.rows, self.cols), transform=transform, fill=0, dtype=dtype)


def _spline(n: int, cells: float) -> Float:
    """Cubic B-spline weights (n, control points) that spread ``cells`` control cells over n pixels."""
    position = (np.arange(n) + 0.5) / n * cells
    first = np.floor(position).astype(int)
    t = position - first
    weights = np.zeros((n, int(np.ceil(cells)) + 4))
    parts = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    for k, part in enumerate(parts):
        weights[np.arange(n), first + k] = part / 6.0
    return weights.astype(np.float32)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cell: float) -> Float:
    """Gaussian noise (rows, cols) with zero mean, about unit variance, smooth over ``cell`` pixels."""
    rows, cols = shape
    across = _spline(cols, cols / cell)
    down = _spline(rows, rows / cell)
    control = rng.standard_normal((down.shape[1], across.shape[1]), dtype=np.float32)
    return (down @ control @ across.T) / 0.48


def _bend(rng: np.random.Generator, size_m: float) -> Callable[[npt.NDArray], npt.NDArray]:
    """Make a smooth distortion of the plane in which straight borders and roads curve."""
    amplitude = 0.045 * size_m
    length = rng.uniform(1.6, 3.0, 2) * size_m
    phase = rng.uniform(0.0, 2.0 * np.pi, 2)

    def bend(xy: npt.NDArray) -> npt.NDArray:
        x, y = xy[:, 0], xy[:, 1]
        return np.stack(
            [
                x + amplitude * np.sin(2 * np.pi * y / length[0] + phase[0]),
                y + amplitude * np.sin(2 * np.pi * x / length[1] + phase[1]),
            ],
            axis=1,
        )

    return bend


@dataclass
class Blocks:
    """Blocks of land between roads."""

    cells: list[shapely.Geometry]
    edges: list[shapely.Geometry]
    junctions: npt.NDArray[np.float64]


def make_blocks(rng: np.random.Generator, grid: Grid, size_m: float) -> Blocks:
    """Divide the scene into Voronoi cells of about ``size_m``, with curved borders."""
    across, down = (int(np.ceil(extent / size_m)) + 2 for extent in (grid.width_m, grid.height_m))
    lattice = np.stack(np.meshgrid(np.arange(across), np.arange(down)), axis=-1).reshape(-1, 2)
    seeds = (lattice - 0.5 + rng.uniform(-0.38, 0.38, lattice.shape)) * size_m
    bend = _bend(rng, size_m)
    points = shapely.MultiPoint(seeds)
    cells = shapely.get_parts(shapely.voronoi_polygons(points))
    # Single edges, not the merged network, so that each may or may not carry a road.
    network = shapely.node(shapely.voronoi_polygons(points, only_edges=True))
    edges = shapely.get_parts(network)
    ends = np.array([edge.coords[0] for edge in edges])
    inside = (ends > 0).all(axis=1) & (ends < (grid.width_m, grid.height_m)).all(axis=1)
    curved = [shapely.transform(shapely.segmentize(part, 40.0), bend) for part in (*cells, *edges)]
    return Blocks(
        curved[: len(cells)], curved[len(cells) :], bend(np.unique(ends[inside].round(3), axis=0))
    )


def river(rng: np.random.Generator, grid: Grid) -> shapely.Geometry:
    """Draw a meandering river across the scene."""
    step = 15.0
    n = int(2.4 * np.hypot(grid.width_m, grid.height_m) / step)
    along = np.arange(n) * step
    heading = rng.uniform(-0.35, 0.35) + (np.pi / 2 if rng.random() < 0.5 else 0.0)
    swing = rng.uniform(0.7, 1.05) * (
        1.0 + 0.4 * np.sin(2 * np.pi * along / 5300.0 + rng.uniform(0, 6))
    )
    turns = 2 * np.pi * along / rng.uniform(1100.0, 1700.0) + 1.2 * np.sin(
        2 * np.pi * along / 3700.0
    )
    angle = heading + swing * np.sin(turns + rng.uniform(0.0, 6.0))
    path = np.stack([np.cumsum(np.cos(angle)), np.cumsum(np.sin(angle))], axis=1) * step
    centre = np.array([grid.width_m, grid.height_m]) * rng.uniform(0.3, 0.7, 2)
    path += centre - path[n // 2]
    half = rng.uniform(22.0, 42.0) * (1.0 + 0.22 * np.sin(along / 330.0 + rng.uniform(0, 6)))
    stretches = [shapely.LineString(path[i : i + 2]).buffer(half[i]) for i in range(n - 1)]
    return shapely.union_all(stretches)


def lake(rng: np.random.Generator, centre: npt.NDArray, radius_m: float) -> shapely.Geometry:
    """Draw a lake, or another round and irregular outline."""
    angle = np.linspace(0.0, 2.0 * np.pi, 180, endpoint=False)
    radius = np.full(angle.shape, radius_m)
    for k in range(2, 7):
        radius += radius_m * rng.normal(0.0, 0.35 / k) * np.cos(k * angle + rng.uniform(0.0, 6.0))
    radius = np.maximum(radius, 0.3 * radius_m)
    return shapely.Polygon(
        centre + np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]
    )


def anywhere(rng: np.random.Generator, grid: Grid) -> npt.NDArray:
    """Draw a point of the scene that is not on its frame."""
    return rng.uniform(0.04, 0.96, 2) * (grid.width_m, grid.height_m)


def _rectangle(centre: npt.NDArray, size: npt.NDArray, angle: float) -> shapely.Geometry:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * size / 2.0
    cos, sin = np.cos(angle), np.sin(angle)
    return shapely.Polygon(centre + corners @ np.array([[cos, sin], [-sin, cos]]))


@dataclass
class Village:
    """What a village is drawn of."""

    garden: shapely.Geometry
    buildings: list[shapely.Geometry]
    streets: list[shapely.Geometry]
    trees: list[shapely.Geometry]


def village(rng: np.random.Generator, centre: npt.NDArray, radius_m: float) -> Village:
    """Houses in rows along parallel streets, with gardens and some trees; few large halls."""
    angle = rng.uniform(0.0, np.pi / 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    outline = lake(rng, centre, radius_m)
    lot, street_gap = rng.uniform(46.0, 62.0), rng.uniform(125.0, 150.0)
    reach = int(1.4 * radius_m / street_gap) + 1
    buildings, streets, trees = [], [], []
    for k in range(-reach, reach + 1):
        ends = np.array([[-1.5 * radius_m, k * street_gap], [1.5 * radius_m, k * street_gap]])
        streets.append(shapely.LineString(centre + ends @ turn).intersection(outline).buffer(10.0))
        for side in (-1.0, 1.0):
            spots = np.arange(-1.4 * radius_m, 1.4 * radius_m, lot)
            for spot in spots + rng.uniform(-4.0, 4.0, spots.size):
                where = centre + np.array([spot, k * street_gap + side * 36.0]) @ turn
                kind = rng.random()
                size = rng.uniform((32.0, 28.0), (44.0, 38.0))
                if kind < 0.84:
                    buildings.append(_rectangle(where, size, angle))
                elif kind < 0.92:
                    trees.append(shapely.Point(where).buffer(rng.uniform(14.0, 24.0)))
    across = np.array([[0.0, -1.4 * radius_m], [0.0, 1.4 * radius_m]])
    streets.append(shapely.LineString(centre + across @ turn).intersection(outline).buffer(10.0))
    inside = shapely.contains(outline.buffer(-20.0), buildings)
    kept = [building for building, whole in zip(buildings, inside, strict=True) if whole]
    return Village(outline, kept, streets, trees)


def halls(rng: np.random.Generator, centre: npt.NDArray) -> list[shapely.Geometry]:
    """Draw an industrial estate: large halls on a grid."""
    angle = rng.uniform(0.0, np.pi / 2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    places = np.array([(i, j) for i in range(-1, 2) for j in range(-1, 2)], float) * (150.0, 110.0)
    kept = places[rng.random(len(places)) < 0.7]
    return [
        _rectangle(centre + p @ turn, rng.uniform((70.0, 45.0), (120.0, 80.0)), angle) for p in kept
    ]
