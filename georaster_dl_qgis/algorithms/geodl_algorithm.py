"""What all algorithms have in common: geodl is started, followed, and its errors told."""

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
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
)
from qgis.PyQt.QtGui import QIcon

from georaster_dl_qgis.dialog.selected_layers import Chosen
from georaster_dl_qgis.parameters.values import Given
from georaster_dl_qgis.program.installation import version_of
from georaster_dl_qgis.program.models import known_models, own_models, remember_own
from georaster_dl_qgis.program.runner import CancelledError, Ended, GeodlError, run
from georaster_dl_qgis.program.settings import child_environment, current_geodl
from georaster_dl_qgis.results.feedback import Teller, in_words

__all__ = ["AUTOMATIC", "GeodlAlgorithm", "icon"]

AUTOMATIC = "automatic"
"""The choice that leaves the model to geodl."""


def icon() -> QIcon:
    """The plugin's icon."""
    return QIcon(str(Path(__file__).parents[1] / "icon.svg"))


class GeodlAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that is a command of geodl.

    A subclass states ``NAME``, ``TITLE``, ``HELP`` and ``TAGS``, adds its parameters in
    ``initAlgorithm``, says in ``check`` what does not go together, and runs in ``execute``.
    """

    NAME = TITLE = HELP = ""
    TAGS = ("deep learning", "geodl", "georaster_dl")
    NOT_OPTIONAL: tuple[str, ...] = ()
    """Parameters without which something else must be given; a window does not call them optional."""
    CANCELLED = "Cancelled: nothing was made."
    """What is left of a run that was cancelled."""

    def createInstance(self) -> GeodlAlgorithm:
        return type(self)()

    def name(self) -> str:
        return self.NAME

    def displayName(self) -> str:
        return self.TITLE

    def shortHelpString(self) -> str:
        return self.HELP

    def tags(self) -> list[str]:
        return list(self.TAGS)

    def icon(self) -> QIcon:
        return icon()

    def canExecute(self) -> tuple[bool, str]:
        """What the window asks before it opens; qgis_process of QGIS 3.22 does not."""
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

        return Window(self, Chosen.in_window(utils.iface), parent)

    def opens_with(self, chosen: Chosen) -> dict[str, Any]:
        """Values of parameters with which a window opens; None leaves a list of layers unchosen."""
        return {}

    def checkParameterValues(
        self, parameters: dict[str, Any], context: QgsProcessingContext
    ) -> tuple[bool, str]:
        well, message = super().checkParameterValues(parameters, context)
        if well:
            try:
                self.check(Given(self, parameters, context))
            except GeodlError as error:
                return False, in_words(str(error))
        return well, message

    def check(self, given: Given) -> None:
        """Find what cannot be run before anything is.

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
        given = Given(self, parameters, context)
        try:
            self.check(given)  # a model of the designer has not asked
            return self.execute(given, context, feedback)
        except CancelledError:
            _forget_missing(context)
            feedback.pushInfo(self.CANCELLED)
            return {}
        except GeodlError as error:
            _forget_missing(context)
            raise QgsProcessingException(in_words(str(error))) from error

    def execute(
        self, given: Given, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Do it and give the outputs by their names.

        Raises
        ------
        GeodlError
            With what the user must know.
        """
        raise QgsProcessingException(f"{self.NAME} does nothing.")

    def geodl(self, arguments: list[str], feedback: QgsProcessingFeedback, **how: Any) -> Ended:
        """Run a command of geodl to its end, and tell how it goes."""
        found, environment = current_geodl(), child_environment()
        version = version_of(found, environment, feedback.isCanceled)
        feedback.pushInfo(f"geodl {version} at {found.path} ({found.origin})")
        feedback.pushCommandInfo(_pasteable(["geodl", *arguments]))
        teller = Teller(feedback)
        return run(
            [found.path, *arguments, "--parent-pipe"],
            environment=environment,
            event=teller.event,
            line=teller.line,
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

    def add_model(self, *, automatic: str = "") -> None:
        """Add the choice of a model; ``automatic`` says what happens where none is chosen."""
        rows = known_models()
        told = "; ".join(f"{row['name']}: {row['predicts']}, {row['resolution']}" for row in rows)
        names = [*(str(row["name"]) for row in rows), *own_models()]
        definition = QgsProcessingParameterEnum(
            "MODEL",
            "Model",
            options=[AUTOMATIC, *names] if automatic else names,
            defaultValue=AUTOMATIC if automatic else None,
            optional=not automatic,
            usesStaticStrings=True,
        )
        self.add(
            definition,
            f"{automatic} {told or 'Models are listed once geodl is installed.'}".strip(),
        )
        file = QgsProcessingParameterFile(
            "MODEL_FILE", "Or a file of a model", extension="safetensors", optional=True
        )
        self.add(
            file,
            "A .safetensors file, such as 'Train a model' makes; it wins, and is in the list above next time.",
        )

    def model(self, given: Given) -> list[str]:
        """Arguments that name the chosen model."""
        file, name = given.text("MODEL_FILE"), given.choice("MODEL")
        if file:
            return ["-m", file]
        return [] if name in ("", AUTOMATIC) else ["-m", name]

    def check_model(self, given: Given) -> None:
        """Find that no model is chosen."""
        if not given.text("MODEL_FILE") and not given.choice("MODEL"):
            raise GeodlError("Choose a model in the list, or give the file of one.")

    def keep_model(self, given: Given) -> None:
        """Have a file that was used in the list of models from now on."""
        if given.text("MODEL_FILE"):
            remember_own(given.text("MODEL_FILE"))


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
