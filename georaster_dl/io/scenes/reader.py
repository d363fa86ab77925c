"""Open scenes: files, products, containers and STAC items.

One of: a file that GDAL reads (of an ENVI raster also its header), a container of subdatasets
(NetCDF, HDF5), a Sentinel-2 product (folder, zip or its MTD_MSIL*.xml), a STAC item, an http(s)
address of any of them; or several of one scene, also in one text joined by ``+``, which are read on the
finest grid among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp

from georaster_dl.core.bands import MOST_NAMED, Band, named_bands
from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.geography import Georeference
from georaster_dl.core.modalities import known_modality, with_modality
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.environment import gdal_environment
from georaster_dl.io.files.joined import split_joined
from georaster_dl.io.formats import sentinel2, stac
from georaster_dl.io.formats.array_files import refuse_array_file
from georaster_dl.io.formats.envi import envi_data
from georaster_dl.io.formats.metadata import bands_of, calibration_of, with_wavelengths
from georaster_dl.io.formats.missions import band_of_file, mission_of
from georaster_dl.io.scenes.assembly import RasterFile, assemble, join_scenes, refuse_same_names
from georaster_dl.io.scenes.containers import Container, image_variables
from georaster_dl.io.scenes.dataset import check_openable, open_dataset
from georaster_dl.io.scenes.planes import Plane, at_wavelengths, restate
from georaster_dl.io.scenes.quality import Comparison, QualityBand, has_own_bands, parse_mask
from georaster_dl.io.scenes.scene import Scene

__all__ = ["SceneMaker", "Sources", "offers_mask", "open_scene"]


class SceneMaker(Protocol):
    """Recipe of a scene that takes more than the paths of its files, for example a stack of dated scenes."""

    @property
    def name(self) -> str:
        """Name by which messages call it."""

    def scene(self) -> Scene:
        """Open the scene."""


Sources: TypeAlias = str | Path | Sequence[str | Path] | Scene | SceneMaker
"""Path or address of a scene, several of one scene to be stacked, or a scene that is open or described already."""


def open_scene(sources: Sources, options: SceneOptions | None = None) -> Scene:
    """Describe a scene without reading its pixels.

    Parameters
    ----------
    sources : path or address, or several of one scene (a list, or a text joined by ``+``); or a scene that is described
        already, such as one in memory.
    options : names, nodata and calibration that override the file's.

    Raises
    ------
    SceneError
        When a source is missing, is no raster, or the files do not fit together.
    OptionError
        When ``options.bands`` does not fit the scene's bands.
    """
    options = options or SceneOptions()
    with gdal_environment():
        scene = sources if isinstance(sources, Scene) else _opened(sources, options)
        planes, alpha = (restate(some, options) for some in (scene.planes, scene.alpha))
        if options.wavelengths is not None:
            planes = at_wavelengths(planes, options.wavelengths, scene.name)
        scene = replace(scene, planes=planes, alpha=alpha)
        chosen = scene
        if options.bands is not None:
            chosen = _with_names(scene, options.bands, measured=options.wavelengths is not None)
        told = (replace(p, band=with_modality(p.band, Path(p.source).stem)) for p in chosen.planes)
        chosen = replace(chosen, planes=tuple(told))
        return chosen if options.mask is None else _with_mask(chosen, options.mask, scene)


def _opened(
    sources: str | Path | Sequence[str | Path] | SceneMaker, options: SceneOptions
) -> Scene:
    if not isinstance(sources, str | Path | Sequence):
        return sources.scene()
    names = [str(s) for s in ([sources] if isinstance(sources, str | Path) else sources)]
    if not names:
        raise SceneError("No scene was given; give the path or address of a raster.")
    names = [part for name in names for part in split_joined(name)]
    if len(names) > 1:
        return _stacked(names, options)
    if options.grid is not None and Path(options.grid).absolute() != Path(names[0]).absolute():
        raise OptionError(
            f"`grid={str(options.grid)!r}` chooses among the files of a scene, but {names[0]} is its only one; leave it out."
        )
    return _open_one(names[0], options)


def _open_one(source: str, options: SceneOptions) -> Scene:
    path = _existing(source)
    if path is not None and sentinel2.is_product(path):
        return _from_product(path)
    if path is not None:
        refuse_array_file(path, None if options.wavelengths is None else len(options.wavelengths))
    if stac.is_item(source):
        return _from_item(source)
    pixels = source if path is None else envi_data(path) or source
    return assemble(source, _files(pixels))


def _existing(source: str) -> Path | None:
    """The local file or folder, None for an address; a plain path that does not exist stops here."""
    path = Path(source)
    check_openable(source)
    try:
        if path.exists():
            if path.is_dir() and not any(path.iterdir()):
                raise SceneError(f"{source} is an empty folder; give a raster or a .SAFE product.")
            return path
    except (OSError, ValueError) as error:
        if isinstance(error, SceneError):
            raise
        raise SceneError(f"{source} cannot be looked for ({error}); check the path.") from error
    looks_local = ":" not in source[2:] and not source.startswith("/vsi")
    if looks_local:
        raise SceneError(f"{source} does not exist; check the path (now in {Path.cwd()}).")
    return None


def _stacked(sources: Sequence[str], options: SceneOptions) -> Scene:
    for source in sources:
        _existing(source)
    scenes = [_open_one(source, options) for source in sources]
    joined = join_scenes(scenes, sources, options.grid)
    if options.bands is None or len(options.bands) < len(joined.planes):
        refuse_same_names(joined)
    if options.mask is None:
        return joined
    layers = {name: path for scene in scenes for name, path in _layers(scene).items()}
    return replace(joined, layers=layers)


def _files(source: str) -> list[RasterFile]:
    with open_dataset(source) as dataset:
        if dataset.count:
            return [_variable(dataset, source)]
        subdatasets = list(dataset.subdatasets)
    if not subdatasets:
        raise SceneError(f"{source} holds no raster band; give a file with at least one.")
    variables, left_out = image_variables(source, subdatasets)
    files = []
    for variable in variables:
        with open_dataset(variable.source) as dataset:
            files.append(_variable(dataset, variable.source, prefix=variable.name))
    if left_out is not None:
        files[0] = replace(files[0], remarks=(*files[0].remarks, left_out))
    return files


def _variable(dataset: Any, source: str, prefix: str = "") -> RasterFile:
    """A file, or a variable of a container with the wavelengths that this lists beside it."""
    file = _file(dataset, source, prefix)
    container = Container.of(dataset, source) if dataset.count > 1 else None
    if container is None:
        return file
    lists = container.wavelengths(dataset)
    doubt = container.check_axes(dataset, lists)
    if doubt is not None:
        file = replace(file, remarks=(doubt,))
    values = next((values for values in lists if len(values) == len(file.planes)), None)
    if values is None:
        return file
    bands = with_wavelengths([plane.band for plane in file.planes], values)
    pairs = zip(file.planes, bands, strict=True)
    return replace(file, planes=tuple(replace(plane, band=band) for plane, band in pairs))


def _file(dataset: Any, path: str, prefix: str = "") -> RasterFile:
    planes: list[Plane] = []
    alpha: list[Plane] = []
    for index, found in enumerate(bands_of(dataset), 1):
        band = found
        if prefix and band.name.startswith("band_"):
            name = prefix if dataset.count == 1 else f"{prefix}_{index}"
            band = replace(named_bands([name])[0], **_known(band), **_described(band))
        # The mask says what alpha says.
        kind = alpha if dataset.colorinterp[index - 1] == ColorInterp.alpha else planes
        kind.append(_plane(dataset, path, index, band))
    rows, cols = (max(sides) for sides in zip(*dataset.block_shapes, strict=True))
    return RasterFile(tuple(planes), _geobox(dataset), dataset.rpcs, (rows, cols), tuple(alpha))


def _plane(dataset: Any, path: str, index: int, band: Band) -> Plane:
    dtype = dataset.dtypes[index - 1]
    if dtype.startswith("complex"):
        raise SceneError(
            f"{path} holds complex numbers ({dtype}); give amplitudes as real numbers."
        )
    scale, offset, physical = calibration_of(dataset, index)
    nodata = dataset.nodatavals[index - 1]
    if nodata is None and dataset.driver.startswith("JP2") and _is_sentinel2(path):
        nodata = 0.0  # an image file outside of its product, which would say so
    return Plane(band, path, index, dtype, scale, offset, physical, nodata)


def _is_sentinel2(path: str) -> bool:
    """Whether the file is named after a band of that mission."""
    return band_of_file(path) is not None and mission_of(Path(path).name) in (None, "sentinel-2")


def _known(band: Band) -> dict[str, Any]:
    facts = {"wavelength_nm": band.wavelength_nm, "fwhm_nm": band.fwhm_nm}
    return {key: value for key, value in facts.items() if value is not None}


def _described(band: Band) -> dict[str, Any]:
    """List the facts of a band that hold under another name: unit, size, and a modality that was stated."""
    stated = "" if band.modality == known_modality(band) else band.modality
    return {"unit": band.unit, "gsd_m": band.gsd_m, "modality": stated}


def _geobox(dataset: Any) -> Georeference:
    points, _ = dataset.gcps
    if points and dataset.transform.is_identity:
        return GCPGeoBox.from_rio(dataset)
    return GeoBox.from_rio(dataset)


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
    scene = assemble(str(path), files, named=True, note=product.note)
    return replace(scene, layers={"SCL": product.classification} if product.classification else {})


def _from_item(source: str) -> Scene:
    files = []
    for asset in stac.read_item(source):
        with open_dataset(asset.href) as dataset:
            file = _file(dataset, asset.href)
        if asset.index > len(file.planes):
            raise SceneError(
                f"The STAC item {source} lists {counted(asset.index, 'band')} for {asset.href}, which has "
                f"{len(file.planes)}; the item does not describe this file."
            )
        plane = file.planes[asset.index - 1]
        said = {"scale": asset.scale, "offset": asset.offset, "nodata": asset.nodata}
        said = {key: value for key, value in said.items() if value is not None}
        calibrated = plane.calibrated or asset.scale is not None or asset.offset is not None
        plane = replace(plane, band=asset.band, calibrated=calibrated, **said)  # type: ignore[arg-type]
        files.append(replace(file, planes=(plane,)))
    return assemble(source, files, named=True, note="STAC item")


def _with_mask(scene: Scene, text: str, whole: Scene) -> Scene:
    """Add a quality band to the scene: a band of the scene, then no longer data, a layer, or a file.

    ``whole`` is the scene before bands were chosen or named.
    """
    name, rule = parse_mask(text)
    own = _own_plane(name, scene, whole)
    if own is not None:
        band = QualityBand(own.path, own.index, rule, own.scale, own.offset)
        if isinstance(rule, Comparison):
            return replace(scene, quality=band)
        place = (own.path, own.index)
        kept = [i for i, p in enumerate(scene.planes) if (p.path, p.index) != place]
        return replace(scene.select(kept), quality=band)
    layers = _layers(scene)
    beside = next((p for key, p in layers.items() if key.casefold() == name.casefold()), None)
    if beside is not None:
        return replace(scene, quality=QualityBand(beside, 1, rule))
    if not _may_be_file(name):
        offered = listed([*layers, *(band.name for band in scene.bands)], MOST_NAMED)
        raise OptionError(
            f"`mask='{name}'` is neither a file nor a band or layer of {scene.name}, which has {offered}; "
            f"name one of them, or a file."
        )
    _existing(name)
    with open_dataset(name) as dataset:
        if dataset.count != 1 and not (dataset.count and has_own_bands(Path(name).name)):
            raise OptionError(
                f"`mask='{name}'` has {counted(dataset.count, 'raster band')}, but a quality file has one; give that "
                f"band in a file of its own, or in the scene's and by its name."
            )
        scale, offset, _ = calibration_of(dataset, 1)
    return replace(scene, quality=QualityBand(name, 1, rule, scale, offset))


def offers_mask(scene: Scene, text: str) -> bool:
    """Return whether the option ``mask`` means a band or layer of the scene, or a file."""
    name = parse_mask(text)[0]
    layers = {key.casefold() for key in _layers(scene)}
    in_scene = _own_plane(name, scene) is not None or name.casefold() in layers
    return in_scene or _may_be_file(name)


def _own_plane(name: str, *scenes: Scene) -> Plane | None:
    planes = (plane for scene in scenes for plane in scene.planes)
    return next((p for p in planes if p.band.name.casefold() == name.casefold()), None)


def _layers(scene: Scene) -> Mapping[str, str]:
    """Rasters beside the bands of a scene: GDAL's names by their own."""
    return stac.item_layers(scene.name) if stac.is_item(scene.name) else scene.layers


def _may_be_file(name: str) -> bool:
    return Path(name).exists() or "/" in name or Path(name).suffix != ""


def _with_names(scene: Scene, names: tuple[str, ...], *, measured: bool) -> Scene:
    """Name or choose bands; with ``measured`` they keep their wavelengths under any name."""
    present = [plane.band.name for plane in scene.planes]
    if len(set(names)) < len(names) or not all(names):
        raise OptionError(f"`bands=` names a band twice or not at all: {','.join(names)}.")
    if scene.alpha and not scene.named and len(names) == len(present) + len(scene.alpha):
        scene = _with_alpha(scene)
        present = [plane.band.name for plane in scene.planes]
    ambiguous = len(set(present)) < len(present)  # then even a product's have to be named
    if (not scene.named or ambiguous) and len(names) == len(present):
        pairs = zip(scene.planes, named_bands(names), strict=True)
        planes = (replace(p, band=_renamed(p.band, band, measured)) for p, band in pairs)
        return replace(scene, planes=tuple(planes))
    if set(names) <= set(present):
        return scene.select([present.index(name) for name in names])
    marked = ", ".join(f"band {plane.index}" for plane in scene.alpha)
    beside = f"; {marked} beside them is marked as transparency (alpha)" if marked else ""
    raise OptionError(
        f"`bands=` gives {counted(len(names), 'name')} ({listed(names, MOST_NAMED)}) but {scene.name} has "
        f"{counted(len(present), 'band')} ({listed(present, MOST_NAMED)}{beside}); name all of them in file order, "
        f"or some of those it has."
    )


def _with_alpha(scene: Scene) -> Scene:
    """The scene with the bands that are marked as transparency as data, all in file order."""
    files = list(dict.fromkeys(plane.path for plane in (*scene.planes, *scene.alpha)))
    planes = sorted(
        (replace(plane, opaque=True) for plane in (*scene.planes, *scene.alpha)),
        key=lambda plane: (files.index(plane.path), plane.index),
    )
    return replace(scene, planes=tuple(planes), alpha=())


def _renamed(old: Band, new: Band, measured: bool) -> Band:
    """The new name, with the wavelength that the file itself states where the name brings none."""
    described = _described(old)
    new = replace(new, **described | {"modality": known_modality(new) or described["modality"]})
    if measured and old.wavelength_nm is not None:
        return replace(new, wavelength_nm=old.wavelength_nm, fwhm_nm=old.fwhm_nm)
    by_name = old == named_bands([old.name])[0]  # then it goes with the name
    return new if by_name or new.wavelength_nm is not None else replace(new, **_known(old))
