"""Wrong labels: what finds them, and what learns in spite of them.

    python benchmarks/labels.py suspects ../shared/data/sits_matogrosso/samples_mt_9classes.npz
    python benchmarks/labels.py noise ../shared/data/sits_matogrosso/samples_mt_9classes.npz --jsonl noise.jsonl
    python benchmarks/labels.py texture sample_tiles/s2_west.tif
    python benchmarks/labels.py rank sample_tiles/s2_west.tif --seeds 3

``suspects`` flips 10 % of the labels to any other class at random and says how many of the 100 most suspect samples were
flipped. ``noise`` flips labels of the training samples, to any other class, or Pasture and Cerrado to each other (pair),
and tests on clean samples of five stratified folds: random forest and network (tempcnn), with all training labels or
without the suspects that confident learning finds among them; of the network with cross-entropy and with gce. No setting
was chosen on the tested samples. ``texture`` gives 10 % of the polygons of NAME_labels.gpkg another class at random, and
checks them by the spectra of a scene, and by spectra with the texture that forests of ``geodl train`` have. ``rank`` says
how many of the first polygons of the list were changed, in its order and by score alone; how much few pixels count was chosen on seed 10.
``--jsonl`` keeps the figures of each fold, and leaves out those that it holds already.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
import torch

from georaster_dl.label_check.run import Checked, CheckOptions, check_labels
from georaster_dl.label_check.tables import check_series
from georaster_dl.models.package.seasons import season_start_of
from georaster_dl.models.zoo.texture.features import Texture
from georaster_dl.timeseries.learning.fit import fit_series
from georaster_dl.timeseries.learning.forest import SeriesForest
from georaster_dl.timeseries.learning.options import SeriesTrainOptions, SplitOptions
from georaster_dl.timeseries.learning.split import SampleFold, plan_split
from georaster_dl.timeseries.samples import SeriesSamples
from georaster_dl.timeseries.tables.options import SeriesTableOptions
from georaster_dl.timeseries.tables.read import read_series
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig

PAIR = ("Pasture", "Cerrado")


def collect(path: Path | None) -> list[dict[str, Any]]:
    """Figures that are there already."""
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def keep(row: dict[str, Any], rows: list[dict[str, Any]], path: Path | None) -> None:
    rows.append(row)
    if path is not None:
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")


def read(path: Path) -> SeriesSamples:
    return read_series(path, SeriesTableOptions(class_column="y"))


def flipped(
    samples: SeriesSamples, share: float, kind: str, rows: npt.NDArray[np.bool_], seed: int
) -> SeriesSamples:
    """The samples with wrong labels in a share of the rows: of any other class, or of the other of the pair."""
    rng = np.random.default_rng(seed)
    labels, n = np.array(samples.labels), len(samples.legend.classes)
    if kind == "pair":
        one, other = map(samples.legend.names.index, PAIR)
        rows = rows & np.isin(labels, (one, other))
    chosen = rng.permutation(np.flatnonzero(rows))[: round(share * rows.sum())]
    if kind == "pair":
        labels[chosen] = one + other - labels[chosen]
    else:
        labels[chosen] = (labels[chosen] + rng.integers(1, n, len(chosen))) % n
    return replace(samples, labels=labels)


def suspects(args: argparse.Namespace) -> None:
    clean = read(args.data)
    everything = np.ones(len(clean), bool)
    for share in (0.0, 0.1):
        precision, found, claimed = [], [], []
        for seed in range(args.seeds):
            noisy = flipped(clean, share, "any", everything, seed)
            wrong = noisy.labels != clean.labels
            checked = check_series(noisy, seed=seed)
            precision.append(wrong[checked.order[:100]].mean())
            claimed.append(checked.suspect.mean())
            if share:
                found.append(checked.suspect[wrong].mean())
                right = (
                    checked.suggested[wrong & checked.suspect]
                    == clean.labels[wrong & checked.suspect]
                )
                print(f"seed {seed}: precision at 100 {precision[-1]:.2f}, of all suspects "
                      f"{wrong[checked.suspect].mean():.2f}; {found[-1]:.2f} of the wrong labels found, the right class "
                      f"suggested for {right.mean():.2f} of these", flush=True)  # fmt: skip
        print(
            f"{share:.0%} flipped: {np.mean(claimed):.3f} of the labels suspect"
            + (
                f", precision at 100 {np.mean(precision):.3f} +- {np.std(precision, ddof=1):.3f}"
                if share
                else ""
            ),
            flush=True,
        )


WINDOWS, COMPONENTS = (5, 15, 31), 3  # as beside a network


def textured(scene: Path, out: Path) -> None:
    """Write a scene with the texture of its principal components as further bands."""
    with rasterio.open(scene) as source:
        bands, valid, profile = source.read(), source.dataset_mask() > 0, source.profile
    spectra = bands[:, valid].T.astype(np.float64)
    spectra = (spectra - spectra.mean(axis=0)) / spectra.std(axis=0)
    image = np.zeros(bands.shape, np.float32)
    image[:, valid] = spectra.T
    texture = Texture(len(bands), WINDOWS, COMPONENTS)
    axes = np.linalg.eigh(np.cov(spectra.T))[1][:, ::-1].T[:COMPONENTS]
    texture.axes.copy_(torch.from_numpy(axes.copy()))
    margin = texture.reach
    around = np.pad(image, ((0, 0), (margin, margin), (margin, margin)))
    with torch.inference_mode():
        planes = texture(torch.from_numpy(around)[None])[0].numpy()
    planes[:, ~valid] = np.nan
    profile.update(count=len(planes), dtype="float32", nodata=np.nan)
    with rasterio.open(out, "w", **profile) as made:
        made.write(planes)


def changed(
    scene: Path, labels: geopandas.GeoDataFrame, folder: Path, seed: int
) -> tuple[Checked, npt.NDArray[np.bool_]]:
    """Give 10 % of the polygons any other class, check them; with (n,) whether each of the list was changed, by rank."""
    names, rng = np.unique(labels["class"]), np.random.default_rng(seed)
    wrong = rng.permutation(len(labels))[: round(0.1 * len(labels))]
    classes = np.searchsorted(names, labels["class"])
    classes[wrong] = (classes[wrong] + rng.integers(1, len(names), len(wrong))) % len(names)
    path = folder / "labels.gpkg"
    labels.assign(**{"class": names[classes]}).to_file(path)
    config = TrainConfig().updated({"labels.class_field": "class", "seed": seed})
    pair = SceneWithLabels(str(scene), path)
    found = check_labels([pair], folder / "suspects.gpkg", CheckOptions(config, overwrite=True))
    return found, found.labels.number.isin(wrong).to_numpy()


def polygons_of(scene: Path) -> geopandas.GeoDataFrame:
    """Labels of a sample scene, numbered."""
    read = geopandas.read_file(scene.with_name(f"{scene.stem}_labels.gpkg"))
    return read[["class", "geometry"]].assign(number=np.arange(len(read)))


def summarise(title: str, rows: list[dict[str, Any]], keys: list[str]) -> None:
    """Print mean and standard deviation of figures."""
    means = ((key, [row[key] for row in rows]) for key in keys)
    print(f"{title}: " + ", ".join(
        f"{key} {np.mean(v):.3f} +- {np.std(v, ddof=1) if len(v) > 1 else 0:.3f}" for key, v in means
    ))  # fmt: skip


def rank(args: argparse.Namespace) -> None:
    labels, rows = polygons_of(args.data), collect(args.jsonl)
    for seed in range(args.first, args.first + args.seeds):
        if any(row["seed"] == seed for row in rows):
            continue
        with tempfile.TemporaryDirectory() as folder:
            found, is_wrong = changed(args.data, labels, Path(folder), seed)
        by_score = np.lexsort((-found.labels.score.fillna(-2), found.labels.suspect != 1))
        row: dict[str, Any] = {"seed": seed}
        for n in (20, 40, 100):
            row |= {
                f"at {n}": float(is_wrong[:n].mean()),
                f"at {n} by score": float(is_wrong[by_score[:n]].mean()),
            }
        keep(row, rows, args.jsonl)
        print(row, flush=True)
    for way in ("", " by score"):
        summarise(f"precision{way or ' by rank'}", rows, [f"at {n}{way}" for n in (20, 40, 100)])


def texture(args: argparse.Namespace) -> None:
    labels, rows = polygons_of(args.data), collect(args.jsonl)
    with tempfile.TemporaryDirectory() as folder:
        scenes = {"spectrum": args.data, "spectrum and texture": Path(folder) / "textured.tif"}
        textured(args.data, scenes["spectrum and texture"])
        for seed in range(args.seeds):
            for what, scene in scenes.items():
                row = {"seed": seed, "what": what}
                if any(row.items() <= old.items() for old in rows):
                    continue
                found, is_wrong = changed(scene, labels, Path(folder), seed)
                suspect = (found.labels.suspect == 1).to_numpy()
                row |= {
                    "precision at N": float(is_wrong[: is_wrong.sum()].mean()),
                    "precision": float(is_wrong[suspect].mean()),
                    "recall": float(suspect[is_wrong].mean()),
                    "seconds": found.seconds,
                }
                keep(row, rows, args.jsonl)
                print(row, flush=True)
    for what in scenes:
        of_what = [row for row in rows if row["what"] == what]
        summarise(what, of_what, ["precision at N", "precision", "recall"])


NOISE = [("any", 0.0), ("any", 0.2), ("any", 0.4), ("pair", 0.2)]
METHODS = {
    "forest": ("forest", False, {}),
    "forest, without suspects": ("forest", True, {}),
    "network": ("network", False, {"loss": "cross-entropy"}),
    "network, gce": ("network", False, {"loss": "gce"}),
    "network, without suspects": ("network", True, {"loss": "cross-entropy"}),
    "network, gce, without suspects": ("network", True, {"loss": "gce"}),
}


def accuracy(
    samples: SeriesSamples, fold: SampleFold, method: str, start: str, epochs: int, seed: int,
    suspect: npt.NDArray[np.bool_],
) -> float:  # fmt: skip
    kind, cleaned, settings = METHODS[method]
    keep = ~suspect if cleaned else np.ones(len(samples), bool)
    tested = samples.rows(fold.test)
    if kind == "forest":
        taught = samples.rows((fold.train | fold.validation) & keep)
        predicted = SeriesForest(start, seed).fit(taught).predict(tested)
    else:
        options = SeriesTrainOptions(epochs=epochs, seed=seed, **settings)
        of_kept = SampleFold(fold.name, fold.train & keep, fold.validation & keep, fold.test)
        predicted = fit_series(samples, of_kept, options, start, lambda *_: None).predict(tested)
    return float((predicted == tested.labels).mean())


def noise(args: argparse.Namespace) -> None:
    clean = read(args.data)
    start = season_start_of(clean.sensors[0].dates)
    folds = plan_split(clean, SplitOptions(folds=5), start, 0).folds
    done = collect(args.jsonl)
    methods = [name for name in METHODS if args.only in name]
    for kind, share in [each for each in NOISE if args.noise in ("", f"{each[0]} {each[1]:g}")]:
        for number, fold in enumerate(folds):
            taught = fold.train | fold.validation
            noisy = flipped(clean, share, kind, taught, number)
            suspect: npt.NDArray[np.bool_] | None = None
            for method in methods:
                row = {
                    "noise": kind,
                    "share": share,
                    "fold": number,
                    "method": method,
                    "epochs": args.epochs,
                }
                if any(row.items() <= old.items() for old in done):
                    continue
                if suspect is None:
                    suspect = np.zeros(len(clean), bool)
                    suspect[taught] = check_series(noisy.rows(taught)).suspect
                row["OA"] = accuracy(noisy, fold, method, start, args.epochs, number, suspect)
                keep(row, done, args.jsonl)
        for method in methods:
            found = [
                row["OA"]
                for row in done
                if (row["noise"], row["share"], row["method"]) == (kind, share, method)
            ]
            if len(found) > 1:
                print(f"{kind:5} {share:4.0%}  {method:32} OA {np.mean(found):.3f} +- {np.std(found, ddof=1):.3f} "
                      f"({len(found)} folds)", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", choices=["suspects", "noise", "texture", "rank"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="seed, of the ranks")
    parser.add_argument("--epochs", type=int, default=25, help="of a network")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="methods with this in their name"
    )
    parser.add_argument("--noise", default="", metavar="KIND SHARE", help="such as 'any 0.4'")
    parser.add_argument("--jsonl", type=Path)
    args = parser.parse_args()
    {"suspects": suspects, "noise": noise, "texture": texture, "rank": rank}[args.experiment](args)


if __name__ == "__main__":
    main()
