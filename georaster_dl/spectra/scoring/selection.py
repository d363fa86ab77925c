"""Selection of the samples that test: Kennard-Stone, SPXY, Duplex, and by date."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

__all__ = ["duplex_test", "kennard_stone", "latest"]

_Floats = npt.NDArray[np.float64]
_Places = npt.NDArray[np.intp]

_ROWS = 256  # whose distances to all samples are held at once


def kennard_stone(spectra: _Floats, n: int, values: _Floats | None = None) -> _Places:
    """Select samples that cover the spectra evenly, by Kennard & Stone 1969 or, with values, by SPXY.

    The two that are farthest apart come first, then each time the one that is farthest from its
    nearest selected. SPXY (Galvao et al. 2005) measures by the Euclidean distance of the spectra plus
    that of the values, each divided by its largest.

    Parameters
    ----------
    spectra : (samples, bands).
    n : how many are selected, 2 or more.
    values : (samples, targets).

    Returns
    -------
    Positions (n,) in the order of their selection. Of equals the first is taken.
    """
    distances = _Distances(spectra, values)
    left = np.ones(len(spectra), bool)
    chosen = list(distances.farthest_pair(left))
    nearest = distances.to(chosen).min(axis=1)
    while len(chosen) < n:
        left[chosen[-2:]] = False
        chosen.append(int(np.where(left, nearest, -np.inf).argmax()))
        np.minimum(nearest, distances.to(chosen[-1:])[:, 0], out=nearest)
    return np.array(chosen[:n])


def duplex_test(spectra: _Floats, n: int) -> _Places:
    """Select the samples that test by Duplex (Snee 1977), so that both sets cover the spectra alike.

    The two that are farthest apart learn, the two farthest of the rest test; then each set in turn
    takes the one that is farthest from its nearest own, until ``n`` test. The rest learns.

    Parameters
    ----------
    spectra : (samples, bands) of 4 samples or more.
    n : how many test, 2 or more.

    Returns
    -------
    Positions (n,) in the order of their selection.
    """
    distances = _Distances(spectra, None)
    left = np.ones(len(spectra), bool)
    sets: list[list[int]] = []
    nearest: list[_Floats] = []
    for _ in range(2):
        sets.append(list(distances.farthest_pair(left)))
        left[sets[-1]] = False
        nearest.append(distances.to(sets[-1]).min(axis=1))
    taking = 0
    while len(sets[1]) < n and left.any():
        taken = int(np.where(left, nearest[taking], -np.inf).argmax())
        sets[taking].append(taken)
        left[taken] = False
        np.minimum(nearest[taking], distances.to([taken])[:, 0], out=nearest[taking])
        taking = 1 - taking
    return np.array(sets[1][:n])


def latest(dates: npt.NDArray[np.datetime64], n: int) -> _Places:
    """Select the latest ``n`` samples by their dates (samples,); no date is divided."""
    first = np.sort(dates)[-n]
    return np.flatnonzero(dates >= first)


class _Distances:
    """Euclidean distances among spectra, or among spectra and values as SPXY adds them."""

    def __init__(self, spectra: _Floats, values: _Floats | None) -> None:
        self._parts = [(spectra, 1.0)]
        if values is not None:
            self._parts = [(part, self._largest(part) or 1.0) for part in (spectra, values)]

    def to(self, places: list[int]) -> _Floats:
        """(samples, places) distances of all samples to some."""
        shares = [cdist(part, part[places]) / scale for part, scale in self._parts]
        return np.asarray(sum(shares))

    def farthest_pair(self, among: npt.NDArray[np.bool_]) -> tuple[int, int]:
        """Positions of the two that are farthest apart, the earlier first."""
        places = np.flatnonzero(among)
        best, pair = -1.0, (0, 0)
        for some in _pieces(places):
            apart = self.to(some.tolist())[places]
            farthest = float(apart.max())
            if farthest > best:
                one, other = np.unravel_index(apart.argmax(), apart.shape)
                best, pair = farthest, (int(places[one]), int(some[other]))
        return min(pair), max(pair)

    @staticmethod
    def _largest(part: _Floats) -> float:
        return max(float(cdist(part, part[some]).max()) for some in _pieces(np.arange(len(part))))


def _pieces(places: _Places) -> Iterator[_Places]:
    return (places[first : first + _ROWS] for first in range(0, len(places), _ROWS))
