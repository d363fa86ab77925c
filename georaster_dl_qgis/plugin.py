"""The plugin: its provider, a toolbar with the steps of a newcomer, and entries in the Raster menu."""

from __future__ import annotations

from pathlib import Path

from qgis.core import Qgis, QgsApplication
from qgis.PyQt.QtCore import Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QIcon
from qgis.PyQt.QtWidgets import QAction, QPushButton

from georaster_dl_qgis.algorithms.geodl_algorithm import HELP_PAGE, icon
from georaster_dl_qgis.program.settings import GROUP, has_geodl
from georaster_dl_qgis.provider import Provider

__all__ = ["Plugin"]

# Text, algorithm, picture, and what it is for.
_STEPS = (
    ("Map", "segment", "step_map.svg", "Map a scene with a model"),
    ("Train", "train", "step_train.svg", "Train a model on your own labels"),
    ("Evaluate", "evaluate", "step_evaluate.svg", "Measure a map by a reference"),
)


class Plugin:
    """Plugin as QGIS loads it.

    Parameters
    ----------
    iface : QGIS's window; None in ``qgis_process``.
    """

    def __init__(self, iface) -> None:
        self._iface = iface
        self._provider = None
        self._actions = []
        self._toolbar = None
        self._panel = None
        self._regions = None

    def initProcessing(self) -> None:
        """Add the algorithms; all that ``qgis_process`` asks for."""
        self._provider = Provider(windowed=self._iface is not None)
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add the algorithms, the toolbar and the menu to a window."""
        self.initProcessing()
        self._toolbar = self._iface.addToolBar(GROUP)
        self._toolbar.setObjectName("GeoRasterDL")
        self._toolbar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        for text, name, picture, purpose in _STEPS:
            drawn = QIcon(str(Path(__file__).with_name(picture)))
            action = self._action(drawn, text, lambda _checked=False, name=name: self._open(name))
            action.setToolTip(f"{purpose} (GeoRaster DL)")
            self._toolbar.addAction(action)
        labelling = self._action(
            QIcon(str(Path(__file__).with_name("step_label.svg"))), "Label", self._label
        )
        labelling.setToolTip(
            "Label the points or areas of the active layer, a click each (GeoRaster DL)"
        )
        self._toolbar.addAction(labelling)
        outlining = self._action(
            QIcon(str(Path(__file__).with_name("step_outline.svg"))), "Outline", self._outline
        )
        outlining.setToolTip(
            "Outline areas of the active scene by clicks, as labels (GeoRaster DL)"
        )
        self._toolbar.addAction(outlining)
        self._action(icon(), "Check or install geodl…", lambda: self._open("setup"))
        self._action(icon(), "Help", lambda: QDesktopServices.openUrl(QUrl(HELP_PAGE)))
        if not has_geodl():
            self._offer()

    def _action(self, picture: QIcon, text: str, does) -> QAction:
        """Add an entry to the menu."""
        action = QAction(picture, text, self._iface.mainWindow())
        action.triggered.connect(does)
        self._iface.addPluginToRasterMenu(GROUP, action)
        self._actions.append(action)
        return action

    def unload(self) -> None:
        """Take all of it away again."""
        for action in self._actions:
            self._iface.removePluginRasterMenu(GROUP, action)
        self._actions = []
        if self._regions is not None:
            self._regions.end()
        for widget in (self._toolbar, self._panel, self._regions):
            if widget is not None:
                widget.deleteLater()
        self._toolbar = self._panel = self._regions = None
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None

    def _open(self, name: str) -> None:
        from processing import execAlgorithmDialog

        execAlgorithmDialog(f"georaster_dl:{name}", {})

    def _label(self) -> None:
        """Open the panel for the active layer."""
        from georaster_dl_qgis.dialog.label_panel import LabelPanel, can_label

        layer = self._iface.activeLayer()
        if not can_label(layer):
            self._iface.messageBar().pushMessage(
                GROUP,
                "Choose the layer of points or areas to label in the Layers panel; 'Sample points to label' and "
                "'Propose areas to label' make them.",
                Qgis.MessageLevel.Info,
            )
            return
        if self._panel is None:
            self._panel = LabelPanel(self._iface.mapCanvas(), self._iface.mainWindow())
            self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self._panel)
        self._panel.show()
        self._panel.take(layer)

    def _outline(self) -> None:
        """Open the panel in which areas are outlined by clicks."""
        from georaster_dl_qgis.regions.panel import RegionPanel

        if self._regions is None:
            self._regions = RegionPanel(self._iface.mapCanvas(), self._iface.mainWindow())
            self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self._regions)
        self._regions.show()
        self._regions.take(self._iface.activeLayer())

    def _offer(self) -> None:
        """Say once a session that geodl is missing, with the way to get it."""
        bar = self._iface.messageBar()
        message = bar.createMessage(
            GROUP, "The program geodl, which does the work, is not installed."
        )
        button = QPushButton("Install…")
        button.clicked.connect(lambda: (bar.popWidget(message), self._open("setup")))
        message.layout().addWidget(button)
        bar.pushWidget(message, Qgis.MessageLevel.Info)
