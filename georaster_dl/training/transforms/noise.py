"""Noise on the input of an autoencoder, which is trained to reconstruct the patch without it.

Everything is drawn from the generator that comes in, so a patch is the same for the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

__all__ = ["InputNoise"]

Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class InputNoise:
    """Strengths of the input noise; 0 leaves a kind out, all 0 make a plain autoencoder.

    Attributes
    ----------
    gaussian : standard deviation of white noise, in the band's standard deviations.
    masked : share of the bands that are 0 on average, as after normalisation of the mean (masking
        noise of Vincent et al. 2008). For each patch it is drawn between 0 and twice as much, never
        all: a network that had always missed as many would not know a whole spectrum.
    stripes : standard deviation of offsets that each band has along each column of the patch, or
        each row, as from a push-broom scanner; in the band's standard deviations.
    """

    gaussian: Annotated[float, Field(ge=0, le=10)] = 0.1
    masked: Annotated[float, Field(ge=0, lt=1)] = 0.3
    stripes: Annotated[float, Field(ge=0, le=10)] = 0.0

    def sample(
        self, rng: np.random.Generator, image: Image, valid: npt.NDArray[np.bool_]
    ) -> tuple[Image, Image]:
        """Make the network's input and target of a patch.

        Parameters
        ----------
        rng : source of all randomness.
        image : (bands, rows, cols) normalised values.
        valid : (rows, cols) where the image holds measurements.

        Returns
        -------
        The disturbed image, 0 where not valid, and the image itself, NaN where not valid; both
        (bands, rows, cols).
        """
        disturbed = self._disturbed(rng, image)
        disturbed[:, ~valid] = 0
        return disturbed, np.where(valid, image, np.float32(np.nan))

    def _disturbed(self, rng: np.random.Generator, image: Image) -> Image:
        bands, rows, cols = image.shape
        disturbed = image.copy()
        if self.gaussian:
            disturbed += self.gaussian * rng.standard_normal(image.shape, dtype=np.float32)
        if self.stripes:
            shape = (bands, 1, cols) if rng.random() < 0.5 else (bands, rows, 1)
            disturbed += self.stripes * rng.standard_normal(shape, dtype=np.float32)
        # Rounded up as often as the fraction says, so that few bands keep the share too.
        absent = min(int(rng.uniform(0, 2 * self.masked) * bands + rng.random()), bands - 1)
        disturbed[rng.choice(bands, absent, replace=False)] = 0
        return disturbed
