"""Parameters that the algorithms for LiDAR points share."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterCrs

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.parameters.definitions import choice
from georaster_dl_qgis.parameters.values import ParameterValues

__all__ = ["LidarAlgorithm"]


class LidarAlgorithm(GeodlAlgorithm):
    """An algorithm that reads LiDAR points."""

    GROUP = "LiDAR"
    TAGS = (*GeodlAlgorithm.TAGS, "lidar", "las", "laz", "copc", "point cloud", "heights")

    def add_reading(self, ground: str) -> None:
        """Add where the terrain comes from, and the CRS of files that state none."""
        self.add(
            choice("GROUND", "Terrain from", ["auto", "class", "filter"], ground),
            "class: points of ground (class 2); filter: the lowest points, whatever their class; auto: the classes "
            "where all files have ground.",
        )
        crs = QgsProcessingParameterCrs("CRS", "CRS", optional=True)
        self.add(crs, "Where the files state none, or a wrong one.", advanced=True)

    @staticmethod
    def reading(values: ParameterValues) -> list[str]:
        """Arguments of ``add_reading``, and those of each run."""
        return [
            *values.options("GROUND"),
            *values.crs("CRS"),
            "--progress",
            "json",
            "--overwrite",
        ]
