"""Plots with a leaf area index measured in the field, and Sentinel-2's reflectance of the nearest overpass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["COUNTRIES", "Plots", "read_plots"]

_BANDS = ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"]
_DAYS = 8
# Country, file, and the reading: AccuPAR's, LAI-2200's, and an effective plant area index.
_FILES = (
    ("Spain", "spain_T30TUM_2018", "LAI_AccuPA"),
    ("Italy", "italy_T33TWF_", "LicorLAI"),
    ("Italy", "italy_T33TWG_", "LicorLAI"),
    ("France", "france_T31TCJ_gai", "PAIeff \u2013 LAI2000, 3 rings"),
)
COUNTRIES = ("Spain", "Italy", "France")


@dataclass(frozen=True, eq=False)
class Plots:
    """Plots of three countries, whose instruments differ.

    Attributes
    ----------
    spectra : (n, 10) reflectance, in the order of wavelengths.
    lai : (n,) as measured.
    country : (n,) names.
    """

    spectra: npt.NDArray[np.float64]
    lai: npt.NDArray[np.float64]
    country: npt.NDArray[np.str_]


def read_plots(folder: Path) -> Plots:
    """Read the plots that an overpass within 8 days has seen."""
    parts = []
    for country, name, reading in _FILES:
        for when in ("before", "after"):
            part = pd.read_csv(folder / f"{when}_{name}.csv")
            part["lai"] = pd.to_numeric(part[reading], errors="coerce")
            part["days"] = pd.to_timedelta(part["time_delta"]).dt.days.abs()
            part["plot"] = [f"{country} {name} {i}" for i in range(len(part))]
            parts.append(part.assign(country=country))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows[rows["lai"].notna() & (rows["days"] <= _DAYS)].sort_values("days", kind="stable")
    rows = rows.drop_duplicates("plot").drop_duplicates([*_BANDS, "lai"]).sort_values("plot")
    return Plots(
        rows[_BANDS].to_numpy(float), rows["lai"].to_numpy(float), rows["country"].to_numpy(str)
    )
