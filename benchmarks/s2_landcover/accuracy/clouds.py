"""Clouds and their shadows: how many are found, and what surface is taken for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from recipe import restore
from sets import BANDS, Float, Piece, worldcereal
from world import Chip, chips, read_teachers

from accuracy.maps import (
    Mapper,
    Network,
    at_levels,
    fold_weights,
    map_pieces,
    mapped_out_of_fold,
    mapper_of,
)
from accuracy.rivals import with_sky
from accuracy.tally import CLOUD, FEWEST, SHADOW, Ints, spread, table

Mask = npt.NDArray[np.bool_]
Called = dict[tuple[str, str], npt.NDArray[np.float64]]
"""Pixels, those called cloud, those called shadow, by group and level."""

_SURFACES = {"snow": (8,), "water": (5,), "city": (3,), "forest": (0,), "crops and grass": (1, 2)}
_HAND = ((3, "land"), (1, "water"), (2, "snow"), (4, "cloud"), (0, "cloud shadow"))
_ANY = "any pixel of a cloudless chip"


def tables(data: Path, runs: Path, networks: Sequence[Network], before: Network) -> None:
    """Print what is called cloud or shadow on the chips, out of fold, and in a series of dates."""
    seeds = fold_weights(runs)
    leveled = [each for each in at_levels(chips(data)) if each[1].fold in seeds[0]]
    native = [(level, chip) for level, chip in leveled if level == chip.level]
    groups_of = _groups_of(data)
    groups = {chip.name: groups_of(chip) for _, chip in native}
    old = mapper_of(before)
    called = {
        "s2-landcover": [
            _called(leveled, lambda fold, paths=paths: mapper_of(restore(paths[fold])), groups)
            for paths in seeds
        ],
        "the model before": [_called(leveled, lambda _: old, groups)],
        "ukis-csmask": [_called(native, lambda _: _csmask(data), groups)],
    }
    rows = []
    for group, level in called["s2-landcover"][0]:
        pixels = called["s2-landcover"][0][group, level][0]
        if pixels >= FEWEST:
            cells = [_cell([seed.get((group, level)) for seed in each]) for each in called.values()]
            rows.append((group, level, f"{pixels:,.0f}", *cells))
    print("Share called cloud / share called shadow.\n")
    table(("pixels of", "level", "pixels", *called), sorted(rows))
    _series(data, networks, before)


def _called(
    leveled: Sequence[tuple[str, Chip]],
    mapper_of_fold: Callable[[int], Mapper],
    groups: Mapping[str, dict[str, Mask]],
) -> Called:
    called: Called = {}
    for level, chip, mapped in mapped_out_of_fold(leveled, mapper_of_fold):
        for group, mask in groups[chip.name].items():
            some = mapped[mask]
            found = [len(some), (some == CLOUD).sum(), (some == SHADOW).sum()]
            called[group, level] = called.get((group, level), 0) + np.array(found, float)
    return called


def _cell(seeds: Sequence[npt.NDArray[np.float64] | None]) -> str:
    there = [seed for seed in seeds if seed is not None]
    return " / ".join(spread([seed[i] / seed[0] for seed in there]) for i in (1, 2))


def _csmask(data: Path) -> Mapper:
    """ukis-csmask's clouds and shadows; all else is class 0."""
    return lambda chip: with_sky(
        read_teachers(data / "s2_world", chip.name), np.zeros(chip.piece.label.shape, np.int64)
    )


def _groups_of(data: Path) -> Callable[[Chip], dict[str, Mask]]:
    """Function that gives the pixels of a chip to be told apart.

    On chips that were found cloudless, surfaces with a sure label; sand is bare ground that is
    redder than 1.45 times blue and brighter than 0.30 in B11. Else clouds and shadows, those that
    were labelled by hand with what lies beside them.
    """
    with rasterio.open(data / "s2_world" / "csmask_hand_mask.tif") as source:
        hand = source.read(1)

    def groups(chip: Chip) -> dict[str, Mask]:
        if chip.name == "csmask_hand_L1C":
            return {
                f"{name}, labelled by hand": (hand == v) & chip.piece.valid for v, name in _HAND
            }
        if chip.cloudless:
            return surfaces(chip.piece) | {_ANY: chip.piece.valid}
        label = chip.piece.label
        return {
            f"{name}, labelled by ukis-csmask": label == 1 << c
            for name, c in (("cloud", CLOUD), ("cloud shadow", SHADOW))
        }

    return groups


def surfaces(piece: Piece) -> dict[str, Mask]:
    """Pixels of each surface by its name, from sure labels."""
    blue, red, swir = (piece.image[BANDS.index(b)] for b in ("B02", "B04", "B11"))
    sand = (red > 1.45 * blue) & (swir > 0.30)
    bare = piece.label == 1 << 4
    made = {n: np.isin(piece.label, [1 << c for c in cs]) for n, cs in _SURFACES.items()}
    return {"sand": bare & sand, "other bare ground": bare & ~sand, **made}


def sky_of_series(image: Float) -> tuple[Mask, Mask]:
    """Cloud and clear (dates, rows, cols) of a series, from what each pixel is on other dates.

    Of the darker half of the dates, by their mean blue, a pixel has a median blue and a usual range
    of near infrared, 5 to 95 %. Cloud is more than 0.08 brighter in blue and not snow (NDSI over 0.4
    and green over 0.2); clear is within 0.02 in blue and in the usual range. The rest is neither:
    thin cloud, shadow, a field that was ploughed. No network, mask or label has a part in it.

    Parameters
    ----------
    image : (dates, 12, rows, cols) reflectance.
    """
    blue, green, nir, swir = (image[:, BANDS.index(b)] for b in ("B02", "B03", "B08", "B11"))
    dark = np.argsort(blue.mean(axis=(1, 2)))[: len(blue) // 2]
    excess = blue - np.median(blue[dark], axis=0)
    low, high = np.quantile(nir[dark], (0.05, 0.95), axis=0)
    snow = (green - swir > 0.4 * (green + swir)) & (green > 0.2)
    cloud = (excess > 0.08) & ~snow
    return cloud, (np.abs(excess) < 0.02) & (nir >= low) & (nir <= high)


def _series(data: Path, networks: Sequence[Network], before: Network) -> None:
    """Clouds of the held-out WorldCereal patch against its own other dates."""
    pieces = worldcereal(data).held_out
    cloud, clear = sky_of_series(np.stack([p.image for p in pieces]))
    print(
        f"Held-out WorldCereal patch, {len(pieces)} dates; cloud and clear by what each pixel is on "
        "other dates. ukis-csmask was not run there.\n"
    )
    label = np.stack([p.label for p in pieces])  # its clouds and shadows are Sen2Cor's
    scl = np.select([label == 1 << CLOUD, label == 1 << SHADOW], [CLOUD, SHADOW], 0)
    maps: dict[str, list[Ints]] = {
        "s2-landcover": [map_pieces(each, pieces) for each in networks],
        "the model before": [map_pieces(before, pieces)],
        "Sen2Cor's scene classification": [scl],
    }
    rows = [
        [
            name,
            spread([float((mapped[cloud] == CLOUD).mean()) for mapped in seeds]),
            spread([float((mapped[clear] == CLOUD).mean()) for mapped in seeds]),
            spread([float((mapped[clear] == SHADOW).mean()) for mapped in seeds]),
        ]
        for name, seeds in maps.items()
    ]
    head = (
        "method",
        f"cloud found ({cloud.sum():,} pixels)",
        f"clear called cloud ({clear.sum():,} pixels)",
        "clear called shadow",
    )
    table(head, rows)
