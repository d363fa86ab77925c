"""F1 of touching objects: of a map alone, separated by their shapes, and by boundaries that were learnt beside the classes.

    python benchmarks/instances.py fields --runs runs --seeds 0 1
    python benchmarks/instances.py crowns --runs runs
    python benchmarks/instances.py buildings --data ../shared/data --runs runs --minutes 13

``fields`` and ``crowns`` are scenes of sample_tiles/touching.py: two to learn from, a third to judge by. ``buildings`` are
training and validation tiles of vhr_buildings: five to learn from, one that chooses the epoch, two to judge by; the test tiles are
not read. A model is trained for ``--minutes`` where --runs holds none of its name.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import georaster_dl as gdl
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.evaluation.objects.options import ObjectOptions
from georaster_dl.evaluation.objects.run import evaluate_objects
from georaster_dl.evaluation.objects.scores import ObjectScores, together

sys.path.insert(0, str(Path(__file__).parents[1] / "sample_tiles"))
from touching import write

TRAIN, VALIDATION, JUDGED = (966, 967, 970, 1033, 1036), (1039,), (973, 1045)
KINDS = ("mask", "inst")
Pairs = list[tuple[Path, Path]]


def main() -> None:
    """Train what is missing, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["fields", "crowns", "buildings"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    given = parser.parse_args()
    given.runs.mkdir(exist_ok=True)
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
    pairs = [(runs / f"{what}_{seed}.tif", runs / f"{what}_{seed}.gpkg") for seed in range(3)]
    for seed, (scene, polygons) in enumerate(pairs):
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
    options = ObjectOptions(LabelOptions(class_name=name))
    for scene, polygons in pairs:
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
