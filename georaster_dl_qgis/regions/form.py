"""Fields of the panel: scene, model, tolerance, classes, and the layer of the polygons."""

from __future__ import annotations

from qgis.core import QgsMapLayerProxyModel
from qgis.gui import QgsMapLayerComboBox
from qgis.PyQt.QtCore import QSize, Qt, QTimer, pyqtSignal
from qgis.PyQt.QtGui import QColor, QIcon, QPixmap
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from georaster_dl_qgis.regions.labels import COLORS

__all__ = ["Form"]

_STEPS, _STEP, _USUAL = 100, 0.02, 25  # of the slider: 0.02 to 2, at first 0.5
_PAUSE_MS = 60
_KEYS = 9
_COLOR = Qt.ItemDataRole.UserRole


class Form(QWidget):
    """Fields and buttons.

    Signals
    -------
    changed : tolerance, window or model.
    class_added, class_chosen : of the list of classes.

    Parameters
    ----------
    models : names or files of models, by what the list shows.
    """

    changed = pyqtSignal()
    class_added = pyqtSignal()
    class_chosen = pyqtSignal()

    def __init__(self, models: dict[str, str]) -> None:
        super().__init__()
        self.clicking = QPushButton("Click on the map")
        self.clicking.setCheckable(True)
        self.clicking.setToolTip("While this is on, clicks on the map outline areas")
        self.scene, self.layer = QgsMapLayerComboBox(), QgsMapLayerComboBox()
        self.scene.setFilters(QgsMapLayerProxyModel.Filter.RasterLayer)
        self.layer.setFilters(QgsMapLayerProxyModel.Filter.PolygonLayer)
        self.layer.setAllowEmptyLayer(True)
        self.layer.setToolTip("Layer of polygons with the field 'class'; empty: a new one is made")
        self.layer.setLayer(None)
        self._compared = QComboBox()
        self._compared.addItem("spectra", "")
        for shown, model in models.items():
            self._compared.addItem(f"features of {shown}", model)
        self._compared.setToolTip(
            "What makes pixels alike: their values, or what a network sees there"
        )
        self._tolerance = QSlider(Qt.Orientation.Horizontal)
        self._tolerance.setRange(1, _STEPS)
        self._tolerance.setValue(_USUAL)
        self._tolerance.setToolTip("Shift and the wheel on the map do the same")
        self._shown = QLabel()
        self._window = QSpinBox()
        self._window.setRange(64, 2048)
        self._window.setSingleStep(64)
        self._window.setValue(512)
        self._window.setSuffix(" pixels")
        self._window.setToolTip("Side of the square around a click in which pixels are compared")
        self._classes = QListWidget()
        self._classes.setIconSize(QSize(14, 14))
        self._new = QLineEdit()
        self._new.setPlaceholderText("new class, then Enter")
        self.keep, self.drop, self.undo = (QPushButton(text) for text in ("Keep", "Drop", "Undo"))
        self._told, self._remark, self._work = QLabel(), QLabel(), QProgressBar()
        self._pause = QTimer(self)
        self._lay_out()
        self._connect()
        self.allow(False)
        self.undo.setEnabled(False)
        self._show_tolerance()

    def _lay_out(self) -> None:
        tolerance, buttons = QHBoxLayout(), QHBoxLayout()
        self._shown.setMinimumWidth(32)
        tolerance.addWidget(self._tolerance)
        tolerance.addWidget(self._shown)
        for button, tip in ((self.keep, "Enter"), (self.drop, "Esc"), (self.undo, "Ctrl+Z")):
            button.setToolTip(tip)
            buttons.addWidget(button)
        rows = QFormLayout()
        rows.addRow("Scene", self.scene)
        rows.addRow("Alike by", self._compared)
        rows.addRow("Tolerance", tolerance)
        rows.addRow("Window", self._window)
        rows.addRow("Into", self.layer)
        for label in (self._told, self._remark):
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.RichText)
        self._told.setMinimumHeight(4 * self.fontMetrics().lineSpacing())  # so that nothing jumps
        self._told.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._remark.hide()
        self._work.setRange(0, 0)
        self._work.setTextVisible(False)
        self._work.setMaximumHeight(4)
        policy = self._work.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self._work.setSizePolicy(policy)
        self._work.hide()
        column = QVBoxLayout(self)
        column.addWidget(self.clicking)
        column.addLayout(rows)
        column.addWidget(QLabel("Classes (keys 1 to 9)"))
        column.addWidget(self._classes, 1)
        column.addWidget(self._new)
        column.addWidget(self._work)
        column.addWidget(self._told)
        column.addWidget(self._remark)
        column.addLayout(buttons)

    def _connect(self) -> None:
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self.changed)
        self._tolerance.valueChanged.connect(self._show_tolerance)
        for signal in (
            self._tolerance.valueChanged,
            self._window.valueChanged,
            self._compared.currentIndexChanged,
        ):
            signal.connect(lambda _value: self._pause.start())
        self._new.returnPressed.connect(self._add_typed)
        self._classes.currentRowChanged.connect(lambda _row: self.class_chosen.emit())

    def turn(self, steps: int) -> None:
        """Move the slider by some steps."""
        self._tolerance.setValue(self._tolerance.value() + steps)

    def how(self) -> dict[str, float]:
        """Tolerance and window of a request."""
        return {
            "tolerance": round(self._tolerance.value() * _STEP, 4),
            "window": self._window.value(),
        }

    def model(self) -> str:
        """Name or file of the model whose features are compared; empty for spectra."""
        return self._compared.currentData() or ""

    def classes(self) -> dict[str, str]:
        """Colours of the classes by their names."""
        rows = (self._classes.item(row) for row in range(self._classes.count()))
        return {item.toolTip(): item.data(_COLOR) for item in rows}

    def list_classes(self, classes: dict[str, str]) -> None:
        """List classes, given as their colours by their names, and those of the list that are not among them."""
        chosen, others = self.name(), self.classes()
        self._classes.clear()
        for name, color in {
            **classes,
            **{n: c for n, c in others.items() if n not in classes},
        }.items():
            self._list(name, color)
        names = list(self.classes())
        if names:
            self._classes.setCurrentRow(names.index(chosen) if chosen in names else 0)

    def add_class(self, name: str) -> None:
        """Add a class to the list, and choose it."""
        names = self.classes()
        if name not in names:
            free = [color for color in COLORS if color not in names.values()]
            self._list(name, free[0] if free else COLORS[len(names) % len(COLORS)])
            self.class_added.emit()
        self._classes.setCurrentRow(list(self.classes()).index(name))

    def choose(self, row: int) -> None:
        """Choose the class in a row of the list; a row beyond the last changes nothing."""
        if row < self._classes.count():
            self._classes.setCurrentRow(row)

    def name(self) -> str:
        """Name of the chosen class; empty where there is none."""
        item = self._classes.currentItem()
        return "" if item is None else item.toolTip()

    def color(self) -> str:
        """Colour of the chosen class."""
        item = self._classes.currentItem()
        return "#ff9f1c" if item is None else item.data(_COLOR)

    def tell(self, text: str, *, wrong: bool = False) -> None:
        """Show a message; an error in red."""
        self._told.setStyleSheet("color: #b00020;" if wrong else "")
        self._told.setText(text)

    def remark(self, text: str) -> None:
        """Show a doubt about the scene; none where the text is empty."""
        self._remark.setText(f"<small>{text}</small>")
        self._remark.setVisible(bool(text))

    def show_work(self, on: bool) -> None:
        """Show that an answer is awaited."""
        self._work.setVisible(on)

    def allow(self, on: bool) -> None:
        """Whether there is a region to keep or to drop."""
        self.keep.setEnabled(on)
        self.drop.setEnabled(on)

    def _list(self, name: str, color: str) -> None:
        number = self._classes.count() + 1
        square = QPixmap(14, 14)
        square.fill(QColor(color))
        icon = QIcon(square)
        icon.addPixmap(square, QIcon.Mode.Selected)  # else it is tinted
        item = QListWidgetItem(
            icon, f"{number}  {name}" if number <= _KEYS else f"    {name}", self._classes
        )
        item.setToolTip(name)
        item.setData(_COLOR, color)

    def _add_typed(self) -> None:
        name = self._new.text().strip()
        if name:
            self._new.clear()
            self.add_class(name)

    def _show_tolerance(self, _value: int = 0) -> None:
        self._shown.setText(f"{self._tolerance.value() * _STEP:.2f}")
