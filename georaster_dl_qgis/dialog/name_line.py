"""Fields of a line of names with a button beside it."""

from __future__ import annotations

from processing.gui.wrappers import WidgetWrapper
from qgis.PyQt.QtWidgets import QHBoxLayout, QLineEdit, QToolButton, QWidget

__all__ = ["NameLine"]


class NameLine(WidgetWrapper):
    """A line of names, and a button that helps to fill it; knows the other fields of the window."""

    def beside(self, button: QToolButton) -> QWidget:
        """Make the widget: an empty line, and the button beside it."""
        self._line = QLineEdit()
        widget = QWidget()
        layout = QHBoxLayout(widget)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._line)
        layout.addWidget(button)
        self._others = {}
        return widget

    def postInitialize(self, wrappers) -> None:
        self._others = {wrapper.parameterDefinition().name(): wrapper for wrapper in wrappers}

    def setValue(self, value) -> None:
        self._line.setText(str(value or ""))

    def value(self) -> str:
        return self._line.text()
