"""Distance of pixels from the training of a model, in units of its threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.models.novelty.mixture import Mixture
from georaster_dl.models.package.novelty import NoveltyStatistics

__all__ = ["Detector", "own_distance"]

_DRAWN = 8192  # pixels of the mixture from which its own distances are known
_FAR = 99  # percent of the mixture's own pixels are nearer


@dataclass(frozen=True)
class Detector:
    """Novelty of pixels by the bands that a scene has.

    Attributes
    ----------
    names : the bands that are looked at.
    mixture : of these bands.
    unit : distance that has a novelty of 1.
    """

    names: tuple[str, ...]
    mixture: Mixture
    unit: float

    @classmethod
    def of(cls, statistics: NoveltyStatistics, present: Sequence[str]) -> Detector | None:
        """Make the detector for the bands that are present; None where it knows none of them.

        Absent bands are integrated out of the mixture, which of Gaussians is exact, and the threshold
        follows the distances of pixels drawn from what remains.
        """
        places = [i for i, name in enumerate(statistics.bands) if name in present]
        if not places:
            return None
        clusters = len(statistics.weights)
        mixture = Mixture(
            np.array(statistics.weights),
            np.reshape(statistics.means, (clusters, -1)),
            statistics.covariance_matrices(),
        ).marginal(places)
        names = tuple(statistics.bands[i] for i in places)
        return cls(names, mixture, statistics.threshold * own_distance(mixture))

    def novelty(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Novelty (pixels,) of pixels (pixels, bands) in physical units; 1 is the threshold."""
        novelty: npt.NDArray[np.float64] = self.mixture.distance(values) / self.unit
        return novelty


def own_distance(mixture: Mixture) -> float:
    """Distance that 1 % of a mixture's own pixels exceed."""
    return float(np.percentile(mixture.distance(mixture.draw(_DRAWN)), _FAR))
