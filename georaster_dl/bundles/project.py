"""Project that QGIS opens: layers at relative paths with their styles, written without QGIS."""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pyogrio
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError

from georaster_dl.core.geography import Georeference
from georaster_dl.io.labels.styles import stored_style
from georaster_dl.io.scenes.reader import open_scene

__all__ = ["Layer", "raster_layer", "vector_layers", "write_project"]

# Forms and actions of a style hold code that QGIS would offer to run; a project needs none of it.
_OF_STYLES = "pipe", "renderer-v2", "labeling", "blendMode", "layerOpacity"
_VERSION = "3.22.0"
# Without the second, QGIS leaves the project's CRS out.
_PROPERTIES = (
    ("Paths", "Absolute", "bool", "false"),
    ("SpatialRefSys", "ProjectionsEnabled", "int", "1"),
)
_GEOMETRIES = {"Point": "Point", "LineString": "Line", "Polygon": "Polygon"}


@dataclass(frozen=True)
class Layer:
    """Layer of a project.

    Attributes
    ----------
    title : as the legend shows it.
    source : path from the project's folder; of a vector file with the name of its layer.
    geometry : of a vector layer: ``Point``, ``Line`` or ``Polygon``.
    style : root element of a style as QGIS saves it; None leaves the style to QGIS.
    shown : whether it is drawn when the project opens.
    """

    title: str
    source: str
    provider: Literal["gdal", "ogr"]
    crs: CRS | None
    style: ET.Element | None
    geometry: str = ""
    shown: bool = False


def raster_layer(path: Path, *, name: str, title: str, style: Path, shown: bool = False) -> Layer:
    """Describe a raster as a layer.

    Parameters
    ----------
    path : of its content.
    name : of the file in the project's folder.
    style : raster whose ``.qml`` is taken.
    """
    crs = open_scene(path).geobox.crs
    return Layer(title, f"./{name}", "gdal", crs, stored_style(style), shown=shown)


def vector_layers(path: Path, *, name: str, title: str = "") -> list[Layer]:
    """Describe the layers of a vector file that have geometries, in the order of the file.

    Parameters
    ----------
    path, name : as ``raster_layer`` takes them.
    title : of the layer where the file has no other; its own name where empty.
    """
    layers: list[Layer] = []
    for layer, geometry in pyogrio.list_layers(path):
        shape = next((ours for name, ours in _GEOMETRIES.items() if name in str(geometry)), "")
        if shape:
            crs = pyogrio.read_info(path, layer=layer)["crs"]
            source = f"./{name}|layername={layer}"
            style = stored_style(path, layer)
            layers.append(Layer(str(layer), source, "ogr", crs and CRS(crs), style, shape))
    return [replace(layers[0], title=title)] if title and len(layers) == 1 else layers


def write_project(path: Path, layers: Sequence[Layer], geobox: Georeference, title: str) -> None:
    """Write a project (.qgz) of files in its own folder.

    Parameters
    ----------
    layers : from the topmost down.
    geobox : grid of the map that the project shows.
    """
    root = ET.Element("qgis", projectname=title, version=_VERSION)
    ET.SubElement(root, "homePath", path="")
    ET.SubElement(root, "title").text = title
    _add_crs(ET.SubElement(root, "projectCrs"), geobox.crs)
    tree = ET.SubElement(root, "layer-tree-group")
    canvas = ET.SubElement(root, "mapcanvas", name="theMapCanvas", annotationsVisible="1")
    _add_canvas(canvas, geobox)
    known = ET.SubElement(root, "projectlayers")
    order = ET.SubElement(root, "layerorder")
    for number, layer in enumerate(layers):
        key = f"layer_of_bundle_{number}"  # of 10 characters or fewer, QGIS makes another
        ET.SubElement(
            tree,
            "layer-tree-layer",
            id=key,
            name=layer.title,
            source=layer.source,
            providerKey=layer.provider,
            checked="Qt::Checked" if layer.shown else "Qt::Unchecked",
            expanded="1" if layer.shown else "0",
        )
        known.append(_map_layer(key, layer))
        ET.SubElement(order, "layer", id=key)
    properties = ET.SubElement(root, "properties")
    for group, key, kind, value in _PROPERTIES:
        ET.SubElement(ET.SubElement(properties, group), key, type=kind).text = value
    ET.indent(root)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.qgs", ET.tostring(root, "utf-8", xml_declaration=True))


def _map_layer(key: str, layer: Layer) -> ET.Element:
    kind = {"geometry": layer.geometry, "type": "vector"} if layer.geometry else {"type": "raster"}
    element = ET.Element("maplayer", kind)
    ET.SubElement(element, "id").text = key
    ET.SubElement(element, "datasource").text = layer.source
    ET.SubElement(element, "layername").text = layer.title
    if layer.crs is not None:
        _add_crs(ET.SubElement(element, "srs"), layer.crs)
    ET.SubElement(element, "provider", encoding="UTF-8").text = layer.provider
    for part in () if layer.style is None else layer.style:
        if part.tag in _OF_STYLES:
            element.append(part)
    return element


def _add_canvas(canvas: ET.Element, geobox: Georeference) -> None:
    if isinstance(geobox, GeoBox) and geobox.crs is not None:
        extent = ET.SubElement(canvas, "extent")
        for side, value in zip(
            ("xmin", "ymin", "xmax", "ymax"), geobox.boundingbox.bbox, strict=True
        ):
            ET.SubElement(extent, side).text = repr(float(value))
    _add_crs(ET.SubElement(canvas, "destinationsrs"), geobox.crs)


def _add_crs(parent: ET.Element, crs: CRS | None) -> None:
    element = ET.SubElement(parent, "spatialrefsys", nativeFormat="Wkt")
    if crs is None:
        return
    ET.SubElement(element, "wkt").text = crs.to_wkt()
    try:
        code = crs.to_epsg()
    except CRSError:
        code = None
    if code is not None:
        ET.SubElement(element, "authid").text = f"EPSG:{code}"
