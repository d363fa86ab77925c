"""Maps to send."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterLayer,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.inputs import raster_source
from georaster_dl_qgis.parameters.output_paths import new_archive, permanent_archive

__all__ = ["Bundle"]


class Bundle(GeodlAlgorithm):
    """Runs ``geodl bundle``."""

    NAME = "bundle"
    TITLE = "Pack a map to send"
    GROUP = "Maps"
    TAGS = (*GeodlAlgorithm.TAGS, "zip", "share", "export", "package", "project")
    HELP = (
        "Packs a map and what belongs to it into one archive: the map with names and colours, a project that QGIS opens "
        "styled, a legend as a picture, and what was made with the map and is named after it (confidence, polygons, "
        "report). README.txt says what each file is.\n\n"
        "Colours are those of the map's file and of its .qml; colours that were changed in the project alone stay behind: "
        "Layer Properties > Style > Save Style as .qml beside the map first."
    )

    def initAlgorithm(self, configuration=None) -> None:
        layer = QgsProcessingParameterRasterLayer("INPUT", "Map")
        self.add(layer, "A map that geodl made, or another raster of classes.")
        files = QgsProcessingParameterMultipleLayers(
            "ADD", "Further files", QgsProcessing.SourceType.TypeFile, optional=True
        )
        self.add(files, "Such as a report or polygons of another name.")
        output = QgsProcessingParameterFileDestination(
            "OUTPUT", "Archive", "Zip archives (*.zip)", defaultValue=str(new_archive("map"))
        )
        self.add(output, "Zip archive to make, never a temporary one.")

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        chosen = selected.map()
        named = {} if chosen is None else {"OUTPUT": str(new_archive(Path(chosen.source()).stem))}
        return {"INPUT": chosen, **named}

    def execute(self, values, context, feedback) -> dict[str, Any]:
        output = permanent_archive(values.permanent_path("OUTPUT"))
        with suppress(OSError):  # geodl says what is wrong with it
            output.parent.mkdir(parents=True, exist_ok=True)
        arguments = ["bundle", raster_source(values.raster("INPUT")), "-o", str(output)]
        arguments += ["--overwrite"]
        arguments += [part for file in values.files("ADD") for part in ("--add", file)]
        self.geodl(arguments, feedback)
        feedback.pushInfo(f"The archive is {output}; send it as it is.")
        return {"OUTPUT": str(output)}
