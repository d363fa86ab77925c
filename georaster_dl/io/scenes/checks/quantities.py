"""Quantities of equal names: backscatter in dB or as power, heights above the sea or normalised.

Values tell them apart where they are clear, units where they are stated, names where nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import BandMismatchError
from georaster_dl.core.modalities import known_modality
from georaster_dl.io.scenes.samples import sample_pixels
from georaster_dl.io.scenes.scene import Scene

__all__ = ["Quantity", "absolute_heights", "check_alike", "quantities_of", "quantity_of_moments"]

Kind: TypeAlias = Literal["dB", "power", "above sea level", "above ground", ""]

_ABSOLUTE = frozenset(("dsm", "dtm", "dem", "elevation"))
_NORMALISED = frozenset(("ndsm", "chm", "canopy_height", "building_height"))
_HEIGHTS = _ABSOLUTE | _NORMALISED | {"height"}
_FEWEST = 500  # pixels

_MOST_POWER = 10.0  # of 98 % of the pixels; single corner reflectors are brighter
# No canopy and no city is higher than this without a gap, and none so high at all, in m.
_ALL_HIGHER, _HIGHEST = 40.0, 400.0
_LOW, _TALL = 3.0, 150.0  # m: a quarter of the pixels below, nearly all below
_CURES = {
    ("power", "dB"): "make it dB, 10 * log10(power) (gdal_calc, or the raster calculator of QGIS)",
    ("dB", "power"): "make it power, 10 ** (dB / 10) (gdal_calc, or the raster calculator of QGIS)",
    (
        "above sea level",
        "above ground",
    ): "subtract the ground: geodl lidar raster gives ndsm, or dsm - dtm",
    (
        "above ground",
        "above sea level",
    ): "give heights above sea level (dsm or dtm of geodl lidar raster), or better "
    "train on heights above ground",
}


@dataclass(frozen=True)
class Quantity:
    """Meaning of a band's values.

    Attributes
    ----------
    kind : what they are; empty where nothing is certain.
    about : values that show it, in words.
    """

    kind: Kind
    about: str


def _is_radar(band: Band) -> bool:
    return "radar" in (band.modality, known_modality(band))


def _name(band: Band) -> str:
    return band.name.casefold().replace(" ", "_").replace("-", "_")


def _states_db(band: Band) -> bool:
    return band.unit.casefold() in ("db", "decibel", "decibels")


def quantities_of(scene: Scene) -> dict[str, Quantity]:
    """Find the quantities of a scene's radar and height bands, by name; no other values are read.

    Raises
    ------
    SceneError
        When the file is damaged or truncated.
    """
    places = [i for i, band in enumerate(scene.bands) if _is_radar(band) or _name(band) in _HEIGHTS]
    if not places:
        return {}
    some = scene.select(places)
    values = some.to_physical(sample_pixels(some))
    return {
        band.name: _of_values(band, own)
        for band, own in zip(some.bands, values, strict=True)
        if own.size >= _FEWEST
    }


def _of_values(band: Band, values: npt.NDArray[np.float32]) -> Quantity:
    low, quarter, middle, high = (float(v) for v in np.percentile(values, (1, 25, 50, 98)))
    about = f"values from {low:.3g} to {high:.3g}, half of them below {middle:.3g}"
    if _is_radar(band):
        if middle < 0:
            return Quantity("dB", about)
        power = low >= 0 and high <= _MOST_POWER and not _states_db(band)
        return Quantity("power" if power else "dB" if _states_db(band) else "", about)
    if low > _ALL_HIGHER or high > _HIGHEST or high < -_ALL_HIGHER:
        return Quantity("above sea level", about)
    is_low = -_LOW < quarter < _LOW and high < _TALL
    return Quantity("above ground" if is_low and _name(band) not in _ABSOLUTE else "", about)


def quantity_of_moments(band: Band, mean: float, deviation: float) -> Quantity:
    """Find the quantity of a model's band, from the mean and standard deviation of its training values."""
    about = f"values around {mean:.3g} ± {deviation:.2g}"
    if _is_radar(band):
        if mean < 0 or _states_db(band):
            return Quantity("dB", about)
        return Quantity("power" if mean + 2 * deviation <= _MOST_POWER else "", about)
    name = _name(band)
    if name not in _HEIGHTS:
        return Quantity("", about)
    if mean - 2 * deviation > _ALL_HIGHER or mean > _HIGHEST:
        return Quantity("above sea level", about)
    # Heights above ground begin at 0, so that they spread about as far as they are high.
    begins_at_ground = name not in _ABSOLUTE and mean < 2 * deviation + _LOW and mean < _TALL
    return Quantity("above ground" if begins_at_ground else "", about)


def check_alike(
    found: dict[str, Quantity], wanted: Sequence[tuple[str, Quantity]], name: str, by: str
) -> None:
    """Check that bands hold the quantities that they should.

    Parameters
    ----------
    found : of a scene, by band.
    wanted : band of the scene, and the quantity that it should hold.
    name, by : what messages call the scene, and the model or scene that says what it should hold.

    Raises
    ------
    BandMismatchError
        When both are known and differ; the message says how to convert.
    """
    for band, expected in wanted:
        own = found.get(band)
        if own is None or not own.kind or not expected.kind or own.kind == expected.kind:
            continue
        raise BandMismatchError(
            f"{band} of {name} is {_said(own)}, but {by} has {_said(expected)}; {_CURES[own.kind, expected.kind]}."
        )


def _said(quantity: Quantity) -> str:
    words = {"dB": "backscatter in dB", "power": "backscatter as linear power"}
    return f"{words.get(quantity.kind, f'a height {quantity.kind}')} ({quantity.about})"


def absolute_heights(scene: Scene, found: dict[str, Quantity]) -> Iterator[str]:
    """Yield a warning where heights above sea level would be learnt from, without normalised heights."""
    names = [
        band.name
        for band in scene.bands
        if _name(band) in _ABSOLUTE
        or getattr(found.get(band.name), "kind", "") == "above sea level"
    ]
    if names and not any(_name(band) in _NORMALISED for band in scene.bands):
        yield (
            f"{scene.name}: {', '.join(names)} holds heights above sea level, which tell places apart rather than classes, "
            f"so the model will not hold elsewhere; give heights above ground (ndsm of geodl lidar raster, or dsm - dtm) "
            f"where buildings or trees are meant"
        )
