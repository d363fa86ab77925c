"""Rejection of uncertain pixels: they become a class of their own in a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.output.provenance import rejected_tags
from georaster_dl.models.package.card import Card
from georaster_dl.predict.options import Rejected, SegmentOptions
from georaster_dl.predict.predictors.choice import measured_calibration
from georaster_dl.render.palette import choose_colors

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Rejection"]

_NAME = "uncertain"


@dataclass(frozen=True)
class Rejection:
    """Class of the pixels whose mapped class is too improbable.

    Attributes
    ----------
    coverage : share of the validation ground that is to keep its class.
    threshold : probability of the mapped class below which a pixel is uncertain.
    legend : the model's classes and, behind them, the class of uncertain pixels.
    """

    coverage: float
    threshold: float
    legend: Legend

    @classmethod
    def of(cls, card: Card, options: SegmentOptions) -> Rejection | None:
        """Make the rejection that the options of a run ask for; None where they ask for none.

        Raises
        ------
        OptionError
            When the model has no classes, the share is not between 0 and 1, or the card holds no quantiles
            of the confidence.
        """
        if options.reject is None:
            return None
        if card.targets:
            raise OptionError(
                f"{card.name} predicts {card.predicts}, and no classes that could be uncertain; leave "
                f"`reject=...` out."
            )
        calibration = measured_calibration(card, options, "reject")
        threshold = calibration.least_confidence(options.reject)
        return cls(options.reject, threshold, _with_uncertain(card.legend))

    @property
    def tags(self) -> dict[str, str]:
        """Tag by which the map is known as one with uncertain pixels."""
        return rejected_tags(
            self.legend.values[-1], coverage=self.coverage, threshold=self.threshold
        )

    def indexes(self, shares: Tensor) -> Tensor:
        """Choose the class of each pixel.

        Parameters
        ----------
        shares : (classes, rows, cols) probabilities.

        Returns
        -------
        (1, rows, cols) places in the legend.
        """
        import torch

        confidence, index = shares.max(dim=0, keepdim=True)
        return torch.where(confidence < self.threshold, len(shares), index)

    def found(self, counts: Mapping[str, int]) -> Rejected:
        """Describe the rejected pixels of a map, given the pixels of each class."""
        name = self.legend.names[-1]
        return Rejected(name, counts[name], self.coverage, self.threshold)


def _with_uncertain(legend: Legend) -> Legend:
    """Add the class of uncertain pixels, with a name, a value and a colour that no class has."""
    taken = {name.casefold() for name in legend.names}
    name = next(
        name
        for name in (_NAME, *(f"{_NAME} {n}" for n in range(2, len(taken) + 3)))
        if name not in taken
    )
    last = max(legend.values)
    # Where the values above are used up, one between the others; else the map would take more bits.
    values = (*range(last + 1, legend.nodata), *range(last, -1, -1))
    value = next((value for value in values if value not in legend.values), legend.nodata)
    colors = [entry.color for entry in legend.classes]
    color = choose_colors([*legend.names, name], [*colors, None])[-1]
    return Legend((*legend.classes, MapClass(value, name, color)))
