"""Changes from class to class: their pixel values, names, colours and areas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Color, Legend, MapClass

__all__ = ["Tally", "Transition", "Transitions"]

_HIGHEST = 65_534
_UNCERTAIN = "uncertain"
_GREY: Color = (120, 120, 120)
_PALE = 0.7  # of white in the colour of what has not changed
_OLD = 0.3  # of the former class in the colour of a change

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Transition:
    """Pixels that were of one class and are of another, or of the same.

    Attributes
    ----------
    value, name : of the pixels on the map of changes.
    before, after : classes; empty for uncertain pixels.
    area_m2 : on the ellipsoid; None where the grid has no unit.
    confidence : mean probability that both classes are right; None where unknown.
    adjusted_m2, half_width_m2 : area estimated with reference points, and half of its 95 % interval.
    """

    value: int
    name: str
    before: str
    after: str
    pixels: int
    area_m2: float | None = None
    confidence: float | None = None
    adjusted_m2: float | None = None
    half_width_m2: float | None = None

    @property
    def changed(self) -> bool:
        """Whether the two classes differ."""
        return self.before != self.after


class Transitions:
    """Numbering of the changes between the classes of a map.

    What has not changed keeps its class's value. A change's is (1 + the former class's place in the legend) *
    ``step`` + the new class's value: with step 100, 307 is from the third class to the one of value 7.

    Parameters
    ----------
    legend : classes of the ground, n of them. Pixels hold their places in it; n is uncertain, n + 1 is nodata.

    Raises
    ------
    OptionError
        When the classes are too many, or their values too large, for 65,535 numbers.
    """

    def __init__(self, legend: Legend) -> None:
        self.legend = legend
        self.n = len(legend.classes)
        self.step = max(100, max(legend.values) + 1)
        if self.step * (self.n + 1) > _HIGHEST:
            raise OptionError(
                f"{self.n:,} classes with values up to {max(legend.values):,} have more changes than a map can "
                f"number (65,535); use a model with fewer classes, or with smaller values."
            )

    @property
    def size(self) -> int:
        """Number of states of a pixel at one date: classes, uncertain, nodata."""
        return self.n + 2

    def value(self, before: int, after: int) -> int:
        """Return the pixel value of a change, by the places of its classes."""
        if self.n in (before, after):
            return self.step * (self.n + 1)
        values = self.legend.values
        return values[after] + (self.step * (before + 1) if before != after else 0)

    def flat(self, before: _Ints, after: _Ints) -> _Ints:
        """Number the pairs of states: (n, n) where either date is uncertain, the last where either is nodata."""
        pair = before * self.size + after
        highest = np.maximum(before, after)
        pair[highest == self.n] = self.uncertain
        pair[highest > self.n] = self.size**2 - 1
        return pair

    @property
    def uncertain(self) -> int:
        """Number of the pair of states that is uncertain."""
        return self.n * self.size + self.n

    def changed(self, pair: _Ints) -> npt.NDArray[np.bool_]:
        """Mask the pairs whose classes differ."""
        before, after = np.divmod(pair, self.size)
        return np.asarray(before != after)

    def entry(self, pair: int) -> MapClass:
        """Make the class of a pair of states on the map of changes."""
        before, after = divmod(pair, self.size)
        value = self.value(before, after)
        if pair == self.uncertain:
            taken = {name.casefold() for name in self.legend.names}
            name = _UNCERTAIN if _UNCERTAIN not in taken else "uncertain change"
            return MapClass(value, name, _GREY)
        old, new = self.legend.classes[before], self.legend.classes[after]
        if before == after:
            return MapClass(value, old.name, _mixed(old.color, (255, 255, 255), _PALE))
        return MapClass(value, f"{old.name} -> {new.name}", _mixed(new.color, old.color, _OLD))

    def legend_of(self, pairs: _Ints) -> Legend:
        """Make the legend of some pairs, by their values."""
        found = [self.entry(int(pair)) for pair in pairs]
        return Legend(tuple(sorted(found, key=lambda entry: entry.value)))

    def lookup(self, legend: Legend, pairs: _Ints) -> npt.NDArray[np.uint16]:
        """(size ** 2,) pixel value of each pair of states, nodata for those that are none of ``pairs``."""
        table = np.full(self.size**2, legend.nodata, np.uint16)
        table[pairs] = [self.entry(int(pair)).value for pair in pairs]
        return table.astype(legend.dtype)


def _mixed(color: Color, other: Color, share: float) -> Color:
    red, green, blue = (
        round((1 - share) * one + share * two) for one, two in zip(color, other, strict=True)
    )
    return red, green, blue


class Tally:
    """Pixels, areas and confidence of each pair of states, added up over strips."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions
        n = transitions.size**2
        self._pixels = np.zeros(n, np.int64)
        self._areas, self._confidence = np.zeros(n), np.zeros(n)
        self._measured = True

    def add(
        self,
        pair: _Ints,
        per_pixel: npt.NDArray[np.float64] | None,
        confidence: npt.NDArray[np.float32] | None,
    ) -> None:
        """Count a strip.

        Parameters
        ----------
        pair : (rows, cols) numbers of pairs of states.
        per_pixel : (rows,) area of a pixel in square metres; None where unknown.
        confidence : (rows, cols); None where unknown.
        """
        n = self._pixels.size
        flat = pair.ravel()
        self._pixels += np.bincount(flat, minlength=n)
        if per_pixel is None:
            self._measured = False
        else:
            areas = np.broadcast_to(per_pixel[:, None], pair.shape).ravel()
            self._areas += np.bincount(flat, areas, minlength=n)
        if confidence is not None:
            self._confidence += np.bincount(flat, confidence.ravel(), minlength=n)

    @property
    def pairs(self) -> _Ints:
        """Numbers of the pairs of states that occur, without nodata."""
        return np.flatnonzero(self._pixels[:-1])

    def transitions(self, *, sure: bool) -> list[Transition]:
        """List the changes, largest first, then unchanged classes and uncertain pixels.

        Parameters
        ----------
        sure : whether the confidence is known.
        """
        rows = [self._row(int(pair), sure=sure) for pair in self.pairs]
        return sorted(rows, key=lambda row: (not row.changed, not row.before, -row.pixels))

    def _row(self, pair: int, *, sure: bool) -> Transition:
        numbering, pixels = self._transitions, int(self._pixels[pair])
        entry, names = numbering.entry(pair), numbering.legend.names
        before, after = divmod(pair, numbering.size)
        known = pair != numbering.uncertain
        return Transition(
            value=entry.value,
            name=entry.name,
            before=names[before] if known else "",
            after=names[after] if known else "",
            pixels=pixels,
            area_m2=float(self._areas[pair]) if self._measured else None,
            confidence=float(self._confidence[pair] / pixels) if sure else None,
        )
