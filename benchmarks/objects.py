"""Scores of mapped buildings, or any objects, against polygons: one map, or the tiles of vhr_buildings.

    python benchmarks/objects.py MAP REFERENCE --class building
    python benchmarks/objects.py tiles FOLDER ../shared/data/vhr_buildings/buildings.geojson --class building
    python benchmarks/objects.py speed --n 100000

``tiles`` scores every map of a folder (.tif, .gpkg) and all of them together; of maps of polygons, ``--aoi`` or maps that are
rasters say which ground is compared. ``speed`` makes two grids of turned rectangles, one moved at random, and prints the
seconds of CPU and the memory of their comparison.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import geopandas
import numpy as np
import shapely

from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.evaluation.objects.options import ObjectOptions, Tolerance
from georaster_dl.evaluation.objects.run import evaluate_objects
from georaster_dl.evaluation.objects.scores import ObjectScores, together

HEAD = (
    "map",
    "mapped",
    "reference",
    "precision",
    "recall",
    "F1",
    "mean F1",
    "mean IoU",
    "boundary F1",
    "area",
)


def main() -> None:
    """Score maps, or measure the speed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", help="a map, `tiles FOLDER`, or `speed`")
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--class", dest="name")
    parser.add_argument("--tolerance", default=None)
    parser.add_argument("--aoi", type=Path)
    parser.add_argument("--n", type=int, default=100_000)
    given = parser.parse_args()
    if given.what == "speed":
        speed(given.n)
        return
    tolerance = None if given.tolerance is None else Tolerance.of(given.tolerance)
    options = ObjectOptions(LabelOptions(class_name=given.name), given.aoi, tolerance)
    maps = [Path(given.what)]
    if given.what == "tiles":
        maps = sorted(p for p in given.paths[0].iterdir() if p.suffix in {".tif", ".gpkg"})
    scores = []
    print("  ".join(HEAD))
    for each in maps:
        scores.append(evaluate_objects(each, given.paths[-1], options).total)
        show(each.stem, scores[-1])
    if len(scores) > 1:
        show("all", together(scores))


def show(name: str, s: ObjectScores) -> None:
    """Print a line of scores."""
    shares = (s.precision, s.recall, s.f1, s.mean_f1, s.mean_iou, s.boundary.f1)
    print(
        f"{name}  {s.mapped}  {s.reference}  {'  '.join(f'{x:.3f}' for x in shares)}  {s.area_error:+.3f}"
    )


def speed(n: int) -> None:
    """Compare two grids of rectangles."""
    generator = np.random.default_rng(0)
    side = round(n**0.5)
    corners = np.stack(
        np.meshgrid(np.arange(side) * 20.0, np.arange(side) * 20.0), axis=-1
    ).reshape(-1, 2)
    corners += (500_000, 5_000_000)
    sides = generator.uniform(8, 15, corners.shape)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for moved in (0.0, 1.0):
            places = corners + generator.normal(0, moved, corners.shape) if moved else corners
            shapes = shapely.segmentize(shapely.box(*places.T, *(places + sides).T), 3.0)
            fields = {"class_name": "building", "confidence": generator.random(len(shapes))}
            files.append(Path(folder) / f"moved_{moved:g}.gpkg")
            geopandas.GeoDataFrame(fields, geometry=shapes, crs=32631).to_file(files[-1])
        start = time.process_time()
        found = evaluate_objects(files[1], files[0])
    print(found)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(corners):,} objects each: {time.process_time() - start:.1f} s of CPU, {memory:.0f} MiB at most"
    )


if __name__ == "__main__":
    main()
