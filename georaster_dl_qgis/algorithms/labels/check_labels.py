"""Labels that are probably wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import QgsProcessingParameterVectorDestination

from georaster_dl_qgis.algorithms.labels.labelled_scenes import (
    LabelledScenesAlgorithm,
    add_labels,
    label_options,
)
from georaster_dl_qgis.algorithms.scene_reading import add_reading, reading
from georaster_dl_qgis.parameters.definitions import choice, number, report, wanted_vector
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["CheckLabels"]

_METHODS = ["rf", "svm", "network"]


class CheckLabels(LabelledScenesAlgorithm):
    """Runs ``geodl check-labels``."""

    NAME = "check_labels"
    TITLE = "Check labels"
    GROUP = "Training"
    TAGS = (*LabelledScenesAlgorithm.TAGS, "training data", "errors", "suspects", "quality")
    HELP = (
        "Finds labels that are probably wrong. Classifiers of single pixels, each trained on the labels of other "
        "places, are asked about all labels; what they contradict is outlined in red, with a rank. The "
        "attributes tell the class of the label, the class suggested in its place, the share of its pixels "
        "that are suspect, and how sure that is.\n\n"
        "Look at each before you change it: a suspect is often a wrong label, and sometimes a rare kind of its class, "
        "which a map needs most. No label of yours is changed."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_scenes()
        add_labels(
            self,
            "Vector layer with a class, or a raster of classes, whose areas become polygons.",
        )
        self.add(choice("METHOD", "Method", _METHODS, "rf"), "What labels are compared with: a random forest (rf) or "
                 "a support vector machine (svm) of the pixels' spectra, or up to five networks, which see shapes, too, and "
                 "take much longer.")  # fmt: skip
        minutes = number("MINUTES", "Most minutes", least=0.1, real=True)
        self.add(
            minutes,
            "That each network may learn for.",
            advanced=True,
        )
        add_reading(self)
        output = QgsProcessingParameterVectorDestination("OUTPUT", "Suspects")
        self.add(
            output,
            "GeoPackage of all labels, the most suspect first; a picture of these goes beside it (.png).",
        )
        clean = wanted_vector("CLEAN", "Labels without suspects")
        self.add(clean, "GeoPackage of the labels that are not suspect, to train on.")
        self.add(report(), "One page with the first hundred suspects in their scenes.")

    def execute(self, values, context, feedback) -> dict[str, Any]:
        made = {name: values.output(name) for name in ("OUTPUT", "CLEAN")}
        made["REPORT"] = values.file_output("REPORT")
        arguments = ["check-labels", *self.labelled_scenes(values, context, feedback)]
        arguments += ["-o", made["OUTPUT"], "--method", values.choice("METHOD")]
        arguments += values.options("MINUTES") + label_options(values) + reading(values)
        arguments += ["--clean", made["CLEAN"]] if made["CLEAN"] else []
        arguments += ["--html", made["REPORT"]] if made["REPORT"] else []
        self.geodl([*arguments, "--progress", "json", "--overwrite"], feedback)
        shown = {made["OUTPUT"]: "Suspects", made["CLEAN"]: "Labels without suspects"}
        load_layers(values.layer("LABELS").name(), shown, context)
        # One that could not be written costs itself alone; geodl has warned of it.
        return {name: path for name, path in made.items() if path and Path(path).is_file()}
