"""Spectra drawn from the normal distribution of each class among principal components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed
from georaster_dl.spectra.descent import library_digest
from georaster_dl.spectra.simulate.draws import Library, evenly
from georaster_dl.spectra.simulate.noise import draw_noise
from georaster_dl.spectra.simulate.result import Simulated
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["simulate_gaussian"]

_Floats = npt.NDArray[np.float64]

_DIMENSIONS = 15


def simulate_gaussian(
    library: SpectraTable,
    *,
    n: int,
    seed: int = 0,
    class_field: str | None = None,
    targets: Sequence[str] = (),
    proportions: Mapping[str, float] | None = None,
    dimensions: int = _DIMENSIONS,
    quantity: str = "reflectance",
) -> Simulated:
    """Draw spectra from the normal distribution of each class.

    It is about the mean of the class, in the first principal components of the differences of all spectra from the means of
    their classes. Covariances are shrunk towards that of all classes, without correlations, the more the fewer spectra a class
    has (Chen et al. 2010). Values follow from the components by ridge regression on all spectra, and differ from it as
    much as a spectrum does from a regression on the others.

    Parameters
    ----------
    library : measured spectra (rows, bands), with columns of classes or values.
    n : number of spectra, as many of each class unless weights are given.
    class_field : column of classes.
    targets : columns of values.
    proportions : weights of the classes, 1 where not given.
    dimensions : principal components, 15; fewer where the spectra have no more.
    quantity : that the spectra are.

    Raises
    ------
    OptionError
        When columns or options do not fit the library, or a class has a single spectrum.
    """
    known = Library.of(library, class_field, targets)
    if dimensions < 1:
        raise OptionError(
            f"`dimensions={dimensions}` is no number of principal components; give 1 or more."
        )
    single = [c for c, size in zip(known.classes, known.sizes, strict=True) if size < 2]
    if single:
        which = f"{listed(single)} of {class_field!r} in" if class_field else "All of"
        raise OptionError(
            f"{which} {library.name} {'has' if len(single) == 1 else 'have'} a single spectrum, of which no spread can be told; "
            f"measure more, or leave the class out."
        )
    spectra = known.table.spectra
    means = np.stack([spectra[known.numbers == i].mean(axis=0) for i in range(len(known.classes))])
    axes = _principal(spectra - means[known.numbers], dimensions)
    random = np.random.default_rng(seed)
    classes = evenly(n, known.shares(proportions))
    drawn = means[classes] + _differences(
        spectra - means[known.numbers], known, axes, classes, random
    )
    columns: dict[str, npt.NDArray[Any]] = {}
    if class_field is not None:
        columns[class_field] = np.array(known.classes, object)[classes]
    columns |= {
        name: _values(spectra @ axes.T, values, drawn @ axes.T, random)
        for name, values in known.values.items()
    }
    return Simulated(
        drawn.astype(np.float32),
        library.wavelengths_nm,
        columns,
        "gaussian",
        seed,
        {
            "class_field": class_field,
            "targets": tuple(targets),
            "proportions": dict(proportions or {}),
            "dimensions": len(axes),
        },
        quantity,
        library.fwhm_nm,
        known.notes,
        library=library_digest(known.table.digests),
    )


def _principal(differences: _Floats, dimensions: int) -> _Floats:
    """Axes (dimensions, bands) of most variance of spectra (n, bands) less their means."""
    _, sizes, axes = np.linalg.svd(differences, full_matrices=False)
    rank = max(1, int((sizes > sizes[0] * 1e-10).sum()))
    return np.asarray(axes[: min(dimensions, rank)])


def _differences(
    differences: _Floats,
    library: Library,
    axes: _Floats,
    classes: npt.NDArray[np.intp],
    random: np.random.Generator,
) -> _Floats:
    """Draw differences (n, bands) from the class means for class numbers (n,)."""
    scores = differences @ axes.T
    spread = _spread(scores)
    drawn = np.empty((len(classes), len(axes)))
    for number in np.unique(classes):
        own = scores[library.numbers == number] / spread
        chosen = classes == number
        covariance = _covariance(own)
        drawn[chosen] = draw_noise((int(chosen.sum()), len(axes)), covariance, random)
    return np.asarray((drawn * spread) @ axes)


def _covariance(scores: _Floats) -> _Floats:
    """Covariance (dimensions, dimensions) of scores (n, dimensions) of mean 0, shrunk."""
    from sklearn.covariance import oas

    found, shrinkage = oas(scores, assume_centered=True)
    if not 0 <= shrinkage <= 1:
        # Of equal variances without correlations it is 0 / 0, and rounding decides its size and sign.
        found = np.eye(scores.shape[1]) * (scores**2).mean()
    return np.asarray(found * len(scores) / (len(scores) - 1))


def _values(
    scores: _Floats, values: _Floats, drawn: _Floats, random: np.random.Generator
) -> _Floats:
    """Predict values (n,) of drawn scores, with the errors of a regression left out spectrum by spectrum."""
    from sklearn.linear_model import RidgeCV

    spread = _spread(scores)
    ridge = RidgeCV(np.logspace(-6, 3, 10)).fit(scores / spread, values)
    errors = np.sqrt(-ridge.best_score_) * random.standard_normal(len(drawn))
    return np.asarray(ridge.predict(drawn / spread) + errors)


def _spread(scores: _Floats) -> _Floats:
    """(dimensions,) standard deviations, 1 where there is none."""
    spread = scores.std(axis=0)
    return np.where(spread > 0, spread, 1.0)
