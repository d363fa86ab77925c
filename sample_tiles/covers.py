"""Reflectance spectra of land covers, 400-2500 nm, from small physical models.

Vegetation is a leaf-absorption model in a two-stream canopy over soil, water is absorption and
backscattering of water, pigments and sediment, soils and artificial surfaces are smooth curves
with their known absorption features. The coefficients are rounded and simplified: the spectra
look like the covers they are named after and serve demonstrations, not retrievals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

WAVELENGTH_NM: Array = np.arange(400.0, 2505.0, 5.0)

WATER, FOREST, GRASSLAND, CROPLAND, BARE_SOIL, BUILT_UP, ROAD = range(1, 8)

# Absorption of pure water, 1/m, at these wavelengths (rounded).
_WATER_NM = [400, 450, 500, 550, 600, 650, 700, 740, 780, 850, 900, 970, 1070, 1200, 1280, 1350,
             1400, 1450, 1500, 1600, 1690, 1800, 1860, 1900, 1940, 2000, 2100, 2200, 2300, 2400, 2500]  # fmt: skip
_WATER_ABSORPTION = [0.007, 0.009, 0.020, 0.057, 0.22, 0.34, 0.62, 2.5, 2.3, 4.3, 6.8, 45, 15, 115, 105,
                     250, 1200, 2900, 1900, 700, 520, 800, 1500, 8000, 12000, 7000, 2500, 1700, 2400,
                     4200, 8500]  # fmt: skip


def _peak(centre_nm: float, width_nm: float) -> Array:
    return np.exp(-0.5 * ((WAVELENGTH_NM - centre_nm) / width_nm) ** 2)


def _below(edge_nm: float, width_nm: float) -> Array:
    return 1.0 / (1.0 + np.exp((WAVELENGTH_NM - edge_nm) / width_nm))


def _curve(nm: list[float], values: list[float]) -> Array:
    """Smooth curve through a few points."""
    coarse = np.interp(WAVELENGTH_NM, nm, values)
    kernel = np.hanning(25)
    padded = np.pad(coarse, 12, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


_water = np.exp(np.interp(WAVELENGTH_NM, _WATER_NM, np.log(_WATER_ABSORPTION)))
_chlorophyll = (
    2.4 * _below(522.0, 11.0)
    + 0.75 * _below(645.0, 14.0)
    + 0.6 * _peak(635, 28)
    + 2.0 * _peak(674, 21)
)
_dry_matter = (
    0.03 + 0.12 * (1.0 - _below(1500.0, 150.0)) + 0.16 * _peak(2100, 60) + 0.18 * _peak(2310, 70)
)
_brown = 2.0 * np.exp(-(WAVELENGTH_NM - 400.0) / 230.0)
_leaf_water = _water / 100.0 * 0.03


def _column(values: npt.ArrayLike) -> Array:
    return np.asarray(values, np.float64)[:, None]


def soil(brightness: npt.ArrayLike, moisture: npt.ArrayLike, redness: npt.ArrayLike) -> Array:
    """Soil spectra (n, wavelengths): bright or dark, dry (0) or wet (1), pale (0) or red (1)."""
    b, m, r = _column(brightness), _column(moisture), _column(redness)
    rise = 1.0 - np.exp(-(WAVELENGTH_NM - 330.0) / (360.0 + 260.0 * r))
    iron = 1.0 - r * (0.35 * _peak(500, 60) + 0.10 * _peak(880, 60))
    clay = 1.0 - 0.10 * _peak(2205, 25) - 0.05 * _peak(1410, 25) - 0.09 * _peak(1915, 40)
    fall = 1.0 - 0.12 * (1.0 - _below(2250.0, 80.0))
    wet = np.exp(-m * (0.55 + 0.9 * np.minimum(_leaf_water, 1.5)))
    return b * rise * iron * clay * fall * wet


@dataclass(frozen=True)
class Leaves:
    """Canopies, one value per canopy: pigment, water and dry matter of the leaves, and shade."""

    lai: Array
    chlorophyll: Array
    water: Array
    dry: Array
    brown: Array
    shade: Array


def canopy(leaves: Leaves, ground: Array) -> Array:
    """Canopy spectra (n, wavelengths) over ``ground`` (n, wavelengths), two-stream."""
    absorbed = (
        _column(leaves.chlorophyll) * _chlorophyll
        + _column(leaves.water) * _leaf_water
        + _column(leaves.dry) * _dry_matter
        + _column(leaves.brown) * _brown
    )
    root = np.sqrt(1.0 - 0.93 * np.exp(-absorbed))
    deep = (1.0 - root) / (1.0 + root)
    contrast = (ground - deep) / (1.0 - ground * deep)
    seen = contrast * np.exp(-1.4 * root * _column(leaves.lai))
    return _column(leaves.shade) * (deep + seen) / (1.0 + deep * seen)


def water(sediment: npt.ArrayLike, algae: npt.ArrayLike, glint: npt.ArrayLike) -> Array:
    """Water spectra (n, wavelengths): sediment in about 10 g/m3, algae in about 10 mg/m3."""
    s, a, g = _column(sediment), _column(algae), _column(glint)
    blue = np.exp(-0.015 * (WAVELENGTH_NM - 440.0))
    absorption = _water + (0.35 * s + 0.25 * a + 0.15) * blue + 0.28 * a * _peak(674, 16)
    backscatter = 0.003 * (500.0 / WAVELENGTH_NM) ** 4 + (0.13 * s + 0.03 * a) * (
        550.0 / WAVELENGTH_NM
    )
    return 0.30 * backscatter / (absorption + backscatter) + g


_SURFACES = {
    "asphalt": _curve([400, 600, 900, 1600, 2200, 2500], [0.075, 0.100, 0.120, 0.150, 0.150, 0.135]),
    "concrete": _curve([400, 550, 800, 1300, 1750, 2250, 2500], [0.19, 0.27, 0.32, 0.36, 0.37, 0.33, 0.29]),
    "red tile": _curve([400, 500, 560, 620, 700, 880, 1300, 1700, 2500],
                       [0.05, 0.06, 0.10, 0.20, 0.25, 0.29, 0.36, 0.39, 0.36]),
    "white": _curve([400, 480, 700, 1100, 1650, 2200, 2500], [0.34, 0.48, 0.52, 0.52, 0.48, 0.42, 0.36]),
    "metal": _curve([400, 700, 1100, 1700, 2500], [0.27, 0.30, 0.33, 0.40, 0.44]),
    "slate": _curve([400, 470, 600, 1000, 1700, 2500], [0.075, 0.085, 0.080, 0.085, 0.105, 0.115]),
}  # fmt: skip


@dataclass(frozen=True)
class Covers:
    """Kinds of ground, one row each, every one a mixture of two spectra.

    Attributes
    ----------
    label : (n,) class value.
    high, low : (n, wavelengths) spectra where the kind is dense or dry, and where it is not.
    fine, patch, rows : (n,) how strongly crowns or roofs, patches of some 60 m, and tillage rows
        move a place between ``high`` and ``low``.
    """

    label: npt.NDArray[np.uint8]
    high: Array
    low: Array
    fine: Array
    patch: Array
    rows: Array

    def __add__(self, other: Covers) -> Covers:
        """Both tables, one below the other."""
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return Covers(*(np.concatenate(pair) for pair in pairs))


def _covers(label: int, high: Array, low: Array, texture: tuple[float, float, float]) -> Covers:
    n = len(high)
    fine, patch, rows = (np.full(n, value) for value in texture)
    return Covers(np.full(n, label, np.uint8), high, low, fine, patch, rows)


def _soils(rng: np.random.Generator, n: int, brightness: tuple[float, float]) -> Array:
    return soil(rng.uniform(*brightness, n), rng.uniform(0.0, 0.8, n), rng.uniform(0.0, 1.0, n))


def waters(rng: np.random.Generator, n: int) -> Covers:
    """Lakes and rivers from clear to turbid, some with sun glint."""
    sediment = np.exp(rng.uniform(np.log(0.03), np.log(3.5), n))
    algae = np.exp(rng.uniform(np.log(0.05), np.log(3.0), n))
    glint = 0.003 + 0.04 * rng.random(n) ** 4
    high = water(sediment * 1.4, algae * 1.2, glint * 1.3)
    low = water(sediment * 0.7, algae * 0.8, glint * 0.8)
    return _covers(WATER, high, low, (0.10, 0.45, 0.0))


def forests(rng: np.random.Generator, n: int, season: float) -> Covers:
    """Stands: the first half conifers, the second half broad-leaved trees of the season."""
    conifer = np.arange(n) < n // 2
    leaf = np.where(conifer, 1.0, 0.35 + 0.65 * season)
    floor = _soils(rng, n, (0.12, 0.22))

    def stand(light: float) -> Array:
        shade = np.where(conifer, rng.uniform(0.42, 0.60, n), rng.uniform(0.55, 0.74, n)) * light
        leaves = Leaves(
            lai=rng.uniform(3.5, 6.5, n) * leaf,
            chlorophyll=rng.uniform(1.0, 1.7, n) * leaf,
            water=rng.uniform(1.3, 2.3, n),
            dry=rng.uniform(1.0, 1.8, n),
            brown=np.where(conifer, 0.08, 0.02 + 0.25 * (1.0 - season)),
            shade=shade,
        )
        return canopy(leaves, floor)

    return _covers(FOREST, stand(1.12), stand(0.66), (0.65, 0.35, 0.0))


def grasslands(rng: np.random.Generator, n: int, season: float) -> Covers:
    """Meadows and pastures, some lush: a canopy with dry stems in it, drier out of season."""
    ground = _soils(rng, n, (0.16, 0.30))
    lush = rng.random(n) < 0.35
    lai = np.where(lush, rng.uniform(2.4, 3.8, n), rng.uniform(1.4, 2.8, n))
    chlorophyll = np.where(lush, rng.uniform(0.9, 1.3, n), rng.uniform(0.55, 0.95, n))
    brown = rng.uniform(0.10, 0.28, n) * np.where(lush, 0.5, 1.0) + 0.25 * (1.0 - season)
    dry = rng.uniform(1.8, 3.0, n)
    wetness = np.where(lush, rng.uniform(1.1, 1.9, n), rng.uniform(0.6, 1.2, n))
    high = canopy(
        Leaves(lai * 1.35, chlorophyll * 1.1, wetness, dry, brown * 0.8, np.full(n, 0.97)), ground
    )
    low = canopy(
        Leaves(lai * 0.65, chlorophyll * 0.85, wetness, dry, brown * 1.3, np.full(n, 0.97)), ground
    )
    return _covers(GRASSLAND, high, low, (0.18, 0.50, 0.0))


def crops(rng: np.random.Generator, n: int, season: float) -> Covers:
    """Fields of crops: young rows over soil, closed green canopies, and ripe cereals."""
    ground = _soils(rng, n, (0.20, 0.38))
    stage = rng.random(n)
    young, ripe = stage < 0.40 - 0.20 * season, stage > 1.0 - 0.35 * season
    lai = np.where(young, rng.uniform(0.7, 1.6, n), rng.uniform(2.6, 5.5, n))
    chlorophyll = np.where(ripe, rng.uniform(0.02, 0.12, n), rng.uniform(1.1, 1.8, n))
    brown = np.where(ripe, rng.uniform(0.55, 1.0, n), 0.0)
    wetness = np.where(ripe, rng.uniform(0.05, 0.2, n), rng.uniform(1.5, 2.4, n))
    dry = np.where(ripe, 1.6, 0.5)
    shade = rng.uniform(0.92, 1.06, n)
    high = canopy(Leaves(lai * 1.25, chlorophyll, wetness, dry, brown, shade), ground)
    low = canopy(Leaves(lai * 0.7, chlorophyll * 0.95, wetness, dry, brown, shade * 0.96), ground)
    table = _covers(CROPLAND, high, low, (0.08, 0.35, 0.45))
    return Covers(table.label, high, low, table.fine, table.patch, np.where(young, 0.6, 0.35))


def soils(rng: np.random.Generator, n: int) -> Covers:
    """Ploughed and harrowed fields."""
    b, m, r = rng.uniform(0.20, 0.46, n), rng.uniform(0.0, 0.9, n), rng.uniform(0.0, 1.0, n)
    return _covers(
        BARE_SOIL, soil(b * 1.06, m * 0.8, r), soil(b * 0.92, m + 0.15, r), (0.10, 0.45, 0.22)
    )


def roofs(rng: np.random.Generator, n: int) -> Covers:
    """Roofs, in turn red tile, concrete, red tile, white, metal, slate."""
    kinds = ["red tile", "concrete", "red tile", "white", "metal", "slate"]
    base = np.stack([_SURFACES[kinds[i % len(kinds)]] for i in range(n)])
    base = base * rng.uniform(0.82, 1.2, (n, 1))
    return _covers(BUILT_UP, base * 1.12, base * 0.86, (0.5, 0.0, 0.0))


def roads(rng: np.random.Generator, n: int) -> Covers:
    """Asphalt from fresh (dark) to worn (light)."""
    base = _SURFACES["asphalt"] * rng.uniform(0.75, 1.3, (n, 1))
    return _covers(ROAD, base * 1.06, base * 0.94, (0.3, 0.2, 0.0))
