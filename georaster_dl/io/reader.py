"""Open whatever the user calls a scene.

One of: a file that GDAL reads (of an ENVI raster also its header), a container of subdatasets
(NetCDF, HDF5), a Sentinel-2 product (folder, zip or its MTD_MSIL*.xml), a STAC item, an http(s)
address of any of them; or several files of one scene, which are stacked on the finest grid among
them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp

from georaster_dl.bands import MOST_NAMED, Band, named_bands
from georaster_dl.errors import OptionError, SceneError
from georaster_dl.io import sentinel2, stac
from georaster_dl.io.envi import envi_data
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.metadata import bands_of, calibration_of, sentinel2_name
from georaster_dl.io.options import SceneOptions
from georaster_dl.io.scene import Plane, Scene, open_dataset
from georaster_dl.raster import Georeference
from georaster_dl.wording import counted, listed

__all__ = ["open_scene"]

_COORDINATES = {"lat", "lon", "latitude", "longitude", "x", "y", "time", "crs", "spatial_ref"}


@dataclass(frozen=True)
class _File:
    """One opened raster: its planes and its grid."""

    planes: tuple[Plane, ...]
    geobox: Georeference
    rpcs: Any
    block_rows: int


def open_scene(
    sources: str | Path | Sequence[str | Path], options: SceneOptions | None = None
) -> Scene:
    """Describe a scene without reading its pixels.

    Parameters
    ----------
    sources : path or address, or several of one scene to be stacked.
    options : names, nodata and calibration that override the file's.

    Raises
    ------
    SceneError
        When a source is missing, is no raster, or the files do not fit together.
    OptionError
        When ``options.bands`` does not fit the scene's bands.
    """
    options = options or SceneOptions()
    names = [str(s) for s in ([sources] if isinstance(sources, str | Path) else sources)]
    if not names:
        raise SceneError("No scene was given; give the path or address of a raster.")
    with gdal_environment():
        scene = _open_one(names[0]) if len(names) == 1 else _stacked(names)
    return _with_options(scene, options)


def _open_one(source: str) -> Scene:
    path = _existing(source)
    if path is not None and sentinel2.is_product(path):
        return _from_product(path)
    if stac.is_item(source):
        return _from_item(source)
    pixels = source if path is None else envi_data(path) or source
    return _assembled(source, _files(pixels))


def _existing(source: str) -> Path | None:
    """The local file or folder, None for an address; a plain path that does not exist stops here."""
    path = Path(source)
    if path.exists():
        if path.is_dir() and not any(path.iterdir()):
            raise SceneError(f"{source} is an empty folder; give a raster or a .SAFE product.")
        return path
    looks_local = ":" not in source[2:] and not source.startswith("/vsi")
    if looks_local:
        raise SceneError(f"{source} does not exist; check the path (now in {Path.cwd()}).")
    return None


def _stacked(sources: Sequence[str]) -> Scene:
    for source in sources:
        _existing(source)
    files = [file for source in sources for file in _files(source)]
    if len(files) == len(sources) and all(len(file.planes) == 1 for file in files):
        files = [_named_by_file(file, s) for file, s in zip(files, sources, strict=True)]
    return _assembled(f"{sources[0]} and {len(sources) - 1} more", files)


def _named_by_file(file: _File, source: str) -> _File:
    """Single-band files without band names are told apart by their file names."""
    plane = file.planes[0]
    if not plane.band.name.startswith("band_"):
        return file
    return replace(file, planes=(replace(plane, band=replace(plane.band, name=Path(source).stem)),))


def _files(source: str) -> list[_File]:
    with open_dataset(source) as dataset:
        if dataset.count:
            return [_file(dataset, source)]
        subdatasets = list(dataset.subdatasets)
    if not subdatasets:
        raise SceneError(f"{source} holds no raster band; give a file with at least one.")
    opened = []
    for name in subdatasets:
        variable = name.rsplit(":", 1)[-1].strip('"/')
        if variable.lower() in _COORDINATES:
            continue
        with open_dataset(name) as dataset:
            opened.append(_file(dataset, name, prefix=variable))
    largest = max((tuple(file.geobox.shape) for file in opened), key=math.prod)
    return [file for file in opened if tuple(file.geobox.shape) == largest]


def _file(dataset: Any, path: str, prefix: str = "") -> _File:
    bands = bands_of(dataset)
    planes = []
    for index in range(1, dataset.count + 1):
        if dataset.colorinterp[index - 1] == ColorInterp.alpha:
            continue  # the mask says what alpha says
        scale, offset, physical = calibration_of(dataset, index)
        band = bands[index - 1]
        if prefix and band.name.startswith("band_"):
            name = prefix if dataset.count == 1 else f"{prefix}_{index}"
            band = replace(named_bands([name])[0], **_known(band))
        dtype = dataset.dtypes[index - 1]
        if np.dtype(dtype).kind == "c":
            raise SceneError(
                f"{path} holds complex numbers ({dtype}); give amplitudes as real numbers."
            )
        nodata = dataset.nodatavals[index - 1]
        if nodata is None and dataset.driver.startswith("JP2") and sentinel2_name(path):
            nodata = 0.0  # a Sentinel-2 image file outside of its product, which would say so
        planes.append(Plane(band, path, index, dtype, scale, offset, physical, nodata))
    block_rows = max(shape[0] for shape in dataset.block_shapes)
    return _File(tuple(planes), _geobox(dataset), dataset.rpcs, block_rows)


def _known(band: Band) -> dict[str, Any]:
    facts = {"wavelength_nm": band.wavelength_nm, "fwhm_nm": band.fwhm_nm}
    return {key: value for key, value in facts.items() if value is not None}


def _geobox(dataset: Any) -> Georeference:
    points, _ = dataset.gcps
    if points and dataset.transform.is_identity:
        return GCPGeoBox.from_rio(dataset)
    return GeoBox.from_rio(dataset)


def _assembled(name: str, files: Sequence[_File], *, named: bool = False, note: str = "") -> Scene:
    """One scene of many files, on the finest grid among them."""
    finest = min(files, key=_pixel_size)
    scale = {id(f): finest.geobox.shape[0] / f.geobox.shape[0] for f in files}
    return Scene(
        name=name,
        planes=tuple(plane for file in files for plane in file.planes),
        geobox=finest.geobox,
        rpcs=finest.rpcs,
        block_rows=max(1, *(round(f.block_rows * scale[id(f)]) for f in files)),
        named=named,
        note=note,
    )


def _pixel_size(file: _File) -> float:
    box = file.geobox.approx if isinstance(file.geobox, GCPGeoBox) else file.geobox
    return float(abs(box.affine.determinant))


def _from_product(path: Path) -> Scene:
    product = sentinel2.read_product(path)
    files = []
    for source, band, offset in zip(product.files, product.bands, product.offsets, strict=True):
        with open_dataset(source) as dataset:
            file = _file(dataset, source)
        # The JP2 files declare no nodata; the product's metadata says that 0 is.
        plane = replace(
            file.planes[0],
            band=band,
            scale=product.scale,
            offset=offset,
            calibrated=True,
            nodata=0.0,
        )
        files.append(replace(file, planes=(plane,)))
    return _assembled(str(path), files, named=True, note=product.note)


def _from_item(source: str) -> Scene:
    files = []
    for asset in stac.read_item(source):
        with open_dataset(asset.href) as dataset:
            file = _file(dataset, asset.href)
        if asset.index > len(file.planes):
            raise SceneError(
                f"The STAC item {source} lists {asset.index} bands for {asset.href}, which has "
                f"{len(file.planes)}; the item does not describe this file."
            )
        plane = file.planes[asset.index - 1]
        said = {"scale": asset.scale, "offset": asset.offset, "nodata": asset.nodata}
        said = {key: value for key, value in said.items() if value is not None}
        calibrated = plane.calibrated or asset.scale is not None or asset.offset is not None
        plane = replace(plane, band=asset.band, calibrated=calibrated, **said)  # type: ignore[arg-type]
        files.append(replace(file, planes=(plane,)))
    return _assembled(source, files, named=True, note="STAC item")


def _with_options(scene: Scene, options: SceneOptions) -> Scene:
    if options.bands is not None:
        scene = _with_names(scene, options.bands)
    planes: Iterable[Plane] = scene.planes
    if options.nodata is not None:
        planes = [replace(p, nodata=options.nodata) for p in planes]
    if options.scale is not None or options.offset is not None:
        scale = 1.0 if options.scale is None else options.scale
        offset = options.offset or 0.0
        if not (math.isfinite(scale) and math.isfinite(offset)) or scale == 0:
            raise OptionError(
                f"--scale {scale:g} and --offset {offset:g} leave nothing of the numbers; give finite "
                f"numbers and a scale other than 0."
            )
        told = {"scale": scale, "offset": offset, "calibrated": True, "stated": True}
        planes = [replace(p, **told) for p in planes]  # type: ignore[arg-type]
    return replace(scene, planes=tuple(planes))


def _with_names(scene: Scene, names: tuple[str, ...]) -> Scene:
    present = [plane.band.name for plane in scene.planes]
    if len(set(names)) < len(names) or not all(names):
        raise OptionError(f"--bands names a band twice or not at all: {','.join(names)}.")
    if not scene.named and len(names) == len(present):
        pairs = zip(scene.planes, named_bands(names), strict=True)
        planes = (replace(plane, band=_renamed(plane.band, band)) for plane, band in pairs)
        return replace(scene, planes=tuple(planes))
    if set(names) <= set(present):
        return scene.select([present.index(name) for name in names])
    raise OptionError(
        f"--bands gives {counted(len(names), 'name')} ({listed(names, MOST_NAMED)}) but {scene.name} has "
        f"{counted(len(present), 'band')} ({listed(present, MOST_NAMED)}); name all of them in file order, or some of those it has."
    )


def _renamed(old: Band, new: Band) -> Band:
    """The new name, with the wavelength that the file itself states where the name brings none."""
    by_name = old == named_bands([old.name])[0]  # then it goes with the name
    return new if by_name or new.wavelength_nm is not None else replace(new, **_known(old))
