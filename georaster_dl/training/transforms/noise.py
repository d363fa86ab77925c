"""Noise on the input of an autoencoder, and parts of it hidden; it is trained to reconstruct the patch without.

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
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class InputNoise:
    """Strengths of the input noise; 0 leaves a kind out, all 0 make a plain autoencoder.

    With hidden squares it is masked autoencoding (He et al. 2022; of convolutions Xie et al. 2022):
    the image is 0 in them, one more plane says where they are, and only hidden values are learnt, those
    of masked bands too. What is seen is no target: a network with skips would copy it.

    Attributes
    ----------
    gaussian : standard deviation of white noise, in the band's standard deviations.
    masked : share of the bands that are 0 on average, as after normalisation of the mean (masking
        noise of Vincent et al. 2008). For each patch it is drawn between 0 and twice as much, never
        all: a network that had always missed as many would not know a whole spectrum.
    stripes : standard deviation of offsets that each band has along each column of the patch, or
        each row, as from a push-broom scanner; in the band's standard deviations.
    squares : side of the hidden squares in pixels; their grid lies differently in each patch.
    hidden : share of the squares with valid pixels that are hidden, in all bands; chosen by the network
        where None.
    """

    gaussian: Annotated[float, Field(ge=0, le=10)] = 0.1
    masked: Annotated[float, Field(ge=0, lt=1)] = 0.3
    stripes: Annotated[float, Field(ge=0, le=10)] = 0.0
    squares: Annotated[int, Field(ge=1, le=512)] = 8
    hidden: Annotated[float, Field(ge=0, lt=1)] | None = None

    def sample(self, rng: np.random.Generator, image: Image, valid: Mask) -> tuple[Image, Image]:
        """Make the network's input and target of a patch.

        Parameters
        ----------
        rng : source of all randomness.
        image : (bands, rows, cols) normalised values.
        valid : (rows, cols) where the image holds measurements.

        Returns
        -------
        The disturbed image, 0 where not valid, and the image itself, NaN where not valid; both
        (bands, rows, cols). Where squares are hidden, the disturbed image has one plane more, 1 in the
        hidden pixels and else 0, and the target is NaN in what is seen, too.
        """
        disturbed, absent = self._disturbed(rng, image)
        wanted = np.broadcast_to(valid, image.shape)
        if self.hidden:
            hidden = self._hidden(rng, valid)
            disturbed[:, hidden] = 0
            disturbed = np.concatenate([disturbed, hidden[None].astype(np.float32)])
            wanted = valid & (hidden | absent[:, None, None])
        disturbed[:, ~valid] = 0
        return disturbed, np.where(wanted, image, np.float32(np.nan))

    def _hidden(self, rng: np.random.Generator, valid: Mask) -> Mask:
        """Draw the valid pixels (rows, cols) that are in hidden squares."""
        row, col = rng.integers(self.squares, size=2)
        rows, cols = (
            (np.arange(n) + n0) // self.squares
            for n, n0 in zip(valid.shape, (row, col), strict=True)
        )
        number = rows[:, None] * (cols[-1] + 1) + cols  # of each pixel's square
        squares = np.unique(number[valid])
        share = round((self.hidden or 0) * len(squares))
        chosen = rng.choice(squares, min(max(share, 1), len(squares)), replace=False)
        hidden: Mask = valid & np.isin(number, chosen)
        return hidden

    def _disturbed(self, rng: np.random.Generator, image: Image) -> tuple[Image, Mask]:
        """Add noise and mask bands; the disturbed image, and (bands,) which of them are masked."""
        bands, rows, cols = image.shape
        disturbed = image.copy()
        if self.gaussian:
            disturbed += self.gaussian * rng.standard_normal(image.shape, dtype=np.float32)
        if self.stripes:
            shape = (bands, 1, cols) if rng.random() < 0.5 else (bands, rows, 1)
            disturbed += self.stripes * rng.standard_normal(shape, dtype=np.float32)
        # Rounded up as often as the fraction says, so that few bands keep the share too.
        absent = min(int(rng.uniform(0, 2 * self.masked) * bands + rng.random()), bands - 1)
        masked = np.zeros(bands, bool)
        masked[rng.choice(bands, absent, replace=False)] = True
        disturbed[masked] = 0
        return disturbed, masked
