"""Reading of cubes of 200 bands, as tiles of a network, over the decoder's own time.

    python benchmarks/reading.py

A cube is written in every layout. The decoder's time is that of ``rasterio.open(path).read()`` with as many threads;
ours that of ``read_tiles``: strips, valid masks and tiles with a halo of 64. Each in a process of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import segment as shared

BANDS = 200
TILED = {"tiled": True, "compress": "deflate", "zlevel": 1, "predictor": 2}
LAYOUTS = {
    **{f"ENVI {kind}": {"driver": "ENVI", "interleave": kind} for kind in ("bsq", "bil", "bip")},
    **{
        f"GeoTIFF, {kind}, blocks {side}": {
            "interleave": kind, **TILED, "blockxsize": side, "blockysize": side,
        }
        for kind in ("band", "pixel")
        for side in (64, 256, 512)
    },
    "GeoTIFF, band, deflated lines": {"interleave": "band", "blockysize": 1, "compress": "deflate"},
}  # fmt: skip


def make_cube(path: Path, side: int, layout: dict) -> None:
    """Cube of int16: fields of one level with noise."""
    import rasterio

    rng = np.random.default_rng(0)
    noise = rng.normal(0, 30, (side, side))
    profile = {"driver": "GTiff", "height": side, "width": side, "count": BANDS, "dtype": "int16"}
    fields = rng.integers(1200, 4000, (BANDS, side // 64, side // 64))
    cube = (fields.repeat(64, 1).repeat(64, 2) + noise).astype("int16")
    with rasterio.open(path, "w", **{**profile, **layout}, nodata=0) as dataset:
        dataset.write(cube)


def part_decoder(path: str, **_: object) -> dict[str, float]:
    import rasterio

    with rasterio.Env(GDAL_NUM_THREADS="ALL_CPUS"):
        begun, busy = time.perf_counter(), time.process_time()
        with rasterio.open(path) as dataset:
            dataset.read()
    return {"seconds": time.perf_counter() - begun, "processor": time.process_time() - busy}


def part_tiles(path: str, **_: object) -> dict[str, float]:
    from georaster_dl.io.scenes.reader import open_scene
    from georaster_dl.predict.engine.strips import read_tiles
    from georaster_dl.tiling.stitch import Stitcher
    from georaster_dl.tiling.tiles import Tiling

    begun, busy = time.perf_counter(), time.process_time()
    scene = open_scene(path)
    tiling = Tiling(scene.shape, tile=(384, 1088), halo=64, stride=32)
    for _tile in read_tiles(scene, tiling, Stitcher(tiling, 0).reach):
        pass
    return {"seconds": time.perf_counter() - begun, "processor": time.process_time() - busy}


PARTS = {"decoder": part_decoder, "tiles": part_tiles}


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] == "part":
        return shared.run_part(sys.argv[2], PARTS)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=512, help="rows and columns, a multiple of 64")
    side = parser.parse_args().side
    print(f"{shared.machine()}; {side} x {side} x {BANDS}\n")
    print("| layout | decoder, s | tiles, s | over it | processor: decoder, s | tiles, s |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cube.img"
        for name, layout in LAYOUTS.items():
            make_cube(path, side, layout)
            one, ours = (
                shared.measure(part, script=__file__, path=str(path))
                for part in ("decoder", "tiles")
            )
            print(
                f"| {name} | {one['seconds']:.2f} | {ours['seconds']:.2f} "
                f"| {ours['seconds'] / one['seconds']:.2f} | {one['processor']:.2f} | {ours['processor']:.2f} |",
                flush=True,
            )
    return None


if __name__ == "__main__":
    main()
