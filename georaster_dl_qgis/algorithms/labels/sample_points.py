"""Random points of a map, to label and to measure it by."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingParameterRasterLayer

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import number
from georaster_dl_qgis.parameters.inputs import raster_source
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["SamplePoints"]


class SamplePoints(GeodlAlgorithm):
    """Runs ``geodl sample-points``."""

    NAME = "sample_points"
    TITLE = "Sample points to label"
    GROUP = "Accuracy"
    TAGS = (*GeodlAlgorithm.TAGS, "accuracy", "stratified", "random points", "validation", "area")
    HELP = (
        "Draws random points of a map of classes, some of each, that measure it: label them from imagery, and give "
        "them to 'Evaluate a map', with the field 'class'. Accuracies and areas of the classes come with intervals "
        "then (Olofsson et al. 2014).\n\n"
        "Labelling: switch editing on, and click a point with the Identify tool: its form lists the classes. A "
        "labelled point has the colour of its class. What the map says of a point is not shown, as it would lead "
        "you; do not look it up."
    )

    def initAlgorithm(self, configuration=None) -> None:
        layer = QgsProcessingParameterRasterLayer("INPUT", "Map")
        self.add(layer, "A map of classes, with their names.")
        points = number("N", "Number of points (empty: as many as are needed)", least=1)
        self.add(points, "Empty: for a standard error of 0.01 of the overall accuracy, often more than 1,000.")  # fmt: skip
        fewest = number("MINIMUM_PER_CLASS", "Fewest points of a class", 50, least=0)
        self.add(fewest, "Even the rarest class gets so many.")
        self.add(number("SEED", "Random seed", 0, least=0), "The same seed gives the same points.", advanced=True)  # fmt: skip
        self.add_labels_output("Points", "points")

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"INPUT": selected.map()}

    def execute(self, values, context, feedback) -> dict[str, Any]:
        layer, output = values.raster("INPUT"), self.labels_output(values, context)
        arguments = ["sample-points", raster_source(layer), "-o", output, "--overwrite"]
        arguments += ["-n", values.text("N")] if values.text("N") else []
        self.geodl([*arguments, *values.options("MINIMUM_PER_CLASS", "SEED")], feedback)
        load_layers(layer.name(), {output: "Points to label"}, context)
        return {"OUTPUT": output}
