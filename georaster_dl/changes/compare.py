"""Comparison of two maps: changes counted strip by strip, then read with the legend of those that occur."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from georaster_dl.changes.pair import MapPair, PairReader, source_of
from georaster_dl.changes.transitions import Tally, Transition, Transitions
from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import pixel_areas
from georaster_dl.core.legend import Legend

__all__ = ["Comparison"]

_DATES = ("first", "second")
_Pixels = npt.NDArray[np.unsignedinteger]
_Confidence = npt.NDArray[np.float32]


class Comparison:
    """Changes between two maps; a context manager that holds their files open.

    Parameters
    ----------
    limit : probability that both classes are right, below which a change is uncertain; None for no limit.

    Attributes
    ----------
    legend : changes and unchanged classes that occur.

    Raises
    ------
    OptionError
        When no pixel is known at both dates, or a limit is given for maps without confidence.
    """

    legend: Legend

    def __init__(self, pair: MapPair, limit: float | None) -> None:
        self.pair, self._limit = pair, limit
        self._numbering = Transitions(pair.legend)
        self._tally = Tally(self._numbering)
        self._reader = PairReader(pair)
        if limit is not None and not pair.sure:
            raise OptionError(
                "`minimum_confidence=` needs the confidence of both maps beside them (NAME_confidence.tif); make them "
                "again with it (`segment(confidence=...)`), or name scenes and their `model=`."
            )

    def __enter__(self) -> Comparison:
        """Open the files, and count the changes."""
        self._reader.__enter__()
        for rows in self.pair.strips():
            states, confidence = self._strip(rows)
            self._tally.add(states, pixel_areas(self.pair.geobox, rows), confidence)
        if not self._tally.pairs.size:
            raise OptionError(self._nothing_known())
        self.legend = self._numbering.legend_of(self._tally.pairs)
        self._values = self._numbering.lookup(self.legend, self._tally.pairs)
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the files."""
        self._reader.__exit__(*exc)

    @property
    def uncertain(self) -> int | None:
        """Value of the uncertain pixels; None where there are none."""
        found = self._numbering.uncertain in self._tally.pairs
        return self._numbering.entry(self._numbering.uncertain).value if found else None

    def transitions(self) -> list[Transition]:
        """List the changes, largest first, then unchanged classes and uncertain pixels."""
        return self._tally.transitions(sure=self.pair.sure)

    def strips(self) -> Iterator[tuple[slice, _Pixels, _Confidence | None]]:
        """Yield the rows of each strip, its pixels (rows, cols) of ``legend``, and their confidence."""
        for rows in self.pair.strips():
            states, confidence = self._strip(rows)
            yield rows, self._values[states], confidence

    def thinned(self, longest: int) -> tuple[dict[str, _Pixels], Legend, int]:
        """Thin out the classes of both dates and the changes, for a picture of a longest side.

        Returns
        -------
        Pixels (rows, cols) by title; the legend of all three; and the step between the pixels taken.
        """
        step = -(-max(self.pair.geobox.shape) // longest)
        numbering, n = self._numbering, self._numbering.n
        alone = np.arange(n) * (numbering.size + 1)  # pairs of a class with itself
        legend = numbering.legend_of(np.union1d(alone, self._tally.pairs))
        values = numbering.lookup(legend, np.union1d(alone, self._tally.pairs))
        parts: dict[str, list[_Pixels]] = {"Before": [], "After": [], "Changes": []}
        for rows in self.pair.strips():
            taken = slice(-rows.start % step, None, step), slice(None, None, step)
            states = [each[taken] for each in self._reader.states(rows)]
            both = self._strip(rows)[0][taken]
            for title, pairs in zip(
                parts, (*(numbering.flat(each, each) for each in states), both), strict=True
            ):
                parts[title].append(values[pairs])
        return {title: np.concatenate(of_title) for title, of_title in parts.items()}, legend, step

    def _nothing_known(self) -> str:
        """Say how much of each date is known, where nothing is at both."""
        pixels = math.prod(self.pair.geobox.shape)
        known = np.zeros(2, np.int64)
        for rows in self.pair.strips():
            known += [(states <= self._numbering.n).sum() for states in self._reader.states(rows)]
        said = [
            f"the {date} date ({source_of(one)}) has {100 * n / pixels:.2f} % of the map's pixels"
            for date, one, n in zip(_DATES, self.pair.maps, known, strict=True)
        ]
        empty = [date for date, n in zip(_DATES, known, strict=True) if not n]
        other = (
            f"another {' and another '.join(empty)} date"
            if empty
            else "dates with clear ground in common"
        )
        return (
            f"No pixel is known at both dates: {' and '.join(said)} that are not nodata, masked, cloud or shadow; choose "
            f"{other}."
        )

    def _strip(self, rows: slice) -> tuple[npt.NDArray[np.int64], _Confidence | None]:
        """Pairs of states (rows, cols) of a strip, and their confidence."""
        pairs = self._numbering.flat(*self._reader.states(rows))
        confidence = self._reader.confidence(rows)
        if self._limit is not None and confidence is not None:
            unsure = self._numbering.changed(pairs) & (confidence < self._limit)
            pairs[unsure] = self._numbering.uncertain
        return pairs, confidence
