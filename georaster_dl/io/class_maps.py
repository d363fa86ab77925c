"""Distinction of maps of classes from other rasters of whole numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rasterio.enums import ColorInterp

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.io.formats.metadata import calibration_of
from georaster_dl.io.scenes.dataset import open_dataset

__all__ = ["check_class_map", "other_than_classes"]

_OF_CLASSES = "", "map", "changes"  # what a raster that geodl made says it holds
_WHOLE = "ui"  # kinds of dtypes


def other_than_classes(path: Path) -> str:
    """Name the content of a raster that is no map of classes; empty where it may be one.

    Confidence and its like are whole numbers, too, but say so, or have a scale.

    Raises
    ------
    SceneError
        When it cannot be opened.
    """
    with open_dataset(str(path)) as dataset:
        content = dataset.tags().get("GEORASTER_DL_CONTENT", "")
        bands = sum(color != ColorInterp.alpha for color in dataset.colorinterp)
        dtype = dataset.dtypes[0]
        scale, offset, _physical = calibration_of(dataset, 1)
    if content not in _OF_CLASSES:
        return str(content)
    if bands != 1 or np.dtype(dtype).kind not in _WHOLE:
        return f"{counted(bands, 'band')} of {dtype}"
    if (scale, offset) != (1.0, 0.0):
        return f"numbers with a scale of {scale:g} and an offset of {offset:g}"
    return ""


def check_class_map(path: Path) -> None:
    """Check that a raster may be a map of classes.

    Raises
    ------
    SceneError
        When it cannot be opened.
    OptionError
        When it holds something else.
    """
    held = other_than_classes(path)
    if held:
        raise OptionError(
            f"{path} holds {held}, not classes: these are one band of whole numbers without a scale. Give the map, not "
            f"a scene, its probabilities or confidence, or a quantity."
        )
