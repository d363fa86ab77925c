"""Make the sample scenes of this folder anew: the same files from the same seeds.

python sample_tiles/make.py [folder]
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from affine import Affine
from landscape import CLASSES, Look, make_scene
from rasterio.features import shapes
from sensor import SENTINEL2, Channels

HERE = Path(__file__).parent
TRUTH_NODATA = 255
# One date for every file, so that making them again changes nothing.
DATE = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Sample:
    """One sample scene.

    Attributes
    ----------
    west, north : map coordinates of the upper left corner.
    swath : (top, bottom) columns between which the oblique edge of nodata runs, from the left when
        positive and from the right when negative; None for none.
    surveyed : (row, col, rows, cols) windows in which every place has a label.
    """

    name: str
    seed: int
    rows: int
    cols: int
    gsd_m: float
    epsg: int
    west: float
    north: float
    look: Look
    swath: tuple[int, int] | None
    surveyed: tuple[tuple[int, int, int, int], ...]

    @property
    def transform(self) -> Affine:
        """Pixel to map coordinates."""
        return Affine(self.gsd_m, 0.0, self.west, 0.0, -self.gsd_m, self.north)


WEST = Sample(
    name="s2_west",
    seed=45,
    rows=512,
    cols=512,
    gsd_m=10.0,
    epsg=32631,
    west=600_000.0,
    north=5_700_000.0,
    look=Look(season=0.8, haze=0.006, relief=0.08),
    swath=(-96, -24),
    surveyed=((30, 170, 210, 230), (270, 40, 170, 200)),
)
EAST = Sample(
    name="s2_east",
    seed=27,
    rows=288,
    cols=320,
    gsd_m=10.0,
    epsg=32633,
    west=412_340.0,
    north=5_398_760.0,
    look=Look(season=0.55, haze=0.012, relief=0.11, forest=0.28, block_m=760.0, field_m=120.0),
    swath=(14, 40),
    surveyed=((60, 60, 180, 170),),
)
CUBE = Sample(
    name="hyperspectral",
    seed=3,
    rows=96,
    cols=96,
    gsd_m=30.0,
    epsg=32632,
    west=500_010.0,
    north=5_300_010.0,
    look=Look(season=0.9, haze=0.004, field_m=200.0),
    swath=None,
    surveyed=((4, 4, 56, 56),),
)


def spectrometer() -> Channels:
    """Return 120 bands of 17 nm from 420 to 2450 nm; the water-vapour bands carry noise only."""
    centre = np.round(np.linspace(420.0, 2450.0, 120), 2)
    names = tuple(f"band {i}" for i in range(1, 121))
    snr = np.interp(centre, [420, 600, 1000, 1600, 2450], [180.0, 320.0, 250.0, 160.0, 70.0])
    return Channels(names, centre, np.full(120, 17.0), snr, np.full(120, 30.0))


def is_good(wavelength_nm: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return False for bands in which water vapour hides the ground."""
    vapour = (wavelength_nm > 1350) & (wavelength_nm < 1460) | (wavelength_nm > 1790) & (
        wavelength_nm < 1960
    )
    return ~vapour


def seen(sample: Sample) -> npt.NDArray[np.bool_]:
    """Return which pixels (rows, cols) the swath covers."""
    if sample.swath is None:
        return np.ones((sample.rows, sample.cols), bool)
    top, bottom = sample.swath
    column = np.arange(sample.cols)[None, :]
    edge = top + (bottom - top) * (np.arange(sample.rows)[:, None] + 0.5) / sample.rows
    return column < sample.cols + edge if top < 0 else column >= edge


def sentinel2(sample: Sample) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Return digital numbers (bands, rows, cols) as since baseline 04.00, and the truth.

    DN = reflectance * 10000 + 1000; 0 and 255 outside the swath.
    """
    image, truth = make_scene(
        sample.seed, sample.rows, sample.cols, gsd_m=sample.gsd_m, look=sample.look
    )
    digital = np.clip(np.round(image * 10_000.0) + 1000.0, 1, 32767).astype(np.uint16)
    inside = seen(sample)
    return np.where(inside, digital, 0).astype(np.uint16), np.where(
        inside, truth, TRUTH_NODATA
    ).astype(np.uint8)


def cube() -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Return reflectance * 10000 (bands, rows, cols), noise in the bad bands, and the truth."""
    channels = spectrometer()
    image, truth = make_scene(
        CUBE.seed, CUBE.rows, CUBE.cols, gsd_m=CUBE.gsd_m, channels=channels, look=CUBE.look
    )
    digital = np.clip(np.round(image * 10_000.0), 1, 32767).astype(np.int16)
    bad = ~is_good(channels.wavelength_nm)
    noise = np.random.default_rng(CUBE.seed).normal(0.0, 60.0, (int(bad.sum()), *truth.shape))
    digital[bad] = np.round(noise).astype(np.int16)
    return digital, truth


def labels(sample: Sample, truth: npt.NDArray[np.uint8]) -> geopandas.GeoDataFrame:
    """Outline the classes in the surveyed windows, corners cut as a person would draw them."""
    surveyed = np.zeros(truth.shape, bool)
    for row, col, rows, cols in sample.surveyed:
        surveyed[row : row + rows, col : col + cols] = True
    surveyed &= truth != TRUTH_NODATA
    outlines = [
        (shapely.geometry.shape(geometry), int(value))
        for geometry, value in shapes(truth, surveyed, transform=sample.transform)
    ]
    drawn = shapely.coverage_simplify([geometry for geometry, _ in outlines], 0.4 * sample.gsd_m)
    name_of = {value: name for value, name, _ in CLASSES}
    values = [value for _, value in outlines]
    fields = {"class_id": np.array(values, np.int32), "class": [name_of[value] for value in values]}
    return geopandas.GeoDataFrame(fields, geometry=drawn, crs=f"EPSG:{sample.epsg}")


def write_labels(path: Path, frame: geopandas.GeoDataFrame) -> None:
    """Write a GeoPackage whose bytes do not depend on the day."""
    path.unlink(missing_ok=True)
    before = os.environ.get("OGR_CURRENT_DATE")
    os.environ["OGR_CURRENT_DATE"] = DATE
    try:
        frame.to_file(path, driver="GPKG", layer="labels", engine="pyogrio")
    finally:
        os.environ.pop("OGR_CURRENT_DATE")
        if before is not None:
            os.environ["OGR_CURRENT_DATE"] = before


def _profile(sample: Sample, dtype: str, count: int, nodata: int) -> dict[str, object]:
    return {
        "driver": "GTiff",
        "height": sample.rows,
        "width": sample.cols,
        "count": count,
        "dtype": dtype,
        "nodata": nodata,
        "crs": f"EPSG:{sample.epsg}",
        "transform": sample.transform,
        "compress": "deflate",
        "zlevel": 9,
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
    }


def write_sentinel2(path: Path, sample: Sample, digital: npt.NDArray[np.uint16]) -> None:
    """Write digital numbers with the scale, offset and name of each band."""
    n = len(digital)
    profile = _profile(sample, "uint16", n, 0) | {"predictor": 2, "interleave": "band"}
    with rasterio.open(path, "w", **profile) as target:
        target.write(digital)
        target.descriptions = SENTINEL2.names
        target.scales, target.offsets = (1e-4,) * n, (-0.1,) * n
        target.update_tags(
            DESCRIPTION="Simulated scene in the manner of Sentinel-2 level 2A, baseline 04.00"
        )


def write_truth(path: Path, sample: Sample, truth: npt.NDArray[np.uint8]) -> None:
    """Write class values with their colours."""
    with rasterio.open(path, "w", **_profile(sample, "uint8", 1, TRUTH_NODATA)) as target:
        target.write(truth, 1)
        target.set_band_description(1, "class")
        target.write_colormap(1, {value: (*color, 255) for value, _, color in CLASSES})
        names = {str(value): name for value, name, _ in CLASSES}
        target.update_tags(CLASS_NAMES=json.dumps(names))  # where geodl looks for them


def _braces(values: npt.ArrayLike) -> str:
    return "{" + ", ".join(f"{value:g}" for value in np.asarray(values)) + "}"


def write_cube(path: Path, digital: npt.NDArray[np.int16]) -> None:
    """Write an ENVI cube, band sequential, with its header beside it."""
    channels = spectrometer()
    bands, rows, cols = digital.shape
    digital.astype("<i2").tofile(path)
    zone = CUBE.epsg % 100
    default = [int(np.abs(channels.wavelength_nm - nm).argmin()) + 1 for nm in (660, 560, 480)]
    header = {
        "description": "{Simulated reflectance cube}",
        "samples": cols,
        "lines": rows,
        "bands": bands,
        "header offset": 0,
        "file type": "ENVI Standard",
        "data type": 2,
        "interleave": "bsq",
        "byte order": 0,
        "map info": f"{{UTM, 1, 1, {CUBE.west}, {CUBE.north}, {CUBE.gsd_m}, {CUBE.gsd_m}, {zone}, North, "
        "WGS-84, units=Meters}",
        "wavelength units": "Nanometers",
        "reflectance scale factor": 10000,
        "data ignore value": -9999,
        "default bands": _braces(default),
        "band names": "{" + ", ".join(channels.names) + "}",
        "wavelength": _braces(channels.wavelength_nm),
        "fwhm": _braces(channels.fwhm_nm),
        "bbl": _braces(is_good(channels.wavelength_nm).astype(int)),
    }
    lines = ["ENVI", *(f"{key} = {value}" for key, value in header.items())]
    path.with_suffix(".hdr").write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")


def main() -> None:
    """Write every sample file."""
    parser = argparse.ArgumentParser(description="Make the sample scenes.")
    parser.add_argument("folder", type=Path, nargs="?", default=HERE)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for sample in (WEST, EAST, CUBE):
        if sample is CUBE:
            digital, truth = cube()
            write_cube(folder / f"{sample.name}.img", digital)
        else:
            digital, truth = sentinel2(sample)
            write_sentinel2(folder / f"{sample.name}.tif", sample, digital)
        write_truth(folder / f"{sample.name}_truth.tif", sample, truth)
        write_labels(folder / f"{sample.name}_labels.gpkg", labels(sample, truth))
    for path in sorted(folder.glob("*")):
        if path.suffix in {".tif", ".img", ".hdr", ".gpkg"}:
            print(f"{path.stat().st_size:>9,} {path.name}")


if __name__ == "__main__":
    main()
