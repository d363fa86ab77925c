"""QGIS's layers, extents and selections as files that another program can open."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsDataProvider,
    QgsFeature,
    QgsFeatureSource,
    QgsFields,
    QgsGeometry,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)

from georaster_dl_qgis.program.runner import GeodlError

__all__ = [
    "check_one_layer",
    "class_list",
    "export_area",
    "export_features",
    "layer_source",
    "raster_source",
    "raster_sources",
]

_PRODUCT = re.compile(r"SENTINEL2_L\w+:(?:/vsizip/)?(.*?\.(?:SAFE|zip))[/\\]", re.IGNORECASE)

# Straight edges of an extent are curves in another CRS.
_POINTS_AN_EDGE = 20

_COLOR_TABLE = 256


def raster_source(layer: QgsRasterLayer) -> str:
    """Find the source of a raster layer for geodl: a file, a part of a file, or a Sentinel-2 product.

    Raises
    ------
    GeodlError
        When geodl could not open it (a web service, a raster in a database or in memory), or would see
        other pixels, or the same ones elsewhere, than QGIS does.
    """
    name, source = layer.name(), layer.source()
    if layer.providerType() != "gdal":
        raise GeodlError(
            f"The layer {name!r} comes from {layer.providerType()!r}, not from a raster file; export "
            f"it (Export > Save As) and use that file."
        )
    product = _PRODUCT.match(source)
    if product is not None:
        return product[1]
    if "/vsimem/" in source or source.lstrip().startswith("<"):
        raise GeodlError(
            f"The layer {name!r} lies in QGIS's memory, where no other program can read it; save it "
            f"as a file first."
        )
    options = QgsProviderRegistry.instance().decodeUri("gdal", source).get("openOptions")
    if options:
        raise GeodlError(
            f"The layer {name!r} was opened with {', '.join(options)}, which geodl does not do; add the file to "
            f"QGIS without options, or export the layer (Export > Save As)."
        )
    _check_place(layer)
    return str(Path(source).absolute()) if Path(source).exists() else source


def raster_sources(layers: Iterable[QgsRasterLayer]) -> list[str]:
    """Find the sources of raster layers for geodl, each once: a product may be several layers."""
    return list(dict.fromkeys(raster_source(layer) for layer in layers))


def _check_place(layer: QgsRasterLayer) -> None:
    """Refuse a layer whose CRS was changed in QGIS; geodl reads the file's."""
    shown, stated = layer.crs().authid(), layer.dataProvider().crs().authid()
    if shown and stated and shown != stated:
        raise GeodlError(
            f"The layer {layer.name()!r} has the CRS {shown} in QGIS but its file says {stated}, which geodl reads; "
            f"correct the file (Raster > Projections > Assign projection) or the layer's CRS."
        )


def check_one_layer(layer: QgsMapLayer | None) -> None:
    """Refuse a vector file of which QGIS took the first of several layers because none was named.

    Raises
    ------
    GeodlError
        With the names of its layers.
    """
    if not isinstance(layer, QgsVectorLayer) or layer.providerType() != "ogr":
        return
    parts, source = layer.dataProvider().subLayers(), layer.source()
    if len(parts) > 1 and "|layer" not in source:
        names = [part.split(QgsDataProvider.sublayerSeparator())[1] for part in parts]
        raise GeodlError(
            f"{source} has the layers {', '.join(names)}; say which one, as in {source}|layername={names[0]}"
        )


def layer_source(
    layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
) -> str:
    """File of a layer, raster or vector; of vectors as QGIS has them: filtered, edited, in memory."""
    if isinstance(layer, QgsVectorLayer):
        selected = layer.selectedFeatureCount()
        if selected:
            feedback.pushWarning(
                f"All {layer.featureCount()} features of {layer.name()!r} are used, not the {selected} that are "
                f"selected; save these as a layer of their own to use them alone."
            )
        path = export_features(layer, layer.name(), context)
        layer.saveNamedStyle(str(Path(path).with_suffix(".qml")))  # the colours of its classes
        return path
    return raster_source(layer)


def class_list(layer: QgsMapLayer | None) -> str:
    """File of the classes of a raster, with their names and colours, where only the project has them.

    Returns
    -------
    A CSV with the columns value, name and color; empty where the file's own style is shown, of vectors,
    whose style goes with them, and where QGIS shows a whole colour table, which names no classes.
    """
    if not isinstance(layer, QgsRasterLayer) or layer.renderer().type() != "paletted":
        return ""
    entries = _palette(layer)
    if len(entries) >= _COLOR_TABLE or entries == _palette(
        QgsRasterLayer(layer.source(), "", "gdal")
    ):
        return ""
    path = QgsProcessingUtils.generateTempFilename("classes.csv")
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("value", "name", "color"), *entries])
    return path


def _palette(layer: QgsRasterLayer) -> list[tuple[int, str, str]]:
    if layer.renderer() is None or layer.renderer().type() != "paletted":
        return []
    classes = layer.renderer().classes()
    return [(int(entry.value), entry.label, entry.color.name()) for entry in classes]


def export_features(source: QgsFeatureSource, name: str, context: QgsProcessingContext) -> str:
    """GeoPackage of the features, with their fields; curves become lines.

    Raises
    ------
    GeodlError
        When there are none, or they cannot be written.
    """
    if source.featureCount() == 0:
        raise GeodlError(f"{name!r} has no features (or none are selected); nothing to work with.")
    fields, numbers = QgsFields(), _kept_fields(source)
    for number in numbers:
        fields.append(source.fields()[number])
    names = [field.name().lower() for field in fields]
    same = [field.name() for field in fields if names.count(field.name().lower()) > 1]
    if same:  # one of them would be lost, or taken for the other
        raise GeodlError(
            f"{name!r} has fields that differ only in small and capital letters ({', '.join(same)}); rename one."
        )
    kind = QgsWkbTypes.linearType(source.wkbType())

    def features() -> Iterator[QgsFeature]:
        for feature in source.getFeatures():
            made, values = QgsFeature(fields), feature.attributes()
            made.setGeometry(_straight(feature.geometry()))
            made.setAttributes([values[number] for number in numbers])
            yield made

    return _write(features(), fields, kind, source.sourceCrs(), name, context)


def _kept_fields(source: QgsFeatureSource) -> list[int]:
    """List all fields but the feature numbers, which could be taken for a class."""
    key = source.primaryKeyAttributes() if isinstance(source, QgsVectorLayer) else []
    return [number for number in range(len(source.fields())) if key != [number]]


def _straight(geometry: QgsGeometry) -> QgsGeometry:
    outline = geometry.constGet()
    if outline is None or not QgsWkbTypes.isCurvedType(outline.wkbType()):
        return geometry
    return QgsGeometry(outline.segmentize())


def export_area(
    outline: QgsGeometry, crs: QgsCoordinateReferenceSystem, context: QgsProcessingContext
) -> str:
    """GeoPackage of one polygon: the outline of an extent."""
    feature = QgsFeature(QgsFields())
    feature.setGeometry(outline.densifyByCount(_POINTS_AN_EDGE))
    return _write([feature], QgsFields(), QgsWkbTypes.Type.Polygon, crs, "extent", context)


def _write(features, fields, geometry, crs, name, context) -> str:
    safe = re.sub(r"\W+", "_", name).strip("_") or "features"
    path = QgsProcessingUtils.generateTempFilename(f"{safe}.gpkg")
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = safe
    # Columns that a GeoPackage needs for itself; fields of these names are the user's.
    taken = {field.name().lower() for field in fields}
    options.layerOptions = [
        f"FID={_unused('fid', taken)}",
        f"GEOMETRY_NAME={_unused('geom', taken)}",
    ]
    writer = QgsVectorFileWriter.create(
        path, fields, geometry, crs, context.transformContext(), options
    )
    for feature in features:
        writer.addFeature(feature)
    problem = writer.errorMessage() if writer.hasError() else ""
    del writer  # which closes the file
    if problem:
        raise GeodlError(f"{name!r} could not be handed over to geodl: {problem}")
    return path


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
