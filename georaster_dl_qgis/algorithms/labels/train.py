"""A model from the user's own labels."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingOutputFolder, QgsProcessingParameterFile

from georaster_dl_qgis.algorithms.labels.labelled_scenes import (
    LabelledScenesAlgorithm,
    add_background,
    add_labels,
    label_options,
)
from georaster_dl_qgis.algorithms.scene_reading import add_reading, reading
from georaster_dl_qgis.parameters.definitions import choice, field_names, flag, number, text
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.program.settings import run_options

__all__ = ["Train"]

_TASKS = ["segmentation", "regression", "fractions", "autoencoder"]
_METHODS = ["auto", "network", "rf", "svm"]
_SPLITS = ["auto", "blocks", "scenes"]


class Train(LabelledScenesAlgorithm):
    """Runs ``geodl train``."""

    NAME = "train"
    TITLE = "Train a model"
    GROUP = "Training"
    TAGS = (*LabelledScenesAlgorithm.TAGS, "training", "labels", "transfer learning")
    NOT_OPTIONAL = ("LABELS",)
    CANCELLED = (
        "Cancelled: no model was made. What was logged lies in NAME_run beside it; 'geodl train --resume' in a "
        "terminal goes on from there."
    )
    HELP = (
        "Trains a model from scenes and your own labels: polygons, lines, points or a raster, in any CRS; "
        "sparse ones do. Accuracy is measured on scenes that the model never saw, or on blocks of ground where "
        "there are fewer than three, and written into the model.\n\n"
        "It is quickest and mostly best to go on from a model that knows such scenes: for Sentinel-2 take "
        "s2-landcover as 'Start from'. An autoencoder (for features) needs no labels.\n\n"
        "Training takes minutes to hours. What it logs lies in a folder beside the model (NAME_run)."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_scenes()
        add_labels(
            self,
            "Vector layer with a class (or quantity, or fractions), or a raster of them; its colours are the map's.",
            "Attribute of the labels with the class, or the quantity; found by itself where there is one that can be "
            "meant.",
            optional=True,
        )
        self.add(text("CLASS", "Class of all features"), "Such as building, for labels without a field of classes: all features "
                 "are of it, and pixels of a mask that are not 0.")  # fmt: skip
        add_background(self, "For labels that show all there is of their classes, such as every building; "
                       "without it such ground is unknown.")  # fmt: skip
        self.add(flag("INSTANCES", "Learn to separate touching objects"), "Of polygons of buildings, crowns or fields: boundaries "
                 "are learnt beside the classes, and maps give them on demand to 'Polygons of a map'.")  # fmt: skip
        erode = number("ERODE", "Pixels of labels to leave out at borders", least=0)
        self.add(erode, "Where borders are uncertain, or polygons shifted a little: labels within so many pixels of "
                 "another class or of unlabelled ground are not used.", advanced=True)  # fmt: skip
        task = choice("TASK", "What is learnt", _TASKS, _TASKS[0])
        self.add(task, "Classes, a quantity, fractions of each pixel, or the bands themselves (autoencoder: no "
                 "labels).")  # fmt: skip
        self.add(choice("METHOD", "Method", _METHODS), "Of classes: a network, a random forest (rf) or a support vector "
                 "machine (svm), which take seconds, or the best of them on validation ground (auto). Empty: auto, "
                 "unless a model to start from is given.")  # fmt: skip
        fractions = field_names("FRACTION_FIELDS", "Fields with the fractions", of="LABELS")
        self.add(fractions, "Of fractions: attributes of the labels, or bands of a raster, with commas between "
                 "(tree,grass,soil), in 0 to 1 or percent. Of one alone the rest is 'other'; without any, "
                 "classes finer than the scene are shares of its pixels.", advanced=True)  # fmt: skip
        together = flag("PER_POLYGON", "Fractions are of whole polygons")
        self.add(together, "Of fractions: those of a polygon are of its pixels together, not of each.",
                 advanced=True)  # fmt: skip
        self.add(text("INIT", "Start from"), "Name of a bundled model (s2-landcover), or path of a .safetensors file; "
                 "empty: from random weights.")  # fmt: skip
        self.add(
            number("EPOCHS", "Most epochs", least=1),
            "Training stops earlier when it gains nothing.",
        )
        minutes = number("MINUTES", "Most minutes", least=0.1, real=True)
        self.add(minutes, "That the network may learn for.")
        split = choice("SPLIT", "Tested on", _SPLITS, _SPLITS[0])
        self.add(split, "Whole scenes where three or more lie apart, else blocks of ground (auto); blocks; or whole scenes.",
                 advanced=True)  # fmt: skip
        self.add(number("ENSEMBLE", "Networks", least=1), "More than one makes an ensemble, which tells how sure its "
                 "maps are; training and maps take so many times as long.", advanced=True)  # fmt: skip
        config = QgsProcessingParameterFile(
            "CONFIG", "File with settings", extension="toml", optional=True
        )
        self.add(config, "Any of geodl's settings; what is given here wins.", advanced=True)
        add_reading(self)
        self.add_model_output()
        self.addOutput(QgsProcessingOutputFolder("RUN", "Logs and curves"))

    def check(self, values) -> None:
        super().check(values)
        labels, task = values.layer("LABELS"), values.choice("TASK")
        if (labels is None) != (task == "autoencoder"):
            raise GeodlError(
                "An autoencoder takes no labels; leave them out."
                if labels is not None
                else f"Training for {task} needs labels; give a layer of them."
            )

    def execute(self, values, context, feedback) -> dict[str, Any]:
        output = self.model_output(values)
        arguments = [
            "train",
            *self.labelled_scenes(values, context, feedback),
            "-o",
            str(output),
            "--task",
            values.choice("TASK"),
            "--split",
            values.choice("SPLIT"),
        ]
        arguments += values.options(
            "METHOD", "FRACTION_FIELDS", "ERODE", "INIT", "EPOCHS", "MINUTES", "ENSEMBLE", "CONFIG"
        )
        arguments += label_options(values)
        arguments += ["--instances"] if values.flag("INSTANCES") else []
        arguments += ["--per-polygon"] if values.flag("PER_POLYGON") else []
        self.geodl([*arguments, *reading(values), *run_options()], feedback)
        self.list_model(output, feedback)
        return {"OUTPUT": str(output), "RUN": str(output.with_name(f"{output.stem}_run"))}
