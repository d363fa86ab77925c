"""What algorithms that run a model over one scene have in common."""

from __future__ import annotations

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from .base import GeodlAlgorithm
from .given import Given
from .inputs import export_area, export_features, raster_source
from .runner import GeodlError
from .settings import device

__all__ = ["SceneAlgorithm"]

# A window edits the names in a table; the class is only imported there.
BAND_NAMES_WIDGET = {"widget_wrapper": {"class": "georaster_dl_qgis.band_names.BandNames"}}


class SceneAlgorithm(GeodlAlgorithm):
    """An algorithm that runs a model over one scene."""

    def add_scene(self) -> None:
        """Add the scene; it may be a layer, or something that is no raster to QGIS."""
        scene = QgsProcessingParameterRasterLayer("INPUT", "Scene", optional=True)
        self.add(scene, "Raster with the bands that the model needs.")
        product = QgsProcessingParameterString(
            "PRODUCT", "Or a product: .SAFE folder or zip, STAC item, address", optional=True
        )
        self.add(
            product,
            "Instead of a layer: path or address of a whole Sentinel-2 product or STAC item.",
        )

    def add_area(self) -> None:
        """Add what limits the output."""
        kinds = [QgsProcessing.SourceType.TypeVectorPolygon]
        area = QgsProcessingParameterFeatureSource(
            "AOI", "Area of interest: polygons", kinds, optional=True
        )
        self.add(
            area, "Polygons in any CRS, all or the selected ones; elsewhere the output is nodata."
        )
        extent = QgsProcessingParameterExtent("EXTENT", "Or an extent", optional=True)
        self.add(extent, "Of the map canvas, of a layer, or drawn; elsewhere the output is nodata.")

    def add_reading(self) -> None:
        """Add what the user knows better than the file, and how the model runs."""
        number = QgsProcessingParameterNumber
        double = QgsProcessingParameterNumber.Type.Double
        bands = QgsProcessingParameterString(
            "BANDS", "Names of the bands, in file order (B02,B03,...)", optional=True
        )
        bands.setMetadata(BAND_NAMES_WIDGET)
        for definition, told in (
            (
                bands,
                "For files that do not name their bands: one name for each band, as the model calls them "
                "(see the model's help), separated by commas.",
            ),
            (
                number("SCALE", "Scale of the numbers", double, optional=True),
                "Physical value = number x scale + offset; Sentinel-2 reflectance: 0.0001.",
            ),
            (
                number("OFFSET", "Offset of the numbers", double, optional=True),
                "Sentinel-2 of processing baseline 04.00 and later: -0.1.",
            ),
            (
                number("NODATA", "Nodata of the scene", double, optional=True),
                "Number that stands for no measurement, where the file does not say.",
            ),
            (
                QgsProcessingParameterBoolean(
                    "RESAMPLE", "Resample the bands to the model's wavelengths", defaultValue=False
                ),
                "For hyperspectral scenes of another sensor than the model's.",
            ),
        ):
            self.add(definition, told, advanced=True)

    def scene(self, given: Given) -> str:
        """What geodl opens.

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
        return product or raster_source(layer)

    def reading(self, given: Given, context: QgsProcessingContext) -> list[str]:
        """Arguments of ``add_reading`` and ``add_area``, and of the settings."""
        arguments = ["--progress", "json", "--overwrite", "--device", device()]
        for name in ("BANDS", "SCALE", "OFFSET", "NODATA"):
            value = given.text(name)
            if value:
                arguments += [f"--{name.lower()}={value}"]
        if given.flag("RESAMPLE"):
            arguments.append("--resample")
        area = self._area(given, context)
        return [*arguments, "--aoi", area] if area else arguments

    def _area(self, given: Given, context: QgsProcessingContext) -> str:
        polygons, has_extent = given.source("AOI"), given.text("EXTENT")
        if polygons is not None and has_extent:
            raise GeodlError("Give polygons or an extent as the area of interest, not both.")
        if polygons is not None:
            return export_features(polygons, "area of interest", context)
        return export_area(*given.extent("EXTENT"), context) if has_extent else ""
