"""Objects of a map as clean polygons."""

from __future__ import annotations

import csv
from typing import Any

from qgis.core import QgsProcessingParameterRasterLayer, QgsProcessingParameterVectorDestination

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import class_names, flag, number, text
from georaster_dl_qgis.parameters.inputs import raster_source
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["Polygons"]


class Polygons(GeodlAlgorithm):
    """Runs ``geodl polygons``."""

    NAME = "polygons"
    TITLE = "Polygons of a map"
    GROUP = "Maps"
    TAGS = (*GeodlAlgorithm.TAGS, "vectorize", "polygonize", "buildings", "fields", "objects")
    HELP = (
        "Makes a polygon of every connected area of a class, with its name, colour, area and perimeter: small areas are "
        "merged into their neighbours, holes filled, outlines made simpler without gaps or overlaps. Maps of any "
        "size.\n\nClasses to keep, or to leave out, are listed beside the fields."
    )

    def initAlgorithm(self, configuration=None) -> None:
        layer = QgsProcessingParameterRasterLayer("INPUT", "Map")
        self.add(layer, "A map of classes.")
        keep = class_names("KEEP", "Classes to keep", of="INPUT", several=True)
        self.add(keep, "Empty: all.")
        drop = class_names("DROP", "Classes to leave out", of="INPUT", several=True)
        self.add(drop, "Such as the background.")
        self.add(text("MIN_AREA", "Smallest polygon (0.5ha, 50m2 or 9px)"), "Smaller ones are merged into the neighbour "
                 "with the longest common border.")  # fmt: skip
        self.add(flag("SPLIT_TOUCHING", "Separate touching objects"), "Buildings or crowns of one class that touch are cut where "
                 "they are narrow, or along the raster of boundaries.")  # fmt: skip
        boundaries = QgsProcessingParameterRasterLayer(
            "BOUNDARIES", "Raster of boundaries", optional=True
        )
        self.add(boundaries, "Probability of a boundary, 0 to 1, which models that learnt it make; separates touching "
                 "objects in place of narrow places.")  # fmt: skip
        self.add(text("FILL_HOLES", "Fill holes up to (0.5ha, 50m2 or 9px)"), "Empty: none.")
        simplify = number(
            "SIMPLIFY", "Tolerance of simpler outlines, in pixels", least=0, real=True
        )
        self.add(simplify, "Empty: outlines follow the pixels. Common borders stay common.")
        self.add(flag("ROUND_CORNERS", "Round corners"), "Those of common borders for both.")
        self.add(
            flag("RIGHT_ANGLES", "Right angles"),
            "For buildings: outlines get the two main directions of each; needs one class to keep.",
        )
        confidence = QgsProcessingParameterRasterLayer(
            "CONFIDENCE", "Raster of confidence", optional=True
        )
        self.add(confidence, "Its mean over each polygon becomes a field.")
        output = QgsProcessingParameterVectorDestination("OUTPUT", "Polygons")
        self.add(output, "GeoPackage with the colours of the map.")

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"INPUT": selected.map()}

    def execute(self, values, context, feedback) -> dict[str, Any]:
        layer, output = values.raster("INPUT"), values.output("OUTPUT")
        arguments = ["polygons", raster_source(layer), "-o", output, "--overwrite"]
        for option in ("KEEP", "DROP"):
            named = next(csv.reader([values.text(option)], skipinitialspace=True), [])
            arguments += [f"--{option.lower()}={name}" for name in named]
        arguments += values.options("MIN_AREA", "FILL_HOLES", "SIMPLIFY")
        for name in ("SPLIT_TOUCHING", "ROUND_CORNERS", "RIGHT_ANGLES"):
            arguments += [f"--{name.lower().replace('_', '-')}"] if values.flag(name) else []
        for name in ("BOUNDARIES", "CONFIDENCE"):
            raster = values.raster(name)
            arguments += [f"--{name.lower()}={raster_source(raster)}"] if raster else []
        self.geodl(arguments, feedback)
        load_layers(layer.name(), {output: f"Polygons: {layer.name()}"}, context)
        return {"OUTPUT": output}
