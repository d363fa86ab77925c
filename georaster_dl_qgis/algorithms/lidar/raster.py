"""Rasters of LiDAR points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
)

from georaster_dl_qgis.algorithms.lidar.common import LidarAlgorithm
from georaster_dl_qgis.parameters.definitions import number
from georaster_dl_qgis.parameters.inputs import raster_source
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.results.layer_group import load_layers

__all__ = ["LidarRaster"]


class LidarRaster(LidarAlgorithm):
    """Runs ``geodl lidar raster``."""

    NAME = "lidar_raster"
    TITLE = "LiDAR raster"
    TAGS = (*LidarAlgorithm.TAGS, "dsm", "dtm", "ndsm", "rasterize", "intensity")
    HELP = (
        "Writes LiDAR points as a raster of nine bands: surface (dsm), terrain (dtm), height above it (ndsm), intensity, "
        "returns, density, roughness, and the share of points above 2 m. All files are one cloud: where they meet nothing "
        "shows. Noise and withheld points are left out.\n\n"
        "The raster is a scene for the other algorithms, alone or as a further raster beside an orthophoto."
    )

    def initAlgorithm(self, configuration=None) -> None:
        tiles = QgsProcessingParameterMultipleLayers(
            "TILES", "Files of points", QgsProcessing.SourceType.TypeFile
        )
        self.add(tiles, "LAS, LAZ or COPC files in one CRS.")
        cell = number("CELL", "Side of a cell in metres (empty: 0.5)", least=0.1, real=True)
        self.add(cell, "Several points should fall into a cell; not with a grid to take.")
        like = QgsProcessingParameterRasterLayer("LIKE", "Or take the grid of", optional=True)
        self.add(like, "A raster such as an orthophoto, whose cells and extent the bands get.")
        self.add_reading("auto")
        fill = number("FILL", "Fill gaps of dsm and dtm over (cells)", 0, least=0)
        self.add(fill, "Gaps are filled from cells within this distance; 0 leaves them empty.")
        output = QgsProcessingParameterRasterDestination("OUTPUT", "Raster of the points")
        self.add(output, "GeoTIFF with nine bands, styled by the height above the terrain.")

    def check(self, values) -> None:
        if values.text("CELL") and values.raster("LIKE") is not None:
            raise GeodlError("Give the side of a cell, or a raster whose grid to take, not both.")

    def execute(self, values, context, feedback) -> dict[str, Any]:
        tiles, like = values.files("TILES"), values.raster("LIKE")
        output = values.output("OUTPUT")
        arguments = ["lidar", "raster", *tiles, "-o", output, *values.options("CELL", "FILL")]
        arguments += ["--like", raster_source(like)] if like is not None else []
        self.geodl([*arguments, *self.reading(values)], feedback)
        name = Path(tiles[0]).stem + (", …" if len(tiles) > 1 else "")
        load_layers(name, {output: f"LiDAR: {name}"}, context)
        return {"OUTPUT": output}
