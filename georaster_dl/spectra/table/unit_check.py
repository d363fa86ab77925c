"""Whether spectra have the size of reflectances, or of those that a model was trained on: percent are no shares of 1."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from georaster_dl.core.events import Report, Warned
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["REFLECTANCE", "likely_quantity", "other_size", "typical_largest"]

REFLECTANCE = "reflectance"
AS_MEASURED = "as measured"

_Floats = npt.NDArray[np.float64]

# Median of the largest values of spectra that may be reflectances; glint and snow exceed 1.
_BRIGHTEST = 1.5
_SUSPICIOUS = 20.0  # other materials differ less, and the least of the factors is a hundred
_FACTORS = {100: "percent", 1000: "thousandths", 10_000: "whole numbers of 0 to 10,000"}


def other_size(preprocessed: _Floats, mean: _Floats, std: _Floats) -> str | None:
    """Say that spectra are of another size than a model's, and by which factor; None where they are not.

    Sizes are root mean squares band by band, of which the median ratio counts. Treatments that do not
    care for a factor (snv) make none.

    Parameters
    ----------
    preprocessed : (n, bands) spectra after the preprocessing of the model; NaN where it failed.
    mean, std : (bands,) of the preprocessed training spectra.
    """
    whole = preprocessed[np.isfinite(preprocessed).all(axis=1)]
    training_size = np.sqrt(mean**2 + std**2)
    if not len(whole) or not (training_size > 0).any():
        return None
    ours = np.sqrt((whole**2).mean(axis=0))
    ratio = float(np.median(ours[training_size > 0] / training_size[training_size > 0]))
    if not ratio or 1 / _SUSPICIOUS < ratio < _SUSPICIOUS:
        return None
    factor = min(_FACTORS, key=lambda f: abs(math.log(f) - abs(math.log(ratio))))
    larger = ratio > 1
    who = "these" if larger else "the model's"
    return (
        f"the spectra are about {ratio:.2g} times as large as those that the model was trained on, so its "
        f"predictions mean nothing; if {who} are {_FACTORS[factor]} and the others shares of 1, "
        f"{'divide' if larger else 'multiply'} these by {factor:,}"
    )


def likely_quantity(table: SpectraTable, report: Report) -> str:
    """Take spectra for reflectances where their size allows it, else warn and call them as measured."""
    largest = typical_largest(table)
    if 0 <= largest <= _BRIGHTEST:
        return REFLECTANCE
    report(
        Warned(
            f"{table.name}: values around {largest:.3g} at most are no reflectances of 0 to 1, so they are called "
            f"as measured; state what they are with `quantity=`, such as absorbance."
        )
    )
    return AS_MEASURED


def typical_largest(table: SpectraTable) -> float:
    """Median of the largest value of each spectrum."""
    return float(np.median(table.spectra.max(axis=1)))
