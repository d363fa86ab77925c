"""Accuracy of trained models on real data, beside simple baselines, over several seeds.

    pip install scikit-learn
    python benchmarks/accuracy.py ../shared/data vhr_buildings
    python benchmarks/accuracy.py ../shared/data enmap_potsdam --seeds 0 1 2 3 4
    python benchmarks/accuracy.py ../shared/data salinas_a --seeds 0 1 2 3 4

Every setting below was fixed before the test ground was looked at; the best epoch is chosen on the
validation ground. What is printed is what docs/benchmarks.md holds. ``--models`` runs some of the columns.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cubes
import numpy as np
import rasterio
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier

from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.pixels.learn.classifier import Method, Pixels, fit_pipeline
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import train

PARTS = ("train", "validation", "test")
# How ``geodl train`` learnt when the figures of docs/benchmarks.md were made; today's defaults: defaults.py.
ONE_CYCLE = {"schedule": "one-cycle", "average": False}
# Networks of spectra, the same for both cubes. Of labelled pixels only the brightness is varied much:
# stronger variation, class weights and more epochs were worse on folds of the training and validation
# tiles of enmap_potsdam.
AUGMENT = {"gain": 0.1, "band_gain": 0.0, "haze": 0.0, "offset": 0.0, "noise": 0.02, "scale": 0.0}
PIXELS = {
    "patches": {"size": 1, "sampling": "random", "per_epoch": 3840},
    "augment": AUGMENT,
    "training": {"epochs": 30, "batch": 64, "learning_rate": 3e-3, "patience": 30, **ONE_CYCLE},
}
SURROUNDED = {
    "patches": {"sampling": "random", "per_epoch": 960},
    "augment": AUGMENT,
    "training": {"epochs": 20, "batch": 64, "learning_rate": 1e-3, "patience": 20, **ONE_CYCLE},
}
SPECTRAL = {
    "cnn1d": PIXELS | {"model": {"architecture": "cnn1d"}},
    "spectratr": PIXELS
    | {"model": {"architecture": "spectratr"}}
    | {"training": PIXELS["training"] | {"learning_rate": 1e-3}},
    "ssftt": SURROUNDED | {"model": {"architecture": "ssftt"}},
}
Scores = dict[str, float]
Runs = dict[str, Callable[[int], Scores]]  # by the name of the model; of a seed


@dataclass
class Task:
    """Images, labels and split of a data set."""

    tiles: dict[str, list[tuple[Path, Path]]]  # part -> (image, labels)
    ignore: tuple[float, ...] = ()
    texture: bool = False


def vhr_buildings(folder: Path) -> Runs:
    """Aerial RGB at 0.35 m. The test tiles are the four that lie together, apart from the others."""
    numbers = {
        "train": (966, 967, 970, 973, 1033, 1036),
        "validation": (1039, 1045),
        "test": (995, 996, 997, 998),
    }
    name = "Ortoimagem_MI_2970-1-SO_{}.tif"
    tiles = {
        part: [(folder / "images" / name.format(n), folder / "masks" / name.format(n)) for n in ns]
        for part, ns in numbers.items()
    }
    config = {
        "patches": {"size": 256, "sampling": "random", "per_epoch": 96},
        "model": {
            "architecture": "unet",
            "encoder": "tu-resnet18",
            "options": {"encoder_depth": 4, "decoder_channels": [128, 64, 32, 16]},
        },
        "loss": {"names": ["cross-entropy", "dice"], "class_weights": False},
        "augment": {"gain": 0.15, "band_gain": 0.05, "scale": 0.3},
        "training": {"epochs": 16, "batch": 8, "learning_rate": 3e-3, "patience": 16, **ONE_CYCLE},
    }
    task = Task(tiles, texture=True)
    return {"rf": partial(forest, task), "unet": partial(network, task, config)}


def enmap_potsdam(folder: Path) -> Runs:
    """EnMAP, 224 bands at 30 m, 32 x 32 tiles, the published split; 0 is unlabelled."""
    tiles = {}
    for part in PARTS:
        with (folder / f"{part}_files.csv").open(newline="") as file:
            tiles[part] = [(folder / r["image"], folder / r["mask"]) for r in csv.DictReader(file)]
    unet = {
        "patches": {"size": 32, "sampling": "random", "per_epoch": 160},
        "model": {
            "architecture": "unet",
            "encoder": "tu-resnet18",
            "options": {"encoder_depth": 2, "decoder_channels": [64, 32]},
        },
        "loss": {"names": ["cross-entropy", "dice"], "class_weights": True},
        "augment": {"scale": 0.0, "band_dropout": 0.0, "noise": 0.1},
        "training": {"epochs": 40, "batch": 8, "learning_rate": 2e-3, "patience": 40, **ONE_CYCLE},
    }
    task = Task(tiles, ignore=(0.0,))
    runs: Runs = {"rf": partial(forest, task), "svm": partial(machine, task)}
    runs["unet"] = partial(network, task, unet)
    return runs | {name: partial(network, task, config) for name, config in SPECTRAL.items()}


def salinas_a(folder: Path) -> Runs:
    """AVIRIS, 204 bands at 3.7 m, on blocks of one scene; another split for each seed."""
    methods: tuple[Method, ...] = ("rf", "svm")
    runs: Runs = {name: partial(on_blocks, folder, name, None) for name in methods}
    return runs | {name: partial(on_blocks, folder, name, SPECTRAL[name]) for name in SPECTRAL}


TASKS = {
    "vhr_buildings": vhr_buildings,
    "enmap_potsdam": enmap_potsdam,
    "salinas_a": salinas_a,
}


def network(task: Task, config: dict, seed: int) -> Scores:
    """Scores of one training run on the test tiles."""
    pairs = [
        SceneWithLabels(str(image), labels, part)
        for part in PARTS
        for image, labels in task.tiles[part]
    ]
    given = {"seed": seed, "split": {"kind": "column"}, "labels": {"ignore": task.ignore}}
    return trained(pairs, config | given)


def trained(pairs: Sequence[SceneWithLabels], config: dict) -> Scores:
    """Test scores of a training run."""
    with tempfile.TemporaryDirectory() as folder:
        made = train(pairs, Path(folder) / "model.safetensors", TrainConfig.of(config))
    return {key: value for key, value in made.card.metrics.items() if key.endswith(", test")}


def on_blocks(folder: Path, name: str, config: dict | None, seed: int) -> Scores:
    """Scores on the test blocks of Salinas-A, of a network or, without settings, a classifier."""
    cube, classes = cubes.salinas_a(folder)
    with tempfile.TemporaryDirectory() as made:
        scene = cubes.write(Path(made) / "cube.tif", cube)
        labels = cubes.write(Path(made) / "labels.tif", classes[None], 0)
        if config is None:
            return scores(cubes.classified(scene, labels, name, seed))
        return trained([SceneWithLabels(str(scene), labels)], config | cubes.of_blocks(seed))


def pixels(task: Task, part: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, features) and (n,) labels of every labelled, valid pixel of a part."""
    features, labels = [], []
    for image, mask in task.tiles[part]:
        with rasterio.open(image) as source:
            good = [i for i in source.indexes if source.tags(i).get("bbl", "1") == "1"]
            numbers = source.read(good).astype(np.float32)
            valid = (source.read_masks(good) > 0).all(axis=0)
        with rasterio.open(mask) as source:
            classes = source.read(1)
        valid &= np.isfinite(numbers).all(axis=0) & ~np.isin(classes, task.ignore)
        planes = texture(numbers) if task.texture else numbers
        features.append(planes[:, valid].T)
        labels.append(classes[valid].astype(int))
    return np.concatenate(features), np.concatenate(labels)


def texture(image: np.ndarray) -> np.ndarray:
    """Colour, brightness relations, and mean, spread and edges in windows of 5 to 31 pixels."""
    total = image.sum(axis=0) + 1
    planes = [*image, *(image / total), image.max(axis=0) - image.min(axis=0)]
    grey = image.mean(axis=0)
    edges = ndimage.gaussian_gradient_magnitude(grey, 1.5)
    for side in (5, 15, 31):
        mean = ndimage.uniform_filter(grey, side)
        planes += [mean, np.sqrt(np.maximum(ndimage.uniform_filter(grey**2, side) - mean**2, 0))]
        planes += [ndimage.uniform_filter(edges, side)]
        planes += [ndimage.uniform_filter(band / total, side) for band in image]
    return np.stack(planes).astype(np.float32)


def forest(task: Task, seed: int, most: int = 200_000) -> Scores:
    """Scores of a random forest on the same training and test pixels."""
    features, labels = pixels(task, "train")
    chosen = np.random.default_rng(seed).permutation(len(labels))[:most]
    model = RandomForestClassifier(
        300,
        n_jobs=-1,
        random_state=seed,
        min_samples_leaf=2,
        max_samples=min(1.0, 50_000 / len(chosen)),
    )
    model.fit(features[chosen], labels[chosen])
    return tested(task, model)


def machine(task: Task, seed: int) -> Scores:
    """Scores of the support vector machine of ``geodl classify``; validation tiles choose its settings."""
    drawn = [Pixels(*pixels(task, part)) for part in PARTS[:2]]
    names = tuple(map(str, range(max(part.classes.max() for part in drawn) + 1)))
    return tested(task, fit_pipeline("svm", *drawn, names, seed)[0])


def tested(task: Task, model: object) -> Scores:
    """Scores of a classifier of pixels on the test tiles."""
    features, labels = pixels(task, "test")
    values = np.unique(np.concatenate([labels, model.classes_]))
    predicted = np.concatenate([model.predict(part) for part in np.array_split(features, 20)])
    return scores(
        Confusion.of(
            np.searchsorted(values, predicted),
            np.searchsorted(values, labels),
            tuple(map(str, values)),
        )
    )


def scores(confusion: Confusion) -> Scores:
    """Scores by the names that a card has for them."""
    found = {"mIoU, test": confusion.mean_iou, "OA, test": confusion.overall_accuracy}
    return found | {
        f"IoU {name}, test": float(iou)
        for name, iou in zip(confusion.names, confusion.iou, strict=True)
    }


def table(runs: dict[str, list[Scores]]) -> str:
    """Mean and standard deviation of every score, as a table."""
    keys = list(dict.fromkeys(key for scores in runs.values() for run in scores for key in run))
    lines = ["| | " + " | ".join(runs) + " |", "|---|" + "---|" * len(runs)]
    for key in keys:
        cells = []
        for scores in runs.values():
            values = [run[key] for run in scores if np.isfinite(run.get(key, np.nan))]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{spread}" if values else "")
        lines.append(f"| {key.removesuffix(', test')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train with every seed and print the table."""
    parser = argparse.ArgumentParser(description="Accuracy on real data beside simple baselines.")
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", help="all by default")
    options = parser.parse_args()
    known = TASKS[options.task](options.data / options.task)
    chosen = options.models or list(known)
    if unknown := set(chosen) - set(known):
        parser.error(f"{options.task} has no model {', '.join(unknown)}; it has {', '.join(known)}")
    runs: dict[str, list[Scores]] = {name: [] for name in chosen}
    for seed in options.seeds:
        for name, found in runs.items():
            begun = time.monotonic()
            found.append(known[name](seed))
            print(f"seed {seed}: {name} {found[-1]}, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"\n{options.task}, seeds {options.seeds}\n\n{table(runs)}")


if __name__ == "__main__":
    main()
