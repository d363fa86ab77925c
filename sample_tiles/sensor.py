"""A simulated sensor: its bands, and what it measures of the ground's reflectance."""

from __future__ import annotations

from dataclasses import dataclass

import covers
import numpy as np
import numpy.typing as npt
from terrain import smooth_noise

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Channels:
    """The bands of a simulated sensor.

    Attributes
    ----------
    names : one per band.
    wavelength_nm, fwhm_nm : (bands,) Gaussian response.
    snr : (bands,) signal-to-noise ratio at a reflectance of 0.15.
    native_m : (bands,) ground sampling distance of the detector; a coarser band than the scene's
        grid is measured coarse and repeated onto it.
    """

    names: tuple[str, ...]
    wavelength_nm: npt.NDArray[np.float64]
    fwhm_nm: npt.NDArray[np.float64]
    snr: npt.NDArray[np.float64]
    native_m: npt.NDArray[np.float64]


SENTINEL2 = Channels(
    names=("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    wavelength_nm=np.array(
        [492.4, 559.8, 664.6, 704.1, 740.5, 782.8, 832.8, 864.7, 1613.7, 2202.4]
    ),
    fwhm_nm=np.array([65.0, 35.0, 30.0, 14.0, 14.0, 19.0, 105.0, 21.0, 90.0, 174.0]),
    snr=np.array([154.0, 168.0, 142.0, 117.0, 89.0, 105.0, 174.0, 72.0, 100.0, 100.0]),
    native_m=np.array([10.0, 10.0, 10.0, 20.0, 20.0, 20.0, 10.0, 20.0, 20.0, 20.0]),
)


def response(channels: Channels) -> npt.NDArray[np.float64]:
    """Spectral response (wavelengths, bands); every band's column sums to 1."""
    sigma = channels.fwhm_nm / 2.3548
    weight = np.exp(-0.5 * ((covers.WAVELENGTH_NM[:, None] - channels.wavelength_nm) / sigma) ** 2)
    return weight / weight.sum(axis=0)


def _blur(image: Float, sigma: float) -> Float:
    """Blur (bands, rows, cols) with a Gaussian of ``sigma`` pixels."""
    offsets = np.arange(-2, 3)
    kernel = np.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    rows, cols = image.shape[1:]
    padded = np.pad(image, ((0, 0), (2, 2), (2, 2)), mode="edge")
    down = sum(k * padded[:, o : o + rows] for k, o in zip(kernel, range(5), strict=True))
    return sum(k * down[:, :, o : o + cols] for k, o in zip(kernel, range(5), strict=True))


def _coarse(plane: Float, factor: int) -> Float:
    """Mean over ``factor`` x ``factor`` pixels; the last ones repeat the edge."""
    rows, cols = plane.shape
    padded = np.pad(plane, ((0, -rows % factor), (0, -cols % factor)), mode="edge")
    return padded.reshape(padded.shape[0] // factor, factor, -1, factor).mean(axis=(1, 3))


@dataclass(frozen=True)
class Air:
    """Conditions of an acquisition: reflectance of haze at 490 nm, and contrast of the relief."""

    haze: float
    relief: float


def observe(
    rng: np.random.Generator, image: Float, channels: Channels, gsd_m: float, air: Air
) -> Float:
    """Measure the ground's reflectance: relief, haze, optics, coarse bands, noise."""
    _, rows, cols = image.shape
    relief = smooth_noise(rng, (rows, cols), max(2.0, 700.0 / gsd_m))
    image = image * np.clip(1.0 + air.relief * relief, 0.6, 1.35)
    veil = 1.0 + 0.35 * smooth_noise(rng, (rows, cols), max(2.0, 2500.0 / gsd_m))
    haze = air.haze * (channels.wavelength_nm / 490.0) ** -1.5
    image = image * (1.0 - haze[:, None, None]) + haze[:, None, None] * np.clip(veil, 0.2, 2.0)
    image = _blur(image.astype(np.float32), 0.6)
    for band in range(len(image)):
        factor = max(1, round(channels.native_m[band] / gsd_m))
        plane = _coarse(image[band], factor)
        sigma = np.sqrt(np.maximum(plane, 0.01) * 0.15) / channels.snr[band]
        plane = plane + sigma * rng.standard_normal(plane.shape, dtype=np.float32)
        image[band] = plane.repeat(factor, 0).repeat(factor, 1)[:rows, :cols]
    return np.maximum(image, 0.0001)
