"""The tool on the map with which regions are clicked."""

from __future__ import annotations

from qgis.core import QgsPointXY
from qgis.gui import QgsMapCanvas, QgsMapTool
from qgis.PyQt.QtCore import Qt, pyqtSignal

__all__ = ["ADD", "NEW", "REMOVE", "ClickTool"]

NEW, ADD, REMOVE = "new", "add", "remove"
"""What a click does: begin a region, add to it, or keep something out of it."""


class ClickTool(QgsMapTool):
    """Clicks on the map: plain, with Shift, with Ctrl or the right button, and twice.

    Signals
    -------
    clicked : place in the map's CRS, and what the click does.
    accepted : a double click.
    turned : steps of the wheel with Shift, up or down.

    Parameters
    ----------
    key : takes a key event, and says whether it was meant for it.
    """

    clicked = pyqtSignal(QgsPointXY, str)
    accepted = pyqtSignal()
    turned = pyqtSignal(int)

    def __init__(self, canvas: QgsMapCanvas, key) -> None:
        super().__init__(canvas)
        self._key = key
        self._twice = False
        self.setCursor(Qt.CursorShape.CrossCursor)

    def canvasReleaseEvent(self, event) -> None:
        if self._twice:  # the end of a double click, whose first click was taken
            self._twice = False
            return
        right = event.button() == Qt.MouseButton.RightButton
        if event.button() != Qt.MouseButton.LeftButton and not right:
            return
        self.canvas().setFocus()  # for the keys
        held = event.modifiers()
        what = NEW
        if right or held & Qt.KeyboardModifier.ControlModifier:
            what = REMOVE
        elif held & Qt.KeyboardModifier.ShiftModifier:
            what = ADD
        self.clicked.emit(self.toMapCoordinates(event.pos()), what)

    def canvasDoubleClickEvent(self, _event) -> None:
        self._twice = True
        self.accepted.emit()

    def wheelEvent(self, event) -> None:
        if not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            event.ignore()  # the map zooms
            return
        turned = event.angleDelta().y() or event.angleDelta().x()
        self.turned.emit(1 if turned > 0 else -1)
        event.accept()

    def keyPressEvent(self, event) -> None:
        if self._key(event):
            event.accept()
        else:
            event.ignore()
