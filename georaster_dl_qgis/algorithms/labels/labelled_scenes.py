"""Base of the algorithms that read scenes with their labels."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterString,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.inputs import check_one_layer, layer_source, raster_sources
from georaster_dl_qgis.program.runner import GeodlError

__all__ = ["LabelledScenesAlgorithm"]


class LabelledScenesAlgorithm(GeodlAlgorithm):
    """An algorithm with ``SCENES`` and their ``LABELS``."""

    def add_labelled_scenes(self, labels_help: str, field_help: str, *, optional: bool) -> None:
        """Add scenes, their labels, and the field of these that holds the class."""
        sources = QgsProcessing.SourceType
        scenes = QgsProcessingParameterMultipleLayers("SCENES", "Scenes", sources.TypeRaster)
        self.add(scenes, "One or more rasters with the same bands.")
        kinds = [sources.TypeVectorAnyGeometry, sources.TypeRaster]
        labels = QgsProcessingParameterMapLayer("LABELS", "Labels", optional=optional, types=kinds)
        self.add(labels, labels_help)
        field = QgsProcessingParameterString("CLASS_FIELD", "Field with the class", optional=True)
        self.add(field, field_help)

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"SCENES": selected.scenes(), "LABELS": next(iter(selected.labels()), None)}

    def check(self, values) -> None:
        if not raster_sources(values.rasters("SCENES")):
            raise GeodlError("Give at least one scene.")
        check_one_layer(values.layer("LABELS"))

    def labelled_scenes(self, values, context, feedback) -> list[str]:
        """Arguments of scenes and labels, if there are any."""
        labels = values.layer("LABELS")
        inputs = raster_sources(values.rasters("SCENES"))
        return inputs + ([] if labels is None else [layer_source(labels, context, feedback)])
