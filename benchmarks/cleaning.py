"""Measure what cleaning does to the accuracy of maps, and what it costs.

    python benchmarks/cleaning.py accuracy DATA
    python benchmarks/cleaning.py cost

``accuracy``: a random forest of single pixels maps ground that it has not seen: the rows from 51 of the five scenes of
``s2_slovenia`` (trained on rows 0 to 49, each scene by itself). Each map is cleaned with settings that were fixed beforehand, and
scored where labels are. Forests have the seeds 0 to 4.

``cost``: seconds of a CPU that each step takes on a map of 4000 x 4000 pixels of five classes.
"""

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score

from georaster_dl.cleaning.options import CleaningOptions
from georaster_dl.cleaning.steps import Probabilities, clean_pixels
from georaster_dl.core.legend import Legend, MapClass

STEPS = {
    "as it is": CleaningOptions(),
    "--majority 3": CleaningOptions(majority=3),
    "--majority 5": CleaningOptions(majority=5),
    "--sieve 4px": CleaningOptions(sieve="4px"),
    "--sieve 9px": CleaningOptions(sieve="9px"),
    "--smooth": CleaningOptions(smooth=True),
    "--smooth --smooth-window 5": CleaningOptions(smooth=True, smooth_window=5),
    "--smooth --sieve 9px": CleaningOptions(smooth=True, sieve="9px"),
}


def slovenia(data):
    with rasterio.open(data / "s2_slovenia/lulc.tif") as dataset:
        labels = dataset.read(1)
    for n in range(1, 6):
        with rasterio.open(data / f"s2_slovenia/scene_{n}.tif") as dataset:
            values = dataset.read().astype(np.float32)
        yield f"scene {n}", [(values[:, :50], labels[:50])], [(values[:, 51:], labels[51:])]


def legend_of(values):
    return Legend(tuple(MapClass(int(v), str(v), (int(v), 0, 0)) for v in values))


def cleaned(drawn, valid, legend, options):
    values = np.array(legend.values, legend.dtype)
    pixels = np.where(valid, values[drawn.argmax(axis=0)], legend.nodata).astype(legend.dtype)
    known = np.where(valid, drawn, np.nan)
    planes = Probabilities(legend.names, lambda rows, cols: known[:, rows, cols], 1e-4)
    geobox = GeoBox(pixels.shape, rasterio.Affine(10, 0, 0, 0, -10, 0), "EPSG:32633")
    clean_pixels(pixels, legend, geobox, options, planes)
    return pixels


def accuracy(data):
    scores = defaultdict(list)
    for _part, train, test in slovenia(data):
        x = np.concatenate([values[:, labels > 0].T for values, labels in train])
        y = np.concatenate([labels[labels > 0] for _values, labels in train])
        for seed in range(5):
            forest = RandomForestClassifier(200, random_state=seed).fit(x, y)
            legend = legend_of(forest.classes_)
            maps = defaultdict(list)
            for values, _labels in test:
                valid = values.min(axis=0) > 0
                flat = forest.predict_proba(values.reshape(len(values), -1).T)
                drawn = flat.T.reshape(-1, *valid.shape)
                for step, options in STEPS.items():
                    maps[step].append(cleaned(drawn, valid, legend, options))
            truth = np.concatenate([labels[labels > 0] for _values, labels in test])
            for step, made in maps.items():
                pairs = zip(made, test, strict=True)
                found = np.concatenate([m[labels > 0] for m, (_v, labels) in pairs])
                macro = f1_score(truth, found, average="macro", labels=np.unique(truth))
                scores[step].append((accuracy_score(truth, found), macro))
    print("overall accuracy and macro F1: mean, standard deviation of runs, difference")
    first = np.array(scores["as it is"])
    for step, runs in scores.items():
        pairs = np.array(runs)
        mean, spread, gain = pairs.mean(0), pairs.std(0), (pairs - first).mean(0)
        print(
            f"{step:28} {mean[0]:.3f} ({spread[0]:.3f}) {gain[0]:+.3f}   {mean[1]:.3f} ({spread[1]:.3f}) {gain[1]:+.3f}"
        )


def cost():
    rng = np.random.default_rng(0)
    side = 4000
    fields = [gaussian_filter(rng.normal(size=(side, side)).astype("f4"), 2) for _ in range(5)]
    scores = np.exp(40 * np.stack(fields))
    drawn = (scores / scores.sum(axis=0)).astype("f4")
    del scores, fields
    legend = legend_of(range(5))
    pixels = drawn.argmax(axis=0).astype("u1")
    geobox = GeoBox(pixels.shape, rasterio.Affine(10, 0, 0, 0, -10, 0), "EPSG:32633")
    planes = Probabilities(legend.names, lambda rows, cols: drawn[:, rows, cols], 1e-4)
    for step in ("--majority 3", "--sieve 9px", "--smooth"):
        used = time.process_time()
        gone = clean_pixels(pixels.copy(), legend, geobox, STEPS[step], planes)
        print(f"{step:14} {time.process_time() - used:.1f} s of a CPU, {gone:,} areas", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["accuracy", "cost"])
    parser.add_argument("data", type=Path, nargs="?")
    asked = parser.parse_args()
    if asked.what == "cost":
        cost()
    elif asked.data is None:
        sys.exit("name the folder of the data")
    else:
        accuracy(asked.data)


if __name__ == "__main__":
    main()
