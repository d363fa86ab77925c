"""F1 of touching objects: of a map alone, separated by their shapes, and by boundaries that were learnt beside the classes.

    python benchmarks/instances.py fields --runs runs --seeds 0 1
    python benchmarks/instances.py crowns --runs runs
    python benchmarks/instances.py picture --runs runs --picture docs/instances.png
    python benchmarks/instances.py buildings --data ../shared/data --runs runs --minutes 13

``fields`` and ``crowns`` are scenes of sample_tiles/touching.py: two to learn from, another to judge by (scene 2 chose the reach
of boundaries). ``picture`` shows a corner of it as the trained models of seed 0 map it. ``buildings`` are
training and validation tiles of vhr_buildings: five to learn from, one that chooses the epoch, two to judge by; the test tiles are
not read. A model is trained for ``--minutes`` where --runs holds none of its name.
"""

from __future__ import annotations

import argparse
import colorsys
import csv
import sys
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from PIL import Image
from rasterio.features import rasterize
from rasterio.windows import Window

import georaster_dl as gdl
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.evaluation.objects.options import ObjectOptions
from georaster_dl.evaluation.objects.run import evaluate_objects
from georaster_dl.evaluation.objects.scores import ObjectScores, together

sys.path.insert(0, str(Path(__file__).parents[1] / "sample_tiles"))
from touching import write

TRAIN, VALIDATION, JUDGED = (966, 967, 970, 1033, 1036), (1039,), (973, 1045)
CORNER = 192  # pixels of the picture's scenes
KINDS = ("mask", "inst")
Pairs = list[tuple[Path, Path]]


def main() -> None:
    """Train what is missing, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["fields", "crowns", "buildings", "picture"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    given.runs.mkdir(exist_ok=True)
    if given.what == "picture":
        draw(given.runs, given.picture)
        return
    name, listed, judged = (
        buildings(given.data, given.runs)
        if given.what == "buildings"
        else simulated(given.what, given.runs)
    )
    print("model  objects by  mapped  reference  precision  recall  F1  mean F1  boundary F1")
    for seed in given.seeds:
        for kind in given.kinds:
            model = given.runs / f"{given.what}_{kind}_{seed}.safetensors"
            if not model.exists():
                train(listed, name, model, kind, seed, given.minutes)
            for way, s in judge(model, judged, name, given.runs).items():
                shares = (s.precision, s.recall, s.f1, s.mean_f1, s.boundary.f1)
                line = "  ".join(f"{share:.3f}" for share in shares)
                print(f"{model.stem}  {way}  {s.mapped}  {s.reference}  {line}", flush=True)


def simulated(what: str, runs: Path) -> tuple[str, Path, Pairs]:
    """Make three simulated scenes: class, list of scenes to learn from, scenes to judge by."""
    seeds = (0, 1, 3)
    pairs = [(runs / f"{what}_{seed}.tif", runs / f"{what}_{seed}.gpkg") for seed in seeds]
    for seed, (scene, polygons) in zip(seeds, pairs, strict=True):
        if not scene.exists():
            write(what, scene, polygons, seed=seed)
    rows = [[scene.resolve(), polygons.resolve()] for scene, polygons in pairs[:2]]
    return what.removesuffix("s"), listed(runs / f"{what}.csv", ["scene", "label"], rows), pairs[2:]


def buildings(data: Path, runs: Path) -> tuple[str, Path, Pairs]:
    """List tiles of vhr_buildings: class, list of scenes to learn from, scenes to judge by."""
    folder = (data / "vhr_buildings").resolve()
    polygons = folder / "buildings.geojson"
    scene = {
        number: folder / "images" / f"Ortoimagem_MI_2970-1-SO_{number}.tif"
        for number in TRAIN + VALIDATION + JUDGED
    }
    rows = [
        [scene[number], polygons, part]
        for part, numbers in (("train", TRAIN), ("validation", VALIDATION))
        for number in numbers
    ]
    head = ["scene", "label", "split"]
    return (
        "building",
        listed(runs / "buildings.csv", head, rows),
        [(scene[number], polygons) for number in JUDGED],
    )


def draw(runs: Path, picture: Path) -> None:
    """Draw scene, areas of the map, and separated objects, of fields and of crowns."""
    rows = []
    for what in ("fields", "crowns"):
        name, _, ((scene, polygons),) = simulated(what, runs)
        judge(runs / f"{what}_inst_0.safetensors", [(scene, polygons)], name, runs)
        with rasterio.open(scene) as file:
            bands = file.read((4, 3, 2), window=Window(0, 0, CORNER, CORNER)).astype(float)
        low, high = np.percentile(bands, (1, 99), axis=(1, 2))[:, :, None, None]
        image = (255 * ((bands - low) / (high - low)).clip(0, 1)).astype(np.uint8)
        panels = [
            image,
            *(painted(runs / f"judged_{way}.gpkg", scene) for way in ("map", "boundaries")),
        ]
        rows.append(np.concatenate([np.moveaxis(panel, 0, 2) for panel in panels], axis=1))
    whole = Image.fromarray(np.concatenate(rows))
    whole.resize((2 * whole.width, 2 * whole.height), Image.Resampling.NEAREST).save(picture)


def painted(polygons: Path, scene: Path) -> npt.NDArray[np.uint8]:
    """Paint each object in a colour of its own, (3, rows, cols)."""
    frame = geopandas.read_file(polygons, layer=polygons.stem)
    numbers = np.random.default_rng(1).permutation(len(frame)) + 1
    with rasterio.open(scene) as file:
        burnt = rasterize(
            zip(frame.geometry, numbers.tolist(), strict=True),
            out_shape=(CORNER, CORNER),
            transform=file.transform,
            dtype="int32",
        )
    hues = [
        colorsys.hsv_to_rgb(k * 0.618 % 1, 0.45 + k % 3 * 0.15, 0.95 - k % 2 * 0.2) for k in numbers
    ]
    colors = np.full((len(frame) + 1, 3), 255, np.uint8)
    colors[numbers] = np.round(255 * np.array(hues)).astype(np.uint8)
    return np.moveaxis(colors[burnt], 2, 0)


def listed(path: Path, head: list[str], rows: list[list[object]]) -> Path:
    """Write a list of scenes."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def train(scenes: Path, name: str, model: Path, kind: str, seed: int, minutes: float) -> None:
    """Train a network with boundaries (``inst``) or without."""
    split = {"split": "column"} if name == "building" else {}
    gdl.train(
        scenes, out=model, class_name=name, background="other", method="network", minutes=minutes,
        seed=seed, instances=kind == "inst", overwrite=True, **split,
    )  # fmt: skip


def judge(model: Path, pairs: Pairs, name: str, runs: Path) -> dict[str, ObjectScores]:
    """Score the objects of maps, by how touching ones are separated."""
    knows = gdl.load_model(model).card.gives_boundaries
    found: dict[str, list[ObjectScores]] = {}
    for scene, polygons in pairs:
        with rasterio.open(scene) as file:
            ground = geopandas.GeoDataFrame(geometry=[shapely.box(*file.bounds)], crs=file.crs)
        ground.to_file(runs / "judged_ground.gpkg")
        options = ObjectOptions(LabelOptions(class_name=name), runs / "judged_ground.gpkg")
        mapped, plane = runs / "judged.tif", runs / "judged_boundaries.tif"
        outputs = {"boundaries": plane} if knows else {}
        gdl.segment(scene, model=model, out=mapped, overwrite=True, **outputs)
        ways: dict[str, dict[str, object]] = {"map": {}, "shape": {"split_touching": True}}
        if knows:
            ways["boundaries"] = {"split_touching": True, "boundaries": plane}
        for way, asked in ways.items():
            out = runs / f"judged_{way}.gpkg"
            gdl.polygons(mapped, out=out, keep=name, min_area="6px", overwrite=True, **asked)
            found.setdefault(way, []).append(evaluate_objects(out, polygons, options).total)
    return {way: together(each) for way, each in found.items()}


if __name__ == "__main__":
    main()
