"""How well regions that grow from clicks meet the polygon under the click, and how long an answer takes.

    python benchmarks/regions.py buildings ../shared/data
    python benchmarks/regions.py parcels ../shared/data
    python benchmarks/regions.py speed

The first click is on the pixel farthest from the polygon's border; each further one on the middle of the largest
mistake, adding or removing. The tolerance with the best mean IoU after the first click is chosen on half of the scenes and
judged on the others: ``buildings`` of vhr_buildings (spectra; tiles 966 to 973, and 1033 to 1045), ``parcels`` of
s2_worldcereal (spectra and features of s2-landcover on clear dates; one patch, and another that the model has not seen).
``speed`` asks a process ``geodl serve`` for regions of a sample tile.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.features
from scipy import ndimage

from georaster_dl.growing.similarity import Click, SimilarPixels

TOLERANCES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
CLICKS = 4
_BUILDINGS = ((966, 967, 970, 973), (1033, 1036, 1039, 1045))
_PARCELS = (("00002806639B424A",), ("0000280849BAC91C",))
_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
_CLEAR = (4, 5)  # of the scene classification: vegetation and bare ground
_SAMPLES = Path(__file__).parents[1] / "sample_tiles"


@dataclass(frozen=True)
class Ground:
    """Pixels of a scene, and the number of the polygon at each, 0 where there is none."""

    pixels: SimilarPixels
    polygons: npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["buildings", "parcels", "speed"])
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("--most", type=int, default=12, help="polygons of a scene")
    given = parser.parse_args()
    if given.what == "speed":
        speed()
    elif given.what == "buildings":
        compare(
            "spectra", *(list(buildings(given.data, some)) for some in _BUILDINGS), 200, given.most
        )
    else:
        for model in (None, "s2-landcover"):
            grounds = [list(parcels(given.data, some, model)) for some in _PARCELS]
            compare(model or "spectra", *grounds, 40, given.most)


def compare(name: str, chosen: list[Ground], judged: list[Ground], least: int, most: int) -> None:
    """Choose the tolerance on some scenes, and print figures of others."""
    first = {t: np.array(sessions(chosen, t, 1, least, most))[:, 0] for t in TOLERANCES}
    for tolerance, values in first.items():
        print(
            f"{name}: tolerance {tolerance}: IoU {values.mean():.3f} (n {len(values)}, chosen on)",
            flush=True,
        )
    best = max(first, key=lambda tolerance: first[tolerance].mean())
    scores = np.array(sessions(judged, best, CLICKS, least, most))
    means = ", ".join(f"{value:.3f}" for value in scores.mean(axis=0))
    print(
        f"{name}: tolerance {best} on other scenes, n {len(scores)}: IoU after 1 to {CLICKS} clicks {means}; median of the "
        f"first {np.median(scores[:, 0]):.3f}; first above 0.5: {(scores[:, 0] > 0.5).mean():.0%}, last: "
        f"{(scores[:, -1] > 0.5).mean():.0%}"
    )
    free = np.max([np.array(sessions(judged, t, 1, least, most))[:, 0] for t in TOLERANCES], axis=0)
    print(
        f"{name}: the best tolerance for each polygon (the wheel): IoU of the first click {free.mean():.3f}",
        flush=True,
    )


def sessions(
    grounds: list[Ground], tolerance: float, clicks: int, least: int, most: int
) -> list[list[float]]:
    """IoU after each click, for polygons of at least so many pixels, evenly taken of each scene."""
    found = []
    for ground in grounds:
        sizes = np.bincount(ground.polygons.ravel())
        large = [number for number in np.flatnonzero(sizes >= least) if number]
        for number in large[:: max(-(-len(large) // most), 1)]:
            wanted = (ground.polygons == number) & ground.pixels.valid
            if wanted.sum() >= least:
                found.append(session(ground.pixels, wanted, tolerance, clicks))
    return found


def session(
    pixels: SimilarPixels, wanted: npt.NDArray[np.bool_], tolerance: float, clicks: int
) -> list[float]:
    """IoU after each of some clicks at the middle of the largest mistake; the first adds."""
    made = [Click(*inside(wanted)[1])]
    scores: list[float] = []
    while True:
        region = pixels.region(made, tolerance)
        scores.append(float((region & wanted).sum() / (region | wanted).sum()))
        if len(scores) == clicks:
            return scores
        missed, wrong = inside(wanted & ~region), inside(region & ~wanted)
        add = missed[0] >= wrong[0]
        made.append(Click(*(missed if add else wrong)[1], add=bool(add)))


def inside(mask: npt.NDArray[np.bool_]) -> tuple[float, tuple[int, int]]:
    """Distance from the border of the pixel that is farthest from it, and its row and col."""
    far = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, col = np.unravel_index(int(far.argmax()), far.shape)
    return float(far.max()), (int(row), int(col))


def buildings(data: Path, numbers: tuple[int, ...]) -> Iterator[Ground]:
    """Orthophotos with the polygons of their buildings."""
    folder = data / "vhr_buildings"
    polygons = geopandas.read_file(folder / "buildings.geojson")
    for number in numbers:
        with rasterio.open(folder / "images" / f"Ortoimagem_MI_2970-1-SO_{number}.tif") as dataset:
            image, box = dataset.read().astype(np.float32), dataset.bounds
            there = polygons.cx[box.left : box.right, box.bottom : box.top].geometry
            shapes = [(shape, i) for i, shape in enumerate(there, 1)]
            drawn = rasterio.features.rasterize(
                shapes, image.shape[1:], transform=dataset.transform, dtype="int32"
            )
        yield Ground(SimilarPixels(image, np.ones(drawn.shape, bool)), drawn)


def parcels(data: Path, names: tuple[str, ...], model: str | None) -> Iterator[Ground]:
    """Clear dates of patches with the parcels in them: connected areas of one crop."""
    import xarray

    for name in names:
        folder = data / "s2_worldcereal" / name
        fine, coarse, drawn = (
            xarray.open_dataset(next(folder.glob(pattern)), mask_and_scale=False)
            for pattern in ("S2_L2A_10m_*.nc", "S2_L2A_20m_*.nc", "OUTPUT_POLY-110_10m_*.nc")
        )
        crops = drawn["CT"].to_numpy().astype(np.int64)
        numbers, last = np.zeros(crops.shape, np.int64), 0
        for crop in np.unique(crops[crops > 0]):
            areas, count = ndimage.label(crops == crop)
            numbers[areas > 0] = areas[areas > 0] + last
            last += count
        clear = np.isin(coarse["SCL"].to_numpy(), _CLEAR).mean(axis=(1, 2))
        for date in np.flatnonzero(clear > 0.99)[::3][:4]:
            planes = [
                fine[band][date].to_numpy()
                if band in fine
                else coarse[band][date].to_numpy().repeat(2, 0).repeat(2, 1)
                for band in _BANDS
            ]
            image = np.stack(planes).astype(np.float32) * np.float32(1e-4)
            yield Ground(compared(image, model), numbers)


def compared(image: npt.NDArray[np.float32], model: str | None) -> SimilarPixels:
    """Spectra of an image with bands of 10 m, or features of a model."""
    from affine import Affine
    from odc.geo.geobox import GeoBox

    from georaster_dl.core.bands import named_bands
    from georaster_dl.growing.windows import FeatureWindows, SpectrumWindows
    from georaster_dl.io.arrays import scene_in_memory
    from georaster_dl.io.raster import Raster
    from georaster_dl.models.package.file import find_model
    from georaster_dl.predict.engine.network_cache import keep_networks, of_process
    from georaster_dl.predict.options import FeatureOptions

    keep_networks()
    valid = np.ones(image.shape[1:], bool)
    grid = GeoBox(valid.shape, Affine(10, 0, 500_000, 0, -10, 5_600_000), "EPSG:32631")
    scene = scene_in_memory(Raster(image, valid, grid, named_bands(_BANDS)))
    windows = (
        SpectrumWindows(scene)
        if model is None
        else FeatureWindows(scene, find_model(model), FeatureOptions(device="cpu"), of_process)
    )
    made = windows.read(slice(0, valid.shape[0]), slice(0, valid.shape[1]))
    return SimilarPixels(made.array, made.valid)


def speed() -> None:
    """Print seconds of answers of a process."""
    scene, lake = str(_SAMPLES / "s2_west.tif"), {"x": 602_045, "y": 5_698_605}
    begun = time.monotonic()
    process = subprocess.Popen(
        ["geodl", "serve", "--device", "cpu"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(**request: object) -> dict:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    json.loads(process.stdout.readline())
    print(f"start {time.monotonic() - begun:.1f} s")
    for model in (None, "s2-landcover"):
        begun = time.monotonic()
        ask(do="open", scene=scene, model=model)
        opened, answers = time.monotonic() - begun, []
        for tolerance in (0.5, 0.4, 0.6, 0.5, 0.45):
            begun = time.monotonic()
            ask(do="grow", clicks=[lake], tolerance=tolerance)
            answers.append(time.monotonic() - begun)
        begun = time.monotonic()
        ask(do="grow", clicks=[lake], window=500)
        other = time.monotonic() - begun
        print(
            f"{model or 'spectra'}: open {opened:.2f} s, first click {answers[0]:.2f} s, further ones "
            f"{np.median(answers[1:]):.3f} s (window of 512 x 512), first click in another window {other:.2f} s"
        )
    process.stdin.close()
    process.wait()


if __name__ == "__main__":
    main()
