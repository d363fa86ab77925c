"""Base of the algorithms that run a model over one scene."""

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
from georaster_dl_qgis.dialog.selected_layers import SelectedLayers
from georaster_dl_qgis.parameters.inputs import (
    check_one_layer,
    export_area,
    export_features,
    raster_source,
)
from georaster_dl_qgis.parameters.values import ParameterValues
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.program.settings import device

__all__ = ["SceneAlgorithm"]


class SceneAlgorithm(GeodlAlgorithm):
    """An algorithm that runs a model over one scene."""

    NOT_OPTIONAL = ("INPUT",)

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"INPUT": next(iter(selected.scenes()), None)}

    def check(self, values: ParameterValues) -> None:
        self.scene(values)
        if values.text("EXTENT") and values.source("AOI") is not None:
            raise GeodlError("Give polygons or an extent as the area of interest, not both.")
        check_one_layer(values.layer("AOI"))

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
        """Add the area of interest, and how the scene is read."""
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

    def scene(self, values: ParameterValues) -> tuple[str, str]:
        """Find the scene for geodl, and its name in QGIS.

        Raises
        ------
        GeodlError
            When there is none, or two.
        """
        layer, product = values.raster("INPUT"), values.text("PRODUCT")
        if (layer is None) == (not product):
            raise GeodlError(
                "Give one scene: a raster layer or file as 'Scene', or the path or address of a product."
            )
        return (product, Path(product).stem) if product else (raster_source(layer), layer.name())

    def common(self, values: ParameterValues, context: QgsProcessingContext) -> list[str]:
        """Arguments of ``add_common``, and of the settings."""
        arguments = ["--progress", "json", "--overwrite", "--device", device()]
        arguments += reading(values) + (["--resample"] if values.flag("RESAMPLE") else [])
        area = self._area(values, context)
        return [*arguments, "--aoi", area] if area else arguments

    def _area(self, values: ParameterValues, context: QgsProcessingContext) -> str:
        polygons = values.source("AOI")
        if polygons is not None:
            return export_features(polygons, "area of interest", context)
        return export_area(*values.extent("EXTENT"), context) if values.text("EXTENT") else ""
