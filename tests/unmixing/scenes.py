"""Scenes of mixtures with known members and fractions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio

from georaster_dl.testing import write_raster

SHAPE = (40, 50)
LENGTHS = np.linspace(450, 2400, 40)


@dataclass
class Mixed:
    """A scene's file, its members (members, bands) and fractions (rows, cols, members)."""

    path: Path
    members: np.ndarray
    fractions: np.ndarray


def smooth_members(count=3, lengths=LENGTHS):
    """Spectra of broad features, (members, bands), the brightest first."""
    centres = np.array([500, 1100, 1700, 2200, 800])[:count, None]
    heights = np.array([0.5, 0.4, 0.3, 0.25, 0.2])[:count, None]
    return 0.1 + heights * np.exp(-(((lengths - centres) / 400) ** 2))


def write_mixed(
    path,
    count=3,
    *,
    noise=0.001,
    seed=0,
    scale=None,
    lengths=LENGTHS,
    fwhm=30.0,
    shape=SHAPE,
    waves=True,
):
    """Write mixtures as float32, or as uint16 with a scale; the first row of pixels begins with the pure ones."""
    random = np.random.default_rng(seed)
    members = smooth_members(count, lengths)
    fractions = random.dirichlet(np.full(count, 0.7), shape)
    fractions[0, :count] = np.eye(count)
    image = fractions @ members + noise * random.normal(0, 1, (*shape, len(lengths)))
    planes = image.transpose(2, 0, 1).astype(np.float32)
    planes[:, -1, -1] = -1
    if scale is not None:
        planes = np.where(planes < 0, 0, planes / scale).astype(np.uint16)
    write_raster(path, planes, scale=scale, nodata=-1 if scale is None else 0)
    with rasterio.open(path, "r+") as dataset:
        for band, length in enumerate(lengths if waves else (), 1):
            width = {} if fwhm is None else {"fwhm": str(fwhm)}
            dataset.update_tags(band, wavelength=str(length), wavelength_units="nm", **width)
    return Mixed(Path(path), members, fractions)


def write_table(path, members, lengths=LENGTHS, **columns):
    """Write members as a table of spectra."""
    import pandas as pd

    spectra = pd.DataFrame(members, columns=[f"{length} nm" for length in lengths])
    pd.concat([pd.DataFrame(columns), spectra], axis=1).to_csv(path, index=False)
    return Path(path)
