"""Augmentation of patches: orientation, scale, illumination, haze, noise, absent bands and modalities.

Everything is drawn from the generator that comes in, so a patch is the same for the same seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.modalities import modality_places

__all__ = ["Augmentation", "Optics"]

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Target = npt.NDArray[Any]
Share = Annotated[float, Field(ge=0, lt=1)]
Deviations = Annotated[float, Field(ge=0, le=2)]  # in standard deviations of the band

_SMALL_FACTOR = 1.5
_HAZE_POWER = (0.8, 2.2)  # of the wavelength: from aerosol to thin smoke


@dataclass(frozen=True)
class Optics:
    """Radiometric constants of normalised bands, for augmentation.

    Attributes
    ----------
    origin : (bands,) the normalised value of the physical value 0, that is -mean / std.
    haze_unit : (bands,) the shortest band's deviation in deviations of each band; 0 where a band's
        wavelength is unknown.
    wavelength : (bands,) relative to the shortest band; 1 where it is unknown.
    modalities : indices of the bands of each modality.
    """

    origin: Image
    haze_unit: Image
    wavelength: Image
    modalities: Mapping[str, Sequence[int]]

    @classmethod
    def of(
        cls,
        bands: Sequence[Band],
        mean: npt.NDArray[np.float64],
        std: npt.NDArray[np.float64],
    ) -> Optics:
        """Derive the constants from bands and their means and deviations over the training part."""
        lengths = np.array([band.wavelength_nm or np.nan for band in bands])
        has_length = np.isfinite(lengths)
        shortest = int(np.nanargmin(lengths)) if has_length.any() else 0
        return cls(
            (-mean / std).astype(np.float32),
            np.where(has_length, std[shortest] / std, 0).astype(np.float32),
            np.where(has_length, lengths / lengths[shortest], 1).astype(np.float32),
            modality_places([band.modality for band in bands]),
        )


@dataclass(frozen=True)
class Augmentation:
    """Strengths of augmentation, checked as a section of ``TrainConfig``; 0 (or False) leaves a kind out.

    An autoencoder's patches are turned and zoomed only: the values are its targets.

    Attributes
    ----------
    dihedral : turn and mirror, all eight ways alike: a scene has no up.
    scale : the zoom is drawn from 1 / (1 + scale) .. 1 + scale, evenly in its logarithm.
    gain : standard deviation of the logarithm of a factor common to all bands (illumination).
    band_gain : the same of a factor for each band (calibration, spectral response).
    haze : largest brightness added to (or taken from) the shortest band, in its standard
        deviations; the others get less, by a power of their wavelength between -0.8 and -2.2.
    offset : standard deviation of a shift of each band, in the band's standard deviations.
    noise : largest standard deviation of white noise, in the band's standard deviations.
    band_dropout : probability that bands are absent, that is 0 as after normalisation of the mean:
        one band, half as often two, and so on, never all.
    modality_dropout : probability that each modality is absent, with all of its bands; never all.
    needed_modalities : modalities that are never absent, because the model needs them.
    """

    dihedral: bool = True
    scale: Annotated[float, Field(ge=0, le=1)] = 0.25
    gain: Share = 0.1
    band_gain: Share = 0.03
    haze: Deviations = 0.3
    offset: Deviations = 0.05
    noise: Deviations = 0.05
    band_dropout: Share = 0.0
    modality_dropout: Share = 0.0
    needed_modalities: tuple[str, ...] = ()

    def check_modalities(self, bands: Sequence[Band]) -> None:
        """Check that bands have the modalities that may be absent, and those that may not.

        Raises
        ------
        OptionError
            When a needed modality is none of the bands', or all bands are of one that may be absent.
        """
        own = modality_places([band.modality for band in bands])
        unknown = [name for name in self.needed_modalities if name not in own]
        names = ", ".join(name or "no modality" for name in own)
        if unknown:
            raise OptionError(
                f"augment.needed_modalities names {unknown[0]!r}, but the bands are of {names}; correct it."
            )
        if self.modality_dropout and len(own) < 2:
            raise OptionError(
                f"`modality_dropout={self.modality_dropout:g}` leaves out whole modalities, but all bands are of one "
                f"({names}); join the files of several sensors (a.tif+b.tif), or leave it out."
            )

    @property
    def drops_bands(self) -> bool:
        """Whether a network learns to do without bands."""
        return self.band_dropout > 0 or self.modality_dropout > 0

    def window(self, rng: np.random.Generator, patch: int) -> int:
        """Draw the side in pixels of the window to read for a patch: a smaller window is magnified."""
        if self.scale == 0:
            return patch
        reach = np.log1p(self.scale)
        return max(1, round(patch * float(np.exp(rng.uniform(-reach, reach)))))

    def apply(
        self,
        rng: np.random.Generator,
        image: Image,
        valid: Mask,
        target: Target,
        *,
        patch: int,
        optics: Optics,
    ) -> tuple[Image, Mask, Target]:
        """Augment one window; the input arrays stay unchanged.

        Parameters
        ----------
        rng : source of all randomness.
        image : (bands, rows, cols) normalised values.
        valid : (rows, cols) where the image holds measurements.
        target : (rows, cols) classes or values, or (fractions, rows, cols).
        patch : rows and cols of what comes out.
        optics : of the image's bands.

        Returns
        -------
        Image (bands, patch, patch), 0 where not valid; valid and target, of the last axes (patch, patch).
        """
        image, valid, target = _resampled(
            np.where(valid, image, np.float32(0)), valid, target, patch
        )
        if self.dihedral:
            turn = int(rng.integers(8))
            image, valid, target = (_turned(a, turn) for a in (image, valid, target))
        image = self._radiometry(rng, image, optics)
        image[:, ~valid] = 0
        return image, valid.copy(), target.copy()

    def _radiometry(self, rng: np.random.Generator, image: Image, optics: Optics) -> Image:
        bands = len(image)
        gain = np.exp(self.gain * rng.normal() + self.band_gain * rng.normal(size=bands))
        # A gain acts on the physical value, so it turns about the place where that is 0.
        shift = self.offset * rng.normal(size=bands) + optics.origin * (1 - gain)
        veil = rng.uniform(-self.haze, self.haze) * optics.haze_unit
        shift += veil * optics.wavelength ** -rng.uniform(*_HAZE_POWER)
        image = image * gain.astype(np.float32)[:, None, None]
        image += shift.astype(np.float32)[:, None, None]
        if self.noise:
            image += np.float32(rng.uniform(0, self.noise)) * _white(rng, image.shape)
        if bands > 1 and rng.random() < self.band_dropout:
            count = min(int(rng.geometric(0.5)), bands - 1)
            image[rng.choice(bands, count, replace=False)] = 0
        if self.modality_dropout:
            for name in self._absent(rng, list(optics.modalities)):
                image[list(optics.modalities[name])] = 0
        return image

    def _absent(self, rng: np.random.Generator, names: list[str]) -> list[str]:
        """Draw absent modalities, never all."""
        kept = names[int(rng.integers(len(names)))]
        drawn = rng.random(len(names)) < self.modality_dropout
        absent = [name for name, is_absent in zip(names, drawn, strict=True) if is_absent]
        absent = [name for name in absent if name not in self.needed_modalities]
        return absent if len(absent) < len(names) else [name for name in absent if name != kept]


def _white(rng: np.random.Generator, shape: tuple[int, ...]) -> Image:
    """Draw white noise of deviation 1 in 256 even levels, ten times faster than normal numbers."""
    levels = np.frombuffer(rng.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
    deviation = np.sqrt((256**2 - 1) / 12)
    noise: Image = (levels - np.float32(127.5)) / np.float32(deviation)
    return noise


def _turned(array: npt.NDArray[Any], turn: int) -> npt.NDArray[Any]:
    """Turn and mirror a square, in eight ways; rows and cols are the last two axes."""
    array = np.rot90(array, turn % 4, axes=(-2, -1))
    return np.ascontiguousarray(array[..., ::-1] if turn >= 4 else array)


def _resampled(image: Image, valid: Mask, target: Target, patch: int) -> tuple[Image, Mask, Target]:
    """Window resampled to ``patch`` pixels a side; ``image`` must be 0 where not valid."""
    if image.shape[1:] == (patch, patch):
        return image, valid, target
    rows, cols = (((np.arange(patch) + 0.5) * n / patch).astype(int) for n in valid.shape)
    image = _interpolated(image, patch)
    if not valid.all():
        # Divided by the share of valid pixels that went in, so what is not valid has no part.
        share = _interpolated(valid[None].astype(np.float32), patch)
        image /= np.maximum(share, np.finfo(np.float32).tiny)
    nearest = np.ix_(rows, cols)
    return image, valid[nearest], target[..., *nearest]


def _interpolated(array: Image, side: int) -> Image:
    """Bilinear, and averaging where it shrinks by much; (bands, side, side)."""
    import torch
    from torch.nn.functional import interpolate

    planes = torch.from_numpy(np.ascontiguousarray(array))[None]
    # Averaging takes thrice the time; two neighbours reach far enough for a small factor.
    averaging = array.shape[1] > _SMALL_FACTOR * side
    resized = interpolate(
        planes, size=(side, side), mode="bilinear", align_corners=False, antialias=averaging
    )
    result: Image = resized[0].numpy()
    return result
