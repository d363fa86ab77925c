"""How right a map is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingOutputNumber,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterRasterLayer,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.algorithms.labels.labelled_scenes import add_background
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import (
    class_names,
    field_name,
    field_names,
    labels,
    report,
)
from georaster_dl_qgis.parameters.inputs import check_one_layer, layer_source, raster_source
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.results.feedback import in_words

__all__ = ["Evaluate"]

# Key of geodl's result, output of the algorithm, title.
_NUMBERS = (
    ("overall_accuracy", "OVERALL_ACCURACY", "Overall accuracy"),
    ("mean_iou", "MEAN_IOU", "Mean IoU"),
    ("macro_f1", "MACRO_F1", "Macro F1"),
    ("kappa", "KAPPA", "Kappa"),
    ("mean_mae", "MEAN_MAE", "Mean MAE of the fractions"),
    ("mean_rmse", "MEAN_RMSE", "Mean RMSE of the fractions"),
    ("rmse", "RMSE", "RMSE"),
    ("bias", "BIAS", "Bias"),
    ("r2", "R2", "R2"),
)


class Evaluate(GeodlAlgorithm):
    """Runs ``geodl evaluate``."""

    NAME = "evaluate"
    TITLE = "Evaluate a map"
    GROUP = "Accuracy"
    TAGS = (*GeodlAlgorithm.TAGS, "accuracy", "confusion matrix", "validation", "area")
    HELP = (
        "Tells how right a map is against a reference: a raster, polygons, or points with a class. Accuracies "
        "come with intervals; with points from a stratified random sample also areas of the classes "
        "(Olofsson et al. 2014).\n\n"
        "Classes are matched by name, or by value where one of the two has no names; fractions of a pixel by name. The reference must not "
        "be what the model was trained on."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add(
            QgsProcessingParameterRasterLayer("INPUT", "Map"),
            "A map of classes, of a quantity or of fractions.",
        )
        self.add(labels("REFERENCE", "Reference"), "Raster, polygons or points that are right.")
        self.add(field_name("CLASS_FIELD", "Field with the class", of="REFERENCE"), "Attribute of the reference with the "
                 "class, or the quantity.")  # fmt: skip
        name = class_names("CLASS", "Class of all features", of="INPUT")
        self.add(name, "For a reference without a field of classes: all its features are of this class, and so is what "
                 "is not 0 in a raster.")  # fmt: skip
        fractions = field_names("FRACTION_FIELDS", "Fields with the fractions", of="REFERENCE")
        self.add(
            fractions,
            "For a map of fractions: attributes of the reference with the names of its bands, apart by commas.",
        )
        add_background(
            self,
            "For polygons that show one class only; without it false alarms do not count.",
            of="INPUT",
        )
        image = QgsProcessingParameterRasterLayer(
            "IMAGE", "Scene to show in the report", optional=True
        )
        self.add(image, "What the map was made from.")
        self.add(report(), "One page with tables, pictures and what they mean.")
        table = QgsProcessingParameterFileDestination(
            "TABLE", "Table", fileFilter="CSV (*.csv)", optional=True, createByDefault=False
        )
        self.add(table, "Scores of the classes and the matrix.")
        for _key, name, title in _NUMBERS:
            self.addOutput(QgsProcessingOutputNumber(name, title))

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"INPUT": selected.map(), "REFERENCE": selected.reference()}

    def check(self, values) -> None:
        reference = values.layer("REFERENCE")
        if reference is None:
            raise GeodlError(f"{values.text('REFERENCE')} cannot be opened; check the path.")
        check_one_layer(reference)
        if reference.source() == values.raster("INPUT").source():
            raise GeodlError(
                "The map and its reference are the same layer, which is always right; give a reference that is "
                "known otherwise."
            )

    def execute(self, values, context, feedback) -> dict[str, Any]:
        reference, image = values.layer("REFERENCE"), values.raster("IMAGE")
        made = {name: values.file_output(name) for name in ("REPORT", "TABLE")}
        arguments = [
            "evaluate",
            raster_source(values.raster("INPUT")),
            layer_source(reference, context, feedback),
        ]
        arguments += ["--json", "--overwrite"]
        arguments += ["--html", made["REPORT"]] if made["REPORT"] else []
        arguments += ["--csv", made["TABLE"]] if made["TABLE"] else []
        arguments += ["--image", raster_source(image)] if image and made["REPORT"] else []
        arguments += values.options("CLASS_FIELD", "CLASS", "FRACTION_FIELDS", "BACKGROUND")
        found = self.geodl(arguments, feedback).result or {}
        for note in found.get("notes", []):  # what figures may not be read without
            feedback.pushWarning(in_words(note))
        numbers = {name: found[key] for key, name, _title in _NUMBERS if found.get(key) is not None}
        for one in found.get("fractions", []):
            figures = ", ".join(f"{key.upper()} {one[key]:.3f}" for key in ("mae", "rmse", "bias"))
            feedback.pushInfo(f"{one['name']}: {figures}")
        for key, name, title in _NUMBERS:
            if name in numbers:
                interval = found.get(f"{key}_95")
                help_text = f" (95 %: {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
                feedback.pushInfo(f"{title}: {numbers[name]:.3f}{help_text}")
        # One that could not be written costs itself alone; geodl has warned of it.
        return {**{name: path for name, path in made.items() if Path(path).is_file()}, **numbers}
