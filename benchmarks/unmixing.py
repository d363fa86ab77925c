"""Unmixing on scenes with known fractions, on measured cover, and what it costs.

    python benchmarks/unmixing.py scenes ../shared/data
    python benchmarks/unmixing.py library ../shared/data
    python benchmarks/unmixing.py cost
    python benchmarks/unmixing.py solver
    python benchmarks/unmixing.py cost --sides 512 2048 --folder /somewhere/large

``scenes`` runs ``geodl unmix`` on four scenes with as many members as they are published with, and compares its table of
members (spectral angle) and its map (root mean square over all pixels and members; members are matched by
angle) with the published ones. No setting depends on a scene. Published fractions are themselves made by least
squares: Moffett's are those of fully constrained least squares, Samson's of non-negative ones, divided by their sum.

``library`` compares ways to make members of a library of spectra, by the vegetation cover that was measured at 200 points of
EnMAP's Potsdam scene: nothing is learnt from these, so there is no split.

``cost`` makes cubes of 200 bands and unmixes them with 6 known members, from file to file, in a process of its own each.
``solver`` compares the solver alone with scipy's NNLS, pixel by pixel, in turn on the same pixels.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cubes
import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.optimize import linear_sum_assignment, nnls

BANDS, MEMBERS = 200, 6
SAMPLE = 4096  # pixels that scipy solves
VEGETATION = ("low vegetation", "tree")


def _from_columns(found: dict, factor: float = 1.0) -> tuple[NDArray, NDArray, NDArray]:
    fractions = found["S_GT"].astype(float)
    rows, cols = fractions.shape[:2]
    cube = found["Y"].reshape(-1, cols, rows).transpose(0, 2, 1)  # columns follow each other
    return cube.astype(np.float32) * factor, fractions.transpose(2, 0, 1), found["GT"].astype(float)


def samson(folder: Path) -> tuple[NDArray, NDArray, NDArray]:
    """Cube (bands, rows, cols), fractions (members, rows, cols) and members (members, bands)."""
    return _from_columns(loadmat(folder / "Samson.mat"))


def jasper(folder: Path) -> tuple[NDArray, NDArray, NDArray]:
    """The same of Jasper Ridge, whose numbers are divided by the largest."""
    found = loadmat(folder / "Jasper.mat")
    return _from_columns(found, 1 / float(found["Y"].max()))


def moffett(folder: Path) -> tuple[NDArray, NDArray, NDArray]:
    """The same of Moffett."""
    return _from_columns(loadmat(folder / "moffett.mat"))


def muufl(folder: Path) -> tuple[NDArray, NDArray, NDArray]:
    """The same of the crop of MUUFL Gulfport."""
    found = loadmat(folder / "muffle_dataset_130_90.mat")
    return (
        found["Y"].transpose(2, 0, 1).astype(np.float32),
        found["label"].transpose(2, 0, 1).astype(float),
        found["M"].T.astype(float),
    )


SCENES = {"samson": samson, "jasper": jasper, "moffett": moffett, "muufl": muufl}
WAYS = {
    "N-FINDR + FCLS": {},
    "VCA + FCLS": {"search": "vca"},
    "N-FINDR + FCLS, shade": {"shade": True},
    "unmix_ae": {"method": "autoencoder"},
    "unmix_ae, smoothness .05": {"method": "autoencoder", "smoothness": 0.05},
    "unmix_ae, bilinear": {"method": "autoencoder", "bilinear": True},
}


def angles(ours: NDArray, theirs: NDArray) -> NDArray:
    """Spectral angles (ours, theirs) in radians."""
    sizes = np.linalg.norm(ours, axis=1)[:, None] * np.linalg.norm(theirs, axis=1)
    return np.arccos(np.clip(ours @ theirs.T / sizes, -1, 1))


def scored(scene: Path, fractions: NDArray, members: NDArray, way: dict, seed: int) -> list[float]:
    """Angle of the members, error of the fractions, and what the mixtures leave, by the product."""
    import georaster_dl as gdl

    out = scene.with_name("unmixed_fractions.tif")
    made = gdl.unmix(scene, out=out, k=len(members), seed=seed, float32=True, overwrite=True, **way)
    table = pd.read_csv(scene.with_name("unmixed_members.csv"))
    apart = angles(table.iloc[:, -members.shape[1] :].to_numpy(float), members)
    ours, theirs = linear_sum_assignment(apart)
    with rasterio.open(out) as dataset:
        mapped = dataset.read()
    error = np.sqrt(((mapped[ours] - fractions[theirs]) ** 2).mean())
    return [float(apart[ours, theirs].mean()), float(error), made.rmse, made.rmse_fcls]


def scenes(given: argparse.Namespace) -> None:
    """Print the table of scenes and ways."""
    head = ("scene", "way", "angle", "sd", "RMSE", "sd", "left", "left by FCLS", "seconds")
    print(" | ".join(head))
    with tempfile.TemporaryDirectory() as name:
        for scene in given.scenes:
            cube, fractions, members = SCENES[scene](given.data / "unmixing")
            path = cubes.write(Path(name) / f"{scene}.tif", cube)
            for way in given.ways:
                begun = time.perf_counter()
                runs = np.array(
                    [scored(path, fractions, members, WAYS[way], seed) for seed in given.seeds]
                )
                seconds = (time.perf_counter() - begun) / len(runs)
                mean, sd = runs.mean(0), runs.std(0, ddof=1)
                print(
                    f"{scene} | {way} | {mean[0]:.3f} | {sd[0]:.3f} | {mean[1]:.3f} | {sd[1]:.3f} | {mean[2]:.4f} | "
                    f"{mean[3]:.4f} | {seconds:.1f}",
                    flush=True,
                )


def _points(path: Path, tiles: list[Path]) -> tuple[NDArray, pd.DataFrame]:
    """Spectra (n, bands) of the points with data, and their attributes."""
    import geopandas

    points = geopandas.read_file(path, layer=0)
    found, rows = [], []
    for tile in tiles:
        with rasterio.open(tile) as dataset:
            planes = dataset.read().astype(float) * dataset.scales[0]
            empty = (dataset.read() == dataset.nodata).all(0)
            for number, point in enumerate(points.geometry):
                r, c = dataset.index(point.x, point.y)
                if 0 <= r < dataset.height and 0 <= c < dataset.width and not empty[r, c]:
                    found.append(planes[:, r, c])
                    rows.append(number)
    return np.array(found), points.iloc[rows].reset_index(drop=True)


def library(given: argparse.Namespace) -> None:
    """Print the error of vegetation cover by ways to make members."""
    import torch

    from georaster_dl.io.scenes.reader import open_scene
    from georaster_dl.models.zoo.unmixing.fcls import fcls
    from georaster_dl.spectra.table.samples import read_spectra
    from georaster_dl.unmixing.library import bands_within, library_members

    folder = given.data / "fractions"
    tiles = sorted((given.data / "enmap_potsdam" / "images").glob("*.tif"))
    bands = open_scene(tiles[0]).bands
    table = read_spectra([folder / "library_berlin.sli", folder / "library_berlin.csv"])
    good = [i for i, band in enumerate(bands) if band.good]
    used, notes = bands_within(table, [bands[i] for i in good], "EnMAP")
    inside = [good[i] for i in used]
    spectra, points = _points(folder / "veg-cover-fraction_potsdam_point.gpkg", tiles)
    own, classes = _points(folder / "landcover_potsdam_point.gpkg", tiles)
    members, doubts = library_members(
        table, [bands[i] for i in inside], "EnMAP", class_field=None, scale=1e-4
    )
    berlin = members.spectra, table.classes("level_2")
    both = np.vstack([berlin[0], own[:, inside]]), np.r_[berlin[1], classes["level_2"]]
    cover = points["vegetation_fraction"].to_numpy()
    print(f"{len(cover)} points, {len(own)} land-cover points, {len(inside)} bands")
    print(*notes, *doubts, sep="\n")
    print("library | members | shade | MAE | bias | R2")
    for (name, (rows, labels)), per_class, shade in itertools.product(
        {"Berlin": berlin, "Berlin and scene": both}.items(), (True, False), (False, True)
    ):
        names = np.unique(labels.astype(str)) if per_class else labels
        used = np.array([rows[labels == each].mean(0) for each in names]) if per_class else rows
        if shade:
            used, names = np.vstack([used, 0 * used[:1]]), np.append(names, "shade")
        mixed = fcls(torch.tensor(spectra[:, inside]), torch.tensor(used)).numpy()
        lit = mixed[:, names != "shade"].sum(1)
        found = mixed[:, np.isin(names, VEGETATION)].sum(1) / lit
        off = found - cover
        r2 = 1 - (off**2).sum() / ((cover - cover.mean()) ** 2).sum()
        print(
            f"{name} | {'means of classes' if per_class else 'all, summed by class'} | {'yes' if shade else 'no'} | "
            f"{np.abs(off).mean():.3f} | {off.mean():+.3f} | {r2:.2f}"
        )


def known_members(random: np.random.Generator) -> NDArray:
    """Draw spectra (members, bands) from 0.05 to 0.55."""
    steps = random.normal(0, 1, (MEMBERS, BANDS)).cumsum(1)
    low, high = steps.min(1, keepdims=True), steps.max(1, keepdims=True)
    return 0.05 + 0.5 * (steps - low) / (high - low)


def write_cube(folder: Path, side: int) -> tuple[Path, Path]:
    """Write a cube of mixtures with noise, strip by strip, and the table of its members."""
    random = np.random.default_rng(0)
    lengths = np.linspace(420, 2450, BANDS)
    members = known_members(random)
    path = folder / f"cube_{side}.tif"
    profile = {"driver": "GTiff", "count": BANDS, "height": side, "width": side, "dtype": "uint16",
               "crs": "EPSG:32632", "transform": rasterio.Affine(30, 0, 5e5, 0, -30, 5e6),
               "tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "pixel",
               "BIGTIFF": "IF_SAFER"}  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.scales = [1e-4] * BANDS
        for band, length in enumerate(lengths, 1):
            dataset.update_tags(
                band, wavelength=f"{length:.3f}", wavelength_units="Nanometers", fwhm="10"
            )
        for row in range(0, side, 256):
            shares = random.dirichlet(np.full(MEMBERS, 0.5), (256, side))
            image = shares @ members + random.normal(0, 0.005, (256, side, BANDS))
            stored = (image * 1e4).clip(1, 65535).astype("uint16").transpose(2, 0, 1)
            dataset.write(stored, window=rasterio.windows.Window(0, row, side, 256))
    table = folder / "members.csv"
    names = pd.Series([f"material {i}" for i in range(1, MEMBERS + 1)], name="name")
    frame = pd.DataFrame(members, columns=[f"{length:.3f} nm" for length in lengths])
    pd.concat([names, frame], axis=1).to_csv(table, index=False)
    return path, table


def measured(command: list[str]) -> tuple[float, float]:
    """Processor seconds and peak GiB of a process; where the peak of this one is higher, that."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20


def cost(given: argparse.Namespace) -> None:
    """Print processor seconds and memory of the command."""
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        for side in given.sides:
            # In a process of its own: what is measured inherits the peak of this one.
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                cube, table = pool.submit(write_cube, folder, side).result()
            out = folder / "out_fractions.tif"
            run = ["geodl", "unmix", str(cube), "--members", str(table), "-o", str(out)]
            for extra in ([], ["--error", str(folder / "error.tif")]):
                seconds, peak = measured([*run, *extra, "--quiet", "--overwrite"])
                what = " ".join(extra[:1]) or "map"
                print(
                    f"{side} x {side} x {BANDS}, {what}: {seconds:.1f} s of processor, peak {peak:.2f} GiB",
                    flush=True,
                )


def solver(given: argparse.Namespace) -> None:
    """Print the time of the solver beside scipy's NNLS, pixel by pixel, in turn on the same pixels."""
    import torch

    from georaster_dl.models.zoo.unmixing.fcls import fcls

    random = np.random.default_rng(0)
    members = known_members(random)
    shares = random.dirichlet(np.full(MEMBERS, 0.5), SAMPLE)
    pixels = shares @ members + random.normal(0, 0.005, (SAMPLE, BANDS))
    size = 1e4 * members.max()
    lifted = np.vstack([members.T, np.full(MEMBERS, size)])
    spectra, own = torch.as_tensor(pixels), torch.as_tensor(members)
    fcls(spectra, own)
    times: dict[str, list[float]] = {"FCLS": [], "scipy": []}
    for _ in range(given.rounds):
        begun = time.perf_counter()
        ours = fcls(spectra, own).numpy()
        times["FCLS"].append(time.perf_counter() - begun)
        begun = time.perf_counter()
        theirs = np.array([nnls(lifted, np.append(y, size))[0] for y in pixels])
        times["scipy"].append(time.perf_counter() - begun)
    fast, slow = min(times["FCLS"]), min(times["scipy"])
    print(
        f"{SAMPLE} pixels, best of {given.rounds}: FCLS {fast:.4f} s, scipy {slow:.3f} s ({512**2 / SAMPLE * slow:.0f} s for "
        f"512 x 512), ratio {slow / fast:.0f}; largest difference {np.abs(ours - theirs).max():.1e}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(required=True)
    one = kinds.add_parser("scenes")
    one.add_argument("data", type=Path, help="folder of the data sets")
    one.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES))
    one.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    one.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    one.set_defaults(run=scenes)
    two = kinds.add_parser("library")
    two.add_argument("data", type=Path, help="folder of the data sets")
    two.set_defaults(run=library)
    three = kinds.add_parser("cost")
    three.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    three.add_argument(
        "--folder", type=Path, help="for the cubes; the system's temporary one by default"
    )
    three.set_defaults(run=cost)
    four = kinds.add_parser("solver")
    four.add_argument("--rounds", type=int, default=5)
    four.set_defaults(run=solver)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    sys.exit(main())
