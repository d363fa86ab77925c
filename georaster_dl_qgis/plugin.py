"""The plugin: its provider, and two entries in the Raster menu."""

from __future__ import annotations

from qgis.core import Qgis, QgsApplication
from qgis.PyQt.QtWidgets import QAction, QPushButton

from georaster_dl_qgis.algorithms.geodl_algorithm import icon
from georaster_dl_qgis.program.settings import GROUP, has_geodl
from georaster_dl_qgis.provider import Provider

__all__ = ["Plugin"]

_MENU = (
    ("Segment a scene…", "segment"),
    ("Check or install geodl…", "setup"),
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

    def initProcessing(self) -> None:
        """Add the algorithms; all that ``qgis_process`` asks for."""
        self._provider = Provider(windowed=self._iface is not None)
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add the algorithms and the menu to a window."""
        self.initProcessing()
        for text, name in _MENU:
            action = QAction(icon(), text, self._iface.mainWindow())
            action.triggered.connect(lambda _checked=False, name=name: self._open(name))
            self._iface.addPluginToRasterMenu(GROUP, action)
            self._actions.append(action)
        if not has_geodl():
            self._offer()

    def unload(self) -> None:
        """Take all of it away again."""
        for action in self._actions:
            self._iface.removePluginRasterMenu(GROUP, action)
        self._actions = []
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)
            self._provider = None

    def _open(self, name: str) -> None:
        from processing import execAlgorithmDialog

        execAlgorithmDialog(f"georaster_dl:{name}", {})

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
