"""QGIS's layers, extents and selections as files that another program can open."""

from __future__ import annotations

import re
from pathlib import Path

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSource,
    QgsField,
    QgsFields,
    QgsGeometry,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingUtils,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)

from .runner import GeodlError

__all__ = ["export_area", "export_features", "layer_source", "raster_source"]

# Straight edges of an extent are curves in another CRS.
_POINTS_AN_EDGE = 20


def raster_source(layer: QgsRasterLayer) -> str:
    """What geodl opens for a raster layer: a file, or the Sentinel-2 product that it belongs to.

    Raises
    ------
    GeodlError
        When the layer is no raster file (a web service, a raster in a database).
    """
    if layer.providerType() != "gdal":
        raise GeodlError(
            f"The layer {layer.name()!r} comes from {layer.providerType()!r}, not from a raster file; export "
            f"it (Export > Save As) and use that file."
        )
    source = layer.source()
    product = re.match(
        r"SENTINEL2_L\w+:(?:/vsizip/)?(.*?\.(?:SAFE|zip))[/\\]", source, re.IGNORECASE
    )
    if product is not None:
        return product[1]
    path = QgsProviderRegistry.instance().decodeUri("gdal", source).get("path", source)
    if source.startswith("/vsimem/"):
        raise GeodlError(
            f"The layer {layer.name()!r} lies in QGIS's memory, where no other program can read it; save it "
            f"as a file first."
        )
    return str(Path(path).absolute()) if Path(path).exists() else source


def layer_source(layer: QgsMapLayer, context: QgsProcessingContext) -> str:
    """File of a layer, raster or vector; of vectors as QGIS has them: filtered, edited, in memory."""
    if isinstance(layer, QgsVectorLayer):
        return export_features(layer, layer.name(), context)
    return raster_source(layer)


def export_features(source: QgsFeatureSource, name: str, context: QgsProcessingContext) -> str:
    """GeoPackage of the features, with their fields.

    Raises
    ------
    GeodlError
        When there are none, or they cannot be written.
    """
    # A field of that name would be taken for the numbers of the features.
    kept = [field for field in source.fields() if field.name().lower() != "fid"]
    fields = QgsFields()
    for field in kept:
        fields.append(QgsField(field))

    def features():
        for feature in source.getFeatures():
            made = QgsFeature(fields)
            made.setGeometry(feature.geometry())
            made.setAttributes([feature.attribute(field.name()) for field in kept])
            yield made

    if source.featureCount() == 0:
        raise GeodlError(f"{name!r} has no features (or none are selected); nothing to work with.")
    return _write(features(), fields, source.wkbType(), source.sourceCrs(), name, context)


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
