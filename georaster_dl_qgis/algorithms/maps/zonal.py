"""Tables of a map per area."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterVectorDestination,
    QgsProcessingParameterVectorLayer,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.definitions import field_name
from georaster_dl_qgis.parameters.inputs import layer_source, raster_source
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["Zonal"]


class Zonal(GeodlAlgorithm):
    """Runs ``geodl zonal``."""

    NAME = "zonal"
    TITLE = "Classes per area"
    GROUP = "Maps"
    TAGS = (*GeodlAlgorithm.TAGS, "zonal statistics", "districts", "hectares", "tabulate area")
    HELP = (
        "Tells for each area, as a district or a parcel, how many hectares of each class lie in it and which share they "
        "are; of maps of quantities and fractions the mean, deviation, smallest and largest value.\n\n"
        "A pixel at a border counts by the share that lies within; areas are those on the ellipsoid. Counted pixels are "
        "no estimate: with labelled points of 'Sample points to label', estimates with 95 % intervals are added."
    )

    def initAlgorithm(self, configuration=None) -> None:
        mapped = QgsProcessingParameterRasterLayer("INPUT", "Map")
        self.add(mapped, "A map of classes, of a quantity or of fractions.")
        polygons = [QgsProcessing.SourceType.TypeVectorPolygon]
        self.add(QgsProcessingParameterVectorLayer("AREAS", "Areas", polygons), "Polygons, in any CRS.")  # fmt: skip
        name = field_name("NAME_FIELD", "Field with the names of the areas", of="AREAS")
        self.add(name, "Empty: the first text field.")
        points = QgsProcessingParameterVectorLayer(
            "POINTS",
            "Labelled points of this map",
            [QgsProcessing.SourceType.TypeVectorPoint],
            optional=True,
        )
        self.add(points, "Points of 'Sample points to label' whose field 'class' is filled in.")
        output = QgsProcessingParameterVectorDestination("OUTPUT", "Areas with their classes")
        self.add(output, "GeoPackage of the areas with their fields, hectares and shares of each class.")  # fmt: skip

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        chosen = next(iter(selected.labels()), None)
        return {"INPUT": selected.map(), "AREAS": chosen, "POINTS": None}

    def execute(self, values, context, feedback) -> dict[str, Any]:
        mapped, areas, points = (values.layer(name) for name in ("INPUT", "AREAS", "POINTS"))
        output = values.output("OUTPUT")
        sources = [raster_source(mapped), layer_source(areas, context, feedback)]
        arguments = ["zonal", *sources, "-o", output, "--overwrite", "--progress", "json"]
        arguments += values.options("NAME_FIELD")
        if points is not None:
            arguments += ["--points", layer_source(points, context, feedback)]
        self.geodl(arguments, feedback)
        load_layers(mapped.name(), {output: f"{areas.name()}: {mapped.name()}"}, context)
        return {"OUTPUT": output}
