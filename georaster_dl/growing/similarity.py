"""Connected regions of pixels whose values are like those of clicked pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

__all__ = ["TOLERANCE", "Click", "SimilarPixels"]

TOLERANCE = 0.5
"""Distance from a click, in robust deviations of the window, up to which pixels are alike by default."""

_SAMPLE = 50_000  # pixels that a window's medians and deviations are taken from
_SPREAD = (15.87, 50.0, 84.13)  # percents; of a normal distribution one deviation apart
_NEAR = 1  # pixels around a click whose median it stands for
_REACH = 32.0  # pixels that weigh as much as one deviation, where clicks compete
_HOLE = 0.1  # of a region's pixels; smaller holes are filled

_Mask = npt.NDArray[np.bool_]
_Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Click:
    """A pixel of a window, to be part of the region or not.

    Attributes
    ----------
    row, col : of the window.
    add : whether what is like it belongs to the region; False keeps it out.
    """

    row: int
    col: int
    add: bool = True


class SimilarPixels:
    """Pixels of a window with the distances between their values.

    Each channel is centred by its median and divided by half the distance between the percentiles that are a
    deviation from the median in a normal distribution, so that single bright pixels stretch nothing. Distances are
    roots of the mean square over channels, which makes them comparable for any number of channels.

    Parameters
    ----------
    values : (channels, rows, cols) spectra or features.
    valid : (rows, cols) True where there is a measurement; others are in no region.
    """

    def __init__(self, values: _Values, valid: _Mask) -> None:
        self.valid = valid
        self._values = _standardised(values, valid)

    @property
    def nbytes(self) -> int:
        """Memory of the values."""
        return self._values.nbytes

    def region(self, clicks: Sequence[Click], tolerance: float = TOLERANCE) -> _Mask:
        """Grow the region of some clicks.

        A pixel is in the region if its distance from the nearest click that adds is at most the tolerance, if no click
        that removes is nearer, and if it hangs together (by edges) with a click that adds. Nearer is by values and
        place, so that of two clicks on alike pixels each has its surroundings. Small holes are filled.

        Parameters
        ----------
        clicks : on valid pixels, at least one that adds.

        Returns
        -------
        (rows, cols) True in the region.
        """
        to_add, nearest = self._nearest([click for click in clicks if click.add])
        alike = self.valid & (nearest <= tolerance)
        removing = [click for click in clicks if not click.add]
        if removing:
            alike &= to_add < self._nearest(removing)[0]
        for click in clicks:
            alike[click.row, click.col] = click.add
        return self._filled(_around(alike, clicks), removing)

    def _nearest(self, clicks: Sequence[Click]) -> tuple[_Values, _Values]:
        """Compute distances (rows, cols) from the nearest of some clicks: squared by values and place, and by values."""
        both = np.full(self.valid.shape, np.inf, np.float32)
        values = both.copy()
        rows, cols = (np.arange(size, dtype=np.float32) for size in self.valid.shape)
        for click in clicks:
            far = np.square(self._values - self._at(click)[:, None, None]).sum(axis=0)
            np.minimum(values, far, out=values)
            away = np.square(rows - click.row)[:, None] + np.square(cols - click.col)
            np.minimum(both, far + away / np.float32(_REACH**2), out=both)
        return both, np.sqrt(values)

    def _at(self, click: Click) -> _Values:
        """Median values (channels,) of the valid pixels around a click."""
        around = tuple(
            slice(max(place - _NEAR, 0), place + _NEAR + 1) for place in (click.row, click.col)
        )
        middle: _Values = np.median(self._values[:, *around][:, self.valid[around]], axis=1)
        return middle

    def _filled(self, region: _Mask, removing: Sequence[Click]) -> _Mask:
        """Fill small holes of measured pixels without a click that removes."""
        numbers, count = ndimage.label(ndimage.binary_fill_holes(region) & ~region)
        sizes = np.bincount(numbers.ravel(), minlength=count + 1)
        fill = sizes <= _HOLE * region.sum()
        fill[0] = False
        fill[numbers[~self.valid]] = False
        fill[[numbers[click.row, click.col] for click in removing]] = False
        filled: _Mask = region | fill[numbers]
        return filled


def _standardised(values: _Values, valid: _Mask) -> _Values:
    """Values (channels, rows, cols) in robust deviations over the root of the number of channels; 0 where invalid."""
    measured = values[:, valid]
    some = measured[:, :: max(measured.shape[1] // _SAMPLE, 1)]
    low, middle, high = np.percentile(some, _SPREAD, axis=1)
    spread = (high - low) / 2
    # Of a channel that is 0 nearly everywhere.
    spread = np.where(spread > 0, spread, some.std(axis=1))
    varied = spread > 0
    factor = 1 / (spread[varied] * np.sqrt(max(varied.sum(), 1)))
    made: _Values = values[varied] - middle[varied, None, None].astype(np.float32)
    made *= factor[:, None, None].astype(np.float32)
    made[:, ~valid] = 0
    return made


def _around(alike: _Mask, clicks: Sequence[Click]) -> _Mask:
    """The connected parts of a mask in which there is a click that adds."""
    numbers, count = ndimage.label(alike)
    kept = np.zeros(count + 1, bool)
    kept[[numbers[click.row, click.col] for click in clicks if click.add]] = True
    kept[0] = False
    region: _Mask = kept[numbers]
    return region
