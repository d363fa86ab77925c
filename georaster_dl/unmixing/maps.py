"""Maps of fractions and of the error of their mixtures, strip by strip."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.models.package.card import Card
from georaster_dl.pixels.mapping import ChannelRaster
from georaster_dl.predict.outputs.kinds import map_spec, stored_fractions
from georaster_dl.predict.outputs.output_raster import OutputRaster, value_raster
from georaster_dl.render.qml import write_ramp_style
from georaster_dl.unmixing.package import Statistics

if TYPE_CHECKING:
    from torch import Tensor

    from georaster_dl.models.zoo.unmixing.autoencoder import UnmixingAutoencoder
    from georaster_dl.models.zoo.unmixing.linear import LinearMixing

__all__ = ["Mixtures", "error_raster", "fraction_raster"]

_PIECE_VALUES = 2**20  # in double precision, of which a few copies are made


class Mixtures:
    """Fractions and errors of pixels, by least squares and, where it was trained, by an autoencoder.

    Called with values (pixels, bands) it gives fractions (pixels, members) and errors (pixels, methods), those of
    least squares last. Several threads may call it.

    Parameters
    ----------
    linear : least squares with the members that were found or given.
    trained : autoencoder that gives the fractions; None takes those of least squares.
    """

    def __init__(
        self, linear: LinearMixing, statistics: Statistics, trained: UnmixingAutoencoder | None
    ) -> None:
        self._linear, self._trained = linear, trained
        self._mean = statistics.mean.astype(np.float32)
        self._std = statistics.std.astype(np.float32)
        self._lock = threading.Lock()
        self._pixels = 0
        self._squares: npt.NDArray[np.float64] | float = 0.0
        self._fractions: npt.NDArray[np.float64] | float = 0.0

    def __call__(self, values: npt.NDArray[np.float32]) -> Sequence[npt.NDArray[Any]]:
        """Compute fractions and errors of pixels, and add them to the means."""
        size = max(1, _PIECE_VALUES // values.shape[1])
        made = [self._of(values[first : first + size]) for first in range(0, len(values), size)]
        fractions, errors = (np.concatenate(parts) for parts in zip(*made, strict=True))
        with self._lock:
            self._pixels += len(values)
            self._squares = self._squares + (errors.astype(np.float64) ** 2).sum(axis=0)
            self._fractions = self._fractions + fractions.sum(axis=0, dtype=np.float64)
        return fractions, errors

    def rmse(self) -> list[float]:
        """Root mean square error of all pixels so far, of each method; that of least squares is the last."""
        return np.sqrt(np.asarray(self._squares) / self._pixels).tolist()  # type: ignore[no-any-return]

    def means(self) -> list[float]:
        """Mean fraction of each member over all pixels so far."""
        return (np.asarray(self._fractions) / self._pixels).tolist()  # type: ignore[no-any-return]

    def _of(self, values: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        import torch

        with torch.inference_mode():
            spectra = torch.from_numpy((values - self._mean) / self._std)
            fractions, rmse = self._linear.mixtures(spectra.double())
            if self._trained is None:
                return fractions.float().numpy(), rmse[:, None].float().numpy()
            fractions, mixed = self._trained.mixtures(spectra.T[None, :, :, None])
            left = mixed[0, :, :, 0].T.double() - torch.from_numpy(values)
            both = torch.stack([left.square().mean(1).sqrt(), rmse], 1)
            return fractions[0, :, :, 0].T.numpy(), both.float().numpy()


def fraction_raster(card: Card, *, float32: bool) -> ChannelRaster:
    """Describe the map: a band for each member, from 0 to 1."""
    spec = map_spec(card, float32=float32)
    return OutputRaster(
        spec, partial(_stored, float32=float32), partial(write_ramp_style, minimum=0.0, maximum=1.0)
    )


def _stored(channels: Sequence[npt.NDArray[Any]], *, float32: bool) -> npt.NDArray[Any]:
    import torch

    made: Tensor = stored_fractions(torch.from_numpy(channels[0].T), float32=float32)
    return made.numpy()


def error_raster(methods: int) -> ChannelRaster:
    """Describe the raster of errors: a band for each method."""
    names = ["RMSE of the autoencoder", "RMSE of least squares"][-methods:]
    spec = RasterSpec(names, "float32", math.nan, "average")
    return value_raster(spec, lambda channels: channels[1].T.copy())
