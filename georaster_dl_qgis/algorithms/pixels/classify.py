"""Classes of pixels or polygons by a classifier of values, without a network."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterVectorDestination,
)

from georaster_dl_qgis.algorithms.labels.labelled_scenes import (
    add_background,
    add_labels,
    label_options,
    label_sources,
)
from georaster_dl_qgis.algorithms.scene_algorithm import SceneAlgorithm
from georaster_dl_qgis.algorithms.scene_reading import add_reading, reading
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import choice
from georaster_dl_qgis.parameters.inputs import check_one_layer
from georaster_dl_qgis.program.models import PIXELS
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["Classify", "ClassifyPolygons"]

_METHODS = ["svm", "rf"]
_METHOD_HELP = (
    "A support vector machine (svm) or a random forest (rf); empty: svm. Both learn in seconds."
)
_RUN = ["--progress", "json", "--overwrite"]


class _Classifying(SceneAlgorithm):
    """Runs ``geodl classify``."""

    TAGS = (*SceneAlgorithm.TAGS, "classification", "random forest", "svm", "machine learning")
    MODELS = PIXELS
    MODEL_SUFFIX = ".skops"
    MODEL_TITLES = ("Or a classifier that was kept", "Or a file of a classifier")

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {**super().opens_with(selected), "LABELS": next(iter(selected.labels()), None)}

    def check(self, values) -> None:
        self.scene(values)
        check_one_layer(values.layer("LABELS"))


class Classify(_Classifying):
    """A map by a classifier of single pixels."""

    NAME = "classify"
    TITLE = "Classify pixels"
    GROUP = "Maps"
    NOT_OPTIONAL = (*_Classifying.NOT_OPTIONAL, "LABELS")
    HELP = (
        "Learns classes from the values of labelled pixels and maps all others: of a scene, or of a raster of "
        "features that 'Features of a scene' made. It needs few labels and seconds. The accuracy in the log is "
        "measured on blocks of ground that taught nothing.\n\n"
        "A classifier that was kept maps other scenes with the same bands, in place of labels.\n\n"
        "Pixels are taken one by one, without what is around them; where that matters, use 'Train a model'."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_scene()
        add_labels(self, optional=True)
        add_background(self, "For labels that show all there is of their classes; without it such ground is unknown.")  # fmt: skip
        self.add(choice("METHOD", "Method", _METHODS), _METHOD_HELP)
        self.add_model(without="In place of labels: a classifier that was kept here.")
        add_reading(self)
        mapped = QgsProcessingParameterRasterDestination("OUTPUT", "Map")
        self.add(mapped, "GeoTIFF with class names and colours.")
        self.add_model_output("SAVE", "Keep the classifier", wanted=True)

    def check(self, values) -> None:
        super().check(values)
        labels, model = values.layer("LABELS"), self.model(values)
        if (labels is None) == (not model):
            raise GeodlError("Give labels to learn from, or a classifier that was kept: one of the two.")  # fmt: skip
        if model and (values.choice("METHOD") or values.wanted_path("SAVE")):
            raise GeodlError("A classifier that was kept learns nothing: leave out 'Method' and 'Keep the classifier'.")  # fmt: skip

    def execute(self, values, context, feedback) -> dict[str, Any]:
        (scene, name), output = self.scene(values), values.output("OUTPUT")
        kept = self.model_output(values, "SAVE")
        arguments = ["classify", scene, *label_sources(values, context, feedback)]
        arguments += [*self.model(values), "-o", output, *values.options("METHOD")]
        arguments += label_options(values) + reading(values)
        self.geodl([*arguments, *([f"--save={kept}"] if kept else []), *_RUN], feedback)
        self.remember_model(values)
        load_layers(name, {output: f"Classes: {name}"}, context)
        if kept is None:
            return {"OUTPUT": output}
        self.list_model(kept, feedback)
        return {"OUTPUT": output, "SAVE": str(kept)}


class ClassifyPolygons(_Classifying):
    """Classes of polygons by their pixels."""

    NAME = "classify_polygons"
    TITLE = "Classify polygons"
    GROUP = "Maps"
    NOT_OPTIONAL = (*_Classifying.NOT_OPTIONAL, "CLASS_FIELD")
    HELP = (
        "Gives a class to each polygon of a layer, such as a parcel, by mean and standard deviation of its pixels. "
        "The polygons whose class is known teach it; those where the field is empty get one. All come back with "
        "their attributes and the class.\n\n"
        "The accuracy in the log is measured on blocks of ground that taught nothing."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_scene()
        add_labels(
            self,
            "Polygons in any CRS, some of them with a class.",
            "Attribute with the class; empty where it is to be found.",
            title="Polygons",
        )
        self.add(choice("METHOD", "Method", _METHODS), _METHOD_HELP)
        add_reading(self)
        output = QgsProcessingParameterVectorDestination("OUTPUT", "Classified polygons")
        self.add(output, "GeoPackage with the polygons in the colours of their classes.")

    def check(self, values) -> None:
        super().check(values)
        if not values.text("CLASS_FIELD"):
            raise GeodlError("Say which field of the polygons holds the classes that are known.")

    def execute(self, values, context, feedback) -> dict[str, Any]:
        (scene, name), output = self.scene(values), values.output("OUTPUT")
        arguments = ["classify", scene, *label_sources(values, context, feedback)]
        arguments += ["--per-polygon", "-o", output, *values.options("METHOD")]
        self.geodl([*arguments, *label_options(values), *reading(values), *_RUN], feedback)
        load_layers(name, {output: f"Classes: {name}"}, context)
        return {"OUTPUT": output}
