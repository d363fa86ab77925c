"""Panel in which clicks outline areas, which become polygons of classes."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsCoordinateTransform,
    QgsMapLayerProxyModel,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QKeySequence
from qgis.PyQt.QtWidgets import QDockWidget, QLineEdit, QWidget

from georaster_dl_qgis.parameters.inputs import raster_source
from georaster_dl_qgis.program.models import IMAGES, own_models, stored_models
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.regions.form import Form
from georaster_dl_qgis.regions.labels import (
    FIELD,
    add_polygon,
    classes_of,
    new_layer,
    remove_polygon,
    show_classes,
)
from georaster_dl_qgis.regions.server import RegionServer
from georaster_dl_qgis.regions.shown import ShownRegion
from georaster_dl_qgis.regions.tool import ADD, NEW, REMOVE, ClickTool

__all__ = ["RegionPanel"]

_HINT = "Click on the map: what is like that place is outlined."
_NEXT = "Enter keeps it, Esc drops it. Shift+click adds, Ctrl+click takes away."


class RegionPanel(QDockWidget):
    """Panel of a scene, classes and a tolerance; clicks on the map outline similar pixels.

    Parameters
    ----------
    canvas : the map.
    """

    def __init__(self, canvas: QgsMapCanvas, parent: QWidget | None = None) -> None:
        super().__init__("Outline areas by clicks", parent)
        self.setObjectName("GeoRasterDLRegions")
        self._canvas, self._before = canvas, None
        self._clicks, self._grown, self._keep_when_grown = [], None, False
        self._complaint = ""  # of a click that was left out
        self._kept: list[tuple[str, int]] = []  # layer and number of each polygon, for undo
        self.form = form = Form(_models())
        self.setWidget(form)
        self.server = RegionServer(self)
        self.server.grown.connect(self._show)
        self.server.opened.connect(self._warn)
        self.server.failed.connect(self._fail)
        self.server.working.connect(form.show_work)
        self.shown = ShownRegion(canvas)
        self.tool = ClickTool(canvas, self.take_key)
        self.tool.clicked.connect(self._click)
        self.tool.accepted.connect(self.keep)
        self.tool.turned.connect(form.turn)
        self.tool.deactivated.connect(self._lose_tool)
        form.clicking.toggled.connect(self._use_tool)
        form.changed.connect(self._grow)
        form.scene.layerChanged.connect(self.drop)
        form.layer.layerChanged.connect(self._take_layer)
        form.class_added.connect(self._restyle)
        form.class_chosen.connect(lambda: self.shown.paint(self.form.color()))
        form.keep.clicked.connect(self.keep)
        form.drop.clicked.connect(self.drop)
        form.undo.clicked.connect(self.undo)
        form.layer.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self._take_layer(form.layer.currentLayer())
        form.tell(_HINT)

    def take(self, layer) -> None:
        """Begin with a layer that is active in QGIS: as the scene, or as the polygons to add to."""
        if isinstance(layer, QgsRasterLayer):
            self.form.scene.setLayer(layer)
        elif isinstance(layer, QgsVectorLayer) and layer.fields().lookupField(FIELD) >= 0:
            self.form.layer.setLayer(layer)
        self.form.clicking.setChecked(True)

    def take_key(self, event) -> bool:
        """Act on a key; return whether the panel knows it."""
        key = event.key()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.keep()
        elif key == Qt.Key.Key_Escape:
            self.drop()
        elif event.matches(QKeySequence.StandardKey.Undo):
            self.undo()
        elif Qt.Key.Key_1 <= key <= Qt.Key.Key_9:
            self.form.choose(key - Qt.Key.Key_1)
        else:
            return False
        return True

    def keep(self) -> None:
        """Add the region that is shown to the layer, as a polygon of the chosen class."""
        if self._grown is None:
            self._keep_when_grown = bool(self._clicks)
            return
        name, scene = self.form.name(), self.form.scene.currentLayer()
        if not name:
            self._fail("Name a class first: type it under 'Classes' and press Enter.")
            return
        try:
            layer = self._layer(scene)
            number = add_polygon(layer, self.shown.outline, scene.crs(), name)
        except GeodlError as error:
            self._fail(str(error))
            return
        self._kept.append((layer.id(), number))
        self.drop()
        self.form.tell(f"Kept as <b>{name}</b> ({layer.featureCount()} polygons). {_HINT}")

    def drop(self, _layer=None) -> None:
        """Forget the region that is shown."""
        self.server.forget()
        self._clicks, self._grown, self._keep_when_grown = [], None, False
        self.shown.clear()
        self.form.allow(False)
        self.form.undo.setEnabled(bool(self._kept))
        self.form.tell(_HINT)

    def undo(self) -> None:
        """Take back the last click, else the last polygon."""
        if self._clicks:
            self._clicks.pop()
            if any(click["add"] for click in self._clicks):
                self._grow()
            else:
                self.drop()
        elif self._kept:
            owner, number = self._kept.pop()
            layer = QgsProject.instance().mapLayer(owner)
            if layer is not None:
                remove_polygon(layer, number)
                self.form.tell("The last polygon is gone again.")
            self.form.undo.setEnabled(bool(self._kept))

    def end(self) -> None:
        """End the process, and leave the map as it was."""
        self.drop()
        self._canvas.unsetMapTool(self.tool)
        self.server.stop()

    def closeEvent(self, event) -> None:
        self.end()
        super().closeEvent(event)

    def keyPressEvent(self, event) -> None:
        # Of a field, Enter and digits are text.
        if isinstance(self.focusWidget(), QLineEdit) or not self.take_key(event):
            super().keyPressEvent(event)

    def _use_tool(self, on: bool) -> None:
        if on:
            self._before = self._canvas.mapTool()
            self._canvas.setMapTool(self.tool)
            self._canvas.setFocus()
        elif self._canvas.mapTool() is self.tool:
            self._canvas.setMapTool(self._before) if self._before else self._canvas.unsetMapTool(
                self.tool
            )

    def _lose_tool(self) -> None:
        """Show that another tool of the map was chosen, and leave that as it is."""
        blocked = self.form.clicking.blockSignals(True)
        self.form.clicking.setChecked(False)
        self.form.clicking.blockSignals(blocked)

    def _click(self, place, what: str) -> None:
        scene = self.form.scene.currentLayer()
        if scene is None:
            self._fail("Choose a scene: add a raster to the project first.")
            return
        at = QgsCoordinateTransform(
            self._canvas.mapSettings().destinationCrs(), scene.crs(), QgsProject.instance()
        ).transform(place)
        if what == NEW or not self._clicks:
            self.drop()
            what = ADD
        self._clicks.append({"x": at.x(), "y": at.y(), "add": what != REMOVE})
        self.shown.mark(place, adds=what != REMOVE)
        self._grow()

    def _grow(self) -> None:
        """Ask for the region of the clicks with the tolerance as it is now."""
        if not self._clicks:
            return
        self._grown = None
        try:
            source = raster_source(self.form.scene.currentLayer())
        except GeodlError as error:
            self._fail(str(error))
            return
        self.shown.mark_only(self._clicks, self.form.scene.currentLayer().crs())
        self.form.undo.setEnabled(True)
        if not self.server.has_open(source, self.form.model()):
            self.form.tell("Opening the scene …")
        self.server.grow(source, self.form.model(), self._clicks, **self.form.how())

    def _show(self, answer: dict) -> None:
        self._grown = answer
        self.shown.show(answer["geometry"], self.form.scene.currentLayer(), self.form.color())
        area = answer["area_m2"]
        size = "" if area is None else f", {_area(area)}"
        cut = " It reaches the edge of the window: widen that to have all of it." * answer["cut"]
        self.form.tell(f"{self._complaint}<b>{answer['pixels']:,} pixels{size}.</b>{cut} {_NEXT}")
        self._complaint = ""
        self.form.allow(True)
        if self._keep_when_grown:
            self.keep()

    def _warn(self, answer: dict) -> None:
        self.form.remark(" ".join(answer["warnings"][:1]))

    def _fail(self, message: str) -> None:
        self.form.tell(message, wrong=True)
        if self._grown is None and self._clicks:
            # A click that cannot be used is as if it had not been made.
            self._clicks.pop()
            self._keep_when_grown, self._complaint = False, f"{message}<br>"
            self.shown.clear()
            self.form.allow(False)
            self._grow()

    def _layer(self, scene: QgsRasterLayer) -> QgsVectorLayer:
        layer = self.form.layer.currentLayer()
        if layer is None:
            layer = new_layer(scene.crs())
            self.form.layer.setLayer(layer)
            show_classes(layer, self.form.classes())
        return layer

    def _take_layer(self, layer) -> None:
        """Have the classes of the layer that polygons go into, and those that were typed."""
        if layer is not None and layer.fields().lookupField(FIELD) < 0:
            self._fail(
                f"{layer.name()!r} has no field 'class' for the class of each polygon; add one, or choose another layer."
            )
        elif layer is not None:
            self.form.list_classes(classes_of(layer))

    def _restyle(self) -> None:
        layer = self.form.layer.currentLayer()
        if layer is not None and layer.fields().lookupField(FIELD) >= 0:
            show_classes(layer, self.form.classes())


def _models() -> dict[str, str]:
    """List names or files of the models that can run, by their titles."""
    files = {Path(path).stem: path for path in own_models(IMAGES)}
    return {**files, **{str(row["name"]): str(row["name"]) for row in stored_models(IMAGES)}}


def _area(square_metres: float) -> str:
    if square_metres < 1000:
        return f"{square_metres:,.0f} m²"
    return (
        f"{square_metres / 1e4:,.2f} ha"
        if square_metres < 1e6
        else f"{square_metres / 1e6:,.2f} km²"
    )
