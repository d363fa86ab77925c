"""Changes between two dates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.algorithms.map_outputs import (
    RASTER_KINDS,
    add_flag,
    add_map,
    chosen_kinds,
    load_map,
)
from georaster_dl_qgis.algorithms.scene_reading import (
    add_area,
    add_reading,
    add_resampling,
    area,
    check_area,
    reading,
    resampling,
)
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.inputs import raster_source
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.program.settings import run_options

__all__ = ["Change"]

_CONFIDENCE = replace(
    next(kind for kind in RASTER_KINDS if kind.name == "confidence"),
    help="product of the probabilities of both dates' classes",
)
_DATES = 2


class Change(GeodlAlgorithm):
    """Runs ``geodl change``."""

    TASKS = ("segmentation",)
    NAME = "change"
    TITLE = "Changes between two dates"
    GROUP = "Time series"
    TAGS = (*GeodlAlgorithm.TAGS, "change detection", "two dates", "land cover", "transition")
    HELP = (
        "Maps two scenes of one place with one model and compares the maps pixel by pixel. The map of changes shows "
        "what is the same in pale colours, and each change as 'forest -> bare'. Nodata, clouds and shadows of either "
        "date are never a change.\n\n"
        "Two maps that one model made are compared without a model; leave it empty then.\n\n"
        "Both scenes need one CRS and pixel size. The shift between the images is estimated, with a warning above "
        "half a pixel. Areas in the table are counts of pixels, with the errors of both maps; where little has "
        "changed, most of the mapped change may be error."
    )

    def initAlgorithm(self, configuration=None) -> None:
        for name, title in (("BEFORE", "Earlier scene"), ("AFTER", "Later scene")):
            layer = QgsProcessingParameterRasterLayer(name, title)
            self.add(layer, "A scene with the model's bands, or a map that geodl made.")
        self.add_model(without="Empty: both layers are maps that one model made.")
        add_flag(self, _CONFIDENCE, of="the map")
        least = QgsProcessingParameterNumber(
            "MINIMUM_CONFIDENCE",
            "Least confidence of a change (empty: any)",
            QgsProcessingParameterNumber.Type.Double,
            optional=True,
            minValue=0.01,
            maxValue=0.99,
        )
        self.add(least, "Changes that are less sure become the class 'uncertain'.", advanced=True)
        add_area(self)
        add_reading(self)
        add_resampling(self)
        add_map(self, [_CONFIDENCE])
        table = QgsProcessingParameterFileDestination(
            "CSV", "Table of changes", "CSV (*.csv)", optional=True, createByDefault=False
        )
        self.add(table, "From which class to which: pixels, percent, hectares, mean confidence.")

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        layers = sorted(selected.rasters(), key=lambda layer: layer.name())
        before, after = layers if len(layers) == _DATES else (None, None)
        return {"BEFORE": before, "AFTER": after}

    def check(self, values) -> None:
        before, after = values.raster("BEFORE"), values.raster("AFTER")
        if before.source() == after.source():
            raise GeodlError("Both dates are the same layer; give two.")
        check_area(values)

    def execute(self, values, context, feedback) -> dict[str, Any]:
        layers = [values.raster(name) for name in ("BEFORE", "AFTER")]
        output, table = values.output("OUTPUT"), values.file_output("CSV")
        rasters = chosen_kinds(values, [_CONFIDENCE])
        arguments = ["change", *map(raster_source, layers), *self.model(values), "-o", output]
        arguments += [f"--{kind.name}" for kind in rasters] + (["--csv", table] if table else [])
        arguments += [*values.options("MINIMUM_CONFIDENCE"), *reading(values), *resampling(values)]
        self.geodl([*arguments, *run_options(), *area(values, context)], feedback)
        self.remember_model(values)
        name = " - ".join(layer.name() for layer in layers)
        made = load_map(name, output, rasters, {}, context)
        return {**made, **({"CSV": table} if Path(table).is_file() else {})}
