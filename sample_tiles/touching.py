"""Make a scene of touching fields, or of touching tree crowns, with a polygon of each object.

    python sample_tiles/touching.py fields fields.tif fields.gpkg --seed 0
    python sample_tiles/touching.py crowns crowns.tif crowns.gpkg --seed 0

Simulated, like all sample scenes. Fields (10 m pixels) are cells of a Voronoi diagram, a fifth of which is no field; neighbours
may carry the same crop, and a margin of half a pixel's width divides them. Crowns (0.5 m pixels) are discs that overlap, the
higher on top, brighter on the side of the sun. Everything is drawn at a quarter of the pixel and averaged.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
from rasterio.features import rasterize
from rasterio.transform import from_origin
from scipy.ndimage import gaussian_filter

FINER = 4
BANDS = ("blue", "green", "red", "nir")
GROUND = np.array([0.06, 0.09, 0.09, 0.28])  # grass
CROPS = np.array(
    [
        [0.04, 0.07, 0.05, 0.42],
        [0.07, 0.10, 0.13, 0.30],
        [0.09, 0.12, 0.16, 0.24],
        [0.05, 0.09, 0.06, 0.36],
    ]
)
CROWN = np.array([0.03, 0.06, 0.04, 0.38])


def main() -> None:
    """Write a scene and its polygons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["fields", "crowns"])
    parser.add_argument("scene", type=Path)
    parser.add_argument("polygons", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=384, help="pixels")
    given = parser.parse_args()
    write(given.what, given.scene, given.polygons, seed=given.seed, side=given.side)


def write(what: str, scene: Path, polygons: Path, *, seed: int, side: int = 384) -> None:
    """Write a scene (GeoTIFF, reflectance) and the polygons of its objects (GeoPackage)."""
    rng = np.random.default_rng(seed)
    pixel = 10.0 if what == "fields" else 0.5
    draw = _fields if what == "fields" else _crowns
    shapes, fine = draw(rng, side)
    image = fine.reshape(4, side, FINER, side, FINER).mean(axis=(2, 4))
    image += rng.normal(0, 0.004, image.shape)
    transform = from_origin(600_000, 5_300_000, pixel, pixel)
    with rasterio.open(
        scene,
        "w",
        driver="GTiff",
        width=side,
        height=side,
        count=4,
        dtype="uint16",
        crs="EPSG:32633",
        transform=transform,
        compress="deflate",
        predictor=2,
    ) as file:
        file.write(np.clip(image * 10_000, 1, 65_535).astype(np.uint16))
        file.descriptions = BANDS
        file.scales = (1e-4,) * 4
    placed = shapely.transform(
        shapes, lambda xy: np.stack(transform * (xy[:, 0], xy[:, 1]), axis=1)
    )
    frame = geopandas.GeoDataFrame(
        {"number": range(len(placed))}, geometry=placed, crs="EPSG:32633"
    )
    frame.to_file(polygons, driver="GPKG")


def _fields(rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Polygons in pixels, and the finer image (bands, rows, cols)."""
    square = shapely.box(0, 0, side, side)
    count = (side // 22) ** 2
    # Fields are longer than they are wide.
    points = shapely.MultiPoint(rng.uniform(-20, side + 20, (count, 2)) / (1.0, 2.0))
    cells = shapely.get_parts(shapely.voronoi_polygons(points, extend_to=square))
    cells = shapely.intersection(shapely.transform(cells, lambda xy: xy * (1.0, 2.0)), square)
    cells = cells[~shapely.is_empty(cells)]
    fields = cells[rng.random(len(cells)) > 0.2]
    image = _ground(rng, side)
    cover = _burnt(fields, np.arange(1, len(fields) + 1), side)
    crop = rng.integers(0, len(CROPS), len(fields))
    colors = CROPS[crop] * np.exp(rng.normal(0, 0.08, (len(fields), 1)))
    on = cover > 0
    image[:, on] = colors[cover[on] - 1].T * (1 + _texture(rng, on.shape, 2.0, 0.05)[on])
    margins = (
        _burnt(shapely.buffer(shapely.boundary(fields), 0.25), np.ones(len(fields), int), side) > 0
    )
    image[:, margins] = GROUND[:, None] * (1 + _texture(rng, on.shape, 1.0, 0.1)[margins])
    return fields, image


def _crowns(rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Polygons in pixels, and the finer image (bands, rows, cols)."""
    centres: list[np.ndarray] = []
    radii: list[float] = []
    dense = _texture(rng, (side, side), side / 8, 1.0)
    for place in rng.uniform(0, side, (side * side // 40, 2)):
        radius = rng.uniform(5, 10)
        if dense[int(place[1]), int(place[0])] < -0.2:
            continue
        apart = [
            np.hypot(*(place - c)) > 0.75 * (radius + r)
            for c, r in zip(centres, radii, strict=True)
        ]
        if all(apart):
            centres.append(place)
            radii.append(radius)
    order = np.argsort(radii)[::-1]  # the largest are the highest
    discs = shapely.buffer(shapely.points([centres[i] for i in order]), [radii[i] for i in order])
    image = _ground(rng, side)
    ys, xs = (np.indices((side * FINER, side * FINER)) + 0.5) / FINER
    numbers = _burnt(discs[::-1], np.arange(len(discs), 0, -1), side)
    on = numbers > 0
    at = numbers[on] - 1
    middle = np.array([centres[i] for i in order])[at]
    radius = np.array([radii[i] for i in order])[at]
    dx, dy = (xs[on] - middle[:, 0]) / radius, (ys[on] - middle[:, 1]) / radius
    light = np.clip(1.1 - 0.45 * (dx**2 + dy**2) - 0.25 * (dx + dy), 0.35, None)
    tone = np.exp(rng.normal(0, 0.1, len(discs)))[at]
    image[:, on] = CROWN[:, None] * light * tone * (1 + _texture(rng, on.shape, 2.0, 0.12)[on])
    crowns, taken = [], shapely.Polygon()
    for disc in discs:
        crowns.append(shapely.difference(disc, taken))
        taken = shapely.union(taken, disc)
    shapes = shapely.intersection(np.array(crowns), shapely.box(0, 0, side, side))
    return shapes[shapely.area(shapes) > 4], image


def _ground(rng: np.random.Generator, side: int) -> np.ndarray:
    shape = (side * FINER, side * FINER)
    return GROUND[:, None, None] * (
        1 + _texture(rng, shape, 3.0, 0.1) + _texture(rng, shape, 60.0, 0.1)
    )


def _texture(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float, deviation: float
) -> np.ndarray:
    smooth = gaussian_filter(rng.normal(size=shape), sigma)
    return smooth / smooth.std() * deviation


def _burnt(shapes: np.ndarray, numbers: np.ndarray, side: int) -> np.ndarray:
    fine = from_origin(0, 0, 1 / FINER, -1 / FINER)
    shape = (side * FINER, side * FINER)
    return rasterize(
        zip(shapes, numbers.tolist(), strict=True), out_shape=shape, transform=fine, dtype="int32"
    )


if __name__ == "__main__":
    main()
