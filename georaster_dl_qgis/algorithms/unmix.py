"""Algorithm that maps the fractions of materials in each pixel."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
)

from georaster_dl_qgis.algorithms.scene_algorithm import SceneAlgorithm
from georaster_dl_qgis.algorithms.scene_reading import add_reading, reading
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["Unmix"]


class Unmix(SceneAlgorithm):
    """Runs ``geodl unmix``."""

    NAME = "unmix"
    TITLE = "Unmix pixels into materials"
    GROUP = "Maps"
    TAGS = (*SceneAlgorithm.TAGS, "unmixing", "endmembers", "fractions", "hyperspectral", "library")
    HELP = (
        "Finds the pure spectra (members) that the pixels of a scene are mixed of, or takes those of a library, and "
        "maps the fraction of each, one band from 0 to 1 for each member. No labels are needed; the more bands, the "
        "more materials can be told apart.\n\n"
        "The members are written beside the map as a table (.csv), which can be given as a library again, and as a "
        "picture. Where the error is high, a material is missing among them."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_scene()
        count = QgsProcessingParameterNumber(
            "K",
            "Number of members (empty: found by the error)",
            optional=True,
            minValue=2,
            maxValue=64,
        )
        self.add(count, "Members that are searched in the scene; not with a library.")
        library = QgsProcessingParameterFile("MEMBERS", "Or a library of spectra", optional=True)
        self.add(
            library,
            "ENVI library (.sli), .csv or another table of spectra, brought to the scene's bands by their wavelengths.",
        )
        field = QgsProcessingParameterString(
            "CLASS_FIELD", "Column of the library with classes", optional=True
        )
        self.add(field, "The mean of each class is a member; empty: each spectrum is.")
        scale = QgsProcessingParameterNumber(
            "MEMBERS_SCALE",
            "Factor of the library's numbers",
            QgsProcessingParameterNumber.Type.Double,
            optional=True,
        )
        self.add(
            scale, "0.0001 where reflectances are whole numbers of 0 to 10,000.", advanced=True
        )
        shade = QgsProcessingParameterBoolean("SHADE", "Let shade take part", defaultValue=False)
        self.add(shade, "Black is a further member; fractions are then of what is lit.")
        add_reading(self)
        fractions = QgsProcessingParameterRasterDestination("OUTPUT", "Fractions")
        self.add(fractions, "GeoTIFF with one band per member.")
        error = QgsProcessingParameterRasterDestination(
            "ERROR", "Error", optional=True, createByDefault=False
        )
        self.add(error, "What the members leave unexplained, in the unit of the scene.")
        self.add_model_output("SAVE_MODEL", wanted=True)

    def check(self, values) -> None:
        self.scene(values)
        if values.text("K") and values.text("MEMBERS"):
            raise GeodlError(
                "Give a number of members to find, or a library that has them, not both."
            )
        if values.text("CLASS_FIELD") and not values.text("MEMBERS"):
            raise GeodlError("The column with classes is of a library; give one.")

    def execute(self, values, context, feedback) -> dict[str, Any]:
        scene, called = self.scene(values)
        made = {name: values.output(name) for name in ("OUTPUT", "ERROR")}
        model = self.model_output(values, "SAVE_MODEL")
        arguments = ["unmix", scene, "-o", made["OUTPUT"]]
        arguments += ["-k", values.text("K")] if values.text("K") else []
        arguments += values.options("MEMBERS", "CLASS_FIELD", "MEMBERS_SCALE")
        arguments += ["--shade"] if values.flag("SHADE") else []
        arguments += ["--error", made["ERROR"]] if made["ERROR"] else []
        arguments += ["--save-model", str(model)] if model else []
        self.geodl([*arguments, *reading(values), "--progress", "json", "--overwrite"], feedback)
        if model:
            self.list_model(model, feedback)
        shown = {made["OUTPUT"]: f"Fractions: {called}", made["ERROR"]: f"Error: {called}"}
        load_layers(called, shown, context)
        outputs = {**made, "SAVE_MODEL": str(model or "")}
        return {name: path for name, path in outputs.items() if path}
