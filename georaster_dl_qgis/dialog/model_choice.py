"""Choice of a model that fits the scene of a window, asked of geodl in the background."""

from __future__ import annotations

from typing import Any, Callable

from processing.gui.AlgorithmDialog import AlgorithmDialog
from processing.tools.dataobjects import createContext
from qgis.core import QgsApplication, QgsProcessingUtils, QgsRasterLayer, QgsTask
from qgis.PyQt.QtCore import QObject, QTimer

from georaster_dl_qgis.program.models import own_models
from georaster_dl_qgis.program.runner import GeodlError, run
from georaster_dl_qgis.program.settings import child_environment, current_geodl

__all__ = ["ModelSuggestion", "best_model", "models_for"]

_MOST_OWN = 8  # files of models to try
_SCENES = ("INPUT", "SCENES", "BEFORE")
_PAUSE_MS = 300


def models_for(
    scene: str, own: list[str], cancelled: Callable[[], bool] = lambda: False
) -> list[dict[str, Any]]:
    """Rows of ``geodl models fit`` for a scene: own models, then bundled models.

    Raises
    ------
    GeodlError
        When geodl is missing or cannot read the scene.
    """
    command = [current_geodl().path, "models", "fit", scene, "--json"]
    for model in own:
        command += ["-m", model]
    return run(command, environment=child_environment(), cancelled=cancelled, grace=0).result


def best_model(rows: list[dict[str, Any]], tasks: tuple[str, ...], own: list[str]) -> str:
    """Choose the own model that was trained or used last, else a bundled one, of those that fit.

    A bundled model must know the bands by name, and the last one, of the demonstration, is never chosen.

    Parameters
    ----------
    rows : of ``models_for``.
    tasks : what the model may predict.
    own : files of own models, the last one first.

    Returns
    -------
    Name or file; empty where none will do.
    """
    fitting = [row for row in rows if row["fits"] and row["task"] in tasks]
    mine = [row["name"] for row in fitting if row["name"] in own]
    bundled = [row["name"] for row in rows[:-1] if row in fitting and row["by_name"]]
    return next(iter([*mine, *bundled]), "")


class ModelSuggestion(QObject):
    """Chooses the model in a window for the scene that is chosen there, until the user does.

    Parameters
    ----------
    window : of an algorithm with a model.
    wrappers : its fields by the names of the parameters.
    """

    def __init__(self, window: AlgorithmDialog, wrappers: dict[str, Any]) -> None:
        super().__init__(window)
        self._algorithm, self._wrappers = window.algorithm(), wrappers
        self._chosen = wrappers["MODEL"].parameterValue()
        self._question: _Question | None = None
        # A window that is closed at once, or a scene that is chosen on the way to another, asks nothing.
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._ask)
        self._pause.start()
        window.rejected.connect(self._stop)
        window.destroyed.connect(self._stop)
        for name in _SCENES:
            if name in wrappers:
                # A lambda would keep all of it alive after the window.
                wrappers[name].widgetValueHasChanged.connect(self._changed)

    def _changed(self, _wrapper: Any) -> None:
        self._pause.start()

    def _ask(self) -> None:
        self._stop()
        scene = self._scene()
        if scene and self._is_ours():
            own = own_models(self._algorithm.MODELS)[:_MOST_OWN]
            self._question = _Question(scene, own, self._told)
            QgsApplication.taskManager().addTask(self._question)

    def _scene(self) -> str:
        """Source of the first scene that is chosen, empty where there is none that geodl reads."""
        context = createContext()  # owns a layer that is no layer of the project
        for name in filter(self._wrappers.get, _SCENES):
            value = self._wrappers[name].parameterValue()
            first = next(iter(value), "") if isinstance(value, (list, tuple)) else value
            layer = QgsProcessingUtils.mapLayerFromString(str(first or ""), context)
            if isinstance(layer, QgsRasterLayer):
                return self._algorithm.source_of(layer)
        return ""

    def _is_ours(self) -> bool:
        """Whether the user chose no model."""
        file = self._wrappers["MODEL_FILE"].parameterValue()
        return not file and self._wrappers["MODEL"].parameterValue() == self._chosen

    def _told(self, rows: list[dict[str, Any]], own: list[str]) -> None:
        self._question = None
        model = best_model(rows, self._algorithm.TASKS, own)
        if self._is_ours():
            definition = self._algorithm.parameterDefinition("MODEL")
            value = model if model in definition.options() else definition.defaultValue()
            self._wrappers["MODEL"].setParameterValue(value, createContext())
            self._chosen = self._wrappers["MODEL"].parameterValue()

    def _stop(self, _window: Any = None) -> None:
        if self._question is not None:
            self._question.forget()
            self._question = None


class _Question(QgsTask):
    """Asks geodl which models fit a scene."""

    def __init__(self, scene: str, own: list[str], told) -> None:
        super().__init__("GeoRaster DL: looking for a model that fits", QgsTask.Flag.CanCancel)
        self._scene, self._own, self._told = scene, own, told
        self._rows: list[dict[str, Any]] = []

    def forget(self) -> None:
        """End without an answer."""
        self._told = None
        self.cancel()

    def run(self) -> bool:
        try:
            self._rows = models_for(self._scene, self._own, self.isCanceled)
        except GeodlError:  # the run says what is wrong with the scene
            return False
        return True

    def finished(self, well: bool) -> None:
        if well and self._told is not None:  # in the thread of the window
            self._told(self._rows, self._own)
