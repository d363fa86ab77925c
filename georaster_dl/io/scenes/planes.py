"""Planes of a file, read together with the masks that say which pixels are valid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.geography import Georeference, can_transform
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.wording import counted
from georaster_dl.io.scenes.grid import pixel_side, proj_crs, warped
from georaster_dl.io.scenes.quality import QualityBand

__all__ = [
    "Plane",
    "PlaneGroup",
    "PlaneMask",
    "QualityMask",
    "mask_of",
    "on_grid",
    "resampling_of",
    "restate",
]

_LARGEST_MEASUREMENT = 1e30
_TOLERANCE = 1e-6  # of a pixel, within which its place is computed
_FINER = 1.5  # times; below, bilinear leaves no pixel out


@dataclass(frozen=True)
class Plane:
    """Source of a scene's band, and the meaning of its stored values.

    Attributes
    ----------
    path, index : GDAL's name of the file, and the band in it, counted from 1.
    dtype : numpy type of the stored values.
    scale, offset : physical value = stored value * scale + offset.
    calibrated : whether the file itself (or the user) says that this gives physical values.
    nodata : number that stands for no measurement, None where none is declared.
    stated : whether scale and offset are the user's word.
    opaque : whether the file's alpha band holds data (near infrared, often) and masks nothing.
    source : of a scene of several files, the path or address by which this one was given; else empty.
    """

    band: Band
    path: str
    index: int
    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    calibrated: bool = False
    nodata: float | None = None
    stated: bool = False
    opaque: bool = False
    source: str = ""

    @property
    def marked(self) -> float | None:
        """The nodata number as the type can hold it; None where it cannot, so that it marks nothing."""
        if self.nodata is None or self.dtype.startswith("float"):
            return self.nodata
        info = np.iinfo(self.dtype)
        fits = info.min <= self.nodata <= info.max and self.nodata == int(self.nodata)
        return self.nodata if fits else None


def restate(planes: Iterable[Plane], options: SceneOptions) -> tuple[Plane, ...]:
    """Give planes the nodata number, scale and offset that the user states.

    Raises
    ------
    OptionError
        When scale and offset leave nothing of the numbers.
    """
    stated: dict[str, Any] = {}
    if options.nodata is not None:
        stated["nodata"] = options.nodata
    if options.scale is not None or options.offset is not None:
        scale = 1.0 if options.scale is None else options.scale
        offset = options.offset or 0.0
        if not (math.isfinite(scale) and math.isfinite(offset)) or scale == 0:
            raise OptionError(
                f"`scale={scale:g}, offset={offset:g}` leaves nothing of the numbers; give finite "
                f"numbers and a scale other than 0."
            )
        stated |= {"scale": scale, "offset": offset, "calibrated": True, "stated": True}
    return tuple(replace(plane, **stated) for plane in planes)


def at_wavelengths(
    planes: Sequence[Plane], lengths: Sequence[float], name: str
) -> tuple[Plane, ...]:
    """Give the planes of a scene, in file order, the wavelengths (nm) that the user states.

    Raises
    ------
    OptionError
        When there are more or fewer of them than planes.
    """
    if len(lengths) != len(planes):
        raise OptionError(
            f"`wavelengths=` states {counted(len(lengths), 'wavelength')}, but {name} has "
            f"{counted(len(planes), 'band')}; give each band one, in file order."
        )
    pairs = zip(planes, lengths, strict=True)
    return tuple(replace(p, band=replace(p.band, wavelength_nm=float(nm))) for p, nm in pairs)


@dataclass(frozen=True)
class PlaneMask:
    """Mask whose values above 0 mark valid pixels: an alpha band by its index, else GDAL's mask of a band."""

    dataset: Any
    alpha: int | None

    @classmethod
    def of_alpha(cls, dataset: Any) -> PlaneMask:
        """Take the alpha band of a file, or GDAL's masks where it has none."""
        return cls(dataset, _alpha_of(dataset))

    def read(self, index: int, window: Window, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Read which pixels of a window are valid in the band ``index``, as ``shape`` (rows, cols)."""
        if self.alpha is None:
            stored = self.dataset.read_masks(index, window=window, out_shape=shape)
        else:
            stored = self.dataset.read(self.alpha, window=window, out_shape=shape)
        return np.asarray(stored != 0)


@dataclass(frozen=True)
class QualityMask:
    """Open quality band that masks pixels; ``ends`` masks its extent where it ends inside the scene."""

    dataset: Any
    band: QualityBand
    ends: PlaneMask | None

    def clear(self, window: Window, valid: npt.NDArray[np.bool_]) -> None:
        """Clear ``valid`` where the band masks a pixel, or says nothing of it."""
        index, shape = self.band.index, (1, *valid.shape)
        stored = self.dataset.read([index], window=window, out_shape=shape)[0]
        valid &= self.band.usable(stored)
        if self.ends is not None:
            valid &= self.ends.read(index, window, valid.shape)


class PlaneGroup:
    """Planes of a file that are read together, and their mask, if any."""

    def __init__(
        self, dataset: Any, positions: list[int], planes: Sequence[Plane], mask: PlaneMask | None
    ) -> None:
        self.dataset = dataset
        self.positions = positions
        self.planes = [planes[i] for i in positions]
        self.mask = mask

    def overviews(self) -> set[int]:
        """Factors of the file's overviews."""
        return set(self.dataset.overviews(self.planes[0].index))

    def read(self, window: Window, out: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> None:
        """Read the window into this file's planes of ``out`` and clear ``valid`` where any is invalid."""
        indexes = [plane.index for plane in self.planes]
        first, last = self.positions[0], self.positions[-1]
        if self.positions == list(range(first, last + 1)):
            self.dataset.read(indexes, window=window, out=out[first : last + 1])
        else:
            shape = (len(indexes), *valid.shape)
            out[self.positions] = self.dataset.read(indexes, window=window, out_shape=shape)
        if self.mask is not None:
            valid &= self.mask.read(indexes[0], window, valid.shape)
        for position, plane in zip(self.positions, self.planes, strict=True):
            _clear_invalid(out[position], plane, valid)


def _clear_invalid(stored: npt.NDArray[Any], plane: Plane, valid: npt.NDArray[np.bool_]) -> None:
    if np.issubdtype(stored.dtype, np.floating):
        # NaN and infinity compare false; so do the fill values of 3.4e38 that files forget to
        # declare, one of which would spoil all that the network sees around it.
        valid &= np.abs(stored) < _LARGEST_MEASUREMENT
    nodata = plane.marked
    if nodata is not None and not np.isnan(nodata):
        valid &= stored != np.dtype(plane.dtype).type(nodata)


def on_grid(dataset: Any, nodata: float | None, geobox: Georeference, how: Resampling) -> WarpedVRT:
    """Resample a file to a grid while it is read, each band within its own valid pixels."""
    if isinstance(geobox, GCPGeoBox) or dataset.crs is None or geobox.crs is None:
        raise SceneError(
            f"{dataset.name} has another grid ({dataset.shape[0]} x {dataset.shape[1]} pixels) than the "
            f"scene ({geobox.shape[0]} x {geobox.shape[1]}) and one of them has no CRS or no transform, so they cannot "
            f"be laid over each other; give files with a CRS and a transform."
        )
    theirs = proj_crs(dataset)
    if theirs is not None and not can_transform(theirs, geobox.crs.proj):
        raise SceneError(
            f"{dataset.name} has the CRS {theirs.name!r} and the scene {geobox.crs.proj.name!r}, and nothing leads "
            f"from one to the other; give files in one CRS."
        )
    return warped(
        dataset,
        geobox,
        how,
        tolerance=_TOLERANCE,  # with a larger one a value depends on the window that it is read in
        src_nodata=nodata,
        nodata=nodata,
        add_alpha=nodata is None and _alpha_of(dataset) is None,
        # Else what is nodata in some bands only would be mixed with data.
        UNIFIED_SRC_NODATA="NO",
        # Else GDAL widens the kernel by how many pixels of the file a window happens to need.
        **({"XSCALE": 1, "YSCALE": 1} if how == Resampling.bilinear else {}),
    )


def resampling_of(dataset: Any, geobox: Georeference) -> Resampling:
    """Choose how a file is put on a grid: the average of its pixels where these are clearly finer, else bilinear."""
    own = pixel_side(GeoBox.from_rio(dataset))
    return Resampling.average if own * _FINER < pixel_side(geobox) else Resampling.bilinear


def mask_of(dataset: Any, plane: Plane) -> PlaneMask | None:
    """Find the mask or alpha band of a file that says which pixels of a plane are valid."""
    alpha = _alpha_of(dataset)
    if alpha is not None and not plane.opaque:
        return PlaneMask(
            dataset, alpha
        )  # GDAL's own mask forgets it where there is a nodata value too
    flags = dataset.mask_flag_enums[plane.index - 1]
    stated = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
    return PlaneMask(dataset, None) if stated else None


def _alpha_of(dataset: Any) -> int | None:
    kinds = list(dataset.colorinterp)
    return kinds.index(ColorInterp.alpha) + 1 if ColorInterp.alpha in kinds else None
