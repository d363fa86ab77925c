"""The labelled imagery that s2-landcover learns from and is measured on, all as one kind of piece.

A label is a set of classes, kept as a bit mask: bit c is set where class c may be right. A scene
classification's 'vegetation' is tree cover or grass or cropland and says no more; a pixel without
any bit is unlabelled. What is measured is never trained on; the split of each set is stated here
and was made on where its labels lie, before any network was trained:

========== ======================= =========================== ==========================
set        training                validation (calibration)    held out (reported)
========== ======================= =========================== ==========================
Ireland    rows 0-639              rows 656-779                rows 812-1829
Slovenia   rows 0-49               -                           rows 52-99
Tokyo      file A, nine tenths     file A, one tenth           file B
WorldCereal patches ...639B, ...   the lower quarter of these  patch 0000280849BAC91C,
           8E7E, Tanzania: rows    three patches               all dates
           of the upper 11/16
simulated  seeds 210000 ...        -                           -
========== ======================= =========================== ==========================
"""

from __future__ import annotations

import csv
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio

from georaster_dl.core.bands import find_band, named_bands
from georaster_dl.io.scenes.reader import open_scene

sys.path.append(str(Path(__file__).resolve().parents[2] / "sample_tiles"))

Float = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint16]

CLASSES = (
    ("tree cover", "#1f7a34"),
    ("grass and low vegetation", "#a8d86e"),
    ("cropland", "#e8c34a"),
    ("built-up", "#d1344b"),
    ("bare", "#b59a7c"),
    ("water", "#2b6cd4"),
    ("cloud", "#f4f4f4"),
    ("cloud shadow", "#5b5168"),
    ("snow and ice", "#8fe3f0"),
)
TREE, GRASS, CROP, BUILT, BARE, WATER, CLOUD, SHADOW, SNOW = (1 << i for i in range(len(CLASSES)))
GREEN = TREE | GRASS | CROP
LAND = GREEN | BUILT | BARE
SURFACE = LAND | WATER | SNOW

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
_PLACE = {name: i for i, name in enumerate(BANDS)}


@dataclass(frozen=True)
class Piece:
    """One labelled image.

    Attributes
    ----------
    image : (12, rows, cols) reflectance; 0 in absent bands and where not valid.
    present : (12,) which bands there are.
    label : (rows, cols) bits of the classes that may be right, 0 where unlabelled.
    valid : (rows, cols) where there is a measurement.
    top_of_atmosphere : whether it is L1C, seen through the air.
    """

    image: Float
    present: npt.NDArray[np.bool_]
    label: Bits
    valid: npt.NDArray[np.bool_]
    top_of_atmosphere: bool = False

    def rows(self, start: int, stop: int) -> Piece:
        """Some of its rows."""
        return self.part(slice(start, stop), slice(None))

    def part(self, rows: slice, cols: slice) -> Piece:
        """Some of its rows and cols."""
        return replace(
            self,
            image=self.image[:, rows, cols],
            label=self.label[rows, cols],
            valid=self.valid[rows, cols],
        )


@dataclass(frozen=True)
class Parts:
    """The pieces of one set by what they are for."""

    training: list[Piece]
    validation: list[Piece]
    held_out: list[Piece]


def _piece(
    bands: dict[str, npt.NDArray], label: npt.NDArray, valid: npt.NDArray[np.bool_]
) -> Piece:
    image = np.zeros((len(BANDS), *label.shape), np.float32)
    for name, values in bands.items():
        image[_PLACE[name]] = np.where(valid, values, 0)
    present = np.array([name in bands for name in BANDS])
    return Piece(image, present, np.where(valid, label, 0).astype(np.uint16), valid)


def _looked_up(table: dict[int, int], numbers: npt.NDArray) -> npt.NDArray[np.int64]:
    lookup = np.zeros(int(max(numbers.max(), *table)) + 1, np.int64)
    for number, bits in table.items():
        lookup[number] = bits
    return lookup[numbers]


# Sen2Cor's scene classification: 3 cloud shadow, 4 vegetation, 5 not vegetated, 6 water,
# 8 and 9 cloud, 10 thin cirrus. 2 (dark), 7 (unclassified) and 11 (snow: here the tops of clouds,
# in Ireland, Flanders in September and Tanzania) say nothing.
_SCL = {3: SHADOW, 4: GREEN, 5: BARE | BUILT, 6: WATER, 8: CLOUD, 9: CLOUD, 10: CLOUD}


def ireland(data: Path) -> Parts:
    """One L2A tile at 60 m, eleven bands, labelled by its own scene classification."""
    product = next((data / "s2_ireland_l2a").glob("*.SAFE"))
    scene = open_scene(str(product))
    wanted = {name: find_band(named_bands([name])[0], scene.bands) for name in BANDS}
    found = {name: i for name, i in wanted.items() if i is not None and name != "B08"}
    raster = scene.select(list(found.values())).read()
    with rasterio.open(next(product.glob("GRANULE/*/IMG_DATA/R60m/*_SCL_60m.jp2"))) as source:
        label = _looked_up(_SCL, source.read(1))
    whole = _piece(dict(zip(found, raster.array, strict=True)), label, raster.valid)
    return Parts([_irish(whole.rows(0, 640))], [whole.rows(656, 780)], [whole.rows(812, 1830)])


def _irish(piece: Piece) -> Piece:
    """What an interpreter adds to the scene classification's 'vegetation', for training only.

    Closed woods, mostly spruce, are dark in the red edge and the short-wave infrared. What is
    bright there is pasture, heath or bog: of Ireland's vegetated land only about a twentieth is
    tilled. Between the two, and near clouds, shadows and water, nothing is added.
    """
    from scipy.ndimage import binary_dilation  # comes with scikit-learn, not with the package

    red, edge, nir, swir = (piece.image[_PLACE[name]] for name in ("B04", "B05", "B8A", "B11"))
    beside = binary_dilation(np.isin(piece.label, (CLOUD, SHADOW)), iterations=5)
    beside |= binary_dilation(piece.label == WATER, iterations=2)
    known = (piece.label == GREEN) & ~beside
    woods = known & (swir < 0.115) & (edge < 0.085) & (nir > 0.15) & (red < 0.03)
    open_land = known & (swir > 0.135) & (edge > 0.09)
    label = np.where(woods, TREE, np.where(open_land, GRASS, piece.label))
    return replace(piece, label=label.astype(np.uint16))


# 1 cultivated (11 pixels), 2 forest, 3 grassland, 4 shrubland, 8 artificial.
_SLOVENIA = {1: CROP, 2: TREE, 3: GRASS, 4: TREE | GRASS, 8: BUILT}


def slovenia(data: Path) -> Parts:
    """Five L1C dates of one square kilometre at 10 m; two are wholly under cloud."""
    with rasterio.open(data / "s2_slovenia/lulc.tif") as source:
        cover = _looked_up(_SLOVENIA, source.read(1))
    pieces = []
    for date in range(1, 6):
        with rasterio.open(data / f"s2_slovenia/scene_{date}.tif") as source:
            numbers, names = source.read(), source.descriptions
        bands = {n: v * np.float32(1e-4) for n, v in zip(names, numbers, strict=True) if n != "B10"}
        label = np.full_like(cover, CLOUD) if date <= 2 else cover
        piece = _piece(bands, label, (numbers > 0).all(axis=0))
        pieces.append(replace(piece, top_of_atmosphere=True))
    return Parts([p.rows(0, 50) for p in pieces], [], [p.rows(52, 100) for p in pieces])


# 0 water, 1 golf course, 2 park and grassland, 3 buildings, 4 forest, 5 farm.
_TOKYO = {0: WATER, 1: GRASS, 2: GRASS, 3: BUILT, 4: TREE, 5: CROP}
_TOKYO_BANDS = ("B8A", "B05", "B07", "B12", "B06", "B11")


def tokyo(data: Path) -> Parts:
    """Patches of 8 x 8 pixels of 20 m, six bands, one class each, that of their middle.

    The order of the bands is not documented; it follows from the class means: those of a golf
    course, 0.29, 0.11, 0.26, 0.10, 0.23, 0.20, can be B8A, B05, B07, B12, B06, B11 alone.
    """
    pieces = {}
    for part in "AB":
        with np.load(data / f"s2_tokyo/s2_tokyo_{part}.npz") as arrays:
            images, classes = arrays["X20"].astype(np.float32) * 1e-4, arrays["y20"]
        middle = np.zeros(images.shape[2:], bool)
        middle[3:5, 3:5] = True
        pieces[part] = [
            _piece(
                dict(zip(_TOKYO_BANDS, image, strict=True)),
                np.where(middle, _TOKYO[int(c)], 0),
                np.ones_like(middle),
            )
            for image, c in zip(images, classes, strict=True)
        ]
    order = np.random.default_rng(0).permutation(len(pieces["A"]))
    tenth = len(order) // 10
    return Parts(
        [pieces["A"][i] for i in order[tenth:]],
        [pieces["A"][i] for i in order[:tenth]],
        pieces["B"],
    )


_HELD_OUT = "0000280849BAC91C"
_FINE, _COARSE = ("B02", "B03", "B04", "B08"), ("B05", "B06", "B07", "B8A", "B11", "B12")


def worldcereal(data: Path) -> Parts:
    """L2A time series of four squares of 640 m: crops, meadows, clouds and their shadows."""
    parts = Parts([], [], [])
    for folder in sorted(p for p in (data / "s2_worldcereal").iterdir() if p.is_dir()):
        pieces = _patch(folder)
        if folder.name == _HELD_OUT:
            parts.held_out.extend(pieces)
            continue
        rows = pieces[0].label.shape[0]
        cut = 3 * rows // 4
        parts.training.extend(_as_fields(p.rows(0, cut - rows // 16)) for p in pieces)
        parts.validation.extend(p.rows(cut, rows) for p in pieces)
    return parts


def _patch(folder: Path) -> list[Piece]:
    """A piece per date; at 10 m with all bands where the patch has them, else at 20 m."""
    coarse = _opened(folder, "S2_L2A_20m_*.nc")
    # Their integers carry a NaN as fill value, hence raw numbers; 0 stands for no measurement.
    bands = {name: coarse[name].to_numpy() for name in _COARSE}
    scl = coarse["SCL"].to_numpy()
    cover = _opened(folder, "OUTPUT_POLY-110_10m_*.nc")["LC"].to_numpy()
    if any(folder.glob("S2_L2A_10m_*.nc")):
        fine = _opened(folder, "S2_L2A_10m_*.nc")
        bands = {name: v.repeat(2, axis=1).repeat(2, axis=2) for name, v in bands.items()}
        scl = scl.repeat(2, axis=1).repeat(2, axis=2)
        bands |= {name: fine[name].to_numpy() for name in _FINE}
    else:
        blocks = cover.reshape(32, 2, 32, 2).transpose(0, 2, 1, 3).reshape(32, 32, 4)
        cover = np.where((blocks == blocks[..., :1]).all(axis=2), blocks[..., 0], 0)
    return [_date({n: v[i] for n, v in bands.items()}, scl[i], cover) for i in range(len(scl))]


def _opened(folder: Path, pattern: str) -> Any:
    import xarray  # the package itself has no use for it

    return xarray.open_dataset(next(folder.glob(pattern)), mask_and_scale=False)


def _date(bands: dict[str, npt.NDArray], scl: npt.NDArray, cover: npt.NDArray) -> Piece:
    """Clouds and shadows as the scene classification has them, the land as the parcels do.

    A field is cropland all year; ploughed it may also be called bare. 60 is farm yards. The water
    that the scene classification sees in these fields is none.
    """
    sky = _looked_up({k: _SCL[k] for k in (3, 8, 9, 10)}, scl)
    grown = _looked_up({0: GREEN, 11: CROP, 13: GRASS, 60: 0, 99: GREEN}, cover)
    ploughed = {0: LAND, 11: CROP | BARE, 13: GRASS | BARE, 60: BUILT | BARE, 99: LAND}
    bare = _looked_up(ploughed, cover)
    label = np.select([sky > 0, scl == 4, scl == 5], [sky, grown, bare], 0)
    numbers = np.stack(list(bands.values()))
    valid = ((numbers > 0) & (numbers < 65535)).all(axis=0) & (scl > 0)
    return _piece({n: v * np.float32(1e-4) for n, v in bands.items()}, label, valid)


def _as_fields(piece: Piece) -> Piece:
    """A ploughed field is cropland, as maps of land cover have it; for training only."""
    label = np.where(piece.label == (CROP | BARE), CROP, piece.label)
    return replace(piece, label=label.astype(np.uint16))


_SIMULATED = {1: WATER, 2: TREE, 3: GRASS, 4: CROP, 5: BARE, 6: BUILT, 7: BUILT}
_SEED = 210_000
_PLAN = ((10.0, 60, 192), (20.0, 30, 160), (60.0, 20, 128))  # gsd_m, scenes, rows = cols


def simulated(seed: int = _SEED, plan: tuple[tuple[float, int, int], ...] = _PLAN) -> Parts:
    """Scenes drawn as the sample tiles are, with other seeds: clean shapes, every class."""
    from landscape import make_scene
    from sensor import SENTINEL2

    pieces = []
    for gsd_m, n, size in plan:
        for _ in range(n):
            image, truth = make_scene(seed, size, size, gsd_m=gsd_m)
            bands = {
                name: v for name, v in zip(SENTINEL2.names, image, strict=True) if name in _PLACE
            }
            pieces.append(_piece(bands, _looked_up(_SIMULATED, truth), np.ones(truth.shape, bool)))
            seed += 1
    return Parts(pieces, [], [])


def spectra(data: Path, seed: int = 0, n: int = 200, side: int = 64) -> list[Piece]:
    """Streets and roofs, soils, dry and burned ground and leaf canopies from measured spectra.

    Every canvas has patches of one or two spectra each, mixed where they meet; those of built-up
    land change from pixel to pixel among roofs, roads, trees and shade, as they do in a town.
    """
    table = spectral_table(data)
    groups = {
        name: np.array([[float(r[b]) for b in BANDS] for r in table if r["level_2"] == name], np.float32)
        for name in ("bare", "burned", "built", "vegetation", "npv")
    }  # fmt: skip
    rng = np.random.default_rng(seed)
    kinds = rng.choice(list(_LAID), (n, 6), p=[0.15, 0.1, 0.4, 0.1, 0.1, 0.15])
    return [_laid_out(rng, groups, list(row), side) for row in kinds]


# Soil may be a field at rest or a desert. Sparse plants, green or dry, are low vegetation.
_LAID = {
    "bare": BARE | CROP,
    "burned": BARE,
    "built": BUILT,
    "vegetation": GREEN,
    "npv": GRASS | CROP,
    "sparse": GRASS | CROP,
}


def _laid_out(
    rng: np.random.Generator,
    groups: dict[str, Float],
    kinds: list[str],
    side: int,
) -> Piece:
    """A canvas of patches around random points, the nearest of which a pixel belongs to."""
    at = rng.uniform(0, side, (2, len(kinds)))
    grid = np.indices((side, side))
    nearest = np.square(grid[..., None] - at[:, None, None]).sum(axis=0).argmin(axis=-1)
    image = np.zeros((len(BANDS), side, side), np.float32)
    label = np.zeros((side, side), np.uint16)
    for number, kind in enumerate(kinds):
        inside = nearest == number
        image[:, inside] = _textured(rng, groups, kind, int(inside.sum())).T
        label[inside] = _LAID[kind]
    image *= np.exp(rng.normal(0, 0.07, (1, side, side))).astype(np.float32)
    border = np.zeros((side, side), bool)
    border[:-1] |= nearest[1:] != nearest[:-1]
    border[:, :-1] |= nearest[:, 1:] != nearest[:, :-1]
    valid = np.ones((side, side), bool)
    return Piece(
        image, np.ones(len(BANDS), bool), np.where(border, 0, label).astype(np.uint16), valid
    )


def _textured(rng: np.random.Generator, groups: dict[str, Float], kind: str, n: int) -> Float:
    """Spectra of the pixels of one patch, (n, 12)."""
    if kind == "sparse":
        plants = _textured(rng, groups, str(rng.choice(["vegetation", "npv"])), n)
        cover = rng.uniform(0.2, 0.5) + rng.uniform(0, 0.2, (n, 1))
        spectra = cover * plants + (1 - cover) * _textured(rng, groups, "bare", n)
        return spectra.astype(np.float32)
    some = groups[kind][rng.integers(len(groups[kind]), size=2 if kind != "built" else 12)]
    shares = rng.dirichlet(np.full(len(some), 0.6 if kind == "built" else 2.0), n)
    spectra = shares @ some
    if kind == "built":
        green = groups["vegetation"][rng.integers(len(groups["vegetation"]))]
        trees = rng.beta(0.5, 2.5, (n, 1))
        spectra = (1 - trees) * spectra + trees * green
        spectra *= rng.uniform(0.35, 1.0, (n, 1))  # walls shade what is between
    return spectra.astype(np.float32)


def spectral_table(data: Path) -> list[dict[str, str]]:
    """Measured spectra in Sentinel-2's bands, with their classes."""
    with (data / "s2_world/spectra/earthlib_s2.csv").open() as file:
        return list(csv.DictReader(file))


def load(data: Path) -> dict[str, Parts]:
    """All sets but the chips of the world by name."""
    return {
        "Ireland": ireland(data),
        "Slovenia": slovenia(data),
        "Tokyo": tokyo(data),
        "WorldCereal": worldcereal(data),
        "simulated": simulated(),
        "spectra": Parts(spectra(data), [], []),
    }
