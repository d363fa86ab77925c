"""Accuracy of the objects of a map, each compared with a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingOutputNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import class_names, field_name, labels, report, text
from georaster_dl_qgis.parameters.inputs import check_one_layer, layer_source, raster_source
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.results.feedback import in_words
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["EvaluateObjects"]

# Key of geodl's result, output of the algorithm, title.
_NUMBERS = (
    ("precision", "PRECISION", "Precision at IoU 0.5"),
    ("recall", "RECALL", "Recall at IoU 0.5"),
    ("f1", "F1", "F1 at IoU 0.5"),
    ("boundary_f1", "BOUNDARY_F1", "F1 of the outlines"),
    ("matched", "MATCHED", "Matched objects"),
    ("false", "FALSE", "False objects"),
    ("missed", "MISSED", "Missed objects"),
)
_LAYERS = ("missed", "false", "matched")


class EvaluateObjects(GeodlAlgorithm):
    """Runs ``geodl evaluate --objects``."""

    NAME = "evaluate_objects"
    TITLE = "Evaluate objects one by one"
    GROUP = "Accuracy"
    TAGS = (*GeodlAlgorithm.TAGS, "accuracy", "buildings", "trees", "fields", "detection", "IoU")
    HELP = (
        "Compares buildings, trees or fields one by one with a reference: an object is found where it covers more "
        "than half of what both cover together (IoU above 0.5). Gives precision, recall and F1 with intervals, errors "
        "of count and area, and how near the outlines are.\n\n"
        "Missed, false and matched objects are layers in blue, orange and white."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add(labels("INPUT", "Map"), "A map of classes, or the polygons of one.")
        self.add(
            labels("REFERENCE", "Reference"),
            "Polygons of all objects of the ground, or a raster of classes.",
        )
        name = class_names("CLASS", "Class of the objects", of="INPUT")
        self.add(name, "All features of the reference are of this class, whatever their attributes, and only this class of "
                 "the map is compared. Not together with a field.")  # fmt: skip
        field = field_name("CLASS_FIELD", "Field with the class", of="REFERENCE")
        self.add(field, "For a reference of several classes.")
        self.add(labels("AOI", "Compare only within", optional=True), "Polygons of the ground whose objects are all in the "
                 "reference. Empty: where both layers are.")  # fmt: skip
        self.add(text("TOLERANCE", "Outlines are right within (2px or 1.5m)"), "Empty: 2 pixels of the map.")  # fmt: skip
        image = QgsProcessingParameterRasterLayer(
            "IMAGE", "Scene to show in the report", optional=True
        )
        self.add(image, "What the map was made from.")
        matches = QgsProcessingParameterVectorDestination(
            "MATCHES", "Missed, false and matched objects", optional=True
        )
        self.add(matches, "GeoPackage with a layer of each.")
        self.add(report(), "One page with figures and a picture of the errors.")
        for _key, output, title in _NUMBERS:
            self.addOutput(QgsProcessingOutputNumber(output, title))

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"INPUT": selected.map(), "REFERENCE": selected.reference(), "AOI": None}

    def check(self, values) -> None:
        mapped, reference = values.layer("INPUT"), values.layer("REFERENCE")
        for name, layer in (("INPUT", mapped), ("REFERENCE", reference)):
            if layer is None:
                raise GeodlError(f"{values.text(name)} cannot be opened; check the path.")
            check_one_layer(layer)
        if mapped.source() == reference.source():
            raise GeodlError(
                "The map and its reference are the same layer, which is always right; give a reference that is "
                "known otherwise."
            )

    def execute(self, values, context, feedback) -> dict[str, Any]:
        layers = [values.layer(name) for name in ("INPUT", "REFERENCE", "AOI")]
        mapped, reference, area = (
            layer and layer_source(layer, context, feedback) for layer in layers
        )
        image, matches, page = values.raster("IMAGE"), values.output("MATCHES"), values.file_output("REPORT")  # fmt: skip
        arguments = ["evaluate", mapped, reference, "--objects", "--json", "--overwrite"]
        arguments += values.options("CLASS", "CLASS_FIELD", "TOLERANCE")
        arguments += ["--aoi", area] if area else []
        arguments += ["--matches", matches] if matches else []
        arguments += ["--html", page] if page else []
        arguments += ["--image", raster_source(image)] if image and page else []
        found = self.geodl(arguments, feedback).result or {}
        for note in found.get("notes", []):
            feedback.pushWarning(in_words(note))
        numbers = {name: found[key] for key, name, _title in _NUMBERS if found.get(key) is not None}
        for key, name, title in _NUMBERS:
            if name in numbers:
                ends = found.get(f"{key}_95")
                between = f" (95 %: {ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
                figure = numbers[name]
                shown = f"{figure:,}" if isinstance(figure, int) else f"{figure:.3f}"
                feedback.pushInfo(f"{title}: {shown}{between}")
        _load(matches, layers[0].name(), context)
        made = {"MATCHES": matches, "REPORT": page}
        return {**{name: path for name, path in made.items() if Path(path).is_file()}, **numbers}


def _load(path: str, name: str, context) -> None:
    """Load the three layers of a GeoPackage in place of its first."""
    planned = context.layersToLoadOnCompletion()
    if path not in planned:
        return
    how = planned.pop(path)
    parts = {f"{path}|layername={layer}": f"{layer.capitalize()} objects" for layer in _LAYERS}
    context.setLayersToLoadOnCompletion({**planned, **dict.fromkeys(parts, how)})
    load_layers(f"{name}, objects", parts, context)
