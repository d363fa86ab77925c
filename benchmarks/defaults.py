"""Accuracy of ``geodl train`` without settings on several sets, and of variants of its settings.

    pip install scikit-learn scipy
    python benchmarks/defaults.py ../shared/data choose --seeds 0 1 --variants as-is average --jsonl runs.jsonl
    python benchmarks/defaults.py ../shared/data test --seeds 0 1 2 3 4 --jsonl runs.jsonl

``choose`` trains on the training part and prints the best score of the validation part: the scenes of the
test part are not opened. ``test`` prints the figures of the test part, beside those of random forests on
the same training pixels. A line of ``--jsonl`` is a finished run, which is not repeated.

Parts are fixed: tiles of ``vhr_buildings`` and ``enmap_potsdam`` as in ``accuracy.py``; chips of ``s2_world``
(L2A) by place, in the folds of ``s2_landcover/world.py``; rows of ``s2_slovenia`` as in
``s2_landcover/sets.py``; of the sample scenes, which are simulated, blocks of ``s2_west`` choose and
``s2_east`` tests. ``hyperspectral`` (a sample scene) and ``salinas_a`` are one scene each, cut into blocks
by ``geodl train``, other ones for each seed.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import accuracy
import cubes
import numpy as np
import rasterio
from rasterio.windows import Window

import georaster_dl as gdl
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import train

sys.path.append(str(Path(__file__).resolve().parent / "s2_landcover"))
SAMPLES = Path(__file__).resolve().parents[1] / "sample_tiles"
PARTS = accuracy.PARTS
Set = tuple[
    dict[str, list[tuple[Path, Path]]], dict[str, Any]
]  # scenes with labels by part, settings

# A set's own settings say what the data are, never how to learn from them.
WORLD_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B11", "B12")


def vhr_buildings(data: Path, _folder: Path) -> Set:
    """Aerial RGB at 0.35 m, by tile."""
    numbers = {
        "train": (966, 967, 970, 973, 1033, 1036),
        "validation": (1039, 1045),
        "test": (995, 996, 997, 998),
    }
    name = "Ortoimagem_MI_2970-1-SO_{}.tif"
    root = data / "vhr_buildings"
    return {
        part: [(root / "images" / name.format(n), root / "masks" / name.format(n)) for n in ns]
        for part, ns in numbers.items()
    }, {}


def enmap_potsdam(data: Path, _folder: Path) -> Set:
    """EnMAP, 218 good bands at 30 m, by the published split."""
    root, tiles = data / "enmap_potsdam", {}
    for part in PARTS:
        with (root / f"{part}_files.csv").open(newline="") as file:
            tiles[part] = [(root / r["image"], root / r["mask"]) for r in csv.DictReader(file)]
    return tiles, {"labels": {"ignore": [0.0]}}


def s2_world(data: Path, _folder: Path) -> Set:
    """Sentinel-2 L2A chips of the world, by place: folds 0 to 3 train, 4 chooses, 5 tests."""
    import world

    root = data / "s2_world"
    tiles: dict[str, list[tuple[Path, Path]]] = {part: [] for part in PARTS}
    for chip in world.chips(data):
        with rasterio.open(root / "chips" / f"{chip.name}.tif") as source:
            fits = set(WORLD_BANDS) <= set(source.descriptions)
        with rasterio.open(root / "labels" / f"{chip.name}.tif") as source:
            labelled = (source.read(1) > 0).any()
        if chip.level == "L2A" and fits and labelled:
            part = PARTS[max(chip.fold - 3, 0)]
            name = f"{chip.name}.tif"
            tiles[part].append((root / "chips" / name, root / "labels" / name))
    return tiles, {"labels": {"ignore": [0.0]}, "scene": {"bands": WORLD_BANDS}}


def s2_slovenia(data: Path, folder: Path) -> Set:
    """Sentinel-2 L1C, 10 m, the three dates without clouds, a land-use map of four classes, by rows."""
    root = data / "s2_slovenia"
    rows = {"train": (0, 36), "validation": (38, 50), "test": (52, 100)}
    tiles = {
        part: [
            (
                cut(root / f"scene_{n}.tif", folder / f"{part}_{n}.tif", *span),
                cut(root / "lulc.tif", folder / f"{part}_labels.tif", *span),
            )
            for n in clear_dates(root)
        ]
        for part, span in rows.items()
    }
    return tiles, {"labels": {"ignore": [0.0]}}


def clear_dates(root: Path) -> list[int]:
    """Numbers of the dates whose median reflectance in blue is that of clear sky."""
    medians = {}
    for number in range(1, 6):
        scene = open_scene(str(root / f"scene_{number}.tif"))
        medians[number] = float(np.median(scene.read().array[1]))
    return sorted(sorted(medians, key=medians.__getitem__)[:3])


def cut(source: Path, target: Path, top: int, bottom: int) -> Path:
    """Copy some rows of a raster, with names, scales and tags of its bands."""
    with rasterio.open(source) as opened:
        window = Window(0, top, opened.width, bottom - top)
        profile = opened.profile | {"height": bottom - top, "tiled": False, "driver": "GTiff"}
        profile |= {"transform": opened.window_transform(window)}
        for key in ("blockxsize", "blockysize"):
            profile.pop(key, None)
        with rasterio.open(target, "w", **profile) as made:
            made.write(opened.read(window=window))
            made.descriptions, made.scales, made.offsets = (
                opened.descriptions,
                opened.scales,
                opened.offsets,
            )
            for band in opened.indexes:
                made.update_tags(band, **opened.tags(band))
    return target


def s2_sample(_data: Path, _folder: Path) -> Set:
    """The simulated Sentinel-2 scenes: blocks of one train and choose, the other tests."""
    west = (SAMPLES / "s2_west.tif", SAMPLES / "s2_west_labels.gpkg")
    return {"train": [west], "test": [(SAMPLES / "s2_east.tif", SAMPLES / "s2_east_truth.tif")]}, {}


def hyperspectral(_data: Path, _folder: Path) -> Set:
    """The simulated hyperspectral scene, by blocks."""
    return {"train": [(SAMPLES / "hyperspectral.img", SAMPLES / "hyperspectral_labels.gpkg")]}, {}


def salinas_a(data: Path, folder: Path) -> Set:
    """AVIRIS, 204 bands at 3.7 m, by blocks."""
    cube, classes = cubes.salinas_a(data / "salinas_a")
    scene = cubes.write(folder / "cube.tif", cube)
    labels = cubes.write(folder / "labels.tif", classes[None], 0)
    return {"train": [(scene, labels)]}, {"labels": {"ignore": [0.0]}}


SETS: dict[str, Callable[[Path, Path], Set]] = {
    each.__name__: each
    for each in (
        vhr_buildings,
        enmap_potsdam,
        s2_world,
        s2_slovenia,
        s2_sample,
        hyperspectral,
        salinas_a,
    )
}
VARIANTS: dict[str, dict[str, Any]] = {
    "as-is": {},
    "before": {
        "training.schedule": "one-cycle",
        "training.average": False,
        "training.epochs": 40,
        "training.patience": 20,
    },
    "averaged": {
        "training.schedule": "one-cycle",
        "training.epochs": 40,
        "training.patience": 20,
    },
}  # others as JSON, such as '{"training.minutes": 12}'


def learnt(name: str, variant: str, seed: int, data: Path, *, tested: bool) -> dict[str, Any]:
    """Train once; with the validation score of each epoch, and where tested the methods compared."""
    begun, used = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        tiles, given = SETS[name](data, folder)
        fixed = "validation" in tiles
        pairs = [
            SceneWithLabels(str(image), labels, part if fixed else None)
            for part, found in tiles.items()
            for image, labels in found
            if part != "test" or (tested and fixed)
        ]
        split = {"kind": "column" if fixed else "blocks"}
        method = {} if tested else {"method": "network"}
        changes = VARIANTS[variant] if variant in VARIANTS else json.loads(variant)
        config = TrainConfig.of({"seed": seed, "split": split, **method, **given}).updated(changes)
        model = folder / "model.safetensors"
        trained = train(pairs, model, config)
        if trained is None:
            raise SystemExit("training went on in several processes; give it one device")
        run: dict[str, Any] = {"set": name, "variant": variant, "seed": seed, "tested": tested}
        run["scores"] = [round(entry["val_score"], 4) for entry in trained.history]
        if tested and trained.comparison is not None:
            run |= trained.comparison.to_dict()
        if tested and "test" in tiles and not fixed:
            run["elsewhere"] = mapped(model, *tiles["test"][0], folder)
    run["seconds"], run["cpu"] = round(time.monotonic() - begun), round(time.process_time() - used)
    return run


def mapped(model: Path, scene: Path, truth: Path, folder: Path) -> float:
    """Mean IoU of the map of another scene, of the method that was kept."""
    out = folder / "map.tif"
    gdl.segment(scene, model, out=out)
    return float(gdl.evaluate(out, truth).confusion.mean_iou)


def line(runs: list[dict[str, Any]]) -> str:
    """Row of the table: a set and a variant over its seeds."""
    first = runs[0]
    cells = [first["set"], first["variant"], str(len(runs))]
    if not first["tested"]:
        best = [max(run["scores"]) for run in runs]
        epochs = ", ".join(str(len(run["scores"])) for run in runs)
        cells += [spread(best), epochs]
    else:
        names = [each["method"] for each in first["methods"]]
        for part in ("validation", "test"):
            of_method = {
                name: [found for run in runs if (found := figure(run, name, part)) is not None]
                for name in names
            }
            cells.append("; ".join(f"{name} {spread(v)}" for name, v in of_method.items() if v))
        cells.append(", ".join(run["kept"] for run in runs))
        cells.append(spread([figure(run, run["kept"], "test") for run in runs]))
    cells.append(", ".join(str(run["cpu"]) for run in runs))
    return "| " + " | ".join(cells) + " |"


def figure(run: dict[str, Any], method: str, part: str) -> float | None:
    """Mean IoU of a method on a part; None where it was not looked at."""
    found: float | None = next(each[part] for each in run["methods"] if each["method"] == method)
    return found


def spread(values: list[Any]) -> str:
    """Mean and standard deviation."""
    sd = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{sd}"


def main() -> None:
    """Run what is not in the file yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("what", choices=["choose", "test"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--variants", nargs="+", default=["as-is"], help="names, or JSON")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--jsonl", type=Path)
    given = parser.parse_args()
    runs: list[dict[str, Any]] = []
    if given.jsonl is not None and given.jsonl.exists():
        runs = [json.loads(each) for each in given.jsonl.read_text().splitlines()]
    tested = given.what == "test"
    keys = [(n, v, s) for s in given.seeds for n in given.sets for v in given.variants]
    done = {(run["set"], run["variant"], run["seed"], run["tested"]) for run in runs}
    for key in keys:
        if (*key, tested) in done:
            continue
        runs.append(learnt(*key, given.data, tested=tested))
        print(json.dumps(runs[-1]), flush=True)
        if given.jsonl is not None:
            with given.jsonl.open("a") as file:
                file.write(json.dumps(runs[-1]) + "\n")
    of_part = [run for run in runs if run["tested"] == tested]
    for name in given.sets:
        for variant in dict.fromkeys(run["variant"] for run in of_part if run["set"] == name):
            print(line([r for r in of_part if (r["set"], r["variant"]) == (name, variant)]))


if __name__ == "__main__":
    main()
