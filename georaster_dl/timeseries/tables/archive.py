"""NumPy archives (.npz) of series: arrays of values, dates and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.bands import named_bands
from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed
from georaster_dl.timeseries.samples import SensorSamples
from georaster_dl.timeseries.tables.options import SENSOR, bands_by_sensor

__all__ = ["archive_sensors"]

_VALUES, _BANDS, _DATES, _DAYS = "X", "bands", "dates", "days_since_1970"
_LAYOUT = (
    "X (samples, dates, bands), bands (bands,), and dates (datetime64) or days_since_1970, (samples, dates) or (dates,); "
    "of several sensors X_NAME, bands_NAME, dates_NAME"
)


def archive_sensors(
    path: Path, bands: Mapping[str, Sequence[str]] | None = None
) -> tuple[tuple[SensorSamples, ...], Any]:
    """Read the series of an archive, and a DataFrame of its arrays of a value for each sample.

    Arrays are ``X`` (N, T, B), ``bands`` (B,) and ``dates`` or ``days_since_1970``, (N, T) or (T,); of several
    sensors ``X_S1``, ``bands_S1``, ``dates_S1`` and so on.

    Parameters
    ----------
    bands : to take, by the name that their sensor gets; all, of the archive's own sensors, where there are none.

    Raises
    ------
    OptionError
        When it cannot be read, an array is missing or of another shape, or a band is not there.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise OptionError(
            f"{path} cannot be read as a NumPy archive ({reason}); give arrays without pickled objects: {_LAYOUT}."
        ) from error
    endings = [name[len(_VALUES) :] for name in arrays if name == _VALUES or name.startswith("X_")]
    if not endings:
        raise OptionError(
            f"{path} holds no series but {listed(arrays) or 'nothing'}; expected are {_LAYOUT}."
        )
    sensors = tuple(_sensor(arrays, ending, path) for ending in endings)
    n = len(sensors[0].values)
    own = {f"{key}{e}" for key in (_VALUES, _BANDS, _DATES, _DAYS) for e in endings}
    flat = {
        name: array for name, array in arrays.items() if name not in own and array.shape == (n,)
    }
    if bands:
        sensors = _by_name(sensors, bands, path.name)
    return sensors, pd.DataFrame(flat, index=range(n))


def _by_name(
    sensors: Sequence[SensorSamples], bands: Mapping[str, Sequence[str]], title: str
) -> tuple[SensorSamples, ...]:
    """Make sensors of named bands."""
    owner = {band.name: sensor for sensor in sensors for band in sensor.bands}
    made = []
    for name, chosen in bands_by_sensor(list(owner), bands, title).items():
        owners = {id(owner[band]) for band in chosen}
        if len(owners) > 1:
            raise OptionError(
                f"`sensor_bands=` puts {listed(chosen)} of {title} into {name}, but their dates are those of different "
                f"sensors; name a sensor for each."
            )
        own = owner[chosen[0]]
        names = [band.name for band in own.bands]
        places = [names.index(band) for band in chosen]
        picked = tuple(own.bands[place] for place in places)
        made.append(SensorSamples(name, picked, own.values[:, :, places], own.dates))
    return tuple(made)


def _sensor(arrays: Mapping[str, npt.NDArray[Any]], ending: str, path: Path) -> SensorSamples:
    values = arrays[f"{_VALUES}{ending}"]
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or not np.issubdtype(values.dtype, np.number):
        raise OptionError(
            f"{_VALUES}{ending} of {path.name} must be numbers (samples, dates, bands), but is {values.dtype} {values.shape}."
        )
    names = arrays.get(
        f"{_BANDS}{ending}", np.array([f"band {i + 1}" for i in range(values.shape[2])])
    )
    dates = arrays.get(f"{_DATES}{ending}", arrays.get(f"{_DAYS}{ending}"))
    if dates is None:
        raise OptionError(
            f"{path.name} has no dates for {_VALUES}{ending}; expected are {_LAYOUT}."
        )
    if dates.dtype.kind in "iuf":
        dates = dates.astype(np.int64)
    try:
        days = dates.astype("datetime64[D]")
    except ValueError as error:
        raise OptionError(
            f"The dates of {path.name} cannot be read ({error}); write them as 2017-03-01."
        ) from None
    if len(names) != values.shape[2]:
        raise OptionError(
            f"{path.name} names {len(names)} bands, but {_VALUES}{ending} has {values.shape[2]}; name each."
        )
    return SensorSamples(ending.strip("_") or SENSOR, named_bands(map(str, names)), values, days)
