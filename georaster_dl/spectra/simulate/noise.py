"""Noise of simulated spectra: white, or as a scene varies from pixel to pixel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.wording import counted
from georaster_dl.io.scenes.samples import read_windows
from georaster_dl.io.scenes.scene import Scene

__all__ = ["check_noise", "draw_noise", "scene_noise"]

_Floats = npt.NDArray[np.float64]

_SAME_NM = 1.0


def check_noise(noise: float | None) -> None:
    """Refuse negative standard deviations of noise.

    Raises
    ------
    OptionError
        When it is negative or no number.
    """
    if noise is not None and not 0 <= noise < np.inf:
        raise OptionError(
            f"`noise={noise:g}` is no standard deviation; give a number of 0 (none) or more."
        )


def draw_noise(
    shape: tuple[int, int], noise: float | _Floats, random: np.random.Generator
) -> _Floats:
    """Draw normal noise (n, bands).

    Parameters
    ----------
    noise : standard deviation, the same in all bands; or covariance (bands, bands).
    """
    white = random.standard_normal(shape)
    if np.ndim(noise) == 0:
        return np.asarray(noise * white)
    # Of few pairs a covariance is singular, which Cholesky's factor does not allow.
    values, vectors = np.linalg.eigh(noise)
    return np.asarray(white @ (vectors * np.sqrt(values.clip(min=0))).T)


def scene_noise(scene: Scene, wavelengths_nm: _Floats) -> _Floats:
    """Estimate the covariance (bands, bands) of a scene from pixel to pixel, which is its noise to a library.

    Half the mean outer product of the differences of all pixels side by side, in up to 25 windows: the sensor's noise
    (shift differences, Green et al. 1988) and the ground's own variation, which few spectra of a class do not show. On an EnMAP
    scene the latter is most of it.

    Parameters
    ----------
    wavelengths_nm : (bands,) of the spectra that get the noise.

    Raises
    ------
    OptionError
        When the scene has no band at one of them.
    SceneError
        When its values are not calibrated, or fewer pairs of valid pixels than bands are found.
    """
    chosen = scene.select(_places(scene, wavelengths_nm))
    if any(not plane.calibrated for plane in chosen.planes):
        raise SceneError(
            f"{scene.name} does not state what its numbers mean, so its noise has no unit; give it a scale (gdal_edit "
            f"-scale), or the noise as a number with `noise=` (0 for none)."
        )
    pairs = []
    for stored, valid in read_windows(chosen):
        values = chosen.to_physical(stored).astype(np.float64)
        both = valid[:, 1:] & valid[:, :-1]
        pairs.append((values[:, :, 1:] - values[:, :, :-1])[:, both])
    differences = np.concatenate(pairs, axis=1)
    count = differences.shape[1]
    if count <= len(wavelengths_nm):
        raise SceneError(
            f"{scene.name} has {counted(count, 'pair')} of valid neighbours, too few to tell the noise of "
            f"{counted(len(wavelengths_nm), 'band')}; give a larger scene, or the noise as a number with `noise=` (0 for none)."
        )
    return np.asarray(differences @ differences.T / count / 2)


def _places(scene: Scene, wavelengths_nm: _Floats) -> list[int]:
    """Position of the scene's band at each wavelength."""
    own = np.array([band.wavelength_nm or np.nan for band in scene.bands], np.float64)
    apart = np.abs(own[:, None] - wavelengths_nm)
    apart[np.isnan(apart)] = np.inf
    if not len(own) or (apart.min(axis=0) > _SAME_NM).any():
        raise OptionError(
            f"{scene.name} has other bands than the spectra, so its noise cannot be theirs; bring these to its bands with "
            f"`for_=`, or give the noise as a number with `noise=`."
        )
    return [int(place) for place in apart.argmin(axis=0)]
