"""Maps of time series, pixel by pixel."""

from __future__ import annotations

from typing import Any

from georaster_dl_qgis.algorithms.map_outputs import (
    RASTER_KINDS,
    add_certainty,
    add_files,
    add_flag,
    add_map,
    certainty,
    chosen_kinds,
    load_map,
    named_files,
)
from georaster_dl_qgis.algorithms.scene_reading import add_area, area, check_area
from georaster_dl_qgis.algorithms.timeseries.stack_algorithm import STACK_HELP, StackAlgorithm
from georaster_dl_qgis.program.settings import run_options

__all__ = ["ClassifyPixels"]


class ClassifyPixels(StackAlgorithm):
    """Runs ``geodl timeseries classify``."""

    NAME = "timeseries"
    TITLE = "Classify a time series"
    TAGS = (*StackAlgorithm.TAGS, "classification", "land cover", "map")
    NOT_OPTIONAL = (*StackAlgorithm.NOT_OPTIONAL, "MODEL")
    HELP = (
        "Maps what a model of time series predicts of each pixel from its clear dates, such as its crop. A pixel "
        f"that is clear at no date is nodata.\n\n{STACK_HELP}\n\n"
        "The model may have learnt from other dates of other years: it knows days of the season, not numbers of "
        "dates. What lies outside its season, or is far less than it learnt from, is told. Only models of time "
        "series are listed, such as 'Train on a time series' makes."
    )

    def initAlgorithm(self, configuration=None) -> None:
        self.add_stack()
        self.add_model()
        self.add_dates()
        for kind in RASTER_KINDS:
            add_flag(self, kind, of="the map")
        add_certainty(self)
        add_area(self)
        self.add_stack_reading()
        add_map(self, RASTER_KINDS)
        add_files(self)

    def check(self, values) -> None:
        super().check(values)
        self.check_model(values)
        check_area(values)

    def execute(self, values, context, feedback) -> dict[str, Any]:
        (stack, name), output = self.stack(values), values.output("OUTPUT")
        rasters, files = chosen_kinds(values, RASTER_KINDS), named_files(self, values)
        arguments = ["timeseries", "classify", *stack, *self.model(values), "-o", output]
        arguments += [f"--{kind.name}" for kind in rasters] + certainty(values)
        for kind, path in files.items():
            arguments += [f"--{kind.name}", path]
        arguments += [*self.dates(values), *self.stack_reading(values)]
        self.geodl([*arguments, *run_options(), *area(values, context)], feedback)
        self.remember_model(values)
        return load_map(name, output, rasters, files, context)
