"""Rasters made of the channels of other networks: features, and reconstructed scenes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.io.output.statistics import BandStatistics
from georaster_dl.io.output.view_style import style_as_image, style_by_values
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.models.package.card import Card
from georaster_dl.predict.options import Findings, Values
from georaster_dl.predict.outputs.output_raster import OutputRaster, value_raster

__all__ = ["FeatureTask", "SceneTask"]


class FeatureTask:
    """Rasters of features, which are the first channels, and of the reconstruction error behind them.

    Parameters
    ----------
    features : number of features.
    layer : of the network, in words; written into the file.
    packed : store them as int16.
    """

    fastest = False

    def __init__(self, features: int, layer: str, *, packed: bool) -> None:
        self._features = features
        self._layer = layer
        self._packed = packed
        self._seen, self._errors = BandStatistics(features), BandStatistics(1)

    def activate(self, channels: Tensor) -> Tensor:
        """Convert channels to float32."""
        return channels.float()

    def raster(self, kind: str) -> OutputRaster[Tensor]:
        """Make the raster of the features, or of the error."""
        if kind == "error":
            spec = RasterSpec(
                names=["reconstruction error"],
                dtype="float32",
                nodata=math.nan,
                overview="average",
                statistics=True,
            )
            render = partial(_copied, channels=slice(self._features, None))
            return value_raster(spec, render, self._errors.add)
        digits = max(2, len(str(self._features)))
        spec = RasterSpec(
            names=[f"feat_{number:0{digits}}" for number in range(1, self._features + 1)],
            dtype="float32",
            nodata=math.nan,
            overview="average",
            tags={"GEORASTER_DL_LAYER": self._layer},
            statistics=True,
            packed=self._packed,
        )
        render = partial(_copied, channels=slice(self._features))
        return OutputRaster(spec, render, self._style, self._seen.add)

    def _style(self, path: Path) -> None:
        """Show the feature that varies most: a constant feature would show nothing."""
        style_by_values(path, int(np.argmax(self._seen.std)) + 1)

    def findings(self) -> Findings:
        """Count the pixels, and summarise the reconstruction error if it is written."""
        errors, pixels = self._errors, int(self._seen.count[0])
        if not errors.count[0]:
            return Findings(pixels, self._seen.bands)
        figures = (float(each[0]) for each in (errors.mean, errors.minimum, errors.maximum))
        return Findings(pixels, self._seen.bands, values={"reconstruction error": Values(*figures)})


class SceneTask:
    """Raster of a scene as an autoencoder reconstructs it; the channels are its normalised bands.

    Parameters
    ----------
    card : of the model; its means and deviations turn the channels into physical values.
    bands : of the scene, in the order of the channels.
    """

    fastest = False

    def __init__(self, card: Card, bands: Sequence[Band]) -> None:
        self._card = card
        self._bands = bands
        self._seen = BandStatistics(len(bands))

    def activate(self, channels: Tensor) -> Tensor:
        """Convert channels to physical values (bands, rows, cols)."""
        mean, std = (
            torch.tensor(numbers, device=channels.device)[:, None, None]
            for numbers in (
                [band.mean for band in self._card.bands],
                [band.std for band in self._card.bands],
            )
        )
        return channels.float() * std + mean

    def raster(self, kind: str) -> OutputRaster[Tensor]:
        """Make the raster of the scene."""
        if kind != "scene":
            raise OptionError(f"A reconstructed scene has no {kind}.")
        spec = RasterSpec(
            names=[band.name for band in self._bands],
            dtype="float32",
            nodata=math.nan,
            overview="average",
            bands=self._bands,
            statistics=True,
        )
        return OutputRaster(spec, torch.clone, style_as_image, self._seen.add)

    def findings(self) -> Findings:
        """Count the reconstructed pixels."""
        return Findings(int(self._seen.count[0]), self._seen.bands)


def _copied(activated: Tensor, *, channels: slice) -> Tensor:
    # A copy: nodata is written into it.
    return activated[channels].clone()
