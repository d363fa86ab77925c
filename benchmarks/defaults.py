"""Accuracy of ``geodl train`` without settings on several sets, and of variants of its settings.

    pip install scikit-learn scipy
    python benchmarks/defaults.py ../shared/data choose --seeds 0 1 --variants as-is average --jsonl runs.jsonl
    python benchmarks/defaults.py ../shared/data test --seeds 0 1 2 3 4 --jsonl runs.jsonl

``choose`` trains on the training part and prints the best score of the validation part: the scenes of the
test part are not opened. ``test`` prints the figures of the test part, beside those of random forests on
the same training pixels. A line of ``--jsonl`` is a finished run, which is not repeated.

Parts are fixed: tiles of ``vhr_buildings`` and ``enmap_potsdam`` as in ``accuracy.py``; chips of ``s2_world``
(L2A) by place, in the folds of ``s2_landcover/world.py``; rows of ``s2_slovenia`` and ``s2_ireland`` as in
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
    "ema": {
        "training.schedule": "one-cycle",
        "training.average": True,
        "training.epochs": 40,
        "training.patience": 20,
    },
}


def learnt(name: str, variant: str, seed: int, data: Path, *, tested: bool) -> dict[str, Any]:
    """Train once; with the scores of the epochs on the validation part and, where tested, the card's."""
    begun, cpu = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        tiles, own = SETS[name](data, folder)
        pairs = [
            SceneWithLabels(str(image), labels, part if "validation" in tiles else None)
            for part, found in tiles.items()
            for image, labels in found
            if part != "test" or (tested and "validation" in tiles)
        ]
        given: dict[str, Any] = {"seed": seed, **own}
        given["split"] = {"kind": "column" if "validation" in tiles else "blocks"}
        config = TrainConfig.of(given).updated(
            VARIANTS[variant] if variant in VARIANTS else json.loads(variant)
        )
        trained = train(pairs, folder / "model.safetensors", config)
        if trained is None:
            raise SystemExit("one process was expected")
        found = {
            "set": name,
            "variant": variant,
            "seed": seed,
            "tested": tested,
            "scores": [round(entry["val_score"], 4) for entry in trained.history],
            "notes": trained.card.training.model_dump()
            if hasattr(trained.card, "training") and hasattr(trained.card.training, "model_dump")
            else None,
            "seconds": round(time.monotonic() - begun),
            "cpu": round(time.process_time() - cpu),
        }
        if tested:
            found["metrics"] = dict(trained.card.metrics)
    return found


def main() -> None:
    """Run what is not in the file yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("what", choices=["choose", "test"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument(
        "--variants", nargs="+", default=["as-is"], help="names, or settings as JSON"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--jsonl", type=Path)
    given = parser.parse_args()
    known = (
        [json.loads(line) for line in given.jsonl.read_text().splitlines()]
        if given.jsonl and given.jsonl.exists()
        else []
    )
    tested = given.what == "test"
    for seed in given.seeds:
        for name in given.sets:
            for variant in given.variants:
                key = [name, variant, seed, tested]
                if any([k["set"], k["variant"], k["seed"], k["tested"]] == key for k in known):
                    continue
                found = learnt(name, variant, seed, given.data, tested=tested)
                known.append(found)
                if given.jsonl:
                    with given.jsonl.open("a") as file:
                        file.write(json.dumps(found) + "\n")
                print(
                    name,
                    variant,
                    seed,
                    max(found["scores"]),
                    len(found["scores"]),
                    "epochs",
                    int(np.argmax(found["scores"])) + 1,
                    f"{found['seconds']} s, cpu {found['cpu']}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
