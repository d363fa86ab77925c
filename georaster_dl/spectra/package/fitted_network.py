"""A network with everything that the card of its package says of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.models.package.card import Architecture
from georaster_dl.spectra.preprocess.chain import Preprocessing

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FittedNetwork"]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FittedNetwork:
    """Network, statistics and settings of a model of any kind; arrays as in ``FittedMethod``.

    Attributes
    ----------
    configuration : settings by name.
    training : notes on what it learnt from.
    fractions : whether its outputs are fractions.
    """

    architecture: Architecture
    network: nn.Module
    wavelengths_nm: tuple[float, ...]
    preprocessing: Preprocessing
    mean: _Floats
    std: _Floats
    target_mean: _Floats
    target_std: _Floats
    classes: npt.NDArray[Any] | None
    configuration: Mapping[str, str]
    training: Mapping[str, str] = field(default_factory=dict)
    fractions: bool = False

    @property
    def task(self) -> Literal["segmentation", "regression", "fractions"]:
        """Task of the card."""
        if self.classes is not None:
            return "segmentation"
        return "fractions" if self.fractions else "regression"

    @property
    def outputs(self) -> int:
        """Number of targets or classes."""
        return len(self.target_mean if self.classes is None else self.classes)
