"""Whether spectra have the size of those that a model was trained on: percent are no shares of 1."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["other_size"]

_Floats = npt.NDArray[np.float64]

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
