"""Layers of labels: polygons with their classes and colours."""

from __future__ import annotations

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsFeature,
    QgsField,
    QgsFields,
    QgsFillSymbol,
    QgsGeometry,
    QgsProject,
    QgsRendererCategory,
    QgsVectorFileWriter,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QVariant
from qgis.PyQt.QtGui import QColor

from georaster_dl_qgis.parameters.output_paths import new_labels
from georaster_dl_qgis.program.runner import GeodlError

__all__ = [
    "COLORS",
    "FIELD",
    "add_polygon",
    "classes_of",
    "new_layer",
    "remove_polygon",
    "show_classes",
]

FIELD = "class"
"""Field of the class, which geodl train finds by this name."""
COLORS = (
    "#1f78b4", "#33a02c", "#ff7f00", "#e31a1c", "#6a3d9a", "#b15928", "#a6cee3", "#b2df8a", "#fb9a99", "#fdbf6f",
)  # fmt: skip


def classes_of(layer: QgsVectorLayer) -> dict[str, str]:
    """Colours of a layer's classes by their names: those of its style, then others that its polygons have."""
    found = {}
    renderer = layer.renderer()
    if renderer is not None and renderer.type() == "categorizedSymbol":
        found = {
            str(category.value()): category.symbol().color().name()
            for category in renderer.categories()
            if category.value() not in (None, "")
        }
    index = layer.fields().lookupField(FIELD)
    for value in sorted(map(str, filter(None, layer.uniqueValues(index)))) if index >= 0 else ():
        found.setdefault(value, COLORS[len(found) % len(COLORS)])
    return found


def new_layer(crs: QgsCoordinateReferenceSystem, stem: str = "regions") -> QgsVectorLayer:
    """Make a GeoPackage of polygons with a field for the class, in the folder for labels, and add it to the project.

    Raises
    ------
    GeodlError
        When it cannot be written.
    """
    path, fields = new_labels(stem), QgsFields()
    fields.append(QgsField(FIELD, QVariant.String))
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName, options.layerName = "GPKG", path.stem
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = error.strerror or str(error)
    if not problem:
        writer = QgsVectorFileWriter.create(
            str(path),
            fields,
            QgsWkbTypes.Type.MultiPolygon,
            crs,
            QgsProject.instance().transformContext(),
            options,
        )
        problem = writer.errorMessage() if writer.hasError() else ""
        del writer  # which closes the file
    layer = QgsVectorLayer(str(path), path.stem, "ogr")
    if problem or not layer.isValid():
        raise GeodlError(
            f"{path} cannot be made ({problem or 'it does not open'}); name another folder in Settings > Options > "
            f"Processing > Providers > GeoRaster DL."
        )
    QgsProject.instance().addMapLayer(layer)
    return layer


def add_polygon(
    layer: QgsVectorLayer, outline: QgsGeometry, crs: QgsCoordinateReferenceSystem, name: str
) -> int:
    """Add a polygon of a class to a layer, and write it; give its number.

    Raises
    ------
    GeodlError
        When the layer does not take it.
    """
    made, feature = QgsGeometry(outline), QgsFeature(layer.fields())
    made.transform(QgsCoordinateTransform(crs, layer.crs(), QgsProject.instance()))
    if QgsWkbTypes.isMultiType(layer.wkbType()):
        made.convertToMultiType()
    feature.setGeometry(made)
    feature.setAttribute(layer.fields().lookupField(FIELD), name)
    if layer.isEditable():
        added = layer.addFeature(feature)
    else:
        added, (feature,) = layer.dataProvider().addFeatures([feature])
        layer.updateExtents()
    if not added:
        raise GeodlError(
            f"The layer {layer.name()!r} does not take the polygon; choose another one under 'Into', or a new one."
        )
    layer.triggerRepaint()
    return feature.id()


def remove_polygon(layer: QgsVectorLayer, number: int) -> None:
    """Remove a polygon again."""
    if layer.isEditable():
        layer.deleteFeature(number)
    else:
        layer.dataProvider().deleteFeatures([number])
    layer.triggerRepaint()


def show_classes(layer: QgsVectorLayer, classes: dict[str, str]) -> None:
    """Colour a layer by its classes, and keep the style in its file, where trainings read colours."""
    categories = []
    for name, color in classes.items():
        fill = QColor(color)
        fill.setAlpha(110)
        symbol = QgsFillSymbol.createSimple({"outline_color": color, "outline_width": "0.5"})
        symbol.symbolLayer(0).setFillColor(fill)
        categories.append(QgsRendererCategory(name, symbol, name))
    layer.setRenderer(QgsCategorizedSymbolRenderer(FIELD, categories))
    if layer.dataProvider().name() == "ogr" and layer.source().lower().endswith(".gpkg"):
        layer.saveStyleToDatabase(layer.name(), "", True, "")
    layer.triggerRepaint()
