"""Probabilities of a model that are right here."""

from __future__ import annotations

from typing import Any

from georaster_dl_qgis.algorithms.labels.labelled_scenes import (
    LabelledScenesAlgorithm,
    add_background,
    add_labels,
    label_options,
)
from georaster_dl_qgis.algorithms.scene_reading import (
    add_reading,
    add_resampling,
    reading,
    resampling,
)
from georaster_dl_qgis.parameters.definitions import choice, flag, report
from georaster_dl_qgis.program.settings import run_options

__all__ = ["Calibrate"]

_PREDICTORS = ["single", "tta", "mc-dropout", "bayesian", "ensemble", "all"]


class Calibrate(LabelledScenesAlgorithm):
    """Runs ``geodl calibrate``."""

    TASKS = ("segmentation",)
    NAME = "calibrate"
    TITLE = "Calibrate a model"
    GROUP = "Training"
    TAGS = (*LabelledScenesAlgorithm.TAGS, "calibration", "probability", "confidence", "conformal")
    NOT_OPTIONAL = ("MODEL",)
    CANCELLED = "Cancelled: no model was made, and nothing is left of it."
    HELP = (
        "Fits the probabilities of a model of classes to labels, so that of pixels with 80 % confidence 80 % are "
        "right: here, where the labels are. The labels must be ground that the model has not learnt from. The new "
        "model has the same weights; confidence, sets of classes and 'Share of the ground to keep as certain' rest "
        "on this ground."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_model()
        self.add_scenes()
        add_labels(self, "Vector layer with classes of the model, or a raster of them.")
        add_background(self, "For labels that show all there is of their classes.")
        predictor = choice("PREDICTOR", "Of which passes", _PREDICTORS, _PREDICTORS[0])
        self.add(predictor, "Each way to make probabilities has a calibration of its own; 'all' fits those that the "
                 "model has.", advanced=True)  # fmt: skip
        vector = flag("VECTOR", "A gain and an offset for each class")
        self.add(vector, "Instead of one temperature. This may change the map; the log says by how much.", advanced=True)  # fmt: skip
        add_reading(self)
        add_resampling(self)
        self.add_model_output()
        self.add(report(), "One page with the reliability before and after.")

    def check(self, values) -> None:
        super().check(values)
        self.check_model(values)

    def execute(self, values, context, feedback) -> dict[str, Any]:
        output, page = self.model_output(values), values.file_output("REPORT")
        _option, model = self.model(values)
        arguments = ["calibrate", model, *self.labelled_scenes(values, context, feedback)]
        arguments += ["-o", str(output), *values.options("PREDICTOR"), *label_options(values)]
        arguments += ["--vector"] if values.flag("VECTOR") else []
        arguments += ["--html", page] if page else []
        self.geodl([*arguments, *reading(values), *resampling(values), *run_options()], feedback)
        self.list_model(output, feedback)
        return {"OUTPUT": str(output), **({"REPORT": page} if page else {})}
