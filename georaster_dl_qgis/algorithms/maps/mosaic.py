"""Mosaics of maps of neighbouring scenes."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsProcessingParameterCrs, QgsProcessingParameterRasterDestination

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import choice, class_names, rasters
from georaster_dl_qgis.parameters.inputs import raster_sources
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["Mosaic"]

_RULES = ["order", "date", "confidence"]
_LEAST = 2


class Mosaic(GeodlAlgorithm):
    """Runs ``geodl mosaic``."""

    NAME = "mosaic"
    TITLE = "Join maps"
    GROUP = "Maps"
    TAGS = (*GeodlAlgorithm.TAGS, "mosaic", "merge", "neighbouring", "map")
    HELP = (
        "Joins maps that geodl made of neighbouring scenes to one, with its classes and colours. Every pixel is that of "
        "one map; where grids or UTM zones differ, it is the nearest."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add(rasters("MAPS", "Maps"), "Maps with the same classes, or of the same quantity.")
        rule = choice("ORDER_BY", "Where maps overlap, take", _RULES, _RULES[0])
        self.add(rule, "The first in the list, the newest, or the most confident (a map with '_confidence' in its "
                 "name beside each).")  # fmt: skip
        fill = class_names(
            "FILL_CLASS", "Classes to fill from the next map", of="MAPS", several=True
        )
        self.add(fill, "Such as clouds: where the map that is taken shows them, the next one is.")
        crs = QgsProcessingParameterCrs("CRS", "CRS", optional=True)
        self.add(crs, "Empty: that of the first map.", advanced=True)
        output = QgsProcessingParameterRasterDestination("OUTPUT", "Mosaic")
        self.add(output, "GeoTIFF with the classes and colours of the maps.")

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"MAPS": selected.maps()}

    def check(self, values) -> None:
        if len(raster_sources(values.rasters("MAPS"))) < _LEAST:
            raise GeodlError("Give at least two maps.")

    def execute(self, values, context, feedback) -> dict[str, Any]:
        maps, output = values.rasters("MAPS"), values.output("OUTPUT")
        arguments = ["mosaic", *raster_sources(maps), "-o", output, "--progress", "json"]
        arguments += ["--overwrite", *values.options("ORDER_BY", "FILL_CLASS"), *values.crs("CRS")]
        self.geodl(arguments, feedback)
        load_layers("mosaic", {output: f"Mosaic: {maps[0].name()}, …"}, context)
        return {"OUTPUT": output}
