"""Several sensors in one network, beside each of them alone, forests and late fusion.

    python benchmarks/fusion.py ../shared/data ign --runs runs --seeds 0 1 2
    python benchmarks/fusion.py ../shared/data fuel
    python benchmarks/fusion.py ../shared/data worldcereal
    python benchmarks/fusion.py ../shared/data muufl

``ign`` is a tile of 50 m of lidar_ign with its orthophoto, in cells of 0.5 m and squares of 10 m that teach and test in turn.
Its labels are the classes of the LiDAR's points, so heights flatter there. ``--jsonl`` keeps the figures, and leaves out those that it
holds already.

``fuel`` is live fuel moisture of 150 sites from three months of Sentinel-1, Sentinel-2, weather and terrain. Methods were chosen by folds
of the training sites (``--inner``); the official test sites are of other sites and were predicted once.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import pandas as pd
import rasterio
import torch
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject
from scipy import ndimage
from scipy.io import loadmat
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.metrics import confusion_matrix, f1_score

import georaster_dl as gdl
from georaster_dl.core.events import no_report
from georaster_dl.training.settings.config import TrainConfig

CELL, SQUARE, SIDE = 0.5, 20, 100  # metres; cells of a square, and of the tile
ORIGIN = 770_550, 6_277_600
CLASSES = {"ground": (2,), "building": (6,), "low vegetation": (3, 4), "high vegetation": (5,)}
OPTICAL = {"red": "color", "green": "color", "blue": "color", "nir": "infrared"}
HEIGHTS = ("ndsm", "intensity", "return_ratio", "multi_share", "roughness", "above_2m")
BANDS = {**OPTICAL, **dict.fromkeys(HEIGHTS, "lidar")}
SETS = {
    "RGB": ("red", "green", "blue"),
    "RGB+NIR": tuple(OPTICAL),
    "heights": HEIGHTS,
    "all": tuple(BANDS),
}
NETWORK: dict[str, Any] = {
    "method": "network",
    "split": {"kind": "blocks", "block": SQUARE, "buffer": 0, "validation": 0.15, "test": 0.0},
    "patches": {"size": 32, "per_epoch": 160},
    "augment": {"scale": 0.0, "haze": 0.0},
    "training": {
        "epochs": 40,
        "device": "cpu",
        "precision": "fp32",
        "workers": 0,
        "patience": 20,
    },
}
"""Settings of the networks of the tile, chosen on validation squares among those that teach."""

EPOCHS, STEPS = 60, 12  # of networks of points, and batches of an epoch; fixed in advance
FEWEST, BLOCK = 40, 0.2  # points of a class of Flanders; degrees of a block there

Row = dict[str, Any]


def cells(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rasterise the tile: bands (10, 100, 100), and classes 1 to 4 of most points of a cell, 255 without any."""
    points = laspy.read(data / "lidar_ign/dense/test_data_77055_627760_LA93_IGN69.laz")
    cols = np.clip(((np.asarray(points.x) - ORIGIN[0]) / CELL).astype(int), 0, SIDE - 1)
    rows = np.clip(((ORIGIN[1] - np.asarray(points.y)) / CELL).astype(int), 0, SIDE - 1)
    cell, z = rows * SIDE + cols, np.asarray(points.z)
    votes = [np.isin(np.asarray(points.classification), codes) for codes in CLASSES.values()]
    counts = np.stack([np.bincount(cell[vote], minlength=SIDE**2) for vote in votes])
    labels = np.where(counts.any(0), counts.argmax(0) + 1, 255).astype(np.uint8)
    returns, number = np.asarray(points.number_of_returns), np.asarray(points.return_number)

    def mean(values: np.ndarray, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        n = np.bincount(cell[chosen], minlength=SIDE**2)
        return np.bincount(cell[chosen], values[chosen], SIDE**2) / np.where(n, n, np.nan)

    low, high = np.full(SIDE**2, np.inf), np.full(SIDE**2, -np.inf)
    np.minimum.at(low, cell, z)
    np.maximum.at(high, cell, z)
    empty = ~np.isfinite(low).reshape(SIDE, SIDE)
    # The surface of the ground without the classes: lowest points, opened wider than the houses, smoothed.
    filled = np.where(empty, 100.0, low.reshape(SIDE, SIDE))
    ground = ndimage.gaussian_filter(ndimage.grey_opening(filled, 41), 5)
    height = z - ground.ravel()[cell]
    deviation = np.sqrt(np.maximum(mean(z**2) - mean(z) ** 2, 0))
    planes = [high - ground.ravel(), mean(np.asarray(points.intensity).astype(float), number == 1)]
    planes += [
        mean(number / returns),
        mean((returns > 1).astype(float)),
        deviation,
        mean((height > 2.0).astype(float)),
    ]
    lidar = np.stack(planes).reshape(-1, SIDE, SIDE)
    lidar[0][empty] = np.nan
    return np.concatenate([orthophoto(data), nearest(lidar)]), labels.reshape(SIDE, SIDE)


def nearest(planes: np.ndarray) -> np.ndarray:
    """Give cells without a point the values of the nearest that has one."""
    filled = []
    for plane in planes:
        index = ndimage.distance_transform_edt(
            ~np.isfinite(plane), return_distances=False, return_indices=True
        )
        filled.append(plane[tuple(index)])
    return np.stack(filled)


def orthophoto(data: Path) -> np.ndarray:
    """Average red, green, blue and near infrared of 0.2 m to the cells."""
    grid = from_origin(*ORIGIN, CELL, CELL)
    made = []
    for name, bands in (("rgb", (1, 2, 3)), ("irc", (1,))):
        with rasterio.open(data / f"lidar_ign/ortho/test_data_{name}.tif") as file:
            values = file.read(bands).astype(np.float32)
            averaged = np.zeros((len(bands), SIDE, SIDE), np.float32)
            reproject(
                values, averaged, src_transform=file.transform, src_crs="EPSG:2154", dst_transform=grid,
                dst_crs="EPSG:2154", resampling=Resampling.average,
            )  # fmt: skip
        made.append(averaged)
    return np.concatenate(made)


def write(path: Path, planes: np.ndarray, names: tuple[str, ...] = ()) -> Path:
    """Write bands, or labels without names, in the cells of the tile."""
    profile = {
        "width": SIDE,
        "height": SIDE,
        "count": len(planes),
        "crs": "EPSG:2154",
        "driver": "GTiff",
    }
    profile |= {"transform": from_origin(*ORIGIN, CELL, CELL), "dtype": planes.dtype}
    with rasterio.open(path, "w", nodata=None if names else 255, **profile) as file:
        file.write(planes)
        for band, name in enumerate(names, 1):
            file.set_band_description(band, name)
            file.update_tags(band, modality=BANDS[name])
    return path


def scores(predicted: np.ndarray, labels: np.ndarray) -> Row:
    """Score classes 1 to 4 of the same cells."""
    counts = confusion_matrix(labels, predicted, labels=range(1, len(CLASSES) + 1))
    hit = np.diag(counts)
    iou = hit / (counts.sum(0) + counts.sum(1) - hit)
    named = {f"IoU {name}": float(value) for name, value in zip(CLASSES, iou, strict=True)}
    return {"OA": float(hit.sum() / counts.sum()), "mIoU": float(iou.mean()), **named}


class Tile:
    """The tile with its squares, as files, and the networks that learnt from it."""

    def __init__(self, data: Path, runs: Path) -> None:
        self.runs = runs
        runs.mkdir(exist_ok=True)
        self.planes, self.labels = cells(data)
        squares = np.add.outer(*[np.arange(SIDE) // SQUARE] * 2) % 2 == 0
        self.teaching, self.tested = (squares & (self.labels < 255), ~squares & (self.labels < 255))
        taught = np.where(self.teaching, self.labels, np.uint8(255))
        self.taught = write(runs / "taught.tif", taught[None])
        for name, bands in SETS.items():
            self.scene(name, self.planes[[list(BANDS).index(band) for band in bands]], bands)

    def scene(self, name: str, planes: np.ndarray, bands: tuple[str, ...]) -> Path:
        """Write a scene of the tile."""
        return write(self.runs / f"{name}.tif", planes.astype(np.float32), bands)

    def forest(self, name: str, seed: int) -> Row:
        """Score a forest of pixels."""
        pixels = self.planes[[list(BANDS).index(band) for band in SETS[name]]]
        forest = RandomForestClassifier(300, min_samples_leaf=2, random_state=seed)
        forest.fit(pixels[:, self.teaching].T, self.labels[self.teaching])
        return scores(forest.predict(pixels[:, self.tested].T), self.labels[self.tested])

    def network(self, name: str, architecture: str, dropout: float, seed: int) -> Path:
        """Train a network, or the forest of ``geodl train``, where it is not there yet."""
        path = self.runs / f"{architecture}_{name}_{dropout:g}_{seed}.safetensors"
        if not path.exists():
            changes = {"model.architecture": architecture, "augment.modality_dropout": dropout}
            if architecture == "rf":
                changes = {"method": "rf"}
            config = TrainConfig.of({**NETWORK, "seed": seed}).updated(changes)
            gdl.train(
                [self.runs / f"{name}.tif"], self.taught, out=path, config=config, report=no_report
            )
        return path

    def mapped(self, scene: str, *models: Path) -> Row:
        """Score the map of a scene by a model, or by several together."""
        raster = gdl.load_model(models[0]).predict(
            self.runs / f"{scene}.tif",
            members=list(models[1:]),
            device="cpu",
            precision="fp32",
            report=no_report,
        )
        return scores(raster.array[0][self.tested], self.labels[self.tested])


def ign(data: Path, given: argparse.Namespace) -> Iterator[tuple[Row, Callable[[], Row]]]:
    """List rows of the tile, with the function that makes their figures."""
    tile = Tile(data, given.runs)
    # The labels lie where the points do, so it is the orthophoto that a registration error moves.
    moved = np.concatenate([np.roll(tile.planes[:4], 1, 2), tile.planes[4:]])
    tile.scene("all, orthophoto moved by a cell", moved, tuple(BANDS))
    for seed in given.seeds:
        for name in SETS:
            yield (
                {"method": "forest of pixels", "bands": name, "seed": seed},
                lambda n=name, s=seed: tile.forest(n, s),
            )
        ways = [("rf", "all", 0.0), ("fusion_unet", "all", 0.2)]
        ways += [("spectral_unet", name, 0.0) for name in ("heights", "RGB+NIR", "all")]
        models = {way: partial(tile.network, way[1], way[0], way[2], seed) for way in ways}
        for (architecture, name, dropout), made in models.items():
            title = f"{architecture}, modality dropout {dropout:g}" if dropout else architecture
            uses = [name]
            if dropout:
                uses += ["RGB+NIR", "RGB", "heights", "all, orthophoto moved by a cell"]
            for use in uses:
                row = {"method": title, "bands": use, "seed": seed}
                yield row, lambda u=use, m=made: tile.mapped(u, m())
        for late in (
            (("spectral_unet", "RGB+NIR", 0.0), ("spectral_unet", "heights", 0.0)),
            (("fusion_unet", "all", 0.2), ("rf", "all", 0.0)),
        ):
            title = "late: " + " and ".join(f"{way[0]} of {way[1]}" for way in late)
            row = {"method": title, "bands": "all", "seed": seed}
            yield row, lambda each=late, m=models: tile.mapped("all", *(m[way]() for way in each))


def context(data: Path) -> dict[str, np.ndarray]:
    """Read the samples of live fuel moisture, (n, features) of each source."""
    folder = data / "multimodal_fuel"
    months, values = np.load(folder / "month.npy"), np.load(folder / "s1_s2_era5_srtm.npy")
    s1, s2, weather = values[..., :2], values[..., 2:13] / 1e4, values[..., 13:15]
    blue, green, red, edge, _, _, nir, narrow, _, swir1, swir2 = np.moveaxis(s2, -1, 0)
    pairs = [
        (narrow, swir1),
        (narrow, swir2),
        (nir, red),
        (narrow, edge),
        (green, nir),
        (swir1, swir2),
        (red, blue),
    ]
    indices = np.stack([(a - b) / (a + b + 1e-6) for a, b in pairs], -1)
    angle = 2 * np.pi * months[:, -1] / 12
    made = {
        "S1": (s1, s1.mean(1), s1[..., 1] - s1[..., 0]),
        "S2": (s2, s2.mean(1), values[..., 17], indices, indices.mean(1), indices[:, 2] - indices[:, 0]),
        "weather and terrain": (weather, weather.mean(1), values[:, 0, 15:17]),
        "place, month, land cover": (
            np.load(folder / "latlon.npy"), np.sin(angle), np.cos(angle),
            np.eye(9)[np.load(folder / "dynamic_world.npy").astype(int)].sum(1),
        ),
    }  # fmt: skip
    return {
        name: np.concatenate([part.reshape(len(months), -1) for part in parts], 1)
        for name, parts in made.items()
    }


REGRESSIONS: dict[str, Callable[[int], Any]] = {
    "forest": lambda seed: RandomForestRegressor(300, min_samples_leaf=2, max_features=0.33, random_state=seed),
    "extra trees": lambda seed: ExtraTreesRegressor(300, min_samples_leaf=2, max_features=0.4, random_state=seed),
    "boosting": lambda seed: HistGradientBoostingRegressor(
        learning_rate=0.05, max_iter=250, max_leaf_nodes=12, min_samples_leaf=15, l2_regularization=1,
        max_features=0.3, random_state=seed,
    ),
}  # fmt: skip


def fuel(data: Path, given: argparse.Namespace) -> Iterator[tuple[Row, Callable[[], Row]]]:
    """List rows of live fuel moisture; folds of the training sites with --inner, else the official test sites, once."""
    sources, folder = context(data), data / "multimodal_fuel"
    target, sites = np.load(folder / "target.npy"), np.load(folder / "site.npy")
    tested = np.load(folder / "is_test.npy").astype(bool)
    names = list(sources)
    sets = {name: [name] for name in names} | {"all of the sensors": names[:3], "all": names}
    made: dict[tuple[str, str, int], list[np.ndarray]] = {}

    def parts(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        if not given.inner:
            return [(~tested, tested)]
        own, place = np.unique(sites[~tested], return_inverse=True)
        fold = np.full(len(sites), -1)
        fold[~tested] = (np.random.default_rng(seed).permutation(len(own)) % 5)[place]
        return [((fold != i) & ~tested, fold == i) for i in range(5)]

    def predicted(method: str, name: str, seed: int) -> list[np.ndarray]:
        if (method, name, seed) not in made:
            features = np.concatenate([sources[each] for each in sets[name]], 1)
            made[method, name, seed] = [
                REGRESSIONS[method](seed).fit(features[a], target[a]).predict(features[b])
                for a, b in parts(seed)
            ]
        return made[method, name, seed]

    def scored(seed: int, *ways: tuple[str, str]) -> Row:
        truth = np.concatenate([target[b] for _, b in parts(seed)])
        found = np.mean([np.concatenate(predicted(*way, seed)) for way in ways], axis=0)
        error = float(np.sqrt(np.mean((found - truth) ** 2)))
        return {"RMSE": error, "R2": 1 - error**2 / float(truth.var())}

    every = list(sets)[-2:]
    ways = [("forest", name) for name in sets] + list(
        itertools.product(("extra trees", "boosting"), every)
    )
    for seed in given.seeds:
        for method, name in ways:
            yield (
                {"method": method, "bands": name, "seed": seed},
                lambda w=(method, name), s=seed: scored(s, w),
            )
        late = [("forest", name) for name in names[:3]]
        yield (
            {"method": "late: forests of sensors", "bands": every[0], "seed": seed},
            lambda s=seed, w=late: scored(s, *w),
        )
        for name in every:
            three = [(method, name) for method in REGRESSIONS]
            yield (
                {"method": "late: all three", "bands": name, "seed": seed},
                lambda w=three, s=seed: scored(s, *w),
            )


@dataclass(frozen=True)
class Points:
    """Pixels with values of several sensors, (n, features) each, and folds that divide no block of ground."""

    sensors: dict[str, np.ndarray]
    labels: np.ndarray
    folds: np.ndarray


def blocks(*coordinates: np.ndarray) -> np.ndarray:
    """Divide blocks, stated by whole coordinates of their points, into five folds."""
    own, place = np.unique(np.stack(coordinates), axis=1, return_inverse=True)
    return (np.random.default_rng(0).permutation(own.shape[1]) % 5)[place.ravel()]


def flanders(data: Path) -> Points:
    """Read points of 2018 by crop or land cover, statistics of a season of three sensors."""
    frame = pd.read_parquet(data / "s2_worldcereal/training_df_LC.parquet")
    frame = frame[frame.groupby("OUTPUT").OUTPUT.transform("size") >= FEWEST]
    sensors = {}
    for name, prefix in {"optical": "OPTICAL", "radar": "SAR", "terrain": "DEM"}.items():
        values = frame[[c for c in frame if c.startswith(prefix)]].to_numpy(np.float64)
        sensors[name] = np.where(
            np.isfinite(values),
            values,
            np.nanmean(np.where(np.isfinite(values), values, np.nan), 0),
        )
    folds = blocks(*(np.floor(frame[axis].to_numpy() / BLOCK) for axis in ("lat", "lon")))
    return Points(sensors, np.unique(frame.OUTPUT, return_inverse=True)[1], folds)


def gulfport(data: Path) -> Points:
    """Read the crop of MUUFL: 64 bands and a surface model, dominant member of a pixel, blocks of 15 pixels."""
    scene = loadmat(data / "unmixing/muffle_dataset_130_90.mat")
    rows, cols = np.divmod(np.arange(scene["DSM"].size), scene["DSM"].shape[1])
    sensors = {
        "spectra": scene["Y"].reshape(len(rows), -1),
        "surface model": scene["DSM"].reshape(-1, 1),
    }
    return Points(
        sensors, scene["label"].reshape(len(rows), -1).argmax(1), blocks(rows // 15, cols // 15)
    )


def gated(
    points: Points, names: list[str], lacking: str | None, dropout: float, seed: int
) -> np.ndarray:
    """Predict the points of each fold by fusion_unet of single pixels, learnt from the others."""
    sizes = [points.sensors[name].shape[1] for name in names]
    modalities = list(
        itertools.chain.from_iterable([n] * k for n, k in zip(names, sizes, strict=True))
    )
    values = np.concatenate([points.sensors[name] for name in names], 1)
    rng, found = np.random.default_rng(seed), np.empty_like(points.labels)
    for fold in range(5):
        train, test = points.folds != fold, points.folds == fold
        mean, std = values[train].mean(0), values[train].std(0) + 1e-9
        image = torch.from_numpy(((values - mean) / std).clip(-5, 5)).float()[..., None, None]
        torch.manual_seed(seed)
        network = gdl.create_model(
            "fusion_unet", in_bands=len(modalities), n_classes=int(points.labels.max()) + 1,
            modalities=modalities, widths=(32,), decoder_dropout=0.1,
        )  # fmt: skip
        places, target = np.flatnonzero(train), torch.from_numpy(points.labels)
        steps, size = EPOCHS * STEPS, len(places) // STEPS
        optimiser = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=1e-2)
        course = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
        for _ in range(steps):
            batch = rng.choice(places, size, replace=False)
            there = rng.random((size, len(names))) >= dropout
            there[np.arange(size), rng.integers(len(names), size=size)] = True
            present = torch.from_numpy(np.repeat(there, sizes, axis=1))
            logits = network(image[batch], present)[..., 0, 0]
            loss = torch.nn.functional.cross_entropy(logits, target[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            course.step()
        use = torch.tensor([[name != lacking for name in modalities]]).expand(int(test.sum()), -1)
        with torch.inference_mode():
            found[test] = network.eval()(image[test], use)[..., 0, 0].argmax(1).numpy()
    return found


def wooded(points: Points, names: list[str], lacking: str | None, seed: int) -> np.ndarray:
    """Predict the points of each fold by a forest; a sensor that is lacking has its training means."""
    found = np.empty_like(points.labels)
    for fold in range(5):
        train, test = points.folds != fold, points.folds == fold
        used = {
            name: np.broadcast_to(values[train].mean(0), values.shape)
            if name == lacking
            else values
            for name, values in points.sensors.items()
        }
        forest = RandomForestClassifier(300, random_state=seed)
        forest.fit(
            np.concatenate([points.sensors[n][train] for n in names], 1), points.labels[train]
        )
        found[test] = forest.predict(np.concatenate([used[n][test] for n in names], 1))
    return found


def of_points(points: Points, given: argparse.Namespace) -> Iterator[tuple[Row, Callable[[], Row]]]:
    """List rows of points: each sensor alone, the first two, all, and all without one of those that were learnt."""
    every = list(points.sensors)
    sets = [[name] for name in every] + ([every[:2]] if len(every) > 2 else []) + [every]
    uses: list[tuple[list[str], str | None]] = [(names, None) for names in sets]
    uses += [(every, every[1])]

    def scored(found: np.ndarray) -> Row:
        return {
            "OA": float((found == points.labels).mean()),
            "macro F1": f1_score(points.labels, found, average="macro"),
        }

    ways: dict[str, Callable[..., np.ndarray]] = {
        "forest": wooded,
        "fusion_unet": lambda p, n, w, seed: gated(p, n, w, 0.0, seed),
        "fusion_unet, modality dropout 0.2": lambda p, n, w, seed: gated(p, n, w, 0.2, seed),
    }
    for seed, (method, way), (names, lacking) in itertools.product(given.seeds, ways.items(), uses):
        if "dropout" in method and len(names) < len(every):
            continue
        title = " + ".join(names) + (f", used without {lacking}" if lacking else "")
        row = {"method": method, "bands": title, "seed": seed}
        yield row, lambda w=way, n=names, k=lacking, s=seed: scored(w(points, n, k, s))


SOURCES: dict[
    str, Callable[[Path, argparse.Namespace], Iterator[tuple[Row, Callable[[], Row]]]]
] = {
    "ign": ign,
    "fuel": fuel,
    "worldcereal": lambda data, given: of_points(flanders(data), given),
    "muufl": lambda data, given: of_points(gulfport(data), given),
}


def main() -> None:
    """Make the figures that are missing, and print their means and spreads."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("set", choices=SOURCES)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the networks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--inner", action="store_true", help="fuel: folds of the training sites")
    parser.add_argument("--jsonl", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    kept = given.jsonl is not None and given.jsonl.exists()
    done = [json.loads(line) for line in given.jsonl.read_text().splitlines()] if kept else []
    rows = []
    for of_method, make in SOURCES[given.set](given.data, given):
        row = {"set": given.set + " inner" * given.inner, **of_method}
        found = next((old for old in done if row.items() <= old.items()), None)
        if found is None:
            found = {**row, **make()}
            print(found, flush=True)
            if given.jsonl is not None:
                with given.jsonl.open("a") as file:
                    file.write(json.dumps(found) + "\n")
        rows.append(found)
    table = pd.DataFrame(rows).drop(columns=["set", "seed"])
    keys = [key for key in ("method", "bands") if key in table]
    print(table.groupby(keys, sort=False).agg(["mean", "std"]).round(3).to_string())


if __name__ == "__main__":
    main()
