"""The field for names of classes, fields or bands, with a list of those that a layer has."""

from __future__ import annotations

import csv

from processing.tools.dataobjects import createContext
from qgis.core import (
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingUtils,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtWidgets import QMenu, QToolButton, QWidget

from georaster_dl_qgis.dialog.name_line import NameLine

__all__ = ["ListedNames", "classes_of", "fields_of"]

_MOST = 200  # names in a list


def fields_of(layer: QgsMapLayer | None) -> list[str]:
    """Fields of a vector layer, or bands of a raster."""
    if isinstance(layer, QgsVectorLayer):
        return [field.name() for field in layer.fields()]
    if isinstance(layer, QgsRasterLayer):
        shown = [layer.bandName(band + 1) for band in range(layer.bandCount())]
        return [name.partition(": ")[2] or name for name in shown]
    return []


def classes_of(layer: QgsMapLayer | None, field: str = "") -> list[str]:
    """Names of the classes that a raster shows, or of a field's values; at most 200.

    Where no field is given, it is that of the layer's colours.
    """
    if isinstance(layer, QgsRasterLayer) and layer.renderer().type() == "paletted":
        return [entry.label for entry in layer.renderer().classes()][:_MOST]
    if not isinstance(layer, QgsVectorLayer):
        return []
    renderer = layer.renderer()
    if not field and renderer is not None and renderer.type() == "categorizedSymbol":
        field = renderer.classAttribute()
    index = layer.fields().lookupField(field)
    values = layer.uniqueValues(index, _MOST) if index >= 0 else ()
    return sorted({str(value) for value in values if value})  # NULL of QGIS is false


class ListedNames(NameLine):
    """A line of names, and a button that lists the names to choose from."""

    def createWidget(self, of: str, kind: str, several: bool, field: str = "") -> QWidget:
        self._of, self._kind, self._several, self._field = of, kind, several, field
        button = QToolButton()
        button.setText("▾")
        button.setToolTip(f"Choose from the {kind} of the layer")
        self._menu = QMenu(button)
        self._menu.aboutToShow.connect(self._fill)
        button.setMenu(self._menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        return self.beside(button)

    def names(self) -> list[str]:
        """List the names of the layer that is chosen now."""
        context = createContext()  # owns a layer that is no layer of the project
        layer = _layer(self._value_of(self._of), context)
        if self._kind == "fields":
            return fields_of(layer)
        return classes_of(layer, str(self._value_of(self._field) or ""))

    def choose(self, name: str) -> None:
        """Take a name, or where several may be, take it in or out."""
        chosen: list[str] = []
        if self._several and self.value():
            chosen = next(csv.reader([self.value()], skipinitialspace=True))
        kept = [other for other in chosen if other != name]
        names = kept if name in chosen else [*kept, name]
        self.setValue(",".join(f'"{one}"' if "," in one else one for one in names))

    def _value_of(self, name: str):
        return self._others[name].parameterValue() if name in self._others else None

    def _fill(self) -> None:
        self._menu.clear()
        names = self.names()
        for name in names:
            self._menu.addAction(name, lambda name=name: self.choose(name))
        if not names:
            missing = self._menu.addAction(f"The layer shows no {self._kind}")
            missing.setEnabled(False)


def _layer(value, context: QgsProcessingContext) -> QgsMapLayer | None:
    """The layer, of several the first, that another field holds."""
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    if isinstance(value, QgsProcessingFeatureSourceDefinition):
        value = value.source.staticValue()
    return QgsProcessingUtils.mapLayerFromString(str(value), context) if value else None
