"""Classes from airborne LiDAR, trained in Brittany and tested in Charente-Maritime; time and memory of a tile.

    python benchmarks/lidar.py DATA {raster,points,speed,many}

DATA is the folder with ``decimated`` (two classified tiles of 1 km of IGN, 0.29 points/m2) and ``dense``. Classes:
ground (2), building (6), low and medium vegetation (3, 4), high vegetation (5). No class is used for the terrain.
Settings were chosen on blocks of the tile of Brittany; the other was looked at once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import laspy
import numpy as np
import rasterio

from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.lidar.classify.run import classify_points_of_tile
from georaster_dl.lidar.classify.train import train_points
from georaster_dl.lidar.options import RasterOptions
from georaster_dl.lidar.raster.cells import BANDS
from georaster_dl.lidar.raster.grid import cells_of, grid_of
from georaster_dl.lidar.raster.run import lidar_raster
from georaster_dl.lidar.tiles import open_tiles, read_points

NAMES = ("ground", "building", "low vegetation", "high vegetation")
CLASSES = dict(zip(NAMES, ((2,), (6,), (3, 4), (5,)), strict=True))
CELL = 2.0
TRAIN = "decimated/test_semis_2023_0292_6833_LA93_IGN69.laz"
TEST = "decimated/test_semis_2021_0382_6565_LA93_IGN69_cropped.laz"


def index_of(codes):
    table = np.full(256, -1)
    for number, of_class in enumerate(CLASSES.values()):
        table[list(of_class)] = number
    return table[codes]


def scores(name, predicted, reference):
    found = Confusion.of(predicted, reference, NAMES)
    iou = "  ".join(f"{each} {value:.3f}" for each, value in zip(NAMES, found.iou, strict=True))
    print(
        f"{name:32s} OA {found.overall_accuracy:.3f}  mIoU {found.mean_iou:.3f}  {iou}", flush=True
    )


def cells(path, folder):
    """Bands (bands, rows, cols) of a tile, and the most frequent class of each cell (rows, cols), -1 for none."""
    bands = folder / f"{path.stem}.tif"
    lidar_raster([path], bands, RasterOptions(cell=CELL, ground="filter"))
    cloud = open_tiles([path], crs=None, warn=print)
    grid = grid_of(cloud, CELL)
    votes = np.zeros((len(NAMES), *grid.shape), np.int32)
    for points in read_points(cloud, cloud.tiles[0]):
        rows, cols = cells_of(grid, points.x, points.y)
        known = index_of(points.classes)
        np.add.at(votes, (known[known >= 0], rows[known >= 0], cols[known >= 0]), 1)
    labels = np.where(votes.sum(axis=0) > 0, votes.argmax(axis=0), -1)
    with rasterio.open(bands) as dataset:
        values, profile = dataset.read(), dataset.profile
    return bands, values, labels, profile


def write_labels(labels, profile, path):
    """Labels as a raster for ``geodl train``, 255 where there are none."""
    made = {"driver": "GTiff", "count": 1, "dtype": "uint8", "nodata": 255, "compress": "deflate"}
    kept = {key: profile[key] for key in ("width", "height", "crs", "transform")}
    with rasterio.open(path, "w", **made, **kept) as dataset:
        dataset.write(np.where(labels < 0, 255, labels).astype(np.uint8), 1)


def geodl(*arguments):
    subprocess.run(["geodl", *map(str, arguments), "--quiet"], check=True)


def without_heights_above_sea(bands, folder):
    """The bands but dsm and dtm, which tell regions apart and not classes."""
    path = folder / f"{bands.stem}_7.tif"
    with rasterio.open(bands) as dataset:
        kept = range(3, len(BANDS) + 1)
        with rasterio.open(
            path, "w", **{**dataset.profile, "driver": "GTiff", "count": len(kept)}
        ) as out:
            out.write(dataset.read(kept))
            out.descriptions = BANDS[2:]
    return path


def train_unet(bands, labels, model, seed, epochs):
    """A U-Net as ``geodl train`` makes it."""
    classes = labels.with_suffix(".csv")
    classes.write_text("value,name\n" + "".join(f"{n},{name}\n" for n, name in enumerate(NAMES)))
    geodl(
        "train", bands, labels, "-o", model, "--classes", classes, "--method", "network",
        "--architecture", "unet", "--epochs", epochs, "--seed", seed,
    )  # fmt: skip


def rule(values):
    """Height and returns: ground below 1.5 m, vegetation where pulses have several returns."""
    ndsm, several = values[BANDS.index("ndsm")], values[BANDS.index("multi_share")]
    return np.where(ndsm < 1.5, 0, np.where(several > 0.3, 3, 1))


def raster(data, folder, seeds, epochs):
    """Cells of 2 m: rule, forests and a U-Net."""
    from sklearn.ensemble import RandomForestClassifier

    bands_a, a, labels_a, profile_a = cells(data / TRAIN, folder)
    bands_b, b, labels_b, _ = cells(data / TEST, folder)
    valid_a = np.isfinite(a).all(axis=0) & (labels_a >= 0)
    valid_b = np.isfinite(b).all(axis=0) & (labels_b >= 0)
    reference = labels_b[valid_b]
    print(f"{valid_a.sum():,} cells to learn from, {valid_b.sum():,} to test on", flush=True)
    scores("rule of height and returns", rule(b)[valid_b], reference)
    for name, used in (
        ("forest of heights", [BANDS.index("ndsm")]),
        ("forest of the bands", list(range(2, 9))),
    ):
        forest = RandomForestClassifier(200, min_samples_leaf=5, random_state=0)
        forest.fit(a[used][:, valid_a].T, labels_a[valid_a])
        scores(name, forest.predict(b[used][:, valid_b].T), reference)
    labels = folder / "labels.tif"
    write_labels(labels_a, profile_a, labels)
    bands_a, bands_b = (without_heights_above_sea(bands, folder) for bands in (bands_a, bands_b))
    for seed in seeds:
        model, mapped = folder / f"unet{seed}.safetensors", folder / f"unet{seed}.tif"
        train_unet(bands_a, labels, model, seed, epochs)
        geodl("segment", bands_b, "-m", model, "-o", mapped)
        with rasterio.open(mapped) as dataset:
            found = dataset.read(1).astype(int)
        scores(
            f"U-Net of the bands, seed {seed}", np.where(found < 4, found, -1)[valid_b], reference
        )


def points(data, folder, seed):
    """Points: the rule, and the forest."""
    cloud = open_tiles([data / TEST], crs=None, warn=print)
    own = next(read_points(cloud, cloud.tiles[0]))
    reference = index_of(own.classes)
    bands, _, _, _ = cells(data / TEST, folder)
    with rasterio.open(bands) as dataset:
        dtm = dataset.read(BANDS.index("dtm") + 1)
    height = own.z / 1e4 - dtm[cells_of(grid_of(cloud, CELL), own.x, own.y)]
    by_rule = np.where(height < 0.5, 0, np.where(height < 1.5, 2, np.where(own.returns > 1, 3, 1)))
    scores("rule of height and returns", by_rule, reference)
    forest, output = folder / "points.skops", folder / "classified.laz"
    made = train_points([data / TRAIN], forest, classes=CLASSES, seed=seed)
    print(f"blocks of 100 m of the training tile: OA {made.accuracy:.3f}  mIoU {made.mean_iou:.3f}")
    classify_points_of_tile(data / TEST, forest, output)
    found = index_of(np.asarray(laspy.read(output).classification))[own.index]
    scores(f"forest of points, seed {seed}", found, reference)


def measured(*arguments):
    """Seconds and peak memory in MiB of a command of its own."""
    code = "import sys; from geodl_cli.main import main; main()"
    begun = time.monotonic()
    child = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments), "--quiet"])
    _, status, usage = os_wait(child.pid)
    assert status == 0, arguments
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def os_wait(pid):
    import os

    return os.wait4(pid, 0)


def city(data, folder, tiles, repeats=1, side=1000.0):
    """Tiles of 1 km, each a copy of a tile moved to its place; ``repeats`` adds points of the same ground."""
    las = laspy.read(data / TRAIN)
    left, bottom = np.floor(las.header.mins[:2] / side) * side
    made = []
    for number in range(tiles):
        col, row = number % 10, number // 10
        path = folder / f"tile_{row}_{col}.laz"
        header = laspy.LasHeader(version="1.4", point_format=6)
        header.scales, header.offsets = [0.01] * 3, [left, bottom, 0]
        header.add_crs(las.header.parse_crs())
        with laspy.open(path, mode="w", header=header) as writer:
            rng = np.random.default_rng(number)
            for _ in range(repeats):
                record = laspy.ScaleAwarePointRecord.zeros(len(las.points), header=writer.header)
                shift = rng.uniform(-0.5, 0.5, 2) if repeats > 1 else (0, 0)
                x = (las.x - left + shift[0]) % side
                y = (las.y - bottom + shift[1]) % side
                record.x, record.y, record.z = x + left + col * side, y + bottom + row * side, las.z
                for name in ("return_number", "number_of_returns", "intensity", "classification"):
                    record[name] = las[name]
                writer.write_points(record)
        made.append(path)
    return made


def speed(data, folder):
    """A tile of 1 km with 10 points/m2."""
    (tile,) = city(data, folder, 1, repeats=35)
    count = laspy.open(tile).header.point_count
    print(f"{count:,} points of 1 km2", flush=True)
    for cell in (0.5, 1.0):
        seconds, memory = measured(
            "lidar", "raster", tile, "--cell", cell, "-o", folder / f"{cell}.tif"
        )
        print(f"raster, cells of {cell} m: {seconds:.0f} s, {memory:.0f} MiB", flush=True)
    forest = folder / "points.skops"
    train_points([data / TRAIN], forest, classes=CLASSES)
    seconds, memory = measured("lidar", "classify", tile, "-m", forest, "-o", folder / "out.laz")
    print(f"classify, forest of points: {seconds:.0f} s, {memory:.0f} MiB", flush=True)


def many(data, folder, cell, numbers):
    """Memory by number of tiles."""
    tiles = city(data, folder, max(numbers))
    for number in numbers:
        seconds, memory = measured(
            "lidar",
            "raster",
            *tiles[:number],
            "--cell",
            cell,
            "--ground",
            "class",
            "-o",
            folder / f"{number}.tif",
        )
        print(
            f"{number:3d} tiles of 1 km, cells of {cell:g} m: {seconds:.0f} s, {memory:.0f} MiB",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("part", choices=["raster", "points", "speed", "many"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--cell", type=float, default=2.0)
    parser.add_argument("--tiles", type=int, nargs="+", default=[1, 10, 100])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        if args.part == "raster":
            raster(args.data, place, args.seeds, args.epochs)
        elif args.part == "points":
            for each in args.seeds:
                (place / str(each)).mkdir()
                points(args.data, place / str(each), each)
        elif args.part == "speed":
            speed(args.data, place)
        else:
            many(args.data, place, args.cell, args.tiles)
