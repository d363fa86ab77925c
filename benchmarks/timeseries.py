"""Networks of image time series beside a random forest on the same samples.

    python benchmarks/timeseries.py ../shared/data matogrosso --methods tempcnn ltae lstm
    python benchmarks/timeseries.py ../shared/data ieda
    python benchmarks/timeseries.py ../shared/data asia --methods tempcnn
    python benchmarks/timeseries.py ../shared/data fuel
    python benchmarks/timeseries.py ../shared/data worldcereal

``matogrosso`` (samples_mt_9classes), ``ieda`` (ieda_agriculture) and ``worldcereal`` (500 points with twelve months of two
satellites and weather) are split into five stratified folds, ``asia`` leaves out a region at a time (classes of at least
100 polygons), ``fuel`` keeps its official split by site. Every method sees the same samples; a network gives an eighth of
them to the choice of its epoch. ``--jsonl`` keeps the figures of each fold, and leaves out those that it holds already.

Settings are the usual ones, so nothing was tuned on the folds, but for ``asia``: those were chosen with ``--inner``, which
leaves out two regions and tests on one of them (of ``fuel`` it takes folds of the training sites). ``modis`` is a set to try
settings on that is reported nowhere.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from georaster_dl.core.bands import Band
from georaster_dl.models.package.seasons import season_start_of
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.timeseries.learning.fit import fit_series
from georaster_dl.timeseries.learning.forest import SeriesForest
from georaster_dl.timeseries.learning.options import SeriesTrainOptions, SplitOptions
from georaster_dl.timeseries.learning.split import SampleFold, plan_split
from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples, number_classes
from georaster_dl.timeseries.tables.options import SeriesTableOptions
from georaster_dl.timeseries.tables.read import read_series

FOREST = "forest"
REGIONS = ("Samarkand", "Fergana", "Kashkadarya", "Khorezm")
FEWEST = 100  # polygons of a class of asia
SETTINGS: dict[tuple[str, str], dict[str, Any]] = {
    ("asia", "tempcnn"): {
        "epochs": 6,
        "batch": 128,
        "augment": False,
        "options": {"width": 32, "kernel": 7},
    }
}
"""Settings of a set and method, where they are not the usual ones."""


@dataclass(frozen=True)
class Task:
    """Samples with their folds."""

    samples: SeriesSamples
    folds: tuple[SampleFold, ...]

    @property
    def season_start(self) -> str:
        """Month and day from which days are counted."""
        return season_start_of(
            np.concatenate([sensor.dates for sensor in self.samples.sensors], axis=1)
        )


def stratified(samples: SeriesSamples, n: int = 5) -> Task:
    task = Task(samples, ())
    plan = plan_split(samples, SplitOptions(folds=n), task.season_start, 0)
    return replace(task, folds=plan.folds)


def archive(data: Path, name: str) -> Task:
    path = data / "sits_matogrosso" / f"{name}.npz"
    return stratified(read_series(path, SeriesTableOptions(class_column="y")))


def asia(data: Path, *, inner: bool) -> Task:
    """Leave a region out; inner: leave out two and test on one of them."""
    samples = read_series(
        data / "sits_central_asia" / "CAWa_joined.csv",
        SeriesTableOptions(class_column="label_1", quantity="NDVI"),
    )
    crops = samples.groups.label_1
    samples = samples.rows((crops.map(crops.value_counts()) >= FEWEST).to_numpy())
    samples = replace(
        samples,
        **dict(
            zip(("labels", "legend"), number_classes(list(samples.groups.label_1)), strict=True)
        ),
    )
    regions = samples.groups.region.to_numpy()
    folds: list[SampleFold] = []
    for region in REGIONS:
        plan = plan_split(samples, SplitOptions(leave_out=f"region={region}"), "01-01", 0)
        (fold,) = plan.folds
        if not inner:
            folds.append(fold)
            continue
        for other in (name for name in REGIONS if name != region):
            apart = regions != other
            folds.append(
                SampleFold(
                    f"without {other}, {fold.name}",
                    fold.train & apart,
                    fold.validation & apart,
                    fold.test,
                )
            )
    return Task(samples, tuple(folds))


def fuel(data: Path, *, inner: bool) -> Task:
    """Official split by site; inner: folds of the training sites."""
    folder = data / "multimodal_fuel"
    values = np.load(folder / "s1_s2_era5_srtm.npy")
    months = np.load(folder / "month.npy")
    optical = ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"]
    bands = ["VV", "VH", *optical, "temperature", "precipitation", "elevation", "slope", "NDVI"]
    # Months that go on beyond December are of the next year.
    later = np.cumsum(np.diff(months, axis=1, prepend=months[:, :1]) < 0, axis=1)
    dates = (np.datetime64("2015-01") + (months + 12 * later)).astype("datetime64[D]") + 14
    of_sensor = {"S1": bands[:2], "S2": [*optical, "NDVI"], "weather": bands[13:17]}
    sensors = tuple(
        SensorSamples(
            name,
            tuple(Band(band) for band in own),
            values[:, :, [bands.index(band) for band in own]],
            dates,
        )
        for name, own in of_sensor.items()
    )
    test = np.load(folder / "is_test.npy").astype(bool)
    groups = pd.DataFrame(
        {"site": np.load(folder / "site.npy"), "split": np.where(test, "test", "train")}
    )
    samples = SeriesSamples(
        "fuel moisture", sensors, np.load(folder / "target.npy"), groups, target="moisture"
    )
    if inner:
        samples = samples.rows(~test)
        return Task(
            samples, plan_split(samples, SplitOptions(group="site", folds=5), "01-01", 0).folds
        )
    (fold,) = plan_split(samples, SplitOptions(column="split", group="site"), "01-01", 0).folds
    return Task(samples, (fold,))


def worldcereal(data: Path) -> Task:
    """Land cover of points from twelve months of both satellites and weather."""
    frame = pd.read_parquet(data / "multimodal_worldcereal" / "worldcereal_testdf.parquet")
    frame = frame[frame.groupby("LANDCOVER_LABEL").LANDCOVER_LABEL.transform("size") >= 10]
    start = pd.to_datetime(frame.start_date).to_numpy().astype("datetime64[M]")
    dates = (start[:, None] + np.arange(12)).astype("datetime64[D]") + 14
    of_sensor = {
        "S2": {
            f"OPTICAL-{b}": f"{b}"
            for b in ("B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12")
        },
        "S1": {f"SAR-{b}": b for b in ("VV", "VH")},
        "weather": {f"METEO-{b}": b for b in ("temperature_mean", "precipitation_flux")},
    }
    sensors = []
    for name, own in of_sensor.items():
        columns = [
            [next(c for c in frame if c.startswith(f"{prefix}-ts{month}-")) for prefix in own]
            for month in range(12)
        ]
        values = np.stack([frame[names].to_numpy(np.float64) for names in columns], axis=1)
        values[values == 65535] = np.nan
        sensors.append(SensorSamples(name, tuple(map(Band, own.values())), values, dates))
    labels, legend = number_classes([str(label) for label in frame.LANDCOVER_LABEL])
    samples = SeriesSamples(
        "worldcereal",
        tuple(sensors),
        labels,
        frame[["LANDCOVER_LABEL"]].reset_index(drop=True),
        legend,
    )
    return stratified(samples.rows(samples.clear_dates > 0))


TASKS = {
    "matogrosso": lambda data, _: archive(data, "samples_mt_9classes"),
    "ieda": lambda data, _: archive(data, "ieda_agriculture_7043"),
    "modis": lambda data, _: archive(data, "samples_modis_ndvi"),
    "asia": lambda data, inner: asia(data, inner=inner),
    "fuel": lambda data, inner: fuel(data, inner=inner),
    "worldcereal": lambda data, _: worldcereal(data),
}


def scored(task: Task, fold: SampleFold, method: str, settings: dict[str, Any]) -> dict[str, float]:
    """Scores of the samples that test."""
    tested = task.samples.rows(fold.test)
    if method == FOREST:
        forest = SeriesForest(task.season_start, settings["seed"])
        predicted = forest.fit(task.samples.rows(fold.train | fold.validation)).predict(tested)
    else:
        options = SeriesTrainOptions(architecture=method, **settings)
        predicted = fit_series(
            task.samples, fold, options, task.season_start, lambda *_: None
        ).predict(tested)
    if task.samples.legend is None:
        of_values = ValueScores.of(predicted.astype(float), np.asarray(tested.labels))
        return {"RMSE": of_values.rmsep, "R2": of_values.r2}
    names = np.array(task.samples.legend.names, object)
    of_classes = ClassScores.of(names[predicted], names[tested.labels])
    return {"OA": of_classes.accuracy, "macro F1": of_classes.macro_f1}


def figures(
    name: str,
    task: Task,
    methods: list[str],
    seeds: int,
    more: dict[str, Any],
    done: list[dict[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Figures of each method, seed and fold that are not done."""
    for method, seed, fold in itertools.product(methods, range(seeds), task.folds):
        settings = {**SETTINGS.get((name, method), {}), **more} if method != FOREST else {}
        row = {
            "set": name,
            "method": method,
            "settings": repr(settings),
            "seed": seed,
            "test": fold.name,
        }
        found = next((old for old in done if row.items() <= old.items()), None)
        if found is not None:
            yield found
            continue
        begun = time.process_time()
        scores = scored(task, fold, method, {**settings, "seed": seed})
        yield {**row, **scores, "cpu_s": round(time.process_time() - begun, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("set", choices=TASKS)
    parser.add_argument("--methods", nargs="+", default=[FOREST, "tempcnn", "ltae", "lstm"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--inner", action="store_true", help="for choosing settings, without the tested samples"
    )
    parser.add_argument(
        "--settings", default="{}", help="JSON of SeriesTrainOptions, over those of the set"
    )
    parser.add_argument("--jsonl", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    task = TASKS[given.set](given.data, given.inner)
    name = f"{given.set}{' inner' if given.inner else ''}"
    kept = given.jsonl is not None and given.jsonl.exists()
    done = [json.loads(line) for line in given.jsonl.read_text().splitlines()] if kept else []
    rows = []
    for row in figures(name, task, given.methods, given.seeds, json.loads(given.settings), done):
        rows.append(row)
        print(row, flush=True)
        if given.jsonl is not None and row not in done:
            with given.jsonl.open("a") as file:
                file.write(json.dumps(row) + "\n")
    table = pd.DataFrame(rows).drop(columns=["set", "settings", "cpu_s"])
    print(
        table.drop(columns="seed")
        .groupby(["method", "test"], sort=False)
        .mean()
        .round(3)
        .to_string()
    )
    means = table.drop(columns="test").groupby(["method", "seed"], sort=False).mean()
    print(means.groupby("method", sort=False).agg(["mean", "std"]).round(4).to_string())


if __name__ == "__main__":
    main()
