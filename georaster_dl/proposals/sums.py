"""Sums of scores and features over the pixels of each candidate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from georaster_dl.core.errors import SceneError
from georaster_dl.core.wording import counted
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.models.package.card import Card
from georaster_dl.models.runtime.probabilities import class_probabilities
from georaster_dl.models.runtime.uncertainty import entropy, margin
from georaster_dl.predict.options import Findings
from georaster_dl.predict.outputs.kinds import CLASS_MEASURES
from georaster_dl.predict.outputs.output_raster import OutputRaster
from georaster_dl.predict.predictors.sums import class_measures
from georaster_dl.proposals.cells import Zones

__all__ = ["Means", "ZoneTask"]

_INFORMATION = CLASS_MEASURES.index("mutual information")
_CLASS, _SCORE, _BORDER, _FEATURES = 0, 1, 2, 3  # bands of a block
_SCORES: dict[str, Callable[[Tensor, int], Tensor]] = {
    "margin": lambda planes, n: margin(planes[:n]),
    "entropy": lambda planes, n: entropy(planes[:n]),
    "mutual-information": lambda sums, _n: class_measures(sums)[_INFORMATION],
}
"""Uncertainty (rows, cols) of the planes of n classes, and of the sums behind them."""
_LEAST_INNER = 0.1  # share of the valid pixels that are no border, below which a mean says little


@dataclass(frozen=True)
class Means:
    """Candidates that have a score.

    Attributes
    ----------
    numbers : (candidates,) of the zones.
    valid : (candidates,) valid pixels.
    scores : (candidates,) mean uncertainty of the pixels that are no border.
    features : (candidates, features) mean of the same pixels.
    classes : (candidates,) index of the class that most valid pixels are mapped as.
    """

    numbers: npt.NDArray[np.intp]
    valid: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    features: npt.NDArray[np.float32]
    classes: npt.NDArray[np.intp]

    def where(self, kept: npt.NDArray[np.bool_]) -> Means:
        """Keep the candidates of a mask."""
        return Means(
            self.numbers[kept],
            self.valid[kept],
            self.scores[kept],
            self.features[kept],
            self.classes[kept],
        )


class ZoneTask:
    """Class, uncertainty, border and features of every pixel, summed up by candidate.

    Parameters
    ----------
    card : of the model, whose classes and temperature count.
    features : number of features.
    by : name of the uncertainty.
    zones : the candidates.
    several : whether the first channels are sums over several passes, and no logits.
    """

    fastest = True  # means of hundreds of pixels

    def __init__(
        self, card: Card, features: int, by: str, zones: Zones, *, several: bool = False
    ) -> None:
        self._card = card
        self._several = several
        self._n_classes, self._n_features = len(card.classes), features
        self._sums_behind = 2 if several else 0
        self._score = _SCORES[by]
        self._zones = zones
        self._pixels = 0
        self._valid = np.zeros((zones.count, self._n_classes), np.int64)
        self._inner = np.zeros(zones.count, np.int64)
        self._sums = np.zeros((zones.count, 1 + features), np.float32)

    def activate(self, channels: Tensor) -> Tensor:
        """Convert logits to probabilities."""
        if self._several:
            return channels.float()
        logits, rest = channels[: self._n_classes], channels[self._n_classes :].float()
        return torch.cat([class_probabilities(logits, self._card.calibration), rest])

    def raster(self, _kind: str) -> OutputRaster[Tensor]:
        """Describe the blocks, which nothing writes."""
        names = ["class", "score", "border", *(f"feature {n}" for n in range(self._n_features))]
        spec = RasterSpec(names, "float32", float("nan"), "average")
        return OutputRaster(spec, self._render, lambda _path: None)

    def _render(self, activated: Tensor) -> Tensor:
        n = self._n_classes
        behind = n + self._sums_behind
        classes = activated[:n].argmax(dim=0, keepdim=True).float()
        score = self._score(activated[:behind], n)
        return torch.cat([classes, score[None], activated[behind:]])

    def add(self, rows: slice, cols: slice, block: npt.NDArray[np.float32]) -> None:
        """Add a block (bands, rows, cols), NaN where nothing is valid."""
        numbers = self._zones.read(rows, cols)
        valid = ~np.isnan(block[_CLASS])
        self._pixels += int(valid.sum())
        counts = valid & (numbers >= 0)
        numbers, pixels = numbers[counts], block[:, counts]
        if not numbers.size:
            return
        first, last = int(numbers.min()), int(numbers.max()) + 1
        local = numbers - first
        here = slice(first, last)
        joint = local * self._n_classes + pixels[_CLASS].astype(np.int64)
        counted = np.bincount(joint, minlength=(last - first) * self._n_classes)
        self._valid[here] += counted.reshape(last - first, self._n_classes)
        # Neighbouring tiles may be mixed across their seam, and with them the mark.
        inner = pixels[_BORDER] < 0.5
        local = local[inner]
        self._inner[here] += np.bincount(local, minlength=last - first)
        means = [pixels[_SCORE], *pixels[_FEATURES:]]
        for column, values in enumerate(means):
            self._sums[here, column] += np.bincount(local, values[inner], last - first)

    def means(self) -> Means:
        """Average over the pixels seen so far, of the candidates with enough of them.

        Raises
        ------
        SceneError
            When no pixel is of a candidate.
        """
        valid = self._valid.sum(axis=1)
        if not valid.any():
            raise SceneError(
                f"None of {counted(self._zones.count, 'parcel')} covers the centre of a valid pixel; give "
                f"larger ones, or a scene of smaller pixels there."
            )
        numbers = np.flatnonzero((valid > 0) & (self._inner >= _LEAST_INNER * valid))
        mean = np.divide(self._sums[numbers], self._inner[numbers, None], dtype=np.float32)
        return Means(
            numbers,
            valid[numbers],
            mean[:, 0].astype(np.float64),
            mean[:, 1:],
            self._valid[numbers].argmax(axis=1),
        )

    def findings(self) -> Findings:
        """Count the valid pixels, of candidates or not."""
        return Findings(self._pixels)
