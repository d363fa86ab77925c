"""What algorithms that run a model over one scene have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.algorithms.scene_reading import add_reading, add_resampling, reading
from georaster_dl_qgis.dialog.selected_layers import Chosen
from georaster_dl_qgis.parameters.inputs import (
    check_one_layer,
    export_area,
    export_features,
    raster_source,
)
from georaster_dl_qgis.parameters.values import Given
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.program.settings import device

__all__ = ["SceneAlgorithm"]


class SceneAlgorithm(GeodlAlgorithm):
    """An algorithm that runs a model over one scene."""

    NOT_OPTIONAL = ("INPUT",)

    def opens_with(self, chosen: Chosen) -> dict[str, Any]:
        return {"INPUT": next(iter(chosen.scenes()), None)}

    def check(self, given: Given) -> None:
        self.scene(given)
        if given.text("EXTENT") and given.source("AOI") is not None:
            raise GeodlError("Give polygons or an extent as the area of interest, not both.")
        check_one_layer(given.layer("AOI"))

    def add_scene(self) -> None:
        """Add the scene; it may be a layer, or something that is no raster to QGIS."""
        scene = QgsProcessingParameterRasterLayer("INPUT", "Scene", optional=True)
        self.add(scene, "Raster with the bands that the model needs.")
        product = QgsProcessingParameterString(
            "PRODUCT", "Or a .SAFE folder or zip, a STAC item, NetCDF, an address", optional=True
        )
        self.add(
            product,
            "Instead of a layer: path or address of what is no raster to QGIS, such as a whole Sentinel-2 "
            "product or a NetCDF file with a variable for each band.",
        )

    def add_common(self) -> None:
        """Add what limits the output, and how the scene is read."""
        self._add_area()
        add_reading(self)
        add_resampling(self)

    def _add_area(self) -> None:
        kinds = [QgsProcessing.SourceType.TypeVectorPolygon]
        area = QgsProcessingParameterFeatureSource(
            "AOI", "Area of interest: polygons", kinds, optional=True
        )
        self.add(
            area, "Polygons in any CRS, all or the selected ones; elsewhere the output is nodata."
        )
        extent = QgsProcessingParameterExtent("EXTENT", "Or an extent", optional=True)
        self.add(extent, "Of the map canvas, of a layer, or drawn; elsewhere the output is nodata.")

    def scene(self, given: Given) -> tuple[str, str]:
        """What geodl opens, and what the user calls it.

        Raises
        ------
        GeodlError
            When there is none, or two.
        """
        layer, product = given.raster("INPUT"), given.text("PRODUCT")
        if (layer is None) == (not product):
            raise GeodlError(
                "Give one scene: a raster layer or file as 'Scene', or the path or address of a product."
            )
        return (product, Path(product).stem) if product else (raster_source(layer), layer.name())

    def common(self, given: Given, context: QgsProcessingContext) -> list[str]:
        """Arguments of ``add_common``, and of the settings."""
        arguments = ["--progress", "json", "--overwrite", "--device", device()]
        arguments += reading(given) + (["--resample"] if given.flag("RESAMPLE") else [])
        area = self._area(given, context)
        return [*arguments, "--aoi", area] if area else arguments

    def _area(self, given: Given, context: QgsProcessingContext) -> str:
        polygons = given.source("AOI")
        if polygons is not None:
            return export_features(polygons, "area of interest", context)
        return export_area(*given.extent("EXTENT"), context) if given.text("EXTENT") else ""
