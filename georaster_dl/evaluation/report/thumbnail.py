"""Map and reference thinned out to a picture while they are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.evaluation.inputs.references import Kind, Pairs

__all__ = ["View", "Viewer"]

_LONGEST = 900
_MOST_POINTS = 5000


@dataclass(frozen=True, eq=False)
class View:
    """Every ``step``-th pixel of each ``step``-th row.

    Attributes
    ----------
    mapped : (rows, cols) class indexes, negative for none; or numbers, NaN for none; or (fractions, rows, cols).
    reference : the same of the reference; None where it consists of points.
    points : row and col (in pixels of the view), mapped and true label of the points, at most 5000 (of fractions
        all that are mapped, then all that are true); None where the reference covers areas.
    step : every how many pixels one was taken.
    """

    mapped: npt.NDArray[Any]
    reference: npt.NDArray[Any] | None
    points: npt.NDArray[np.float64] | None
    step: int

    @property
    def planes(self) -> list[npt.NDArray[Any]]:
        """The map and, where it covers areas, the reference."""
        return [plane for plane in (self.mapped, self.reference) if plane is not None]


class Viewer:
    """Collects a view strip by strip.

    Parameters
    ----------
    shape : rows and cols of the map.
    """

    def __init__(self, shape: tuple[int, int], kind: Kind) -> None:
        self._step = -(-max(shape) // _LONGEST)
        self._areas = kind != "points"
        self._mapped: list[npt.NDArray[Any]] = []
        self._reference: list[npt.NDArray[Any]] = []
        self._points: list[npt.NDArray[np.float64]] = []

    def add(self, rows: slice, mapped: npt.NDArray[Any], pairs: Pairs) -> None:
        """Add the thinned-out pixels of a full-width strip."""
        thin = ..., slice(-rows.start % self._step, None, self._step), slice(None, None, self._step)
        self._mapped.append(mapped[thin].copy())  # a view would keep the strip in memory
        if self._areas:
            self._reference.append(pairs.true[thin].copy())
            return
        places = (np.stack([pairs.rows, pairs.cols]) + 0.5) / self._step
        self._points.append(np.vstack([places, pairs.mapped, pairs.true]).astype(np.float64))

    def view(self) -> View:
        """The picture of all strips."""
        return View(
            mapped=np.concatenate(self._mapped, axis=-2),
            reference=np.concatenate(self._reference, axis=-2) if self._areas else None,
            points=None if self._areas else _some(np.concatenate(self._points, axis=1)),
            step=self._step,
        )


def _some(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return points[:, :: -(-points.shape[1] // _MOST_POINTS)]
