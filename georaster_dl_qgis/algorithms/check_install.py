"""Whether geodl is there and works; and how it comes there without a terminal."""

from __future__ import annotations

import os
from typing import Any

from qgis.core import (
    QgsProcessingOutputString,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterString,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.program.installation import NEEDED, find_python, install, version_of
from georaster_dl_qgis.program.models import fetch_models, store_models
from georaster_dl_qgis.program.runner import CancelledError, GeodlError, run
from georaster_dl_qgis.program.settings import child_environment, current_geodl

__all__ = ["Setup"]

_PROBLEMS = 1  # exit status of geodl doctor
_CHECK, _MISSING, _ALWAYS = "check only", "install if it is missing or too old", "install or update"


class Setup(GeodlAlgorithm):
    """Checks geodl, and installs it into an environment of its own."""

    NAME = "setup"
    TITLE = "Check or install geodl"
    TAGS = (*GeodlAlgorithm.TAGS, "install", "update", "doctor", "check")
    HELP = (
        "Checks the program geodl, which does the work of this plugin, and installs it where it is missing. "
        "What it says at the end ('geodl doctor') belongs into every bug report.\n\n"
        "It goes into a virtual environment of its own in your home folder (.georaster_dl), made with a Python "
        "that is on this computer, or with uv. QGIS's own Python is never touched. PyTorch takes several "
        "gigabytes; the download takes minutes.\n\n"
        "Whoever has geodl already sets its path in Settings > Options > Processing > Providers > GeoRaster DL."
    )

    def initAlgorithm(self, configuration=None) -> None:
        choices = [_MISSING, _CHECK, _ALWAYS]
        what = QgsProcessingParameterEnum(
            "WHAT", "What to do", options=choices, defaultValue=_MISSING, usesStaticStrings=True
        )
        self.add(
            what, "An update makes a new environment and drops the old one when the new one works."
        )
        python = QgsProcessingParameterFile(
            "PYTHON", "Python to use", optional=True, fileFilter="Programs (*)"
        )
        self.add(
            python, "Program of a Python 3.11 or newer; empty: found on the PATH.", advanced=True
        )
        source = QgsProcessingParameterString(
            "SOURCE", "What to install", defaultValue=f"georaster_dl>={NEEDED[0]}.{NEEDED[1]}"
        )
        self.add(
            source,
            "What pip installs: a requirement, a wheel file, or a folder with the source.",
            advanced=True,
        )
        self.addOutput(QgsProcessingOutputString("GEODL", "Path of geodl"))
        self.addOutput(QgsProcessingOutputString("VERSION", "Version of geodl"))

    def canExecute(self) -> tuple[bool, str]:
        return True, ""

    def execute(self, values, context, feedback) -> dict[str, Any]:
        what = values.choice("WHAT")
        if what == _ALWAYS:
            self._install(values, feedback)
        else:
            try:
                version_of(current_geodl(), os.environ, feedback.isCanceled)
            except CancelledError:
                raise
            except GeodlError as error:
                if what == _CHECK:
                    raise
                feedback.pushInfo(str(error))
                self._install(values, feedback)
        return self._checked(feedback)

    def _install(self, values, feedback) -> None:
        def stage(percent: float, text: str) -> None:
            feedback.setProgress(percent)
            feedback.setProgressText(text)
            feedback.pushInfo(text)

        stage(0, "Looking for a Python")
        python = find_python(values.text("PYTHON"), os.environ, feedback.isCanceled)
        install(
            python,
            values.text("SOURCE"),
            os.environ,
            line=feedback.pushConsoleInfo,
            stage=stage,
            cancelled=feedback.isCanceled,
        )

    def _checked(self, feedback) -> dict[str, Any]:
        """Find the installed geodl as all other algorithms do."""
        found, environment = current_geodl(), child_environment()
        version = version_of(found, os.environ, feedback.isCanceled)
        store_models(found, fetch_models(found, feedback.isCanceled))
        ended = run(
            [found.path, "doctor"],
            environment=environment,
            line=feedback.pushInfo,
            cancelled=feedback.isCanceled,
            grace=0,
            accepted=(0, _PROBLEMS),
        )
        feedback.setProgress(100)
        if ended.code == _PROBLEMS:
            raise GeodlError(
                f"geodl {version} at {found.path} has problems; they stand above, with what to do."
            )
        feedback.pushInfo(f"geodl {version} at {found.path} ({found.origin}) is ready.")
        return {"GEODL": str(found.path), "VERSION": version}
