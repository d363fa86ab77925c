"""Classes of LiDAR points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProviderRegistry,
)

from georaster_dl_qgis.algorithms.lidar.common import LidarAlgorithm
from georaster_dl_qgis.parameters.definitions import flag, text
from georaster_dl_qgis.program.settings import device
from georaster_dl_qgis.results.layer_group import LayerGroup

__all__ = ["LidarClassify"]


class LidarClassify(LidarAlgorithm):
    """Runs ``geodl lidar classify``."""

    NAME = "lidar_classify"
    TITLE = "Classify LiDAR points"
    TAGS = (*LidarAlgorithm.TAGS, "classification", "ground", "building", "vegetation")
    HELP = (
        "Writes a copy of a file of LiDAR points with the classes of a model: a network that 'Train a model' made of "
        "rasters of 'LiDAR raster', whose classes are corrected by the heights of the points, or a forest of points (.skops) "
        "of 'geodl train --task lidar'. All else of the file stays; noise and withheld points keep their class."
    )

    def initAlgorithm(self, configuration=None) -> None:
        tile = QgsProcessingParameterFile(
            "TILE", "File of points", fileFilter="Points (*.las *.laz);;All files (*)"
        )
        self.add(tile, "LAS, LAZ or COPC file.")
        model = QgsProcessingParameterFile(
            "MODEL", "Model", fileFilter="Models (*.safetensors *.skops)"
        )
        self.add(model, "Package of a network (.safetensors), or a forest of points (.skops).")
        codes = text("CODES", "Codes of classes whose names do not say them")
        self.add(codes, "NAME=CODE with commas between, as roof=6, lawn=3; of a network's classes.")
        self.add_reading("filter")
        load = flag("LOAD", "Load the points", default=True)
        self.add(load, "Add the file to the project, where this QGIS can open LAZ.")
        output = QgsProcessingParameterFileDestination(
            "OUTPUT", "Classified points", fileFilter="LAZ (*.laz);;LAS (*.las)"
        )
        self.add(output, "LAZ or LAS file to make.")

    def execute(self, values, context, feedback) -> dict[str, Any]:
        tile, output = values.text("TILE"), values.file_output("OUTPUT")
        arguments = ["lidar", "classify", tile, "-m", values.text("MODEL"), "-o", output]
        codes = (each.strip() for each in values.text("CODES").split(","))
        arguments += [part for code in codes if code for part in ("--codes", code)]
        self.geodl([*arguments, *self.reading(values), "--device", device()], feedback)
        if values.flag("LOAD"):
            self._load(output, Path(tile).stem, context, feedback)
        return {"OUTPUT": output}

    @staticmethod
    def _load(path: str, name: str, context, feedback) -> None:
        if "pdal" in QgsProviderRegistry.instance().providerList():
            LayerGroup(f"geodl: {name}").add(path, f"Classes: {name}", context)
        else:
            feedback.pushInfo(
                f"This QGIS has no PDAL and opens no LAZ; the points are in {path}, for another program."
            )
