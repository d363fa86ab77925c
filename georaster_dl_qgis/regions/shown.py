"""The region as the map shows it: its outline and the clicks that made it."""

from __future__ import annotations

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsWkbTypes,
)
from qgis.gui import QgsMapCanvas, QgsRubberBand, QgsVertexMarker
from qgis.PyQt.QtGui import QColor

__all__ = ["ShownRegion"]

_ADDS, _REMOVES = "#1a7f37", "#c0392b"


class ShownRegion:
    """Outline and clicks on a map.

    Attributes
    ----------
    outline : in the CRS of the scene.
    """

    def __init__(self, canvas: QgsMapCanvas) -> None:
        self._canvas = canvas
        self.outline = QgsGeometry()
        self._marks: list[QgsVertexMarker] = []
        self._halo, self._band = (
            QgsRubberBand(canvas, QgsWkbTypes.GeometryType.PolygonGeometry) for _each in range(2)
        )
        # A pale line under the coloured one is seen on any ground.
        self._halo.setColor(QColor(255, 255, 255, 200))
        self._halo.setFillColor(QColor(0, 0, 0, 0))
        self._halo.setWidth(4)
        self._band.setWidth(2)

    def show(self, geometry: dict, scene: QgsRasterLayer, color: str) -> None:
        """Show an outline, given as GeoJSON in the CRS of the scene."""
        parts = geometry["coordinates"]
        parts = [parts] if geometry["type"] == "Polygon" else parts
        self.outline = QgsGeometry.fromMultiPolygonXY(
            [[[QgsPointXY(*place) for place in ring] for ring in rings] for rings in parts]
        )
        for band in (self._halo, self._band):
            band.setToGeometry(self.outline, scene.crs())
        self.paint(color)

    def paint(self, color: str) -> None:
        """Change the colour of the outline to that of a class."""
        fill = QColor(color)
        fill.setAlpha(90)
        self._band.setStrokeColor(QColor(color))
        self._band.setFillColor(fill)

    def mark(self, place: QgsPointXY, *, adds: bool) -> None:
        """Mark a click, in the CRS of the map."""
        mark = QgsVertexMarker(self._canvas)
        icon = QgsVertexMarker.IconType.ICON_CROSS if adds else QgsVertexMarker.IconType.ICON_X
        mark.setCenter(place)
        mark.setColor(QColor(_ADDS if adds else _REMOVES))
        mark.setIconType(icon)
        mark.setIconSize(11)
        mark.setPenWidth(3)
        self._marks.append(mark)

    def mark_only(self, clicks: list[dict], crs: QgsCoordinateReferenceSystem) -> None:
        """Mark these clicks, in another CRS than the map's, and no others."""
        self._unmark()
        to_map = QgsCoordinateTransform(
            crs, self._canvas.mapSettings().destinationCrs(), QgsProject.instance()
        )
        for click in clicks:
            self.mark(to_map.transform(QgsPointXY(click["x"], click["y"])), adds=click["add"])

    def clear(self) -> None:
        """Show nothing."""
        self.outline = QgsGeometry()
        for band in (self._halo, self._band):
            band.reset(QgsWkbTypes.GeometryType.PolygonGeometry)
        self._unmark()

    def _unmark(self) -> None:
        for mark in self._marks:
            self._canvas.scene().removeItem(mark)
        self._marks = []
