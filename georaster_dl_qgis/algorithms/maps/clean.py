"""Maps without single pixels and small areas."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingParameterRasterDestination, QgsProcessingParameterRasterLayer

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import flag, number, text
from georaster_dl_qgis.parameters.inputs import raster_source
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["Clean"]


class Clean(GeodlAlgorithm):
    """Runs ``geodl clean``."""

    NAME = "clean"
    TITLE = "Clean a map"
    GROUP = "Maps"
    TAGS = (*GeodlAlgorithm.TAGS, "sieve", "minimum mapping unit", "majority filter", "smoothing")
    HELP = (
        "Gives single pixels and small areas of a map of classes to their neighbours. Classes, colours and nodata "
        "stay. Several steps are done in this order: smoothing of the probabilities, majority, smallest area.\n\n"
        "Cleaning is not always right: what is thin or small in the field goes too. Evaluate the map before and after."
    )

    def initAlgorithm(self, configuration=None) -> None:
        layer = QgsProcessingParameterRasterLayer("INPUT", "Map")
        self.add(layer, "A map of classes.")
        self.add(text("SIEVE", "Smallest area (0.5ha, 50m2 or 9px)"), "Smaller ones go to the neighbour with the longest "
                 "common border.")  # fmt: skip
        self.add(number("MAJORITY", "Side of the majority's square, in pixels", least=3, most=101), "An odd number: each "
                 "pixel gets the most frequent class around it.")  # fmt: skip
        self.add(flag("SMOOTH", "Smooth the probabilities"), "Chooses the classes anew; needs the probabilities beside "
                 "the map, which 'Segment a scene' makes on demand.")  # fmt: skip
        output = QgsProcessingParameterRasterDestination("OUTPUT", "Cleaned map")
        self.add(output, "GeoTIFF with the classes and colours of the map.")

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"INPUT": selected.map()}

    def check(self, values) -> None:
        if not (values.text("SIEVE") or values.text("MAJORITY") or values.flag("SMOOTH")):
            raise GeodlError("Say how to clean: a smallest area, a majority, or smoothing.")

    def execute(self, values, context, feedback) -> dict[str, Any]:
        layer, output = values.raster("INPUT"), values.output("OUTPUT")
        arguments = ["clean", raster_source(layer), "-o", output, "--overwrite"]
        arguments += values.options("SIEVE", "MAJORITY")
        arguments += ["--smooth"] if values.flag("SMOOTH") else []
        self.geodl([*arguments, "--progress", "json"], feedback)
        load_layers(layer.name(), {output: f"Cleaned: {layer.name()}"}, context)
        return {"OUTPUT": output}
