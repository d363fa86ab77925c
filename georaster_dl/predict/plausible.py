"""Does a scene's calibration give plausible reflectances? Told from a few windows, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from georaster_dl.bands import SENTINEL2, Band, find_band
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.scene import Plane, Scene, SceneReader
from georaster_dl.predict.estimate import spread

__all__ = ["calibration_warning"]

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


def calibration_warning(scene: Scene) -> str | None:
    """What looks wrong with the calibration of a scene like Sentinel-2's, None where nothing does.

    Two mistakes are noticed: the offset of -0.1 was forgotten, or it was taken off where it
    should not have been. The offset counts as forgotten where the darkest visible band is evenly
    raised although there is water, shade or dense vegetation, which are dark in truth. Where
    nothing dark is in sight (clouds, desert, snow) nothing is said. At most six bands of 25
    windows are read.

    Returns
    -------
    One line: what was seen, what is usual, what to do.

    Raises
    ------
    SceneError
        When the file is damaged or truncated.
    """
    found = _judged(scene)
    calibrations = {(scene.planes[i].scale, scene.planes[i].offset) for i in found.values()}
    # --scale and --offset hold for every band, so bands that differ could not be told to agree.
    if len(calibrations) != 1 or len(scene.planes) > _MOST_PLANES:
        return None
    samples = _sampled(scene.select(list(found.values())), list(found))
    if not samples:
        return None
    plane = scene.planes[next(iter(found.values()))]
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


def _sampled(scene: Scene, names: list[str]) -> _Samples:
    """Reflectances of the valid pixels in a few windows, by band; empty where too few are valid."""
    rows, cols = scene.shape
    with gdal_environment(), SceneReader(scene) as reader:
        windows = [reader.read(r, c) for r in spread(rows) for c in spread(cols)]
    numbers = np.concatenate([a[:, valid] for a, valid in windows], axis=1)
    values = numbers * scene.planes[0].scale + scene.planes[0].offset
    # A border of undeclared 0, and what becomes of it once the offset is taken off.
    fill = (numbers == 0) | np.isclose(values, _OFFSET, rtol=0, atol=1e-6)
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
    return f"--scale {plane.scale:g} --offset {round(offset, 6) + 0.0:g}"
