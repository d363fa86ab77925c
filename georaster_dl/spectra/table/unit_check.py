"""Whether spectra have the size of reflectances, or of those that a model was trained on: percent are no shares of 1."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from georaster_dl.core.events import Report, Warned
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["REFLECTANCE", "likely_quantity", "other_size", "size_ratio", "typical_largest"]

REFLECTANCE = "reflectance"
AS_MEASURED = "as measured"

_Floats = npt.NDArray[np.float64]

# Median of the largest values of spectra that may be reflectances; glint and snow exceed 1.
_BRIGHTEST = 1.5
_MOST_NEGATIVE = 0.05  # of the values: noise makes some of dark bands
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
    found = size_ratio(preprocessed, mean, std)
    if found is None:
        return None
    ratio, factor = found
    larger = ratio > 1
    who = "these" if larger else "the model's"
    return (
        f"the spectra are about {ratio:.2g} times as large as those that the model was trained on, so its "
        f"predictions mean nothing; if {who} are {_FACTORS[factor]} and the others shares of 1, "
        f"{'divide' if larger else 'multiply'} these by {factor:,}"
    )


def size_ratio(spectra: _Floats, mean: _Floats, std: _Floats) -> tuple[float, int] | None:
    """Compare the size of spectra with others; None where they are of one size.

    Parameters
    ----------
    spectra, mean, std : as ``other_size`` takes them.

    Returns
    -------
    How many times as large they are, and the factor of 100, 1000 and 10,000 that is nearest.
    """
    whole = spectra[np.isfinite(spectra).all(axis=1)]
    usual_size = np.sqrt(mean**2 + std**2)
    if not len(whole) or not (usual_size > 0).any():
        return None
    ours = np.sqrt((whole**2).mean(axis=0))
    ratio = float(np.median(ours[usual_size > 0] / usual_size[usual_size > 0]))
    if not ratio or 1 / _SUSPICIOUS < ratio < _SUSPICIOUS:
        return None
    return ratio, min(_FACTORS, key=lambda f: abs(math.log(f) - abs(math.log(ratio))))


def likely_quantity(table: SpectraTable, report: Report) -> str:
    """Take spectra for reflectances where their size and sign allow it, else warn and call them as measured."""
    largest = typical_largest(table)
    negative = float((table.spectra < 0).mean())
    if 0 <= largest <= _BRIGHTEST and negative <= _MOST_NEGATIVE:
        return REFLECTANCE
    what = f"values around {largest:.3g} at most"
    if 0 <= largest <= _BRIGHTEST:
        what = f"values of which {negative:.0%} are negative"
    report(
        Warned(
            f"{table.name}: {what} are no reflectances of 0 to 1, so they are called "
            f"as measured; state what they are with `quantity=`, such as absorbance."
        )
    )
    return AS_MEASURED


def typical_largest(table: SpectraTable) -> float:
    """Median of the largest value of each spectrum."""
    return float(np.median(table.spectra.max(axis=1)))
