"""Base of the algorithms that run a model over one scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
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
from georaster_dl_qgis.parameters.values import ParameterValues
from georaster_dl_qgis.program.runner import GeodlError
from georaster_dl_qgis.program.settings import run_options

__all__ = ["SceneAlgorithm"]


class SceneAlgorithm(GeodlAlgorithm):
    """An algorithm that runs a model over one scene."""

    NOT_OPTIONAL = ("INPUT",)

    def opens_with(self, selected: SelectedLayers) -> dict[str, Any]:
        return {"INPUT": next(iter(selected.scenes()), None)}

    def check(self, values: ParameterValues) -> None:
        self.scene(values)
        check_area(values)

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
        more = QgsProcessingParameterMultipleLayers(
            "MORE",
            "Further rasters of the same place (heights, radar)",
            QgsProcessing.SourceType.TypeRaster,
            optional=True,
        )
        self.add(
            more,
            "Files with further bands that the model needs, of any pixel size; the map gets the grid of the finest.",
        )

    def add_common(self) -> None:
        """Add the area of interest, and how the scene is read."""
        add_area(self)
        add_reading(self)
        add_resampling(self)

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
        first, name = (
            (product, Path(product).stem) if product else (raster_source(layer), layer.name())
        )
        return "+".join([first, *map(raster_source, values.rasters("MORE"))]), name

    def common(self, values: ParameterValues, context: QgsProcessingContext) -> list[str]:
        """Arguments of ``add_common``, and of the settings."""
        return [*run_options(), *reading(values), *resampling(values), *area(values, context)]
