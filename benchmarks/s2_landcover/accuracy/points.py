"""Points of the world with land cover from elsewhere: what no network here learns from.

A point has a spectrum for each of twelve months (L2A) and two labels, of WorldCereal's reference
data and of ESA WorldCover; it is scored where both say the same. A month is laid out as a canvas
of one spectrum, so that a network sees no texture and no neighbours: this checks the spectral
side alone, and such canvases are no part of the training.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sets import BANDS, CLASSES, Float, Piece
from sklearn.ensemble import RandomForestClassifier
from world import chips

from accuracy.maps import LEVELS, MADE, Network, at_levels, behind_veil, map_pieces
from accuracy.rivals import map_by_forest, spectral_forest
from accuracy.tally import Counts, Figures, Ints, N, spread, table

SIDE = 16
_MONTHS = 12
# WorldCereal's number of a cover, WorldCover's: number of the class where both say so.
_AGREED = {
    **{(crop, 40): 2 for crop in (10, 11, 12)},
    **{(low, cover): 1 for low in (13, 20, 30) for cover in (20, 30)},
    **{(tree, 10): 0 for tree in (40, 41, 42)},
    (50, 60): 4,
    (60, 50): 3,
    (70, 80): 5,
}
# A month is left out as cloudy where its blue exceeds the point's darkest quarter by this much; a
# point where that quarter itself is brighter than the second; a month of snow, whatever its cover
# is in summer. Set before any map was scored.
_CLOUDY, _ALWAYS = 0.08, 0.25
_FEWEST = 4  # points of a class, to have a share in a balanced figure
_SHOWN = {
    "agreement": "agreement",
    "balanced": "balanced",
    "macro_f1": "macro F1",
    "false_sky": "called cloud or shadow",
}

Predictor = Callable[[Sequence[Piece]], Ints]
"""Class (N,) of canvases with one list of bands."""


@dataclass(frozen=True)
class Month:
    """One clear month of one point.

    Attributes
    ----------
    point : number of the point.
    continent : by longitude and latitude.
    truth : number of the class.
    piece : canvas of its spectrum, all of it labelled.
    """

    point: int
    continent: str
    truth: int
    piece: Piece


def months(data: Path) -> list[Month]:
    """Read the clear months of all points whose two labels agree."""
    with (data / "s2_world" / "points" / "worldcereal_points.csv").open() as file:
        rows = list(csv.DictReader(file))
    made = []
    for number, row in enumerate(rows):
        truth = _AGREED.get((int(row["landcover"]), int(row["worldcover"])))
        if truth is None:
            continue
        spectra = _spectra(row)
        where = continent_of(float(row["lon"]), float(row["lat"]))
        made += [
            Month(number, where, truth, _canvas(spectra[month], truth))
            for month in np.flatnonzero(_clear(spectra))
        ]
    return made


def _spectra(row: dict[str, str]) -> Float:
    """Reflectance (12 months, 12 bands), NaN where missing or absent."""
    spectra = np.full((_MONTHS, len(BANDS)), np.nan, np.float32)
    for month in range(_MONTHS):
        for number, band in enumerate(BANDS):
            value = int(row.get(f"{band}_m{month:02d}", 65535))
            if 0 < value < 65535:
                spectra[month, number] = value * 1e-4
    return spectra


def _clear(spectra: Float) -> npt.NDArray[np.bool_]:
    blue, green, swir = (spectra[:, BANDS.index(b)] for b in ("B02", "B03", "B11"))
    has = np.isfinite(spectra).any(axis=0)
    whole = np.isfinite(spectra[:, has]).all(axis=1)
    if not whole.any():
        return whole
    dark = np.percentile(blue[whole], 25)
    with np.errstate(invalid="ignore"):
        snow = ((green - swir) / (green + swir) > 0.4) & (green > 0.2)
        clear: npt.NDArray[np.bool_] = whole & (blue - dark < _CLOUDY) & (dark < _ALWAYS) & ~snow
    return clear


def _canvas(spectrum: Float, truth: int) -> Piece:
    present = np.isfinite(spectrum)
    image = np.broadcast_to(np.where(present, spectrum, 0)[:, None, None], (len(BANDS), SIDE, SIDE))
    return Piece(
        image.astype(np.float32),
        present,
        np.full((SIDE, SIDE), 1 << truth, np.uint16),
        np.ones((SIDE, SIDE), bool),
    )


def continent_of(lon: float, lat: float) -> str:
    """Continent of a place on land, by lines that are coarse but true of the points here."""
    if lon < -25:
        south = lat < 13 and lon > -82
        return "South America" if south else "North America"
    if (lon > 110 and lat < -9) or (lon > 130 and lat < 0):
        return "Oceania"
    east_of_red_sea = lon > 34 and lat > max(12.5, 28 - 1.7 * (lon - 34))
    mediterranean = lat > 37.5 or (lat > 35.8 and lon < -1) or (lat > 34.5 and 20 < lon < 36)
    if lon < 52 and not east_of_red_sea and not mediterranean:
        return "Africa"
    anatolia = lon > 28.6 and lat < 42.2
    caucasus = lon > 38 and lat < 43.5
    return "Asia" if lon > 60 or anatolia or caucasus else "Europe"


def by_network(network: Network) -> Predictor:
    """A network's commonest class of each canvas."""

    def predict(pieces: Sequence[Piece]) -> Ints:
        mapped = np.concatenate(
            [map_pieces(network, pieces[i : i + 256]) for i in range(0, len(pieces), 256)]
        )
        return np.array([np.bincount(m.ravel(), minlength=N).argmax() for m in mapped])

    return predict


def by_forest(forest: RandomForestClassifier) -> Predictor:
    """A forest's class of the spectrum of each canvas."""

    def predict(pieces: Sequence[Piece]) -> Ints:
        row = Piece(
            np.stack([p.image[:, 0, 0] for p in pieces], axis=1)[:, None],
            pieces[0].present,
            np.stack([p.label[0, :1] for p in pieces], axis=1),
            np.ones((1, len(pieces)), bool),
        )
        return map_by_forest(forest, row)[0]

    return predict


def tables(data: Path, networks: Sequence[Network], before: Network, *, forests: bool) -> None:
    """Print how networks, the model before and forests do on the points."""
    methods = {
        "s2-landcover": [by_network(each) for each in networks],
        "the model before": [by_network(before)],
    }
    if forests:
        leveled = at_levels(chips(data))
        methods["random forest, spectrum"] = [
            by_forest(spectral_forest(leveled, seed)) for seed in range(len(networks))
        ]
    native = months(data)
    made = [replace(each, piece=behind_veil(each.piece)) for each in native]
    mapped = {
        (name, level): [predict([each.piece for each in some]) for predict in predictors]
        for name, predictors in methods.items()
        for level, some in ((LEVELS[1], native), (MADE, made))
    }
    _overall(native, mapped)
    _by("continent", ("agreement", "balanced", "false_sky"), native, mapped, lambda m: m.continent)
    _by("class", ("agreement", "false_sky"), native, mapped, lambda m: CLASSES[m.truth][0])


Mapped = dict[tuple[str, str], list[Ints]]
"""Classes of all months, by method and level, of each seed."""


def tallied(some: Sequence[Month], mapped: Ints) -> Counts:
    """Points (true class, mapped class), each shared among its months."""
    points = np.array([month.point for month in some])
    truth = np.array([month.truth for month in some])
    share = 1 / np.bincount(points)[points]
    return np.bincount(truth * N + mapped, weights=share, minlength=N * N).reshape(N, N)


def of_the_year(some: Sequence[Month], mapped: Ints) -> float:
    """Share of points whose commonest class over the months is the true one."""
    points = np.array([month.point for month in some])
    right = [
        np.bincount(mapped[points == p], minlength=N).argmax()
        == some[int(np.argmax(points == p))].truth
        for p in np.unique(points)
    ]
    return float(np.mean(right))


def _overall(native: Sequence[Month], mapped: Mapped) -> None:
    n_points = len({month.point for month in native})
    print(f"{n_points} points, {len(native):,} clear months; every point counts alike.\n")
    rows = []
    for (name, level), seeds in mapped.items():
        figures = [Figures.of(tallied(native, each), _FEWEST) for each in seeds]
        year = [of_the_year(native, each) for each in seeds]
        columns = [[getattr(f, key) for f in figures] for key in _SHOWN]
        rows.append([name, level, *(spread(values) for values in (*columns, year))])
    table(("method", "level", *_SHOWN.values(), "class of the year"), rows)


def _by(
    title: str,
    keys: Sequence[str],
    native: Sequence[Month],
    mapped: Mapped,
    key: Callable[[Month], str],
) -> None:
    """Figures of some keys by group of months."""
    print(" / ".join(_SHOWN[k] for k in keys).capitalize() + ".\n")
    groups = np.array([key(month) for month in native])
    rows = []
    for group in np.unique(groups):
        chosen = np.flatnonzero(groups == group)
        some = [native[i] for i in chosen]
        cells = []
        for seeds in mapped.values():
            figures = [Figures.of(tallied(some, each[chosen]), _FEWEST) for each in seeds]
            cells.append(" / ".join(spread([getattr(f, k) for f in figures], 2) for k in keys))
        rows.append([str(group), str(len({m.point for m in some})), *cells])
    table((title, "points", *(f"{name}, {level}" for name, level in mapped)), rows)
