"""Sentinel-2 chips of the world with labels on which two public networks agree, by place.

Dynamic World says what covers the land, ukis-csmask where clouds and their shadows are; a label is
where both are sure and physics agrees. Elsewhere, where nothing speaks for clouds, a pixel may be any
surface. Places are held out as a whole, in folds.
"""

from __future__ import annotations

import csv
import runpy
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from sets import (
    BANDS,
    BARE,
    BUILT,
    CLASSES,
    CLOUD,
    CROP,
    GRASS,
    SHADOW,
    SNOW,
    SURFACE,
    TREE,
    WATER,
    Float,
    Piece,
)

FOLDS = 6
_HARD = np.array([0, TREE, GRASS, CROP, BUILT, BARE, WATER, CLOUD, SHADOW, SNOW, GRASS | WATER])
_TEACHER_NAMES = ("water", "trees", "grass", "crops", "shrub", "built", "bare", "snow")
_TEACHER = (WATER, TREE, GRASS, CROP, GRASS, BUILT, BARE, SNOW)
_NO_SHIPPING = ("presto_belgium", "brick_kiln", "barbellino")
_DOUBT = 0.3


@dataclass(frozen=True)
class Chip:
    """One image of one place.

    Attributes
    ----------
    name : file name without ending.
    place, continent, biome, date : as the set states them; chips of one place share it.
    level : L1C or L2A.
    piece : image, bands and labels; labels of several classes are weak.
    ships : whether weights that learnt from it may be published.
    fold : of its place.
    cloudless : whether it was looked at and found without any cloud.
    lonlat : longitude and latitude in degrees; None where the set does not state them.
    """

    name: str
    place: str
    continent: str
    biome: str
    date: str
    level: str
    piece: Piece
    ships: bool
    fold: int
    cloudless: bool
    lonlat: tuple[float, float] | None = None


def chips(data: Path) -> list[Chip]:
    """Read all chips; the folds depend on the labels alone."""
    folder = data / "s2_world"
    review = runpy.run_path(str(folder / "make_labels.py"))["REVIEW"]
    with (folder / "chips.csv").open() as file:
        rows = list(csv.DictReader(file))
    folds = _folds(rows)
    return [
        Chip(
            name=Path(row["file"]).stem,
            place=_place(row),
            continent=row["continent"],
            biome=row["biome"],
            date=row["date"],
            level=row["level"][:3],
            piece=_piece(folder, row, review.get(Path(row["file"]).stem, {})),
            ships=_ships(row),
            fold=folds[_place(row)],
            cloudless=bool(review.get(Path(row["file"]).stem, {}).get("clear")),
            lonlat=(float(row["lon"]), float(row["lat"])) if row["lon"] else None,
        )
        for row in rows
    ]


def _ships(row: dict[str, str]) -> bool:
    return not row["file"].startswith(_NO_SHIPPING)


def _place(row: dict[str, str]) -> str:
    """Name of a place; chips whose place has no name of its own are places by themselves."""
    if row["place"].startswith(("Europe", "not stated")):
        return Path(row["file"]).stem
    return row["place"]


def _folds(rows: list[dict[str, str]]) -> dict[str, int]:
    """Deal places out so that the folds have about the same of each class, the rarest first."""
    names = [key for key in rows[0] if key.startswith("px_") and key != "px_unlabelled"]
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(_place(row), Counter()).update(
            {name: min(int(row[name]), 20_000) for name in names}
        )
    total = sum(counts.values(), Counter())
    rarity = {p: sum(c[n] / max(total[n], 1) for n in names) for p, c in counts.items()}
    held = [Counter[str]() for _ in range(FOLDS)]
    folds = {}
    for place in sorted(counts, key=lambda p: (-rarity[p], p)):
        loads = [sum(counts[place][n] * h[n] / max(total[n], 1) ** 2 for n in names) for h in held]
        sizes = [sum(h[n] / max(total[n], 1) for n in names) for h in held]
        best = min(range(FOLDS), key=lambda k: (round(loads[k], 4), sizes[k]))
        folds[place] = best
        held[best].update(counts[place])
    return folds


def _piece(folder: Path, row: dict[str, str], review: dict) -> Piece:
    name = Path(row["file"]).stem
    with rasterio.open(folder / "chips" / row["file"]) as source:
        numbers, names = source.read(), source.descriptions
    with rasterio.open(folder / "labels" / row["file"]) as source:
        label = _HARD[source.read(1)].astype(np.uint16)
    teacher = read_teachers(folder, name)
    image = np.zeros((len(BANDS), *label.shape), np.float32)
    for band, values in zip(names, numbers, strict=True):
        if band in BANDS:  # not B10, which says nothing of the ground
            image[BANDS.index(band)] = values * np.float32(1e-4)
    valid = numbers[0] > 0
    weak = np.where(label > 0, label, _weak(teacher, review)) * valid
    return Piece(
        image * valid,
        np.array([band in names for band in BANDS]),
        weak.astype(np.uint16),
        valid,
        row["level"].startswith("L1C"),
    )


def read_teachers(folder: Path, name: str) -> dict[str, Float]:
    """Probabilities by the teachers on a chip by name (rows, cols): shares of 1; stable is 0 or 1."""
    with rasterio.open(folder / "teachers" / f"{name}_teachers.tif") as source:
        teacher = dict(zip(source.descriptions, source.read() / np.float32(255), strict=True))
    return teacher | {"dw_stable": teacher["dw_stable"] * 255}


def teacher_cover(teacher: dict[str, Float]) -> Float:
    """Dynamic World's shares of this model's classes, (classes, rows, cols); 0 where it did not run."""
    cover = np.zeros((len(CLASSES), *teacher["dw_bare"].shape), np.float32)
    for bits, name in zip(_TEACHER, _TEACHER_NAMES, strict=True):
        cover[[c for c in range(len(CLASSES)) if bits >> c & 1]] += teacher[f"dw_{name}"]
    return cover


def _weak(teacher: dict[str, Float], review: dict) -> npt.NDArray[np.int64]:
    """Sets of classes of pixels without a sure label: any surface, or 0 where clouds may be.

    On chips with clouds that is where ukis-csmask sees any, and where Dynamic World, which knows none,
    gives no class that a little haze leaves as it is and the eye has not struck off.
    """
    surface = np.full(teacher["dw_bare"].shape, SURFACE)
    if review.get("clear"):
        return surface
    if "only" in review or "all" in review:
        return np.zeros_like(surface)
    struck = int(np.bitwise_or.reduce(_HARD[list(review.get("drop", ()))], initial=0))
    cover = teacher_cover(teacher)
    cover[[c for c in range(len(CLASSES)) if struck >> c & 1]] = 0
    covered = (teacher["dw_stable"] > 0) & (cover.sum(axis=0) > 0.4)
    sky = np.max([teacher[f"cs{m}_{k}"] for m in (10, 30) for k in ("cloud", "shadow")], axis=0)
    return np.where(covered & (sky <= _DOUBT), surface, 0)
