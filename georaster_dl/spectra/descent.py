"""Descent of simulated spectra: digests of the measured spectra in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LIBRARY", "PARENTS", "Descent", "digests_of", "library_digest", "with_simulated"]

PARENTS = "parents"
"""Column of a simulated table: digests of the spectra that a row was made of, with spaces between."""

LIBRARY = "library"
"""Column of a simulated table: digest of the library, all of which its method learnt from."""

_BYTES = 5


def digests_of(spectra: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.object_]:
    """Compute a digest of each spectrum (n, bands) in single precision: s and 10 hexadecimal digits.

    The letter keeps a table from being read as one of numbers.
    """
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(spectra, np.dtype("<f4"))
    return np.array(["s" + blake2b(row, digest_size=_BYTES).hexdigest() for row in rows], object)


def library_digest(digests: npt.NDArray[np.object_]) -> str:
    """Compute the digest of a library of the digests (n,) of its spectra, in any order."""
    return "l" + blake2b(" ".join(sorted(digests)).encode(), digest_size=_BYTES).hexdigest()


@dataclass(frozen=True, eq=False)
class Descent:
    """Measured spectra as parents of simulated spectra.

    Attributes
    ----------
    own : (n,) number of each measured spectrum; equal spectra have the same.
    parents : (simulated, most) numbers of those that each was made of, -1 for others and beyond their number.
    """

    own: npt.NDArray[np.intp] = field(repr=False)
    parents: npt.NDArray[np.intp] = field(repr=False)

    @classmethod
    def of(cls, digests: npt.NDArray[np.object_], parents: Sequence[str | None]) -> Descent:
        """Look up the parents of simulated spectra, as ``PARENTS`` holds them, among digests (n,)."""
        known, own = np.unique(digests.astype(str), return_inverse=True)
        numbers = {digest: number for number, digest in enumerate(known.tolist())}
        found = [[numbers.get(one, -1) for one in (text or "").split()] for text in parents]
        table = np.full((len(found), max(map(len, found), default=0)), -1, np.intp)
        for row, line in zip(table, found, strict=True):
            row[: len(line)] = line
        return cls(own.astype(np.intp), table)

    def __len__(self) -> int:
        return len(self.parents)

    def free_of(self, held: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Find the simulated spectra (simulated,) without a parent in a mask (n,) or positions of measured spectra."""
        return np.asarray(~np.isin(self.parents, self.own[held]).any(axis=1))

    def among(self, own: npt.NDArray[Any], simulated: npt.NDArray[Any]) -> Descent:
        """Take measured and simulated spectra by masks or positions."""
        return Descent(self.own[own], self.parents[simulated])


def with_simulated(
    learnt: npt.NDArray[np.intp], held: npt.NDArray[np.intp], n: int, descent: Descent | None
) -> npt.NDArray[np.intp]:
    """Add the rows, from ``n`` on, without a parent among those that are held out."""
    if descent is None:
        return learnt
    return np.concatenate([learnt, n + np.flatnonzero(descent.free_of(held))])
