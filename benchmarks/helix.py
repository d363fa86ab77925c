"""Helix4D beside a random forest of range-image features: a simulated street, a real rotation of an OS1, latency.

    python benchmarks/helix.py DATA street --work FOLDER --minutes 60 --jsonl street.jsonl
    python benchmarks/helix.py DATA os1 --minutes 20
    python benchmarks/helix.py DATA latency --work FOLDER

``street``: drives of sample_tiles/street.py (made in FOLDER where they are missing): three rotations each of streets 0 to 3 and 10 to 41
train, 8 of street 4 validate, 12 each of streets 100 and 101 test. Street numbers are seeds, so no street is in two parts. The training's
state is FOLDER/helix.pt, with which an interrupted one goes on.

``os1``: the rotation of ``lidar_rotating``: firings 0 to 1179 train (of which 1000 to 1179 validate a network), 1220 to 2009 test, classes
grass, tree, bush, concrete. Forests have the seeds 0 to 2, with features that were fixed beforehand.

``latency``: seconds of one CPU core for each slice and each whole turn, of the street and of a Velodyne HDL-64's rotations (``kitti_00``),
beside those of their acquisition;
``cpu_ms`` is without the time that other processes had the core.

The forest's eight features of a point are range, height, intensity, and of the range image the standard deviations of range and
height in 3 x 5 pixels, the differences of height to the laser below and above, and the difference of range to the next firing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier

from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.lidar.sequences.learning import Learning, judge
from georaster_dl.lidar.sequences.options import SequenceTraining
from georaster_dl.lidar.sequences.parts import Run
from georaster_dl.lidar.sequences.readers import open_sequence
from georaster_dl.lidar.sequences.segmenter import Segmenter
from georaster_dl.models.zoo.lidar.grid import CylinderGrid
from georaster_dl.models.zoo.lidar.helix4d import Helix4D
from georaster_dl.training.loop.losses import build_loss

ROOT = Path(__file__).parents[1]
TRAIN, VALIDATION, TEST = (*range(10, 42), 0, 1, 2, 3), 4, (100, 101)
TURNS = {"train": 3, "validation": 8, "test": 12}
NAMES = {
    1: "road",
    2: "other surface",
    3: "building",
    4: "vegetation",
    5: "sign",
    6: "static vehicle",
}
NAMES |= {7: "moving vehicle", 8: "pedestrian"}
CLASSES = {3: "grass", 4: "tree", 19: "bush", 23: "concrete"}
TAUGHT = 5_000  # points of a class that teach a forest


def streets(folder):
    sys.path.insert(0, str(ROOT / "sample_tiles"))
    from street import simulate_street

    for seed in (*TRAIN, VALIDATION, *TEST):
        path = folder / f"street_{seed}"
        if not (path / "poses.txt").exists():
            part = "test" if seed in TEST else "train" if seed in TRAIN else "validation"
            simulate_street(path, rotations=TURNS[part], seed=seed)
    return {seed: open_sequence(folder / f"street_{seed}") for seed in (*TRAIN, VALIDATION, *TEST)}


def features(rotation):
    """Compute eight features (n, 8) of the points of a rotation, whose files have all lasers of each firing."""
    lasers = int(rotation.fiber.max()) + 1
    firing = rotation.index // lasers
    shape = lasers, int(firing.max()) + 1
    reach = np.linalg.norm(rotation.xyz, axis=1)
    image = {name: np.full(shape, np.nan) for name in ("range", "height")}
    # Lasers in the order of their elevation.
    mean = np.bincount(rotation.fiber, rotation.xyz[:, 2] / reach, lasers)
    mean /= np.maximum(np.bincount(rotation.fiber, minlength=lasers), 1)
    row = np.argsort(np.argsort(-mean))[rotation.fiber]
    image["range"][row, firing], image["height"][row, firing] = reach, rotation.xyz[:, 2]
    there = np.isfinite(image["range"])
    own = [reach, rotation.xyz[:, 2], rotation.intensity]
    for values in image.values():
        filled = np.where(there, values, 0)
        share = np.maximum(uniform_filter(there.astype(float), (3, 5)), 1e-9)
        first, second = (uniform_filter(filled**power, (3, 5)) / share for power in (1, 2))
        own.append(np.sqrt(np.maximum(second - first**2, 0))[row, firing])
    height, ranges = image["height"], image["range"]
    own += [(height - np.roll(height, step, axis=0))[row, firing] for step in (-1, 1)]
    own.append((ranges - np.roll(ranges, 1, axis=1))[row, firing])
    return np.nan_to_num(np.stack(own, axis=1), nan=-99.0).astype(np.float32)


def forest(values, labels, seed):
    """Fit a forest to at most so many points of each class."""
    random = np.random.default_rng(seed)
    chosen = [random.permutation(np.flatnonzero(labels == c))[:TAUGHT] for c in np.unique(labels)]
    chosen = np.concatenate(chosen)
    model = RandomForestClassifier(100, min_samples_leaf=3, random_state=seed)
    return model.fit(values[chosen], labels[chosen])


def compared(pairs, names):
    """Score pairs of found and true labels (n,); of the true ones those that have a name count."""
    place = np.full(1 << 16, -1)
    place[list(names)] = np.arange(len(names))
    counts = Confusion.empty(tuple(names.values()))
    for found, true in pairs:
        counts += Confusion.of(place[found], place[true], counts.names)
    iou = dict(zip(counts.names, np.round(counts.iou, 3).tolist(), strict=True))
    return {"oa": round(counts.overall_accuracy, 4), "miou": round(counts.mean_iou, 4), "iou": iou}


def street_forests(of):
    """Prepare the features of the streets, and give what a forest of a seed scores."""
    taught = [(features(of[n][turn]), of[n][turn].label) for n in TRAIN for turn in (0, 2)]
    values, labels = (np.concatenate(part) for part in zip(*taught, strict=True))
    tests = [(features(r), r.label) for n in TEST for r in of[n]]

    def score(seed):
        model = forest(values, labels, seed)
        return compared(((model.predict(own), true) for own, true in tests), NAMES)

    return score


def os1_forest(seed, rotation):
    values, firing = features(rotation), rotation.index // 64
    known = np.isin(rotation.label, list(CLASSES))
    teach, test = known & (firing < 1180), known & (firing >= 1220) & (firing < 2010)
    model = forest(values[teach], rotation.label[teach], seed)
    return compared([(model.predict(values[test]), rotation.label[test])], CLASSES)


def train_on_streets(folder, of, minutes):
    """Train a network, or go on where a training was interrupted; the one of the best validation."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = SequenceTraining(minutes=minutes, epochs=1000, patience=60)
    network = Helix4D(len(NAMES), CylinderGrid(**settings.network_options))
    loss = build_loss(["cross-entropy", "lovasz"], [1, 1], class_weights=None)
    planes, names = np.arange(len(NAMES) + 1), tuple(NAMES.values())
    learning = Learning(network, planes, names, settings, loss)
    state = folder / "helix.pt"
    if state.exists():
        learning.restore(torch.load(state, weights_only=True))
    learning.run(
        tuple(Run(of[n], 0, TURNS["train"]) for n in TRAIN),
        (Run(of[VALIDATION], 0, TURNS["validation"]),),
        lambda event: print(event, flush=True),
        lambda: torch.save(learning.state(), state),
    )
    network.load_state_dict(learning.best[0])
    return network.eval()


def street_network(network, slices, of):
    """Score slices, or whole turns with 1, of the streets that no training saw."""
    found = []
    for street in TEST:
        segmenter, period = Segmenter(network, slices, "cpu"), of[street].period_s
        found += [(segmenter.rotation(turn, period).planes, turn.label) for turn in of[street]]
    return compared(found, NAMES)


def os1_network(seed, rotation, minutes):
    """Train on firings 0 to 979, choose the epoch by 1000 to 1179, and test once.

    The grid ends where 95 % of the training's ranges do, and 98 % of its heights.
    """
    firing = rotation.index // 64
    train, validation, test = (
        Turns([part_of(rotation, (firing >= low) & (firing < high))])
        for low, high in ((0, 980), (1000, 1180), (1220, 2010))
    )
    (taught,) = train.rotations
    low, high = np.percentile(taught.xyz[:, 2], [1, 99])
    settings = SequenceTraining(
        minutes=minutes,
        epochs=10_000,
        patience=1000,
        seed=seed,
        r_max=float(np.percentile(np.hypot(*taught.xyz[:, :2].T), 95)),
        z_low=float(low),
        z_high=float(high),
    )
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    network = Helix4D(len(CLASSES), CylinderGrid(**settings.network_options))
    planes = np.zeros(64, np.int64)
    planes[list(CLASSES)] = np.arange(1, len(CLASSES) + 1)
    names = tuple(CLASSES.values())
    loss = build_loss(["cross-entropy", "lovasz"], [1, 1], class_weights=None)
    learning = Learning(network, planes, names, settings, loss)
    one = (Run(train, 0, 1),) * 10  # ten windows of each slice in an epoch
    learning.run(one, (Run(validation, 0, 1),), lambda _event: None, lambda: None)
    network.load_state_dict(learning.best[0])
    counts = judge(network, (Run(test, 0, 1),), planes, names, settings.slices)
    iou = dict(zip(names, np.round(counts.iou, 3).tolist(), strict=True))
    return {
        "oa": round(counts.overall_accuracy, 4),
        "miou": round(counts.mean_iou, 4),
        "iou": iou,
        "epochs": len(learning.history),
        "validation": round(learning.best[1], 4),
    }


def part_of(rotation, mine):
    per_point = ("xyz", "intensity", "seconds", "fiber", "label", "index")
    return replace(rotation, **{name: getattr(rotation, name)[mine] for name in per_point})


class Turns:
    """Rotations in memory."""

    period_s = 0.1

    def __init__(self, rotations):
        self.rotations = rotations

    def __len__(self):
        return len(self.rotations)

    def __getitem__(self, number):
        return self.rotations[number]


def latency(network, sequence, slices):
    """Time each slice of a sequence but of the first two turns, whose memory is short."""
    segmenter = Segmenter(network, slices, "cpu")
    seconds, points, busy = [], [], []
    for number, rotation in enumerate(sequence):
        begun = time.process_time()
        found = segmenter.rotation(rotation, sequence.period_s)
        if number > 1 or len(sequence) <= 3:
            seconds += found.inference_s
            points.append(len(rotation))
            busy.append((time.process_time() - begun) / slices)
    return {
        "points": round(float(np.mean(points))),
        "acquisition_ms": round(1000 * sequence.period_s / slices, 1),
        "median_ms": round(1000 * float(np.median(seconds)), 1),
        "p95_ms": round(1000 * float(np.percentile(seconds, 95)), 1),
        "cpu_ms": round(1000 * float(np.mean(busy)), 1),
    }


class Rows:
    """Figures by name, kept in a file of JSON lines; those that it holds already are not computed again."""

    def __init__(self, path, only):
        self._path, self._only, self._have = path, only, {}
        if path is not None and path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                self._have[row["row"]] = row

    def add(self, name, compute):
        """Print a row, computed where it is missing."""
        if not name.startswith(self._only):
            return
        if name not in self._have:
            begun = time.perf_counter()
            row = {"row": name, **compute(), "seconds": round(time.perf_counter() - begun, 1)}
            self._have[name] = row
            if self._path is not None:
                with self._path.open("a") as file:
                    file.write(json.dumps(row) + "\n")
        print(json.dumps(self._have[name]), flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("what", choices=["street", "os1", "latency"])
    parser.add_argument("--work", type=Path, help="folder of the streets")
    parser.add_argument("--minutes", type=float, default=60, help="of a training")
    parser.add_argument("--only", help="begin of the names of the rows that are wanted")
    parser.add_argument("--jsonl", type=Path)
    given = parser.parse_args()
    rows = Rows(given.jsonl, given.only or "")
    {"street": street_rows, "os1": os1_rows, "latency": latency_rows}[given.what](given, rows)


def street_rows(given, rows):
    of = streets(given.work)
    score = cache(lambda: street_forests(of))
    for seed in range(3):
        rows.add(f"forest, seed {seed}", lambda seed=seed: score()(seed))
    network = cache(lambda: train_on_streets(given.work, of, given.minutes))
    for slices in (5, 1):
        name = "slices of a fifth" if slices > 1 else "whole turns"
        rows.add(f"helix4d, {name}", lambda slices=slices: street_network(network(), slices, of))


def os1_rows(given, rows):
    rotation = open_sequence(given.data / "lidar_rotating/000104.bin")[0]
    for seed in range(3):
        rows.add(f"forest, seed {seed}", lambda seed=seed: os1_forest(seed, rotation))
    for seed in range(3):
        rows.add(
            f"helix4d, seed {seed}", lambda seed=seed: os1_network(seed, rotation, given.minutes)
        )


def latency_rows(given, rows):
    of = streets(given.work)
    network = cache(lambda: train_on_streets(given.work, of, given.minutes))
    for name in ("street_100", "kitti_00"):
        folder = given.work if name.startswith("street") else given.data / "lidar_rotating"
        for slices in (5, 1):
            row = f"{name}, {slices} a turn"
            rows.add(
                row,
                lambda name=name, folder=folder, slices=slices: latency(
                    network(), open_sequence(folder / name), slices
                ),
            )


if __name__ == "__main__":
    main()
