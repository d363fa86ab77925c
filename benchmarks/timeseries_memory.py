"""Memory and speed of maps of large stacks, beside the bare network.

    python benchmarks/timeseries_memory.py map --network tempcnn
    python benchmarks/timeseries_memory.py map --network ltae --rows 1024
    python benchmarks/timeseries_memory.py parcels --number 100000

``map`` makes a stack of 30 dates and 4 bands (noise in squares; a fifth of each date is masked), 4096 columns wide, and
maps it by ``geodl timeseries classify`` with a network of random weights. In turn with it the bare network runs on
normalised series of as many dates, in chunks of as many pixels, with as many threads; it reads, masks and
writes nothing. Both run in processes of their own, and the bare one is timed without its start.

``parcels`` classifies squares of 11 x 11 pixels that fill such a stack, by ``--parcels`` with a network of pixel sets.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BANDS = ("B02", "B03", "B04", "B08")
DATES, CLASSES, COLS = 30, 9, 4096
SQUARE, CLOUD, MASKED = 16, 64, 0.2
FIELD = 12  # pixels from one parcel to the next
CHUNK, CHUNKS = 8192, 16


def write_stack(folder: Path, rows: int, cols: int) -> None:
    """Write the dated scenes."""
    from georaster_dl.testing import write_scene

    random = np.random.default_rng(0)
    for number in range(DATES):
        squares = random.integers(500, 5000, (4, -(-rows // SQUARE), -(-cols // SQUARE)), "uint16")
        image = squares.repeat(SQUARE, 1).repeat(SQUARE, 2)[:, :rows, :cols]
        image = image + random.integers(0, 200, image.shape, "uint16")
        clouds = random.random((-(-rows // CLOUD), -(-cols // CLOUD))) < MASKED
        image[:, clouds.repeat(CLOUD, 0).repeat(CLOUD, 1)[:rows, :cols]] = 0
        day = dt.date(2020, 1, 5) + dt.timedelta(days=12 * number)
        tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256}
        write_scene(
            folder / f"S2_{day}.tif", image, bands=BANDS, compress="deflate", zlevel=1, **tiles
        )


def write_package(path: Path, name: str) -> None:
    """Write a model of the network with random weights."""
    from georaster_dl.models.package.card import Architecture, Card, ModelHalo
    from georaster_dl.models.package.file import save_model
    from georaster_dl.models.package.series import CardSensor, CardSeries
    from georaster_dl.models.package.values import InputBand
    from georaster_dl.models.registry import create_model
    from georaster_dl.testing import small_card

    options = {"steps": DATES} if name == "tempcnn" else {}
    network = create_model(name, in_bands=4, n_classes=CLASSES, sensors=(4,), **options)
    card = small_card(n_classes=CLASSES)
    fields = {
        "architecture": Architecture(name=name, options=options),
        "bands": tuple(InputBand(band, mean=0.25, std=0.1) for band in BANDS),
        "series": CardSeries(
            sensors=(CardSensor(name="s2", bands=4),),
            unit="pixel",
            season_start="01-01",
            days=(0, 365),
            dates=(10, DATES),
        ),
        "stride": 1,
        "halo": ModelHalo(default=0, exact=0),
        "resolution_m": None,
    }
    save_model(path, Card(**{**dict(card), **fields}), network)


def bare(path: Path) -> None:
    """Print the pixels a second of the network alone."""
    import torch

    from georaster_dl.models.contract import Dated
    from georaster_dl.models.package.file import load_model
    from georaster_dl.models.runtime.device import Device

    _, network = load_model(path)
    device = Device.choose("cpu")
    valid = torch.rand(CHUNK, DATES) > MASKED
    values = torch.randn(CHUNK, DATES, len(BANDS)) * valid[..., None]
    series = Dated(
        values, torch.arange(DATES, dtype=torch.float32).mul(12).expand(CHUNK, -1), valid
    )
    threads = torch.get_num_threads()
    # As the engine does: each thread computes chunks of its own.
    torch.set_num_threads(1)
    from concurrent.futures import ThreadPoolExecutor

    def compute(_: int) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode(), device.arithmetic():
            network([series])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(compute, range(threads)))
        begun = time.perf_counter()
        list(pool.map(compute, range(CHUNKS)))
    print(CHUNK * CHUNKS / (time.perf_counter() - begun))


def run_map(name: str, rows: int, rounds: int) -> None:
    """Print speed and peak memory of maps, and the speed of the bare network."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "stack").mkdir()
        write_stack(folder / "stack", rows, COLS)
        write_package(folder / "model.safetensors", name)
        shares = []
        for number in range(rounds):
            command = [sys.executable, __file__, "bare", str(folder / "model.safetensors")]
            alone = float(
                subprocess.run(command, check=True, capture_output=True, text=True).stdout
            )
            command = ["geodl", "timeseries", "classify", "stack", "-m", "model.safetensors", "-o", "map.tif",
                       "--overwrite", "--quiet"]  # fmt: skip
            begun = time.perf_counter()
            process = subprocess.Popen(command, cwd=folder)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begun
            mapped = rows * COLS / seconds
            shares.append(mapped / alone)
            print(
                f"{name}, {DATES} x {rows} x {COLS} x 4, round {number + 1}: {seconds:.1f} s, {mapped / 1e6:.4f} Mpx/s, "
                f"bare {alone / 1e6:.4f} Mpx/s, share {shares[-1]:.2f}, peak {usage.ru_maxrss / 2**20:.2f} GiB, "
                f"status {status}",
                flush=True,
            )


def write_fields(path: Path, number: int) -> None:
    """Write squares of 11 pixels a side, a pixel apart, as many in a row as the stack is wide."""
    import geopandas
    import shapely

    across = COLS // FIELD
    places = np.arange(number)
    left, top = 500_000 + places % across * FIELD * 10, 5_000_000 - places // across * FIELD * 10
    side = (FIELD - 1) * 10
    shapes = shapely.box(left, top - side, left + side, top)
    geopandas.GeoDataFrame({"id": places}, geometry=shapes, crs="EPSG:32631").to_file(path)


def run_parcels(number: int) -> None:
    """Print speed and peak memory of classifying parcels."""
    rows = -(-number // (COLS // FIELD)) * FIELD
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "stack").mkdir()
        write_stack(folder / "stack", rows, COLS)
        write_package(folder / "model.safetensors", "pse_ltae")
        write_fields(folder / "fields.gpkg", number)
        command = ["geodl", "timeseries", "classify", "stack", "-m", "model.safetensors", "--parcels", "fields.gpkg",
                   "-o", "out.gpkg", "--quiet"]  # fmt: skip
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        print(
            f"pse_ltae, {number:,} parcels, {DATES} x {rows} x {COLS} x 4: {seconds:.0f} s "
            f"({usage.ru_utime + usage.ru_stime:.0f} s of processors), {number / seconds:.0f} parcels/s, peak "
            f"{usage.ru_maxrss / 2**20:.2f} GiB, status {status}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("map", help="maps of a wide stack beside the bare network")
    command.add_argument("--network", default="tempcnn")
    command.add_argument("--rows", type=int, default=4096)
    command.add_argument("--rounds", type=int, default=2)
    command.set_defaults(run=lambda a: run_map(a.network, a.rows, a.rounds))
    command = commands.add_parser("parcels", help="parcels that fill a wide stack")
    command.add_argument("--number", type=int, default=100_000)
    command.set_defaults(run=lambda a: run_parcels(a.number))
    command = commands.add_parser("bare")
    command.add_argument("model", type=Path)
    command.set_defaults(run=lambda a: bare(a.model))
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
