"""Base of the algorithms that read a stack of dated scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterFile,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterString,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.algorithms.scene_reading import add_mask, add_numbers, reading
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.inputs import raster_sources
from georaster_dl_qgis.parameters.values import ParameterValues
from georaster_dl_qgis.program.models import TIME_SERIES
from georaster_dl_qgis.program.runner import GeodlError

__all__ = ["STACK_HELP", "StackAlgorithm"]

STACK_HELP = (
    "A time series is a stack of dated scenes: raster layers, or a folder with them. Dates come from the names of "
    "the files (2023-05-14 or 20230514), or from their tags; several files of one date may hold a band each. "
    "Dates may be irregular: a cloudy date counts for nothing where the quality band masks it."
)
_LEAST = 2  # layers that are a stack; a single raster of the project is none


class StackAlgorithm(GeodlAlgorithm):
    """An algorithm that reads a stack of dated scenes."""

    GROUP = "Time series"
    TAGS = (*GeodlAlgorithm.TAGS, "time series", "multitemporal", "crops", "phenology")
    MODELS = TIME_SERIES
    NOT_OPTIONAL: tuple[str, ...] = ("SCENES",)

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        scenes = selected.scenes()
        return {"SCENES": scenes if len(scenes) >= _LEAST else []}

    def check(self, values: ParameterValues) -> None:
        self.stack(values)

    def add_stack(self) -> None:
        """Add the scenes: layers, or something that is no raster to QGIS, and their mask."""
        scenes = QgsProcessingParameterMultipleLayers(
            "SCENES", "Dated scenes", QgsProcessing.SourceType.TypeRaster, optional=True
        )
        self.add(scenes, "Rasters of one place, with their dates in the names of the files.")
        folder = QgsProcessingParameterFile(
            "FOLDER",
            "Or a folder of dated scenes",
            behavior=QgsProcessingParameterFile.Behavior.Folder,
            optional=True,
        )
        self.add(folder, "All rasters and .SAFE products in it.")
        stack = QgsProcessingParameterString(
            "STACK", "Or a pattern, table, STAC collection, NetCDF or Zarr", optional=True
        )
        self.add(
            stack,
            "Path or address: scenes/**/*.tif, a CSV with the columns path and date, STAC items, or a cube with an axis of time.",
        )
        sensors = QgsProcessingParameterString(
            "SENSORS", "Or several sensors (s1=FOLDER; s2=FOLDER)", optional=True
        )
        self.add(
            sensors,
            "For models of several sensors: the name of each as the model calls it, and its stack.",
            advanced=True,
        )
        also = " One file for each date is named with {date}: masks/*_{date}.tif=1."
        add_mask(self, also=also, advanced=False)

    def add_stack_reading(self) -> None:
        """Add how the scenes of the stack are read."""
        pattern = QgsProcessingParameterString(
            "DATE_PATTERN", "Where the date stands in the names", optional=True
        )
        self.add(
            pattern,
            r"Regular expression whose group is the date, such as of_(\d{8}); empty: the first date in the name.",
            advanced=True,
        )
        add_numbers(self)

    def add_dates(self) -> None:
        """Add the first and the last date to read."""
        day = QgsProcessingParameterDateTime.Type.Date
        until = QgsProcessingParameterDateTime("UNTIL", "Last date", day, optional=True)
        self.add(until, "For the season so far; a model that was trained on whole seasons need not be good at that.")  # fmt: skip
        since = QgsProcessingParameterDateTime("SINCE", "First date", day, optional=True)
        self.add(since, "Scenes before it are left out.", advanced=True)

    def stack(self, values: ParameterValues) -> tuple[list[str], str]:
        """Find the arguments that name the stack for geodl, and its name in QGIS.

        Raises
        ------
        GeodlError
            When there is none, or more than one.
        """
        layers = values.rasters("SCENES")
        folder, other, sensors = (values.text(name) for name in ("FOLDER", "STACK", "SENSORS"))
        if sum(map(bool, (layers, folder, other, sensors))) != 1:
            raise GeodlError(
                "Give one stack: dated scenes, or a folder of them, or a path under the field below, or several sensors."
            )
        if layers:
            return raster_sources(layers), layers[0].name()
        if sensors:
            named = [text.strip() for text in sensors.split(";") if text.strip()]
            return [f"--sensor={text}" for text in named], " + ".join(
                text.partition("=")[0].strip() for text in named
            )
        if folder and not Path(folder).is_dir():
            raise GeodlError(f"There is no folder {folder}; check the path of the scenes.")
        return [folder or other], Path(folder or other).stem

    def stack_reading(self, values: ParameterValues) -> list[str]:
        """Arguments of ``add_stack_reading`` and of the mask."""
        return [*reading(values), *values.options("DATE_PATTERN")]

    def dates(self, values: ParameterValues) -> list[str]:
        """Arguments of ``add_dates``."""
        return values.options("SINCE", "UNTIL")
