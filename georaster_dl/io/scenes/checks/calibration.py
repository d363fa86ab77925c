"""Are a scene's values plausible? Judged by a few windows, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import SENTINEL2, Band, find_band
from georaster_dl.io.formats.missions import mission_of
from georaster_dl.io.scenes.planes import Plane
from georaster_dl.io.scenes.samples import sample_pixels
from georaster_dl.io.scenes.scene import Scene

__all__ = [
    "alpha_warning",
    "calibration_warning",
    "least_ratio",
    "levels_of",
    "size_warning",
    "training_warning",
    "zeros_warning",
]

_Samples: TypeAlias = Mapping[str, npt.NDArray[Any]]

_OFFSET = -0.1  # Sentinel-2's since processing baseline 04.00
_BANDS = {band.name: band for band in SENTINEL2}
# B01 is left out: haze, and its correction below 0, go furthest there.
_VISIBLE = ("B02", "B03", "B04")
_JUDGED = (*((name,) for name in _VISIBLE), ("B10",), ("B08", "B8A"), ("B12", "B11"))
_FEWEST = 500  # pixels
_MOST_PLANES = 40  # an imaging spectrometer has more, and never had the offset

# Chosen on real time series of fields, so that no hazy date passes for a wrong calibration.
_NEGATIVE = (-0.13, -0.05)
_RAISED = (0.095, 0.14)
_DARK_INFRARED = 0.13
_LAND_INFRARED = 0.3
_VEGETATION = 0.55  # normalised difference of near infrared and red
_DENSE_SHARE = 0.02  # of the pixels
_EVEN = 0.01  # between the darkest 1 and 5 %; haze is rarely so even
_CIRRUS = (0.095, 0.115)

_SUNLIT_NM = (350.0, 2600.0)
_MOST_SAMPLED = 8  # bands
_ENOUGH = 3
_BRIGHTEST = 3.0  # of 95 % of the pixels: cloud and snow stay below 1.6
_TENFOLD = 10.0  # in percent, the brightest of a scene's pixels nearly always exceed it
_PERCENT = 150.0
_DARKEST = 0.002  # of 95 % of the pixels, in all bands together: deep water in blue is brighter
_FACTORS = (
    (_TENFOLD, 0.1, "reflectance times 10 (or percent of a very dark scene)"),
    (_PERCENT, 0.01, "percent"),
    (np.inf, 1e-4, "reflectance times 10,000"),
)
_FOR_ZEROS, _MANY_ZEROS = 4, 0.02  # bands that are looked at; share of the pixels
_HALF_TRANSPARENT = 0.2  # share of the pixels; soft edges are fewer
# In standard deviations of the training: cloud over a model of forests stays below 15.
_FARTHEST = 20.0
_NARROWEST = 0.005


def calibration_warning(scene: Scene) -> str | None:
    """Describe an implausible calibration of a scene of reflectances; None where it is plausible.

    Noticed are a factor (reflectance in percent, of 0 to 10,000, or scaled twice), in any bands of
    known wavelengths; and in bands like Sentinel-2's an offset of -0.1 that was forgotten, or taken
    off where it should not have been. The offset counts as forgotten where the darkest visible band is evenly
    raised although there is water, shade or dense vegetation, which are dark in truth. Where
    nothing dark is in sight (clouds, desert, snow) nothing is said of it. At most ten bands of 25
    windows are read.

    Returns
    -------
    One line: what was seen, what is usual, what to do.

    Raises
    ------
    SceneError
        When the file is damaged or truncated.
    """
    judged = _judged(scene)
    optical = _optical(scene)
    # Where these are there, they tell of a factor too, and are decoded anyway.
    read = (
        list(judged.values()) if len(judged) >= _ENOUGH else [*judged.values(), *_picked(optical)]
    )
    read = list(dict.fromkeys(read))
    if not read:
        return None
    some = scene.select(read)
    stored = sample_pixels(some)
    own = {place: i for i, place in enumerate(read)}
    factor = _factor_warning(some, stored, [own[i] for i in optical if i in own])
    if factor is not None or len(scene.planes) > _MOST_PLANES:
        return factor
    return _offset_warning(some, stored, {name: own[i] for name, i in judged.items()})


def alpha_warning(scene: Scene) -> str | None:
    """Say where a band that its file marks as transparency (alpha) seems to hold data instead.

    Raises
    ------
    SceneError
        When the file is damaged or truncated.
    """
    for plane in scene.alpha:
        stored = sample_pixels(replace(scene, planes=(replace(plane, opaque=True),), alpha=()))[0]
        solid = np.iinfo(plane.dtype).max if plane.dtype.startswith("uint") else 255
        between = float(np.mean((stored > 0) & (stored < solid))) if stored.size else 0.0
        if between > _HALF_TRANSPARENT:
            return (
                f"{scene.name}: band {plane.index} is marked as transparency (alpha), so it masks the others "
                f"and is no data, but {100 * between:.0f} % of its values are neither 0 nor {solid}; if it "
                f"holds near infrared, say, name all bands in file order with `bands=`, it included."
            )
    return None


def levels_of(scene: Scene) -> npt.NDArray[np.float64]:
    """Give the 98th percentile of the sizes of values over a few windows, of a few bands (bands,); NaN without any."""
    some = scene.select(_picked(range(len(scene.planes))))
    values = np.abs(some.to_physical(sample_pixels(some)))
    known = [band[band > 0] for band in values]
    return np.array([np.percentile(band, 98) if band.size else np.nan for band in known])


def least_ratio(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Give how many times the levels (..., bands) of one scene are at least another's, in any band (...,).

    A wrong factor shows in every band, but open sea lies far below land or snow in the infrared only.
    """
    ratios = np.divide(one, other)
    least: npt.NDArray[np.float64] = np.where(np.isnan(ratios), np.inf, ratios).min(axis=-1)
    return np.where(np.isfinite(least), least, 0)


def zeros_warning(scene: Scene) -> str | None:
    """Say where many pixels are 0 in all bands, as a border is whose nodata the file does not declare.

    No sensor measures that of a pixel. Scenes of fewer than three bands, and bands whose nodata is 0, are
    not judged.

    Raises
    ------
    SceneError
        When the file is damaged or truncated.
    """
    undeclared = [i for i, plane in enumerate(scene.planes) if plane.marked != 0]
    if len(undeclared) < _ENOUGH:
        return None
    stored = sample_pixels(scene.select(_picked(undeclared)[:_FOR_ZEROS]))
    share = float((stored == 0).all(axis=0).mean()) if stored.size else 0.0
    if share < _MANY_ZEROS:
        return None
    return (
        f"{scene.name}: {100 * share:.0f} % of the pixels are 0 in all bands and count as measured; if nothing was "
        f"measured there, state `nodata=0`."
    )


def training_warning(
    scene: Scene,
    means: Sequence[float] | npt.NDArray[np.float64],
    deviations: Sequence[float] | npt.NDArray[np.float64],
) -> str | None:
    """Say where a scene's values are of another size than those that a model was trained on.

    Parameters
    ----------
    scene : in the order of the model's bands.
    means, deviations : of each band in training.

    Raises
    ------
    SceneError
        When the file is damaged or truncated.
    """
    picked = _picked(range(len(scene.planes)))
    some = scene.select(picked)
    values = some.to_physical(sample_pixels(some))
    return size_warning(
        scene.name,
        list(values),
        np.asarray(means)[picked],
        np.asarray(deviations)[picked],
        cure="state it with `scale=` and `offset=`",
    )


def size_warning(
    name: str,
    values: Sequence[npt.NDArray[Any]],
    means: npt.NDArray[np.float64],
    deviations: npt.NDArray[np.float64],
    *,
    cure: str,
    fewest: int = _FEWEST,
) -> str | None:
    """Say where values are of another size than those of a training; None where they are not.

    Parameters
    ----------
    name : what the message calls their source.
    values : physical values of each band, NaN where there is none.
    means, deviations : (bands,) in training.
    cure : what to do once it is known what the numbers mean.
    fewest : values that a band needs to be judged.
    """
    finite = [band[np.isfinite(band)] for band in values]
    judged = [i for i, band in enumerate(finite) if len(band) >= fewest]  # a stack has masked dates
    if not judged:
        return None
    mean, deviation = means[judged], deviations[judged]
    low, middle, high = np.transpose([np.percentile(finite[i], (2, 50, 98)) for i in judged])
    away = float(np.median(np.abs(middle - mean) / deviation))
    width = float(np.median((high - low) / deviation))
    if away <= _FARTHEST and (width >= _NARROWEST or not high.any()):
        return None
    return (
        f"{name} has values around {np.median(middle):.3g} (98 % are below {np.median(high):.3g}), but the "
        f"model was trained on values around {np.median(mean):.3g} ± {np.median(deviation):.2g}; check what the "
        f"numbers mean and {cure}."
    )


def _factor_warning(scene: Scene, stored: npt.NDArray[Any], optical: list[int]) -> str | None:
    """Describe reflectances that seem to be scaled by a factor, in these bands of the sample."""
    if not optical:
        return None
    values = scene.to_physical(stored)[optical]
    values = values[:, (stored[optical] != 0).all(axis=0)]  # a border of undeclared 0
    if values.shape[1] < _FEWEST:
        return None
    high = float(np.percentile(values, 95))
    plane = scene.planes[optical[0]]
    if high > _BRIGHTEST:
        factor, what = next((factor, what) for highest, factor, what in _FACTORS if high <= highest)
        scaled = replace(plane, scale=plane.scale * factor)
        return (
            f"{scene.name} has values up to {high:.4g} (95 % are below), where reflectances are 0 to 1: they "
            f"seem to be {what}; if so, state {_options(scaled, plane.offset * factor)}."
        )
    if 0 <= high < _DARKEST:
        return (
            f"{scene.name} has values below {high:.2g} (95 % of them), where reflectances are 0 to 1: they seem "
            f"to have been scaled twice; check the file's scale ({plane.scale:g}), or state what its numbers "
            f"mean with `scale=` and `offset=`."
        )
    return None


def _optical(scene: Scene) -> list[int]:
    """Bands of which the file says that they hold physical values of sunlight."""
    shortest, longest = _SUNLIT_NM
    return [
        i
        for i, plane in enumerate(scene.planes)
        if plane.calibrated
        and plane.band.good
        and shortest <= (plane.band.wavelength_nm or 0) <= longest
    ]


def _picked(indices: Sequence[int]) -> list[int]:
    """At most eight of them, spread evenly."""
    places = np.linspace(0, len(indices) - 1, min(_MOST_SAMPLED, len(indices))).round().astype(int)
    return [indices[i] for i in places]


def _offset_warning(
    scene: Scene, stored: npt.NDArray[Any], judged: Mapping[str, int]
) -> str | None:
    """Describe a Sentinel-2 offset of -0.1 that seems to be missing or applied twice."""
    calibrations = {(scene.planes[i].scale, scene.planes[i].offset) for i in judged.values()}
    files = {Path(plane.path).name for plane in scene.planes}
    # scale and offset hold for every band, so bands that differ could not be told to agree; and
    # no other mission has that offset.
    if len(calibrations) != 1 or any(
        mission_of(name) not in (None, "sentinel-2") for name in files
    ):
        return None
    places = list(judged.values())
    samples = _filled(scene.select(places), stored[places], list(judged))
    if not samples:
        return None
    plane = scene.planes[places[0]]
    return _negative(scene.name, samples, plane) or _raised(scene.name, samples, plane)


def _judged(scene: Scene) -> dict[str, int]:
    """Where the bands are that are looked at, by the first name of each choice."""
    calibrated = [i for i, plane in enumerate(scene.planes) if plane.calibrated]
    present = [scene.planes[i].band for i in calibrated]
    found: dict[str, int] = {}
    for wanted in _JUDGED:
        index = _first([_BANDS[name] for name in wanted], present)
        if index is not None:
            found[wanted[0]] = calibrated[index]
    return found


def _first(wanted: list[Band], present: list[Band]) -> int | None:
    indices = (find_band(band, present) for band in wanted)
    return next((index for index in indices if index is not None), None)


def _filled(scene: Scene, stored: npt.NDArray[Any], names: list[str]) -> _Samples:
    """Reflectances of the pixels that are no fill, by band; empty where there are too few."""
    values = scene.to_physical(stored)
    # A border of undeclared 0, and what becomes of it once the offset is taken off.
    fill = (stored == 0) | np.isclose(values, _OFFSET, rtol=0, atol=1e-6)
    values = values[:, ~fill.any(axis=0)]
    if values.shape[1] < _FEWEST:
        return {}
    return dict(zip(names, values, strict=True))


def _negative(name: str, samples: _Samples, plane: Plane) -> str | None:
    darkest = min(_dark(values) for values in samples.values())
    if not _NEGATIVE[0] <= darkest <= _NEGATIVE[1]:
        return None
    return (
        f"{name} has reflectances down to {darkest:.2f} (1 % of its pixels), where 0 to 0.06 is usual: "
        f"the offset {_OFFSET:g} seems to have been taken off twice, or from a product that has none; "
        f"if so, state {_options(plane, plane.offset - _OFFSET)}."
    )


def _raised(name: str, samples: _Samples, plane: Plane) -> str | None:
    if plane.offset != 0 or not _lacks_offset(samples):
        return None
    darkest = min(_dark(values) for values in samples.values())
    return (
        f"{name} is nowhere darker than {darkest:.2f} (but for 1 % of its pixels), where 0 to 0.06 is usual: "
        f"the offset {_OFFSET:g} of Sentinel-2's processing baseline 04.00 (since January 2022) seems to "
        f"be forgotten; if so, state {_options(plane, _OFFSET)}."
    )


def _lacks_offset(samples: _Samples) -> bool:
    if "B10" in samples:
        # Water vapour hides the ground in this band, so it is near 0 wherever there is no cirrus.
        low, middle = np.percentile(samples["B10"], (1, 50))
        return bool(low >= _CIRRUS[0] and middle <= _CIRRUS[1])
    if "B08" not in samples or not any(name in samples for name in _VISIBLE):
        return False
    visible = min((samples[name] for name in _VISIBLE if name in samples), key=_dark)
    raised = _RAISED[0] <= _dark(visible) <= _RAISED[1]
    return raised and (_raised_water(samples) or _raised_vegetation(samples, visible))


def _raised_water(samples: _Samples) -> bool:
    """Whether the infrared has a dark end as water or deep shade gives it, but raised.

    Land or cloud must be in sight too: a sea that reflects the sun is as bright in every band.
    """
    dark = [_dark(samples[name]) for name in ("B08", "B12") if name in samples]
    land = np.percentile(samples["B08"], 98) >= _LAND_INFRARED
    return bool(land and _RAISED[0] <= min(dark) and max(dark) <= _DARK_INFRARED)


def _raised_vegetation(samples: _Samples, visible: npt.NDArray[Any]) -> bool:
    """Whether there is dense vegetation, dark in the visible, under too even a veil for haze."""
    if "B04" not in samples:
        return False
    red, infrared = samples["B04"], samples["B08"]
    dense = np.mean(infrared - red >= _VEGETATION * (infrared + red)) >= _DENSE_SHARE
    even = np.percentile(visible, 5) - _dark(visible) <= _EVEN
    return bool(dense and even)


def _dark(values: npt.NDArray[Any]) -> float:
    return float(np.percentile(values, 1))


def _options(plane: Plane, offset: float) -> str:
    return f"`scale={plane.scale:g}, offset={round(offset, 6) + 0.0:g}`"
