"""U-TAE on patches beside a random forest on the same pixels: three small places, each tested in turn.

    python benchmarks/patches.py ../shared/data --seeds 3 --jsonl patches.jsonl

The places are the Belgian patches of s2_worldcereal, of 32 x 32 pixels of 20 m and six bands, with their land cover (LC;
99 and 0 are left out). Two of them teach, cut into four pieces each, of which one chooses the epoch; the third tests. Dates
are those from February to October with at least half of the pixels clear, the 16 clearest at most. The forest learns from
all pieces of the two. ``--jsonl`` keeps the figures, and leaves out what it holds already.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
import torch
import xarray
from affine import Affine

from georaster_dl.core.scene_options import LabelOptions, SceneOptions, StackOptions
from georaster_dl.io.stacks.open import open_stack
from georaster_dl.spectra.scoring.scores import ClassScores
from georaster_dl.timeseries.learning.fit import fit_series
from georaster_dl.timeseries.learning.forest import SeriesForest
from georaster_dl.timeseries.learning.options import SeriesTrainOptions
from georaster_dl.timeseries.learning.split import SampleFold
from georaster_dl.timeseries.patches.samples import PatchOptions, samples_of_patches
from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples, number_classes

PLACES = {"00002806639B424A": 2018, "0000280849BAC91C": 2019, "000028085BF08E7E": 2019}
NAMES = {"11": "annual crop", "13": "grass", "60": "bare"}
SEASON_START = "01-01"
MOST_DATES, FEWEST_CLEAR = 16, 0.5


def land_cover(path: Path, out: Path) -> Path:
    """Write the land cover of a cube of labels as a GeoTIFF."""
    cube = xarray.open_dataset(path, mask_and_scale=False)
    x, y = cube.x.to_numpy(), cube.y.to_numpy()
    step = x[1] - x[0]
    place = Affine(step, 0, x[0] - step / 2, 0, y[1] - y[0], y[0] - (y[1] - y[0]) / 2)
    with rasterio.open(
        out, "w", driver="GTiff", height=len(y), width=len(x), count=1, dtype="uint16",
        crs="EPSG:32631", transform=place,
    ) as raster:  # fmt: skip
        raster.write(cube.LC.to_numpy(), 1)
    return out


def place(data: Path, name: str, side: int) -> SeriesSamples:
    """Pieces of one place, with the dates that are clear enough."""
    folder, year = data / "s2_worldcereal" / name, PLACES[name]
    stack = open_stack(
        next(folder.glob("S2_L2A_20m_*.nc")), StackOptions(reading=SceneOptions(mask="SCL"))
    ).between(date(year, 2, 1), date(year, 10, 31))
    with tempfile.TemporaryDirectory() as scratch:
        labels = land_cover(next(folder.glob("OUTPUT_POLY-110_*.nc")), Path(scratch) / "LC.tif")
        samples = samples_of_patches(
            stack, labels, PatchOptions(LabelOptions(ignore=(0, 99)), side=side)
        )
    (sensor,) = samples.sensors
    clear = sensor.valid.mean(axis=(0, 2, 3))
    kept = np.sort(np.argsort(-clear, kind="stable")[:MOST_DATES])
    kept = kept[clear[kept] >= FEWEST_CLEAR]
    cut = replace(sensor, values=sensor.values[:, kept], dates=sensor.dates[:, kept])
    return replace(samples, sensors=(cut,), groups=samples.groups.assign(place=name))


def joined(parts: Sequence[SeriesSamples]) -> SeriesSamples:
    """Patches of several places as one set, with dates of their own and the classes of all."""
    most = max(part.sensors[0].values.shape[1] for part in parts)
    names = sorted({name for part in parts for name in part.legend.names})
    values, dates, labels = [], [], []
    for part in parts:
        (sensor,) = part.sensors
        missing = most - sensor.values.shape[1]
        values.append(
            np.pad(
                sensor.values,
                ((0, 0), (0, missing), (0, 0), (0, 0), (0, 0)),
                constant_values=np.nan,
            )
        )
        dates.append(
            np.pad(sensor.dates, ((0, 0), (0, missing)), constant_values=np.datetime64("NaT", "D"))
        )
        index = np.array([names.index(name) for name in part.legend.names] + [-1])
        labels.append(index[part.labels])
    _, legend = number_classes([NAMES[name] for name in names])
    together = SensorSamples(
        sensor.name, sensor.bands, np.concatenate(values), np.concatenate(dates)
    )
    groups = pd.concat([part.groups for part in parts], ignore_index=True)
    return SeriesSamples(
        "worldcereal", (together,), np.concatenate(labels), groups, legend,
        mask=parts[0].mask, resolution_m=20.0,
    )  # fmt: skip


def folds(samples: SeriesSamples) -> list[SampleFold]:
    """Each place tests in turn; one piece of the others chooses the epoch."""
    places = samples.groups.place.to_numpy()
    made = []
    for name in PLACES:
        test = places == name
        validation = np.zeros(len(places), bool)
        validation[np.flatnonzero(~test)[-1]] = True
        made.append(SampleFold(name, ~test & ~validation, validation, test))
    return made


def scored(predicted: np.ndarray, samples: SeriesSamples) -> dict[str, float]:
    names, known = np.array(samples.legend.names, object), samples.labels >= 0
    scores = ClassScores.of(names[predicted[known]], names[samples.labels[known]])
    return {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1, "pixels": scores.n}


def rows(samples: SeriesSamples, seeds: int, options: SeriesTrainOptions, done: set[str]):
    for seed in range(seeds):
        for fold in folds(samples):
            tested = samples.rows(fold.test)
            for method in ("forest", "utae"):
                key = f"{method} {fold.name} {seed}"
                if key in done:
                    continue
                begun = time.monotonic()
                if method == "forest":
                    model = SeriesForest(SEASON_START, seed).fit(samples.rows(~fold.test))
                else:
                    own = replace(options, seed=seed)
                    model = fit_series(samples, fold, own, SEASON_START, lambda *_: None)
                figures = scored(model.predict(tested), tested)
                seconds = round(time.monotonic() - begun, 1)
                yield {"key": key, "method": method, **figures, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--jsonl", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    samples = joined([place(given.data, name, given.side) for name in PLACES])
    print(
        f"{len(samples)} patches, {samples.sensors[0].values.shape[1]} dates, classes {samples.legend.names}"
    )
    kept = given.jsonl.read_text().splitlines() if given.jsonl and given.jsonl.exists() else []
    found = [json.loads(line) for line in kept]
    options = SeriesTrainOptions(architecture="utae", epochs=given.epochs)
    for row in rows(samples, given.seeds, options, {one["key"] for one in found}):
        found.append(row)
        print(row, flush=True)
        if given.jsonl:
            with given.jsonl.open("a") as file:
                file.write(json.dumps(row) + "\n")
    table = pd.DataFrame(found)
    print(table.groupby("method")[["accuracy", "macro_f1"]].agg(["mean", "std"]).round(3))


if __name__ == "__main__":
    main()
