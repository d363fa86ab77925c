"""Base of all algorithms: starts geodl, follows its events and shows its errors."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

from qgis import utils
from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterDefinition,
)
from qgis.PyQt.QtGui import QIcon

from georaster_dl_qgis.algorithms.lasting_files import LastingFiles
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.values import ParameterValues
from georaster_dl_qgis.program.installation import version_of
from georaster_dl_qgis.program.runner import CancelledError, Ended, GeodlError, run
from georaster_dl_qgis.program.settings import child_environment, current_geodl
from georaster_dl_qgis.results.feedback import EventFeedback, in_words

__all__ = ["HELP_PAGE", "GeodlAlgorithm", "icon"]

HELP_PAGE = "https://github.com/georaster-dl/georaster_dl/blob/main/docs/qgis.md"


def icon() -> QIcon:
    """The plugin's icon."""
    return QIcon(str(Path(__file__).parents[1] / "icon.svg"))


class GeodlAlgorithm(LastingFiles, QgsProcessingAlgorithm):
    """An algorithm that is a command of geodl.

    A subclass states ``NAME``, ``TITLE``, ``HELP`` and ``TAGS``, adds its parameters in
    ``initAlgorithm``, says in ``check`` what does not go together, and runs in ``execute``.
    """

    NAME = TITLE = HELP = GROUP = ""
    TAGS = ("deep learning", "geodl", "georaster_dl")
    NOT_OPTIONAL: tuple[str, ...] = ()
    """Parameters without which something else must be given; a window does not call them optional."""
    CANCELLED = "Cancelled: no file was made, and nothing is left of it."
    """What is left of a run that was cancelled."""

    def createInstance(self) -> GeodlAlgorithm:
        return type(self)()

    def name(self) -> str:
        return self.NAME

    def displayName(self) -> str:
        return self.TITLE

    def group(self) -> str:
        return self.GROUP

    def groupId(self) -> str:
        return self.GROUP.lower().replace(" ", "_")

    def shortHelpString(self) -> str:
        return self.HELP

    def helpUrl(self) -> str:
        return HELP_PAGE

    def tags(self) -> list[str]:
        return list(self.TAGS)

    def icon(self) -> QIcon:
        return icon()

    def canExecute(self) -> tuple[bool, str]:
        """Check for geodl before the dialog opens; qgis_process of QGIS 3.22 does not ask."""
        try:
            current_geodl()
        except GeodlError as error:
            return False, str(error)
        return True, ""

    def createCustomParametersWidget(self, parent=None):
        """The window in which QGIS asks for the parameters."""
        from georaster_dl_qgis.dialog.algorithm_dialog import (
            Window,  # needs a display, which qgis_process has not
        )

        return Window(self, SelectedLayers.in_window(utils.iface), parent)

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        """Values of parameters with which a window opens; None leaves a list of layers unchosen."""
        return {}

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        well, message = super().checkParameterValues(parameters, context)
        if well:
            try:
                self.check(ParameterValues(self, parameters, context))
            except GeodlError as error:
                return False, in_words(str(error))
        return well, message

    def check(self, values: ParameterValues) -> None:
        """Check the parameters before anything runs.

        Raises
        ------
        GeodlError
            With what the user must change.
        """

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        values = ParameterValues(self, parameters, context)
        try:
            self.check(values)  # a model of the designer has not asked
            return self.execute(values, context, feedback)
        except CancelledError:
            _forget_missing(context)
            feedback.pushInfo(self.CANCELLED)
            return {}
        except GeodlError as error:
            _forget_missing(context)
            raise QgsProcessingException(in_words(str(error))) from error

    def execute(
        self,
        values: ParameterValues,
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Do it and give the outputs by their names.

        Raises
        ------
        GeodlError
            With what the user must know.
        """
        raise QgsProcessingException(f"{self.NAME} does nothing.")

    def geodl(self, arguments: list[str], feedback: QgsProcessingFeedback, **how: Any) -> Ended:
        """Run a command of geodl to its end, and show its progress."""
        found, environment = current_geodl(), child_environment()
        version = version_of(found, environment, feedback.isCanceled)
        feedback.pushInfo(f"geodl {version} at {found.path} ({found.origin})")
        feedback.pushCommandInfo(_pasteable(["geodl", *arguments]))
        events = EventFeedback(feedback)
        return run(
            [found.path, *arguments, "--parent-pipe"],
            environment=environment,
            event=events.event,
            line=events.line,
            cancelled=feedback.isCanceled,
            **how,
        )

    def add(
        self, definition: QgsProcessingParameterDefinition, help: str, *, advanced: bool = False
    ) -> None:
        """Add a parameter with its help."""
        definition.setHelp(help)
        if advanced:
            hidden = QgsProcessingParameterDefinition.Flag.FlagAdvanced
            definition.setFlags(definition.flags() | hidden)
        self.addParameter(definition)


def _pasteable(command: list[str]) -> str:
    """A command as a terminal takes it."""
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def _forget_missing(context: QgsProcessingContext) -> None:
    """Load nothing that was not made; QGIS would call that an error of its own."""
    loads = context.layersToLoadOnCompletion()
    made = {path: how for path, how in loads.items() if not _is_missing(Path(path))}
    context.setLayersToLoadOnCompletion(made)


def _is_missing(path: Path) -> bool:
    return path.is_absolute() and not path.exists()  # what is no path is a layer in memory
