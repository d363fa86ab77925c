"""The panel in which points or areas are labelled, a click each."""

from __future__ import annotations

from functools import partial

from qgis.core import (
    QgsCoordinateTransform,
    QgsFeature,
    QgsFeatureRequest,
    QgsProject,
    QgsSymbolLayerUtils,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.gui import QgsHighlight, QgsMapCanvas
from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtGui import QColor, QIcon
from qgis.PyQt.QtWidgets import (
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

__all__ = ["LabelPanel", "can_label"]

_FIELD = "class"
_FARTHEST = 5000  # scale at which a point is shown at most
_AROUND = 2.0  # times an area's extent
_KEYS = 9


def can_label(layer) -> bool:
    """Whether a layer has a list of classes to label its features with."""
    return isinstance(layer, QgsVectorLayer) and bool(_classes(layer))


def _classes(layer: QgsVectorLayer) -> list[str]:
    index = layer.fields().lookupField(_FIELD)
    setup = layer.editorWidgetSetup(index) if index >= 0 else None
    if setup is None or setup.type() != "ValueMap":
        return []
    listed = setup.config().get("map", [])
    options = listed if isinstance(listed, list) else [listed]
    return [value for option in options for name, value in option.items() if name]


class LabelPanel(QDockWidget):
    """Buttons with the classes: a click labels the feature in the map, and goes to the next.

    A label is written into the file at once.

    Parameters
    ----------
    canvas : the map.
    """

    def __init__(self, canvas: QgsMapCanvas, parent: QWidget | None = None) -> None:
        super().__init__("Label points or areas", parent)
        self.setObjectName("GeoRasterDLLabels")
        self._canvas, self._layer, self._mark = canvas, None, None
        self._ids: list[int] = []
        self._at = 0
        self._told = QLabel()
        self._told.setWordWrap(True)
        self._buttons = QVBoxLayout()
        self._buttons.setAlignment(Qt.AlignmentFlag.AlignTop)
        inner, outer = QWidget(), QWidget()
        inner.setLayout(self._buttons)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(inner)
        steps = QHBoxLayout()
        for text, step in (("◀ Back", -1), ("Skip ▶", 1)):
            button = QPushButton(text)
            button.clicked.connect(partial(self._step, step))
            steps.addWidget(button)
        layout = QVBoxLayout(outer)
        layout.addWidget(self._told)
        layout.addWidget(area)
        layout.addLayout(steps)
        self.setWidget(outer)

    def take(self, layer: QgsVectorLayer) -> None:
        """Label a layer of which ``can_label`` is true, from its first feature without a class on."""
        self._layer = layer
        layer.willBeDeleted.connect(self._forget)
        self._ids = [feature.id() for feature in layer.getFeatures()]
        while self._buttons.count():
            self._buttons.takeAt(0).widget().deleteLater()
        for number, name in enumerate(_classes(layer), 1):
            button = QPushButton(_icon(layer, name), name)
            button.setStyleSheet("text-align: left; padding: 5px;")
            if number <= _KEYS:
                button.setShortcut(str(number))
                button.setToolTip(f"Key {number}")
            button.clicked.connect(partial(self.label, name))
            self._buttons.addWidget(button)
        self._at = -1
        self._next()

    def label(self, name: str, _checked: bool = False) -> None:
        """Give the feature that is shown a class, and show the next without one."""
        if self._layer is None or not self._ids:
            return
        index, number = self._layer.fields().lookupField(_FIELD), self._ids[self._at]
        if self._layer.isEditable():
            self._layer.changeAttributeValue(number, index, name)
        else:
            self._layer.dataProvider().changeAttributeValues({number: {index: name}})
        self._layer.triggerRepaint()
        self._next()

    def shown(self) -> QgsFeature | None:
        """The feature that is shown now."""
        if self._layer is None or not self._ids:
            return None
        return next(self._layer.getFeatures(QgsFeatureRequest(self._ids[self._at])), None)

    def _next(self) -> None:
        """Show the next feature without a class; where all have a class, nothing changes."""
        without = set(self._unlabelled())
        turned = [(self._at + step) % len(self._ids) for step in range(1, len(self._ids) + 1)]
        found = (place for place in turned if self._ids[place] in without)
        self._at = next(found, max(self._at, 0))
        self._show(len(without))

    def _step(self, step: int, _checked: bool = False) -> None:
        if self._ids:
            self._at = (self._at + step) % len(self._ids)
            self._show(len(self._unlabelled()))

    def _unlabelled(self) -> list[int]:
        return [feature.id() for feature in self._layer.getFeatures() if not feature[_FIELD]]

    def _show(self, left: int) -> None:
        feature = self.shown()
        if feature is None:
            return
        total, given = len(self._ids), feature[_FIELD]
        done = "all are labelled" if left == 0 else f"{total - left} are labelled"
        now = f"<br>Labelled: <b>{given}</b>" if given else "<br>What is it?"
        self._told.setText(f"{self._at + 1} of {total}; {done}{now}")
        layer, canvas = self._layer, self._canvas
        project = QgsProject.instance()
        to_map = QgsCoordinateTransform(layer.crs(), canvas.mapSettings().destinationCrs(), project)
        extent = to_map.transformBoundingBox(feature.geometry().boundingBox())
        if layer.geometryType() == QgsWkbTypes.GeometryType.PointGeometry:
            canvas.setCenter(extent.center())
            if canvas.scale() > _FARTHEST:
                canvas.zoomScale(_FARTHEST)
        else:
            extent.scale(_AROUND)
            canvas.setExtent(extent)
        self._unmark()
        self._mark = QgsHighlight(canvas, feature, layer)
        self._mark.setColor(QColor(255, 0, 255))
        self._mark.setFillColor(QColor(0, 0, 0, 0))
        self._mark.setWidth(3)
        self._mark.show()
        canvas.refresh()

    def _unmark(self) -> None:
        if self._mark is not None:
            self._canvas.scene().removeItem(self._mark)
            self._mark = None

    def _forget(self) -> None:
        self._layer, self._ids = None, []
        self._unmark()
        self._told.setText("The layer is gone.")

    def closeEvent(self, event) -> None:
        self._unmark()
        super().closeEvent(event)


def _icon(layer: QgsVectorLayer, name: str) -> QIcon:
    """The symbol of a class in the layer's style."""
    renderer = layer.renderer()
    if renderer is None or renderer.type() != "categorizedSymbol":
        return QIcon()
    index = renderer.categoryIndexForValue(name)
    if index < 0:
        return QIcon()
    category = renderer.categories()[index]  # which owns its symbol
    return QgsSymbolLayerUtils.symbolPreviewIcon(category.symbol(), QSize(18, 18))
