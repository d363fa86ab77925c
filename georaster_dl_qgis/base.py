"""What all algorithms have in common: geodl is started, followed, and its errors told."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

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

from .given import Given
from .installation import version_of
from .models import known_models
from .reporting import Teller, in_words
from .runner import CancelledError, Ended, GeodlError, run
from .settings import child_environment, current_geodl

__all__ = ["AUTOMATIC", "GeodlAlgorithm", "icon"]

AUTOMATIC = "automatic"
"""The choice that leaves the model to geodl."""


def icon() -> QIcon:
    """The plugin's icon."""
    return QIcon(str(Path(__file__).with_name("icon.svg")))


class GeodlAlgorithm(QgsProcessingAlgorithm):
    """An algorithm that is a command of geodl.

    A subclass states ``NAME``, ``TITLE``, ``HELP`` and ``TAGS``, adds its parameters in
    ``initAlgorithm``, and runs in ``execute``.
    """

    NAME = TITLE = HELP = ""
    TAGS = ("deep learning", "geodl", "georaster_dl")

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

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        try:
            return self.execute(Given(self, parameters, context), context, feedback)
        except CancelledError:
            return {}  # QGIS knows that it was cancelled, and by whom
        except GeodlError as error:
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
            line=feedback.pushConsoleInfo,
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
        names = [str(row["name"]) for row in rows]
        told = "; ".join(f"{row['name']}: {row['predicts']}, {row['resolution']}" for row in rows)
        choices = [AUTOMATIC, *names] if automatic or not names else names
        definition = QgsProcessingParameterEnum(
            "MODEL", "Model", options=choices, defaultValue=choices[0], usesStaticStrings=True
        )
        self.add(
            definition,
            f"{automatic} {told or 'Models are listed once geodl is installed.'}".strip(),
        )
        file = QgsProcessingParameterFile(
            "MODEL_FILE", "Own model (instead of the above)", extension="safetensors", optional=True
        )
        self.add(file, "A .safetensors file, such as 'Train a model' makes.")

    def model(self, given: Given) -> list[str]:
        """Arguments that name the chosen model."""
        file, name = given.text("MODEL_FILE"), given.choice("MODEL")
        if file:
            return ["-m", file]
        return [] if name in ("", AUTOMATIC) else ["-m", name]


def _pasteable(command: list[str]) -> str:
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)
