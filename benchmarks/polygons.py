"""Polygons of class maps: time and memory on a large map, and outlines of buildings.

    python benchmarks/polygons.py large [--side 20000] [--folder DIR]
    python benchmarks/polygons.py buildings DATA
    python benchmarks/polygons.py touching DATA
    python benchmarks/polygons.py angles DATA

``large`` makes a map with an object (an ellipse of one of three classes, some with a hole) in each square of 20 x 20 pixels,
a million of them on 20,000 x 20,000, and prints seconds of CPU and peak memory of a process for each set of options.
``buildings`` outlines the masks of buildings of tiles (vhr_buildings, by default two of training) in several ways and compares
the outlines with those of the pixels. ``touching`` scores the masks of the eight training tiles as objects, before and after those that
touch are separated. ``angles`` compares right angles with those of the package buildingregulariser (to be installed beside), by the
reference polygons of buildings of the same tiles.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CELL = 20
TRAINING = ("966", "967", "970", "973", "1033", "1036", "1039", "1045")
SETS = {
    "every area as it is": {},
    "three classes, small areas merged, holes filled": {
        "drop": ["background"],
        "min_area": "9px",
        "fill_holes": "9px",
    },
    "the same, simplified": {
        "drop": ["background"],
        "min_area": "9px",
        "fill_holes": "9px",
        "simplify": 1.0,
    },
}


def make(path: Path, side: int) -> None:
    """Write the map in strips of one row of cells."""
    import rasterio
    from affine import Affine
    from rasterio.windows import Window

    random = np.random.default_rng(0)
    rows, cols = np.mgrid[:CELL, :CELL] + 0.5
    n = side // CELL
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint8"}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    with rasterio.open(
        path,
        "w",
        **profile,
        nodata=255,
        crs="EPSG:32633",
        transform=Affine(10, 0, 3e5, 0, -10, 5e6),
    ) as dataset:
        dataset.update_tags(CLASS_NAMES='{"0": "background", "1": "a", "2": "b", "3": "c"}')
        for top in range(0, n * CELL, CELL):
            a, b = random.uniform(1, 9, (2, n, 1, 1))
            away = ((rows - 10) / a) ** 2 + ((cols - 10) / b) ** 2
            cells = np.where(away <= 1, random.integers(1, 4, (n, 1, 1)), 0)
            cells[(away <= 0.05) & (random.random((n, 1, 1)) < 0.3)] = 0
            strip = cells.transpose(1, 0, 2).reshape(CELL, n * CELL).astype("uint8")
            dataset.write(strip, 1, window=Window(0, top, n * CELL, CELL))


def large(side: int, folder: Path, sets: list[str]) -> None:
    path = folder / "map.tif"
    make(path, side)
    print(
        f"{side} x {side} pixels, {path.stat().st_size / 2**20:.0f} MiB, {(side // CELL) ** 2:,} cells"
    )
    print("| options | polygons | s of CPU | peak MiB |\n|---|---|---|---|")
    for name in sets:
        run = [sys.executable, __file__, "one", str(path), "--options", name]
        print(
            subprocess.run(run, check=True, capture_output=True, text=True).stdout,
            end="",
            flush=True,
        )


def one(path: Path, name: str) -> None:
    import georaster_dl as gdl

    begun = time.process_time()
    made = gdl.polygons(path, out=path.with_suffix(".gpkg"), overwrite=True, **SETS[name])
    seconds = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {name} | {made.polygons:,} | {seconds:.0f} | {peak:,.0f} |")


def buildings(data: Path, tiles: list[str]) -> None:
    import geopandas
    import shapely

    from georaster_dl.objects.options import PolygonOptions
    from georaster_dl.objects.run import write_objects

    kept = {"keep": "255"}
    ways = {
        "pixels": {},
        **{f"simplified, {size:g}": {"simplify": size} for size in (1.0, 2.0, 3.0)},
        **{
            f"right angles, {size:g}": {"simplify": size, "right_angles": True}
            for size in (1.0, 2.0, 3.0)
        },
    }
    print(
        "| tile | outlines | buildings | vertices | mean IoU with the pixels |\n|---|---|---|---|---|"
    )
    for tile in tiles:
        (mask,) = (data / "vhr_buildings" / "masks").glob(f"*_{tile}.tif")
        pixels = None
        for name, options in ways.items():
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "b.gpkg"
                write_objects(mask, out, PolygonOptions.of({**kept, **options}))
                made = geopandas.read_file(out, layer="b").geometry.values
            made = np.asarray(made, object)
            if pixels is None:
                pixels = made
                inside = shapely.STRtree([one.representative_point() for one in pixels])
            else:
                # In another order than those of the pixels.
                i, j = inside.query(made, predicate="contains")
                made, pixels = made[i], pixels[j]
                inside = shapely.STRtree([one.representative_point() for one in pixels])
            common = shapely.area(shapely.intersection(made, pixels))
            iou = common / (shapely.area(made) + shapely.area(pixels) - common)
            n = shapely.get_num_coordinates(made).sum()
            print(f"| {tile} | {name} | {len(made)} | {n:,} | {iou.mean():.3f} |", flush=True)


def touching(data: Path) -> None:
    import geopandas
    import rasterio
    import shapely

    from georaster_dl.core.legend import MapClass
    from georaster_dl.core.scene_options import LabelOptions
    from georaster_dl.evaluation.objects.options import ObjectOptions
    from georaster_dl.evaluation.objects.run import evaluate_objects
    from georaster_dl.evaluation.objects.scores import together
    from georaster_dl.objects.options import PolygonOptions
    from georaster_dl.objects.run import write_objects

    reference = data / "vhr_buildings" / "buildings.geojson"
    ways = {"masks": {}, "separated": {"split_touching": True}}
    print("| objects | mapped | reference | precision | recall | F1 | F1 by tile |")
    print("|---|---|---|---|---|---|---|")
    for name, options in ways.items():
        scores = []
        for tile in TRAINING:
            (mask,) = (data / "vhr_buildings" / "masks").glob(f"*_{tile}.tif")
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "b.gpkg"
                classes = [MapClass(0, "ground", (0, 0, 0)), MapClass(255, "building", (255, 0, 0))]
                asked = PolygonOptions.of({"keep": "building", **options})
                write_objects(mask, out, asked, stated=classes)
                with rasterio.open(mask) as dataset:
                    ground = geopandas.GeoSeries([shapely.box(*dataset.bounds)], crs=dataset.crs)
                ground.to_file(aoi := Path(folder) / "aoi.gpkg")
                asked = ObjectOptions(LabelOptions(class_name="building"), aoi)
                scores.append(evaluate_objects(out, reference, asked).total)
        s = together(scores)
        by_tile = " ".join(f"{each.f1:.3f}" for each in scores)
        shares = f"{s.precision:.3f} | {s.recall:.3f} | {s.f1:.3f}"
        print(f"| {name} | {s.mapped} | {s.reference} | {shares} | {by_tile} |", flush=True)


def angles(data: Path) -> None:
    import geopandas
    import pandas as pd
    import rasterio
    import shapely
    from buildingregulariser import regularize_geodataframe

    from georaster_dl.core.legend import MapClass
    from georaster_dl.objects.options import PolygonOptions
    from georaster_dl.objects.run import write_objects

    reference = geopandas.read_file(data / "vhr_buildings" / "buildings.geojson")
    classes = [MapClass(0, "ground", (0, 0, 0)), MapClass(255, "building", (255, 0, 0))]
    own = {
        "pixels": {},
        "simplified, 2 pixels": {"simplify": 2.0},
        "right angles": {"right_angles": True},
    }
    others = {
        "buildingregulariser": {},
        "buildingregulariser, no diagonals and circles": {
            "allow_45_degree": False,
            "allow_circles": False,
        },
    }
    found = []
    for tile in TRAINING:
        (mask,) = (data / "vhr_buildings" / "masks").glob(f"*_{tile}.tif")
        with rasterio.open(mask) as dataset:
            ground, crs = shapely.box(*dataset.bounds), dataset.crs
        here = np.asarray(shapely.make_valid(reference.to_crs(crs).geometry.values))
        here = shapely.intersection(here[shapely.intersects(here, ground)], ground)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "b.gpkg"
            for name, options in own.items():
                out.unlink(missing_ok=True)
                asked = {"keep": "building", "min_area": "20px", "split_touching": True, **options}
                begun = time.process_time()
                write_objects(mask, out, PolygonOptions.of(asked), stated=classes)
                seconds = time.process_time() - begun
                made = geopandas.read_file(out, layer="b")
                found.append((name, tile, seconds, *_compared(made.geometry.values, here)))
                if name == "pixels":
                    pixels = made
        for name, options in others.items():
            begun = time.process_time()
            made = regularize_geodataframe(pixels.copy(), num_cores=1, **options)
            seconds = time.process_time() - begun
            found.append((name, tile, seconds, *_compared(made.geometry.values, here)))
    names = [
        "outlines",
        "tile",
        "seconds",
        "objects",
        "vertices",
        "sum of IoU",
        "matched",
        "overlaps",
    ]
    table = pd.DataFrame(found, columns=names)
    total = table.drop(columns="tile").groupby("outlines", sort=False).sum()
    print("| outlines | s of CPU | buildings | vertices | found | mean IoU | pairs that overlap |")
    print("|---|---|---|---|---|---|---|")
    for name, row in total.iterrows():
        iou = row["sum of IoU"] / row["matched"]
        print(
            f"| {name} | {row['seconds']:.1f} | {row['objects']:.0f} | {row['vertices']:,.0f} | {row['matched']:.0f} | "
            f"{iou:.3f} | {row['overlaps']:.0f} |"
        )


def _compared(made: object, reference: np.ndarray) -> tuple[int, int, float, int, int]:
    """Objects, vertices, sum and number of IoU of at least 0.5 with the reference, pairs that overlap."""
    import shapely

    made = shapely.make_valid(np.asarray(made, object))
    i, j = shapely.STRtree(reference).query(made, predicate="intersects")
    common = shapely.area(shapely.intersection(made[i], reference[j]))
    iou = common / (shapely.area(made[i]) + shapely.area(reference[j]) - common)
    i, j = shapely.STRtree(made).query(made, predicate="intersects")
    over = shapely.area(shapely.intersection(made[i], made[j]))[i < j] > 0.01
    vertices = int(shapely.get_num_coordinates(made).sum())
    return (
        len(made),
        vertices,
        float(iou[iou >= 0.5].sum()),
        int((iou >= 0.5).sum()),
        int(over.sum()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    of_large = commands.add_parser("large")
    of_large.add_argument("--side", type=int, default=20_000)
    of_large.add_argument("--folder", type=Path)
    of_large.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="OPTIONS")
    of_one = commands.add_parser("one")
    of_one.add_argument("path", type=Path)
    of_one.add_argument("--options", required=True)
    of_buildings = commands.add_parser("buildings")
    of_buildings.add_argument("data", type=Path)
    of_buildings.add_argument("--tiles", nargs="+", default=["966", "967"])
    commands.add_parser("touching").add_argument("data", type=Path)
    commands.add_parser("angles").add_argument("data", type=Path)
    asked = parser.parse_args()
    if asked.command == "angles":
        angles(asked.data)
        return
    if asked.command == "touching":
        touching(asked.data)
        return
    if asked.command == "buildings":
        buildings(asked.data, asked.tiles)
        return
    if asked.command == "one":
        one(asked.path, asked.options)
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        large(asked.side, Path(folder), asked.sets)


if __name__ == "__main__":
    main()
