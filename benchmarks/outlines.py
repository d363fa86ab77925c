"""Buildings mapped by a network, as polygons: as delivered, cleaned, separated, with right angles.

    python benchmarks/defaults.py ../shared/data test --sets vhr_buildings ...      trains the model
    python benchmarks/outlines.py MODEL ../shared/data runs/outlines --part validation
    python benchmarks/outlines.py MODEL ../shared/data runs/outlines --part test --ways delivered cleaned angles

``validation`` tries several settings on two tiles; ``test`` scores some of them on the four tiles that nothing was chosen on.
Maps and polygons stay in the folder, to be looked at.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import geopandas
import rasterio
import shapely

import georaster_dl as gdl
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.evaluation.objects.options import ObjectOptions
from georaster_dl.evaluation.objects.run import evaluate_objects
from georaster_dl.evaluation.objects.scores import together

TILES = {"validation": (1039, 1045), "test": (995, 996, 997, 998)}
BUILDING = "255"  # the masks' value, which is the name of the class
CLEAN = {"keep": BUILDING, "min_area": "20m2", "fill_holes": "20m2"}
WAYS: dict[str, dict[str, Any]] = {
    "delivered": {},
    "cleaned": CLEAN | {"simplify": 1.0},
    "cleaned, 10 m2": CLEAN | {"min_area": "10m2", "simplify": 1.0},
    "cleaned, 40 m2": CLEAN | {"min_area": "40m2", "simplify": 1.0},
    "separated": CLEAN | {"simplify": 1.0, "split_touching": True},
    "angles": CLEAN | {"right_angles": True},
    "separated, angles": CLEAN | {"split_touching": True, "right_angles": True},
}


def main() -> None:
    """Map the tiles of a part, and score their polygons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--part", choices=TILES, required=True)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    root = given.data / "vhr_buildings"
    for tile in TILES[given.part]:
        _map(given.model, root, given.folder, tile)
    print(
        "| polygons | buildings | vertices | all polygons | reference | precision | recall | F1 | boundary F1 | mean IoU | area |"
    )
    print("|---" * 11 + "|")
    for way in given.ways:
        made = [_polygons(given.folder, tile, way) for tile in TILES[given.part]]
        scores = together([_scores(root, given.folder, path) for path in made])
        frames = [geopandas.read_file(path, layer=path.stem) for path in made]
        buildings = [frame[frame.class_name == BUILDING] for frame in frames]
        vertices = sum(int(shapely.get_num_coordinates(b.geometry.array).sum()) for b in buildings)
        n, every = sum(map(len, buildings)), sum(map(len, frames))
        shares = (scores.precision, scores.recall, scores.f1, scores.boundary.f1, scores.mean_iou)
        print(
            f"| {way} | {n} | {vertices:,} | {every} | {scores.reference} | "
            f"{' | '.join(f'{s:.3f}' for s in shares)} | {scores.area_error:+.3f} |",
            flush=True,
        )


def _map(model: Path, root: Path, folder: Path, tile: int) -> None:
    """Map a tile, and write the ground that it covers."""
    out = folder / f"{tile}.tif"
    if not out.exists():
        gdl.segment(root / f"images/Ortoimagem_MI_2970-1-SO_{tile}.tif", model=model, out=out)
    with rasterio.open(out) as raster:
        ground = geopandas.GeoSeries([shapely.box(*raster.bounds)], crs=raster.crs)
    ground.to_file(folder / f"{tile}_ground.gpkg")


def _polygons(folder: Path, tile: int, way: str) -> Path:
    out = folder / f"{tile}_{way.replace(', ', '_').replace(' ', '_')}.gpkg"
    gdl.polygons(folder / f"{tile}.tif", out=out, overwrite=True, **WAYS[way])
    return out


def _scores(root: Path, folder: Path, path: Path) -> Any:
    ground = folder / f"{path.stem.partition('_')[0]}_ground.gpkg"
    options = ObjectOptions(LabelOptions(class_name=BUILDING), ground)
    return evaluate_objects(path, root / "buildings.geojson", options).total


if __name__ == "__main__":
    main()
