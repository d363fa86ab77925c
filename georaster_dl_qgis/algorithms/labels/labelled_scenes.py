"""Labels of scenes, and the base of the algorithms that read several scenes with them."""

from __future__ import annotations

from typing import Any

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import class_names, field_name, labels, rasters
from georaster_dl_qgis.parameters.inputs import (
    check_one_layer,
    class_list,
    layer_source,
    raster_sources,
)
from georaster_dl_qgis.parameters.values import ParameterValues
from georaster_dl_qgis.program.runner import GeodlError

__all__ = [
    "LabelledScenesAlgorithm",
    "add_background",
    "add_labels",
    "label_options",
    "label_sources",
]

_LABELS = "Vector layer with a class, or a raster of classes, in any CRS."
_FIELD = (
    "Attribute of the labels with the class; found by itself where there is one that can be meant."
)


def add_labels(
    algorithm: GeodlAlgorithm,
    labels_help: str = _LABELS,
    field_help: str = _FIELD,
    *,
    title: str = "Labels",
    optional: bool = False,
) -> None:
    """Add labels, and the field of these that holds the class."""
    algorithm.add(labels("LABELS", title, optional=optional), labels_help)
    algorithm.add(field_name("CLASS_FIELD", "Field with the class", of="LABELS"), field_help)


def add_background(algorithm: GeodlAlgorithm, help_text: str, *, of: str = "LABELS") -> None:
    """Add the class of unlabelled pixels."""
    title = "Class of ground without a label"
    algorithm.add(class_names("BACKGROUND", title, of=of, field="CLASS_FIELD"), help_text)


def label_sources(values: ParameterValues, context, feedback, name: str = "LABELS") -> list[str]:
    """File of the labels, if there are any, as an argument."""
    layer = values.layer(name)
    return [] if layer is None else [layer_source(layer, context, feedback)]


def label_options(values: ParameterValues) -> list[str]:
    """Arguments of ``add_labels``, ``add_background`` and a ``CLASS``, and the classes as the project shows them."""
    classes = class_list(values.layer("LABELS"))
    shown = [f"--classes={classes}"] if classes else []
    return [*values.options("CLASS_FIELD", "CLASS", "BACKGROUND"), *shown]


class LabelledScenesAlgorithm(GeodlAlgorithm):
    """An algorithm with ``SCENES`` and their ``LABELS``."""

    def add_scenes(self) -> None:
        """Add the scenes."""
        self.add(rasters("SCENES", "Scenes"), "One or more rasters with the same bands.")

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"SCENES": selected.scenes(), "LABELS": next(iter(selected.labels()), None)}

    def check(self, values) -> None:
        if not raster_sources(values.rasters("SCENES")):
            raise GeodlError("Give at least one scene.")
        check_one_layer(values.layer("LABELS"))

    def labelled_scenes(self, values, context, feedback) -> list[str]:
        """Arguments of scenes and labels, if there are any."""
        scenes = raster_sources(values.rasters("SCENES"))
        return [*scenes, *label_sources(values, context, feedback)]
