"""A mosaic without pixels of its own: GDAL's VRT, which refers to the maps."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from contextlib import AbstractContextManager
from pathlib import Path

from georaster_dl.core.disk import writing
from georaster_dl.io.output.view_style import style_by_tags
from georaster_dl.io.output.writer import RasterSpec
from georaster_dl.mosaics.grid import Layout, Placed
from georaster_dl.render.qml import class_names_tag, color_table, write_class_style

__all__ = ["write_vrt"]

_GDAL_TYPES = {"uint8": "Byte", "uint16": "UInt16", "float32": "Float32"}
_SMALLEST_OVERVIEW = 512


def write_vrt(
    path: Path,
    layout: Layout,
    spec: RasterSpec,
    *,
    final: Path,
    styling: AbstractContextManager[None],
) -> None:
    """Write a VRT of maps on the mosaic's grid, and its style.

    Parameters
    ----------
    path : where to write it for now.
    final : its final place: it refers to the maps by paths from there, so that it may be moved
        together with them.
    styling : entered while the style is made, which may fail alone.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    if spec.legend is None:
        _save(_tree(layout, spec, None), path)
        with styling:
            style_by_tags(path, spec.tags)
        _save(_tree(layout, spec, final), path)
        return
    root = _tree(layout, spec, final)
    with styling:
        write_class_style(path, spec.legend)
        # GDAL reads no .aux.xml of a VRT: class names and attribute table belong inside.
        sidecar = path.with_name(f"{path.name}.aux.xml")
        stated, band = ET.parse(sidecar).find("PAMRasterBand"), root.find("VRTRasterBand")
        if stated is not None and band is not None:
            band.extend(stated)
        sidecar.unlink()
    _save(root, path)


def _tree(layout: Layout, spec: RasterSpec, final: Path | None) -> ET.Element:
    """The VRT; where it has no final place, it refers to the maps by absolute paths."""
    rows, cols = layout.geobox.shape
    root = ET.Element("VRTDataset", rasterXSize=str(cols), rasterYSize=str(rows))
    crs = layout.geobox.crs
    ET.SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = crs.to_wkt() if crs else ""
    affine = layout.geobox.affine.to_gdal()
    ET.SubElement(root, "GeoTransform").text = ", ".join(f"{number:.17g}" for number in affine)
    _tags(root, spec)
    for index in range(1, len(spec.names) + 1):
        band = _band(root, spec, index)
        # What is drawn last lies on top.
        for placed in reversed(layout.placed):
            _source(band, placed, spec, index, final)
    _overviews(root, max(rows, cols), spec)
    return root


def _save(root: ET.Element, path: Path) -> None:
    ET.indent(root)
    with writing(path):
        ET.ElementTree(root).write(path, encoding="utf-8")


def _tags(root: ET.Element, spec: RasterSpec) -> None:
    names = {} if spec.legend is None else {"CLASS_NAMES": class_names_tag(spec.legend)}
    metadata = ET.SubElement(root, "Metadata")
    for key, value in {**spec.tags, **names}.items():
        ET.SubElement(metadata, "MDI", key=key).text = value


def _band(root: ET.Element, spec: RasterSpec, index: int) -> ET.Element:
    band = ET.SubElement(
        root,
        "VRTRasterBand",
        dataType=_GDAL_TYPES[spec.dtype],
        band=str(index),
        blockXSize="512",
        blockYSize="512",
    )
    ET.SubElement(band, "Description").text = spec.names[index - 1]
    if spec.unit:
        ET.SubElement(band, "UnitType").text = spec.unit
    ET.SubElement(band, "NoDataValue").text = f"{spec.nodata:g}"
    if spec.scale is not None:
        ET.SubElement(band, "Scale").text = f"{spec.scale:.17g}"
    if spec.legend is None:
        ET.SubElement(band, "ColorInterp").text = "Gray" if index == 1 else "Undefined"
        return band
    ET.SubElement(band, "ColorInterp").text = "Palette"
    colors = color_table(spec.legend)
    table = ET.SubElement(band, "ColorTable")
    for value in range(max(255, *spec.legend.values) + 1):
        channels = zip(("c1", "c2", "c3", "c4"), colors.get(value, (0, 0, 0, 255)), strict=True)
        ET.SubElement(table, "Entry", {name: str(number) for name, number in channels})
    return band


def _source(
    band: ET.Element, placed: Placed, spec: RasterSpec, index: int, final: Path | None
) -> None:
    rows, cols = placed.map.geobox.shape
    # Not a simple source: that one would draw nodata, too.
    source = ET.SubElement(band, "ComplexSource")
    href, relative = _reference(placed.map.path, final)
    ET.SubElement(source, "SourceFilename", relativeToVRT="1" if relative else "0").text = href
    ET.SubElement(source, "SourceBand").text = str(index)
    # With these, GDAL opens a map only when it reads it.
    size = {"RasterXSize": str(cols), "RasterYSize": str(rows)}
    ET.SubElement(
        source,
        "SourceProperties",
        size,
        DataType=_GDAL_TYPES[spec.dtype],
        BlockXSize="512",
        BlockYSize="512",
    )
    extent = {"xSize": str(cols), "ySize": str(rows)}
    ET.SubElement(source, "SrcRect", extent, xOff="0", yOff="0")
    place = {"xOff": str(placed.cols.start), "yOff": str(placed.rows.start)}
    ET.SubElement(source, "DstRect", extent, **place)
    ET.SubElement(source, "NODATA").text = f"{spec.nodata:g}"


def _reference(path: Path, final: Path | None) -> tuple[str, bool]:
    """How the VRT refers to a map, and whether that is a path from the VRT."""
    target = path.resolve()
    if final is None:
        return str(target), False
    try:
        return Path(os.path.relpath(target, final.parent.resolve())).as_posix(), True
    except ValueError:
        return str(target), False  # on another drive of Windows


def _overviews(root: ET.Element, longest: int, spec: RasterSpec) -> None:
    """Reduced views, which GDAL takes from those of the maps."""
    factors = [2**n for n in range(1, 32) if longest > _SMALLEST_OVERVIEW * 2 ** (n - 1)]
    if factors:
        resampling = "nearest" if spec.legend is not None else "average"
        listed = ET.SubElement(root, "OverviewList", resampling=resampling)
        listed.text = " ".join(map(str, factors))
