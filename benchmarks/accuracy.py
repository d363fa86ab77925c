"""Accuracy of trained models on real data, beside a simple baseline, over several seeds.

    pip install scikit-learn
    python benchmarks/accuracy.py ../shared/data vhr_buildings
    python benchmarks/accuracy.py ../shared/data enmap_potsdam

Every setting below was fixed before the test tiles were looked at; the best epoch is chosen on the
validation tiles. What is printed is what docs/benchmarks.md holds.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier

from georaster_dl.evaluate.confusion import Confusion
from georaster_dl.train.config import TrainConfig
from georaster_dl.train.fit import train
from georaster_dl.train.pairs import Pair

PARTS = ("train", "validation", "test")


@dataclass
class Task:
    """Images, labels and split of a data set, and how it is trained on."""

    tiles: dict[str, list[tuple[Path, Path]]]  # part -> (image, labels)
    ignore: tuple[float, ...]
    config: dict
    texture: bool


def vhr_buildings(folder: Path) -> Task:
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
        "training": {"epochs": 16, "batch": 8, "learning_rate": 3e-3, "patience": 16},
    }
    return Task(tiles, (), config, texture=True)


def enmap_potsdam(folder: Path) -> Task:
    """EnMAP, 224 bands at 30 m, 32 x 32 tiles, the published split; 0 is unlabelled."""
    tiles = {}
    for part in PARTS:
        with (folder / f"{part}_files.csv").open(newline="") as file:
            tiles[part] = [(folder / r["image"], folder / r["mask"]) for r in csv.DictReader(file)]
    config = {
        "patches": {"size": 32, "sampling": "random", "per_epoch": 160},
        "model": {
            "architecture": "unet",
            "encoder": "tu-resnet18",
            "options": {"encoder_depth": 2, "decoder_channels": [64, 32]},
        },
        "loss": {"names": ["cross-entropy", "dice"], "class_weights": True},
        "augment": {"scale": 0.0, "band_dropout": 0.0, "noise": 0.1},
        "training": {"epochs": 40, "batch": 8, "learning_rate": 2e-3, "patience": 40},
    }
    return Task(tiles, (0.0,), config, texture=False)


TASKS = {"vhr_buildings": vhr_buildings, "enmap_potsdam": enmap_potsdam}


def network(task: Task, seed: int) -> tuple[dict[str, float], float]:
    """Scores of one training run on the test tiles, and its minutes."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = [
            Pair(str(image), labels, part) for part in PARTS for image, labels in task.tiles[part]
        ]
        config = TrainConfig.of(
            {
                **task.config,
                "seed": seed,
                "split": {"kind": "column"},
                "labels": {"ignore": task.ignore},
            }
        )
        trained = train(pairs, Path(folder) / "model.safetensors", config)
    return trained.card.metrics, trained.seconds / 60


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


def forest(task: Task, seed: int, most: int = 200_000) -> dict[str, float]:
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
    features, labels = pixels(task, "test")
    values = np.unique(np.concatenate([labels, model.classes_]))
    predicted = np.concatenate([model.predict(part) for part in np.array_split(features, 20)])
    confusion = Confusion.of(
        np.searchsorted(values, predicted), np.searchsorted(values, labels), tuple(map(str, values))
    )
    scores = {"mIoU, test": confusion.mean_iou, "OA, test": confusion.overall_accuracy}
    return scores | {
        f"IoU {name}, test": float(iou)
        for name, iou in zip(confusion.names, confusion.iou, strict=True)
    }


def table(runs: dict[str, list[dict[str, float]]]) -> str:
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
    parser = argparse.ArgumentParser(description="Accuracy on real data beside a random forest.")
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    task = TASKS[options.task](options.data / options.task)
    runs: dict[str, list[dict[str, float]]] = {"random forest": [], "U-Net": []}
    for seed in options.seeds:
        begun = time.monotonic()
        runs["random forest"].append(forest(task, seed))
        print(
            f"seed {seed}: forest {runs['random forest'][-1]}, {time.monotonic() - begun:.0f} s",
            flush=True,
        )
        scores, minutes = network(task, seed)
        runs["U-Net"].append(scores)
        print(f"seed {seed}: U-Net {scores}, {minutes:.1f} min", flush=True)
    print(f"\n{options.task}, seeds {options.seeds}\n\n{table(runs)}")


if __name__ == "__main__":
    main()
