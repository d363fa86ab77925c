"""Choice of candidates to label: the most uncertain, spread over the feature space."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted

__all__ = ["choose"]

_POOL = 10  # candidates for each that is chosen: the best by score

_Floats = npt.NDArray[np.floating]
_Places = npt.NDArray[np.intp]


def choose(
    scores: _Floats,
    features: _Floats,
    n: int,
    *,
    places: _Floats | None = None,
    distance: float = 0.0,
    seed: int = 0,
) -> _Places:
    """Choose the candidates to label, by score and spread.

    The best by score are the pool, ten times as many as are wanted. The first chosen is the best of
    all; each of the others is drawn with a probability proportional to its score times the square
    of its distance, in features, from the nearest one chosen before: the seeding of k-means++, weighted
    as in BADGE (Ash et al. 2020). Any first few are therefore spread, too. Where the pool has no
    candidate left that is far enough in place it grows, and at last the distance is halved.

    Parameters
    ----------
    scores : (candidates,) uncertainty of each, 0 or more.
    features : (candidates, features); each feature counts by its standard deviation.
    n : number to choose.
    places : (candidates, 2) coordinates; None where candidates have none.
    distance : least distance in place between two of them, in units of ``places``.
    seed : of the draw; the same seed gives the same choice.

    Returns
    -------
    (n,) positions of the chosen, in the order of the choice.

    Raises
    ------
    OptionError
        When there are fewer candidates than are wanted.
    """
    if not 1 <= n <= len(scores):
        raise OptionError(
            f"`n={n}` cannot be chosen: there {'is' if len(scores) == 1 else 'are'} "
            f"{counted(len(scores), 'candidate')}; ask for 1 to {len(scores)}."
        )
    seeding = _Seeding(scores, features, n, np.random.default_rng(seed))
    where = np.arange(len(scores), dtype=np.float64)[:, None] if places is None else places
    least = distance if places is not None else 0.0
    far = np.ones(len(scores), bool)
    chosen: list[int] = []
    while len(chosen) < n:
        while not far.any():
            least = least / 2 if least > 1e-3 * distance else 0.0
            far = _far_from(where, chosen, least)
        chosen.append(seeding.draw(far))
        far &= _far_from(where, chosen[-1:], least)
    return np.array(chosen, np.intp)


class _Seeding:
    """Weighted seeding of k-means++, over a pool that grows."""

    def __init__(
        self, scores: _Floats, features: _Floats, n: int, generator: np.random.Generator
    ) -> None:
        # Equal scores in random order: else the pool would be those that come first.
        self._order = np.lexsort((generator.permutation(len(scores)), -scores))
        self._weights = scores.astype(np.float64)
        if not self._weights.any():
            self._weights = np.ones(len(scores))
        spread = features.std(axis=0, dtype=np.float64)
        self._features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
        self._apart = np.full(len(scores), np.inf)  # squared, from the nearest chosen one
        self._pool = self._step = _POOL * n
        self._generator = generator

    def draw(self, free: npt.NDArray[np.bool_]) -> int:
        """Draw a candidate of the pool that is free."""
        while not free[self._order[: self._pool]].any():
            self._pool += self._step
        pool = self._order[: self._pool]
        pool = pool[free[pool]]
        drawn = int(pool[0]) if np.isinf(self._apart[pool[0]]) else self._drawn(pool)
        apart = np.square(self._features - self._features[drawn]).sum(axis=1)
        self._apart = np.minimum(self._apart, apart)
        return drawn

    def _drawn(self, pool: _Places) -> int:
        odds = self._weights[pool] * self._apart[pool]
        total = odds.sum()
        if total <= 0:  # all that is left is like one that was chosen: the best score
            return int(pool[0])
        return int(self._generator.choice(pool, p=odds / total))


def _far_from(places: _Floats, chosen: list[int], least: float) -> npt.NDArray[np.bool_]:
    """Mask the candidates (candidates,) at least this distance from all that were chosen."""
    far = np.ones(len(places), bool)
    for one in chosen:
        if least > 0:
            far &= np.square(places - places[one]).sum(axis=1) >= least**2
        far[one] = False
    return far
