"""Classes of parcels from a time series."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterNumber,
    QgsProcessingParameterVectorDestination,
)

from georaster_dl_qgis.algorithms.timeseries.stack_algorithm import STACK_HELP, StackAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.inputs import check_one_layer, export_features
from georaster_dl_qgis.program.settings import run_options
from georaster_dl_qgis.results.layer_group import LayerGroup

__all__ = ["ClassifyParcels"]


class ClassifyParcels(StackAlgorithm):
    """Runs ``geodl timeseries classify --parcels``."""

    NAME = "timeseries_parcels"
    TITLE = "Classify parcels of a time series"
    TAGS = (*StackAlgorithm.TAGS, "classification", "parcels", "fields", "polygons")
    NOT_OPTIONAL = (*StackAlgorithm.NOT_OPTIONAL, "MODEL")
    HELP = (
        "Predicts one class, or value, of each polygon from all of its pixels at their clear dates. The polygons come "
        "back with their attributes and the class, its confidence, the probability of each class, the uncertainty, "
        "the number of clear dates, and whether these are few; a model with attention also tells the date that "
        f"decided.\n\n{STACK_HELP}\n\n"
        "Polygons beside the scenes, or without a clear date, keep their row without a class. All features count, "
        "or the selected ones, with edits that are not saved yet."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_stack()
        kinds = [QgsProcessing.SourceType.TypeVectorPolygon]
        parcels = QgsProcessingParameterFeatureSource("PARCELS", "Parcels", kinds)
        self.add(parcels, "Polygons in any CRS, each classified as a whole.")
        self.add_model()
        self.add_dates()
        fewest = QgsProcessingParameterNumber(
            "MINIMUM_DATES",
            "Clear dates below which a parcel is flagged",
            optional=True,
            minValue=1,
        )
        self.add(fewest, "Empty: the fewest that a sample of the training had.", advanced=True)
        self.add_stack_reading()
        output = QgsProcessingParameterVectorDestination("OUTPUT", "Classified parcels")
        self.add(output, "GeoPackage with the parcels in the colours of their classes.")

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {**super().opens_with(selected), "PARCELS": next(iter(selected.labels()), None)}

    def check(self, values) -> None:
        super().check(values)
        self.check_model(values)
        check_one_layer(values.layer("PARCELS"))

    def execute(self, values, context, feedback) -> dict[str, Any]:
        (stack, name), output = self.stack(values), values.output("OUTPUT")
        parcels = export_features(values.source("PARCELS"), "parcels", context)
        arguments = ["timeseries", "classify", *stack, "--parcels", parcels, *self.model(values)]
        arguments += ["-o", output, *values.options("MINIMUM_DATES"), *self.dates(values)]
        self.geodl([*arguments, *self.stack_reading(values), *run_options()], feedback)
        self.remember_model(values)
        if context.willLoadLayerOnCompletion(output):
            LayerGroup(f"geodl: {name}").add(output, f"Parcels: {name}", context)
        return {"OUTPUT": output}
