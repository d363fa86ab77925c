"""Draws of pretraining: little tables of spectra by random sensors, with hidden windows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from georaster_dl.spectra.pretraining.sensors import draw_sensor

__all__ = ["HIDDEN", "Draw", "Library"]

_Floats = npt.NDArray[np.float64]

HIDDEN = (0.5, 0.75)
"""Least and largest share of a sensor's windows that are hidden."""

_KINDS = 48  # clusters of the library, of which a draw has some
_COMPONENTS = 10
_FEWEST_KINDS = 2
_ABSORBANCES = 0.5  # share of the draws
_MIXED = 0.5  # share of the spectra of a draw that are mixed with another
_BRIGHTNESS = 0.15  # standard deviation of the logarithm of a factor
_NOISE = 0.1  # most, in standard deviations of a band
_DARKEST = 1e-3  # reflectance whose absorbance is finite
_SMALL = 1e-6


@dataclass(frozen=True, eq=False)
class Draw:
    """Spectra as a sensor measures them, with the hidden bands to find.

    Attributes
    ----------
    inputs : (n, bands) standardised by their own statistics, as a training does with its table.
    wavelengths_nm : (bands,) increasing.
    shown : (windows,) which windows of neighbouring bands are shown.
    targets : (n, library's bands) standardised.
    hidden : (library's bands,) which of these were not shown.
    """

    inputs: _Floats = field(repr=False)
    wavelengths_nm: _Floats = field(repr=False)
    shown: npt.NDArray[np.bool_]
    targets: _Floats = field(repr=False)
    hidden: npt.NDArray[np.bool_] = field(repr=False)


class Library:
    """Spectra to draw from, in kinds: clusters of similar spectra.

    A draw is of a few kinds, so that what distinguishes neighbours is learnt, too, and not only what distinguishes
    plants from soils. Half of all draws of reflectances are absorbances, log10(1 / reflectance).

    Parameters
    ----------
    spectra : (n, bands).
    wavelengths_nm : (bands,) increasing.
    window : bands of a window.
    reflectances : whether the spectra are such.
    seed : of the clusters.
    """

    def __init__(
        self,
        spectra: _Floats,
        wavelengths_nm: _Floats,
        *,
        window: int,
        reflectances: bool,
        seed: int,
    ) -> None:
        self.spectra, self.wavelengths_nm, self._window = spectra, wavelengths_nm, window
        self._reflectances = reflectances
        kinds = min(_KINDS, max(len(spectra) // 8, 1))
        scores = PCA(min(_COMPONENTS, *spectra.shape), random_state=seed).fit_transform(
            _standardised(spectra)
        )
        of_kinds = KMeans(kinds, n_init=1, random_state=seed).fit_predict(scores)
        self._rows = [np.flatnonzero(of_kinds == kind) for kind in range(kinds)]

    def draw(self, n: int, random: np.random.Generator) -> Draw:
        """Draw a table of ``n`` spectra by a random sensor, with hidden windows."""
        spectra = self._table(n, random)
        sensor = draw_sensor(self.wavelengths_nm, 2 * self._window, random)
        measured = spectra @ sensor.weights.T
        if self._reflectances and random.random() < _ABSORBANCES:
            spectra, measured = (
                -np.log10(np.maximum(each, _DARKEST)) for each in (spectra, measured)
            )
        inputs = _standardised(measured)
        inputs += random.uniform(0, _NOISE) * random.standard_normal(inputs.shape)
        shown = _shown(len(sensor.wavelengths_nm), self._window, random)
        hidden = _not_seen(self.wavelengths_nm, sensor.wavelengths_nm, shown, self._window)
        return Draw(inputs, sensor.wavelengths_nm, shown, _standardised(spectra), hidden)

    def _table(self, n: int, random: np.random.Generator) -> _Floats:
        """(n, bands) spectra of some kinds, some of them mixed, brighter and darker."""
        most = len(self._rows)
        several = np.exp(random.uniform(np.log(_FEWEST_KINDS), np.log(max(most, _FEWEST_KINDS))))
        kinds = random.choice(most, min(round(several), most), replace=False)
        rows = np.concatenate([self._rows[kind] for kind in kinds])
        own, other = self.spectra[random.choice(rows, (2, n))]
        share = random.random((n, 1)) * (random.random((n, 1)) < _MIXED)
        factor = np.exp(_BRIGHTNESS * random.standard_normal((n, 1)) * (random.random() < 0.5))
        return np.asarray(factor * (own + share * (other - own)))


def _standardised(spectra: _Floats) -> _Floats:
    spread = spectra.std(axis=0)
    return np.asarray((spectra - spectra.mean(axis=0)) / np.where(spread > _SMALL, spread, 1.0))


def _shown(bands: int, window: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """(windows,) which are shown: one at least, but not all."""
    count = -(-bands // window)
    hidden = int(np.clip(round(random.uniform(*HIDDEN) * count), 1, count - 1))
    shown = np.ones(count, bool)
    shown[random.choice(count, hidden, replace=False)] = False
    return shown


def _not_seen(
    library_nm: _Floats, sensor_nm: _Floats, shown: npt.NDArray[np.bool_], window: int
) -> npt.NDArray[np.bool_]:
    """(library's bands,) in no shown window nor near its bands."""
    seen = sensor_nm[np.repeat(shown, window)[: len(sensor_nm)]]
    reach = max(float(np.median(np.diff(sensor_nm))), float(np.median(np.diff(library_nm))))
    return np.asarray((np.abs(library_nm[:, None] - seen) > reach).all(axis=1))
