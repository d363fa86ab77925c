"""Vegetation cover of pixels, measured at 195 points of an EnMAP scene: without labels of fractions, and with them.

    python benchmarks/cover.py library ../shared/data --seeds 5
    python benchmarks/cover.py points ../shared/data --seeds 5

The points (Potsdam, July 2022) lie on the middles of 30 m pixels of 18 tiles; five more, on dark water, are left out as no band
of theirs has a signal everywhere. Figures are of the fraction of vegetation.

``library`` learns from no cover value: 75 spectra of Berlin (another sensor), 57 land-cover points of the scene, and
the scene's own pixels. Classes are level 2 (impervious, low vegetation, tree, soil, water); bands those of
``geodl spectra simulate --for``. Seeds are of mixtures, networks and draws.

fcls            fully constrained least squares with the mean of each class
fcls drawn      the mean of 40 of them, each with one spectrum drawn of each class (Asner & Lobell 2000)
ndvi            linear between the 5 and 95 % quantiles of the scene (after Gutman & Ignatov 1998)
networks        the mean of 5 dense networks of 64 and 32 units that learn from 3000 mixtures of Berlin, with the noise of
                ``--noise-of``
mean of five    networks of reflectance, of absorbance, fcls and fcls drawn of both, ndvi
kinds

``points`` learns from cover values in folds of whole tiles (6; their seeds draw which tiles are together). Numbers of
latent variables are chosen in 5 inner folds of tiles, penalties by leave-one-out of what trains; all predictions are kept
within 0 and 1. Windows of 3 x 3 pixels may reach into other tiles, whose spectra they take, never their cover.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyogrio
import rasterio
import torch
from rasterio.merge import merge
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

import georaster_dl as gdl
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.models.registry import create_model
from georaster_dl.models.zoo.unmixing.fcls import fcls
from georaster_dl.spectra.methods.estimators import PLSRegressor

Floats = npt.NDArray[np.float64]
CLASSES = ("impervious", "low vegetation", "soil", "tree", "water")
PLANTS = np.isin(CLASSES, ("low vegetation", "tree")).astype(float)
DARK = 1e-3  # reflectance below which there is no logarithm
MIXTURES, NETWORKS, STEPS, DRAWS = 3000, 5, 800, 40
TILES = 6  # folds
WINDOW = [(row, col) for row in (-1, 0, 1) for col in (-1, 0, 1)]


@dataclass(frozen=True, eq=False)
class Ground:
    """The scene and what is known of it.

    Attributes
    ----------
    path : mosaic of the tiles.
    pixels : (rows, cols, bands) reflectances, NaN outside the tiles.
    wavelengths_nm : (bands,).
    at, cover, tile : (points, 2) rows and cols, (points,) fractions and numbers of tiles.
    libraries : spectra (n, bands) and class numbers (n,) of ``berlin`` and of ``both``.
    berlin : the table of the first.
    """

    path: Path
    pixels: Floats
    wavelengths_nm: Floats
    at: npt.NDArray[np.intp]
    cover: Floats
    tile: npt.NDArray[np.intp]
    libraries: dict[str, tuple[Floats, npt.NDArray[np.intp]]]
    berlin: Any

    @property
    def points(self) -> Floats:
        """Spectra (points, bands) of the points' own pixels."""
        return self.pixels[tuple(self.at.T)]

    def windows(self, image: Floats) -> Floats:
        """Values (points, 9 x planes) of 3 x 3 pixels around each point; the own pixel's where the tiles end."""
        own = image[tuple(self.at.T)].reshape(len(self.at), -1)
        last = np.array(image.shape[:2]) - 1
        around = []
        for step in WINDOW:
            found = image[tuple((self.at + step).clip(0, last).T)].reshape(own.shape)
            around.append(np.where(np.isfinite(found).all(axis=1)[:, None], found, own))
        return np.concatenate(around, axis=1)


def read_ground(data: Path, folder: Path) -> Ground:
    """Read tiles, points and libraries, all on the bands that a simulation for the scene has."""
    tiles = sorted((data / "enmap_potsdam" / "images").glob("*.tif"))
    path = mosaic(tiles, folder / "potsdam.tif")
    berlin = gdl.read_spectra(
        [data / "fractions" / f"library_berlin{end}" for end in (".sli", ".csv")]
    )
    made = gdl.simulate_spectra(
        berlin,
        method="mixtures",
        class_field="level_2",
        scale=1e-4,
        for_=path,
        n=2 * len(berlin.spectra),
    )
    kinds = np.stack([made.columns[name] for name in CLASSES], axis=1)
    own = (
        made.spectra[: len(berlin.spectra)].astype(float),
        kinds[: len(berlin.spectra)].argmax(axis=1),
    )

    scene = open_scene([path], SceneOptions())
    lengths = np.array([band.wavelength_nm for band in scene.bands])
    chosen = [int(np.abs(lengths - nm).argmin()) for nm in made.wavelengths_nm]
    with rasterio.open(path) as file:
        stored, transform = file.read(masked=True), file.transform
        pixels = np.moveaxis(stored.filled(np.nan)[chosen].astype(float), 0, -1) * file.scales[0]
    pixels[~np.isfinite(pixels).all(axis=2)] = np.nan

    at, cover = points_in(
        data / "fractions" / "veg-cover-fraction_potsdam_point.gpkg", transform, pixels
    )
    measured = (pixels[tuple(at.T)] > 0).all(axis=1)
    at, cover = at[measured], cover["vegetation_fraction"][measured].astype(float)
    places, land = points_in(data / "fractions" / "landcover_potsdam_point.gpkg", transform, pixels)
    spectra = pixels[tuple(places.T)]
    kind = np.array([CLASSES.index(name) for name in land["level_2"]])
    both = np.concatenate([own[0], spectra]), np.concatenate([own[1], kind])
    tile = (at[:, 0] // 32) * 100 + at[:, 1] // 32
    return Ground(
        path, pixels, made.wavelengths_nm, at, cover, tile, {"berlin": own, "both": both}, berlin
    )


def mosaic(tiles: Sequence[Path], path: Path) -> Path:
    """Write the tiles as one GeoTIFF with the tags of the first."""
    values, transform = merge(tiles)
    with rasterio.open(tiles[0]) as first:
        profile = {
            **first.profile,
            "height": values.shape[1],
            "width": values.shape[2],
            "transform": transform,
        }
        profile |= {"tiled": True, "blockxsize": 32, "blockysize": 32}
        with rasterio.open(path, "w", **profile) as file:
            file.write(values)
            file.scales, file.descriptions = first.scales, first.descriptions
            for band in first.indexes:
                file.update_tags(band, **first.tags(band))
    return path


def points_in(path: Path, transform: Any, pixels: Floats) -> tuple[Any, dict[str, Any]]:
    """Read points on valid pixels: (points, 2) rows and cols, and their fields."""
    meta, _, geometry, fields = pyogrio.raw.read(path, layer=0)
    places = np.array([np.frombuffer(one, "<f8", 2, 5) for one in geometry])
    cols, rows = ~transform * places.T
    at = np.floor(np.stack([rows, cols], axis=1)).astype(np.intp)
    inside = ((at >= 0) & (at < pixels.shape[:2])).all(axis=1)
    inside[inside] = np.isfinite(pixels[tuple(at[inside].T)]).all(axis=1)
    named = dict(zip(meta["fields"], (each[inside] for each in fields), strict=True))
    return at[inside], named


def unmixed(members: Floats, spectra: Floats) -> Floats:
    """Fractions (n, members) of sum 1 by fully constrained least squares."""
    return np.asarray(fcls(torch.from_numpy(spectra), torch.from_numpy(members)))


def class_means(ground: Ground, library: str, spectra: Floats) -> Floats:
    """Fraction of plants by least squares with the mean of each class."""
    own, kind = ground.libraries[library]
    members = np.stack([own[kind == number].mean(axis=0) for number in range(len(CLASSES))])
    return unmixed(members, spectra) @ PLANTS


def drawn(ground: Ground, library: str, spectra: Floats, seed: int) -> Floats:
    """Fraction of plants as the mean of least squares with one spectrum drawn of each class."""
    own, kind = ground.libraries[library]
    random = np.random.default_rng(seed)
    found = [
        unmixed(
            own[[random.choice(np.flatnonzero(kind == number)) for number in range(len(CLASSES))]],
            spectra,
        )
        @ PLANTS
        for _ in range(DRAWS)
    ]
    return np.mean(found, axis=0)


def ndvi(ground: Ground, spectra: Floats) -> Floats:
    """Normalised difference vegetation index (n,)."""
    red, infrared = (spectra[:, np.abs(ground.wavelengths_nm - nm).argmin()] for nm in (665, 842))
    return (infrared - red) / (infrared + red)


def between_quantiles(ground: Ground, spectra: Floats) -> Floats:
    """Fraction of plants as the position of the NDVI between quantiles of the scene."""
    known = ground.pixels[(ground.pixels > 0).all(axis=2)]
    bare, full = np.quantile(ndvi(ground, known), (0.05, 0.95))
    return ((ndvi(ground, spectra) - bare) / (full - bare)).clip(0, 1)


def networks(ground: Ground, seed: int) -> dict[str, list[Floats]]:
    """Fractions of plants at the points by networks that learn from mixtures of the Berlin library."""
    found: dict[str, list[Floats]] = {name: [] for name in INPUTS}
    for member in range(NETWORKS):
        number = NETWORKS * seed + member
        made = gdl.simulate_spectra(
            ground.berlin,
            method="mixtures",
            class_field="level_2",
            scale=1e-4,
            for_=ground.path,
            n=MIXTURES,
            seed=number,
            noise_of=ground.path,
        )
        mixed = made.spectra.astype(float)
        shares = np.stack([made.columns[name] for name in CLASSES], axis=1)
        for name, treated in INPUTS.items():
            predicted = learnt(treated(mixed), shares, treated(ground.points), number)
            found[name].append(predicted @ PLANTS)
    return found


def learnt(mixed: Floats, shares: Floats, wanted: Floats, seed: int) -> Floats:
    """Fractions (n, classes) of spectra by a dense network with a softmax, trained by soft cross-entropy."""
    torch.manual_seed(seed)
    centre, spread = mixed.mean(axis=0), mixed.std(axis=0)
    inputs, targets, spectra = (
        torch.from_numpy(each).float()[:, :, None, None]
        for each in ((mixed - centre) / spread, shares, (wanted - centre) / spread)
    )
    network = create_model(
        "dense_classifier",
        in_bands=mixed.shape[1],
        n_classes=shares.shape[1],
        hidden=(64,),
        code=32,
        head="fractions",
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        rows = torch.randint(len(inputs), (128,))
        loss = -(targets[rows] * network(inputs[rows]).clamp_min(1e-7).log()).sum(dim=1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    with torch.no_grad():
        return np.asarray(network.eval()(spectra)[:, :, 0, 0], np.float64)


def as_measured(reflectance: Floats) -> Floats:
    """Leave spectra as they are."""
    return reflectance


def absorbance(reflectance: Floats) -> Floats:
    """log10(1 / R)."""
    return -np.log10(np.maximum(reflectance, DARK))


INPUTS: dict[str, Callable[[Floats], Floats]] = {
    "reflectance": as_measured,
    "absorbance": absorbance,
}


def of_seed(ground: Ground, seed: int) -> dict[str, Floats]:
    """Predict the points by all methods that see no cover value."""
    spectra = ground.points
    mixed = networks(ground, seed)
    found = {
        "fcls, Berlin": class_means(ground, "berlin", spectra),
        "fcls, both": class_means(ground, "both", spectra),
        "fcls drawn, Berlin": drawn(ground, "berlin", spectra, seed),
        "fcls drawn, both": drawn(ground, "both", spectra, seed),
        "ndvi": between_quantiles(ground, spectra),
        "one network, absorbance": mixed["absorbance"][0],
    }
    found |= {f"networks, {name}": np.mean(runs, axis=0) for name, runs in mixed.items()}
    kinds = (
        "networks, reflectance",
        "networks, absorbance",
        "fcls, both",
        "fcls drawn, both",
        "ndvi",
    )
    found["mean of five kinds"] = np.mean([found[kind] for kind in kinds], axis=0)
    return found


def without_labels(ground: Ground, seeds: int) -> None:
    """Print the table of methods that see no cover value."""
    table: dict[str, list[Floats]] = {}
    for seed in range(seeds):
        for name, values in of_seed(ground, seed).items():
            table.setdefault(name, []).append(values)
    print_scores(table, ground)


def with_labels(ground: Ground, seeds: int) -> None:
    """Print the table of methods that learn from cover values, tested on tiles that taught nothing."""
    own = ground.points
    counts = {"n_components": [2, 3, 4, 5, 6, 8, 10, 12]}
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    # Drawn least squares see no cover value, so all tiles may be unmixed before they are split.
    known = (ground.pixels > 0).all(axis=2)
    plants = np.full(known.shape, np.nan)
    near = np.zeros_like(known)
    for step in WINDOW:
        near[tuple((ground.at + step).clip(0, np.array(known.shape) - 1).T)] = True
    plants[known & near] = drawn(ground, "both", ground.pixels[known & near], 0)
    window, mixed = ground.windows(ground.pixels), ground.windows(plants[:, :, None])
    methods: dict[str, tuple[Any, Floats]] = {
        "mean": (DummyRegressor(), own),
        "ndvi, line": (LinearRegression(), ndvi(ground, own)[:, None]),
        "pls 4": (PLSRegressor(4), own),
        "pls": (GridSearchCV(PLSRegressor(), counts), own),
        "random forest": (RandomForestRegressor(200), own),
        "svm": (make_pipeline(StandardScaler(), SVR()), own),
        "ridge, drawn fcls of 3 x 3": (ridge, mixed),
        "pls, 3 x 3 pixels": (GridSearchCV(PLSRegressor(), counts), window),
    }
    table: dict[str, list[Floats]] = {name: [] for name in [*methods, "mean of the last two"]}
    for seed in range(seeds):
        found = {
            name: held_out(model, values, ground, seed) for name, (model, values) in methods.items()
        }
        found["mean of the last two"] = np.mean(list(found.values())[-2:], axis=0)
        for name, values in found.items():
            table[name].append(values)
    print_scores(table, ground)


def held_out(model: Any, values: Floats, ground: Ground, seed: int) -> Floats:
    """Predictions (points,) of each tile by a model of the others."""
    predicted = np.empty(len(values))
    folds = GroupKFold(TILES, shuffle=True, random_state=seed)
    for train, test in folds.split(values, groups=ground.tile):
        fitted = clone(model)
        if isinstance(fitted, GridSearchCV):
            fitted.set_params(cv=GroupKFold(5), scoring="neg_mean_absolute_error")
            fitted.fit(values[train], ground.cover[train], groups=ground.tile[train])
        else:
            if isinstance(fitted, RandomForestRegressor):
                fitted.set_params(random_state=seed)
            fitted.fit(values[train], ground.cover[train])
        predicted[test] = np.ravel(fitted.predict(values[test])).clip(0, 1)
    return predicted


def mae(values: Floats, ground: Ground) -> float:
    """Mean absolute error."""
    return float(np.abs(values - ground.cover).mean())


def print_scores(table: dict[str, list[Floats]], ground: Ground) -> None:
    """Print means over the seeds, and the standard deviation of the mean absolute error."""
    about = ((ground.cover - ground.cover.mean()) ** 2).sum()
    print(
        f"{len(ground.cover)} points, mean cover {ground.cover.mean():.2f}\n\n| | MAE | RMSE | R2 | bias |\n|---|---|---|---|---|"
    )
    for name, runs in table.items():
        wrong = np.stack(runs) - ground.cover
        errors = np.abs(wrong).mean(axis=1)
        squares = (wrong**2).sum(axis=1)
        spread = f" +- {errors.std(ddof=1):.3f}" if np.ptp(errors) > 0 else ""
        print(
            f"| {name} | {errors.mean():.3f}{spread} | {np.sqrt(squares / wrong.shape[1]).mean():.3f} | "
            f"{(1 - squares / about).mean():.2f} | {wrong.mean():+.2f} |"
        )


PARTS: dict[str, Callable[[Ground, int], None]] = {"library": without_labels, "points": with_labels}


def main() -> None:
    """Run a part of the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of small simulations and of how the library was read
    with tempfile.TemporaryDirectory() as folder:
        PARTS[given.part](read_ground(given.data, Path(folder)), given.seeds)


if __name__ == "__main__":
    main()
