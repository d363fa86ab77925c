"""A random sample of bounded size from pixels that come piece by piece."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Sample"]


class Sample:
    """A uniform random sample without replacement.

    Every item draws a random number, and those with the smallest are kept. So memory is that of the
    sample, and the pieces in which the items come do not change it.

    Parameters
    ----------
    most : size that the sample does not exceed; it holds all items where they are fewer.
    seed : of the draw.

    Attributes
    ----------
    seen : items that came so far.
    """

    def __init__(self, most: int, seed: int | list[int]) -> None:
        self.seen = 0
        self._most = most
        self._rng = np.random.default_rng(seed)
        self._drawn = np.empty(0)
        self._held: tuple[npt.NDArray[Any], ...] = ()

    def add(self, *columns: npt.NDArray[Any]) -> None:
        """Offer items; each of the ``columns`` has one entry or row for every item."""
        drawn = self._rng.random(len(columns[0]))
        self.seen += len(drawn)
        full = len(self._drawn) == self._most
        near = np.flatnonzero(drawn < (self._drawn.max() if full else 1.0))
        pairs = zip(self._held or (c[:0] for c in columns), columns, strict=True)
        self._held = tuple(np.concatenate([held, column[near]]) for held, column in pairs)
        self._drawn = np.concatenate([self._drawn, drawn[near]])
        if len(self._drawn) > self._most:
            self._keep(np.argpartition(self._drawn, self._most)[: self._most])

    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """The sample in random order, column by column; no column where nothing was offered."""
        self._keep(np.argsort(self._drawn))
        return self._held

    def _keep(self, places: npt.NDArray[np.intp]) -> None:
        self._drawn = self._drawn[places]
        self._held = tuple(held[places] for held in self._held)
