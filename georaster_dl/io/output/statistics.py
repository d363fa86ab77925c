"""Statistics of a raster's bands, measured while it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BandStatistics"]

Numbers = npt.NDArray[np.float64]


@dataclass
class BandStatistics:
    """Smallest, largest and mean value and standard deviation of every band, block by block.

    Blocks are merged as Chan et al. (1983) do, so large values lose no digits.

    Attributes
    ----------
    bands : number of bands.
    count : (bands,) values seen.
    mean, minimum, maximum : (bands,) of them; 0 and infinities before the first.
    squares : (bands,) sums of squares about the mean.
    """

    bands: int
    count: npt.NDArray[np.int64] = field(init=False)
    mean: Numbers = field(init=False)
    minimum: Numbers = field(init=False)
    maximum: Numbers = field(init=False)
    squares: Numbers = field(init=False)

    def __post_init__(self) -> None:
        """Start with nothing seen."""
        self.count = np.zeros(self.bands, np.int64)
        self.mean, self.squares = np.zeros(self.bands), np.zeros(self.bands)
        self.minimum, self.maximum = (np.full(self.bands, x) for x in (np.inf, -np.inf))

    def add(self, block: npt.NDArray[np.floating[Any]]) -> None:
        """Add a block (bands, ...); values that are not finite are ignored."""
        for band, values in enumerate(block.reshape(self.bands, -1)):
            known = values[np.isfinite(values)]
            if known.size:
                self._merge(band, known)

    def _merge(self, band: int, values: npt.NDArray[np.floating[Any]]) -> None:
        before, n = int(self.count[band]), values.size
        mean = float(values.mean(dtype=np.float64))
        shift, total = mean - self.mean[band], before + n
        spread = float(values.var(dtype=np.float64)) * n
        self.squares[band] += spread + shift**2 * before * n / total
        self.mean[band] += shift * n / total
        self.count[band] = total
        self.minimum[band] = min(self.minimum[band], float(values.min()))
        self.maximum[band] = max(self.maximum[band], float(values.max()))

    @property
    def std(self) -> Numbers:
        """(bands,) standard deviations, of the population."""
        deviation: Numbers = np.sqrt(self.squares / np.maximum(self.count, 1))
        return deviation

    def tags(
        self, band: int, pixels: int, scale: float = 1.0, offset: float = 0.0
    ) -> dict[str, str]:
        """GDAL's metadata of a band (from 0) of a raster; none where the band is empty.

        Parameters
        ----------
        pixels : of the raster, valid or not.
        scale, offset : value = stored number * scale + offset; GDAL's statistics are of the numbers.
        """
        if not self.count[band]:
            return {}
        numbers = {
            "MINIMUM": (self.minimum[band] - offset) / scale,
            "MAXIMUM": (self.maximum[band] - offset) / scale,
            "MEAN": (self.mean[band] - offset) / scale,
            "STDDEV": self.std[band] / scale,
            "VALID_PERCENT": 100 * self.count[band] / pixels,
        }
        return {f"STATISTICS_{key}": f"{number:.9g}" for key, number in numbers.items()}
