"""The field for the names of a scene's bands, with a table to choose them in."""

from __future__ import annotations

from processing.tools.dataobjects import createContext
from qgis.core import QgsApplication, QgsProcessingUtils, QgsRasterLayer
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QMessageBox,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from georaster_dl_qgis.dialog.name_line import NameLine
from georaster_dl_qgis.program.models import AUTOMATIC
from georaster_dl_qgis.program.runner import GeodlError, run
from georaster_dl_qgis.program.settings import child_environment, current_geodl

__all__ = ["BandNames", "BandTable", "bands_of_model"]

_LANDCOVER = "s2-landcover"  # what geodl takes where no model is chosen


def bands_of_model(model: str) -> list[tuple[str, str]]:
    """Name of each band that a model reads, and the same with its wavelength for people.

    Raises
    ------
    GeodlError
        When geodl is missing, or does not know the model.
    """
    command = [current_geodl().path, "models", "show", model, "--json"]
    bands = run(command, environment=child_environment(), grace=0).result["bands"]
    help_text = []
    for band in bands:
        nm = band.get("wavelength_nm")
        help_text.append((band["name"], f"{band['name']} ({nm:.0f} nm)" if nm else band["name"]))
    return help_text


class BandTable(QDialog):
    """A name for each band of a scene.

    Parameters
    ----------
    layer : the scene.
    known : names that the model knows, and what is shown for each.
    values : names that were given before.
    """

    def __init__(
        self,
        layer: QgsRasterLayer,
        known: list[tuple[str, str]],
        values: list[str],
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Bands of {layer.name()}")
        self._table = QTableWidget(layer.bandCount(), 2)
        self._table.setHorizontalHeaderLabels(["Band of the file", "Is this band of the model"])
        for row in range(layer.bandCount()):
            title = QTableWidgetItem(layer.bandName(row + 1))
            title.setFlags(title.flags() & ~Qt.ItemFlag.ItemIsEditable)
            self._table.setItem(row, 0, title)
            before = values[row] if row < len(values) else ""
            self._table.setCellWidget(row, 1, _choice(known, layer.bandName(row + 1), before))
        self._table.resizeColumnsToContents()
        self._table.horizontalHeader().setStretchLastSection(True)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel("Bands that the model does not know are left out; any name does."))
        layout.addWidget(self._table)
        layout.addWidget(buttons)
        self.resize(460, 420)

    def names(self) -> list[str]:
        """List the names of the bands in file order; a band without a name has its number."""
        selected = (self._table.cellWidget(row, 1) for row in range(self._table.rowCount()))
        return [_name(box) or f"band{row}" for row, box in enumerate(selected, 1)]


def _choice(known: list[tuple[str, str]], title: str, before: str) -> QComboBox:
    box = QComboBox()
    box.setEditable(True)
    box.addItem("", "")
    for name, shown in known:
        box.addItem(shown, name)
    # "Band 3: B04" says which it is; "Band 3" does not.
    stated = title.partition(":")[2].split("(")[0].strip()
    wanted = (before or stated).casefold()
    found = [i for i, (name, _shown) in enumerate(known, 1) if name.casefold() == wanted]
    if found:
        box.setCurrentIndex(found[0])
    else:
        box.setEditText(before)
    return box


def _name(box: QComboBox) -> str:
    index = box.findText(box.currentText())
    return box.itemData(index) if index >= 0 else box.currentText().strip().replace(",", " ")


class BandNames(NameLine):
    """A line of names, and a button that opens the table for the chosen scene and model."""

    def createWidget(self) -> QWidget:
        button = QToolButton()
        button.setText("…")
        button.setToolTip("Choose a name for each band")
        button.clicked.connect(self._choose)
        widget = self.beside(button)
        self._line.setPlaceholderText("as the file says")
        return widget

    def table(self) -> BandTable:
        """Fill the table for the scene and model that are chosen now.

        Raises
        ------
        GeodlError
            When no scene is chosen, or geodl cannot tell the model's bands.
        """
        context = createContext()
        selected = {
            name: self._others[name].parameterValue()
            for name in ("INPUT", "BEFORE", "SCENES", "MODEL", "MODEL_FILE")
            if name in self._others
        }
        first = next(iter(selected.get("SCENES") or []), "")
        source = selected.get("INPUT") or selected.get("BEFORE") or first
        scene = QgsProcessingUtils.mapLayerFromString(str(source), context)
        if not isinstance(scene, QgsRasterLayer):
            raise GeodlError("Choose a scene first; its bands are listed then.")
        model = selected.get("MODEL_FILE") or selected.get("MODEL") or AUTOMATIC
        known = bands_of_model(_LANDCOVER if model == AUTOMATIC else str(model))
        values = [name.strip() for name in self.value().split(",")]
        return BandTable(scene, known, values, self._line)

    def _choose(self) -> None:
        QgsApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            table = self.table()
        except GeodlError as error:
            QgsApplication.restoreOverrideCursor()
            QMessageBox.warning(self._line, "Names of the bands", str(error))
            return
        QgsApplication.restoreOverrideCursor()
        if table.exec():
            self.setValue(",".join(table.names()))
