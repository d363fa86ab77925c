"""Stacks whose crops have a green day of their own, with labels of their pixels."""

import numpy as np
import pytest

from georaster_dl.io.stacks.open import open_stack
from georaster_dl.testing import write_raster

DATES = ("2022-03-01", "2022-04-15", "2022-05-20", "2022-07-01", "2022-08-30")
GREEN = {1: 1.5, 2: 3.0}  # position of the greenest date


def write_stack(folder, classes, *, clouds=0.25, seed=0):
    """Write scenes of two bands, and give their values (dates, bands, rows, cols), NaN where cloudy."""
    random = np.random.default_rng(seed)
    at = np.arange(len(DATES))[:, None, None]
    peak = np.select([classes == value for value in GREEN], list(GREEN.values()), 0.0)
    green = np.exp(-((at - peak) ** 2))
    values = np.stack([0.2 - 0.1 * green, 0.2 + 0.3 * green], axis=1)
    values += random.normal(0, 0.02, values.shape)
    cloudy = random.random((len(DATES), 1, *classes.shape)) < clouds
    values = np.where(cloudy, np.nan, values).astype(np.float32)
    folder.mkdir()
    for date, array in zip(DATES, values, strict=True):
        write_raster(folder / f"s_{date}.tif", array, bands=("B04", "B08"), nodata=np.nan)
    return values


def stripes(shape, width=12):
    """Classes 1 and 2 in stripes of cols; 0, unlabelled, in the first rows."""
    classes = np.broadcast_to(np.arange(shape[1]) // width % 2 + 1, shape).astype(np.uint8).copy()
    classes[:4] = 0
    return classes


@pytest.fixture
def field(tmp_path):
    """Folder of a stack of 72 x 88 pixels, its values, and a raster of its classes."""
    classes = stripes((72, 88))
    values = write_stack(tmp_path / "stack", classes)
    labels = write_raster(tmp_path / "labels.tif", classes[None], nodata=0)
    return tmp_path / "stack", values, labels


@pytest.fixture
def stack(field):
    return open_stack(field[0])
