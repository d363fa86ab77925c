"""Area of interest of a scene, and meaning of its numbers where the user knows it better than the file."""

from __future__ import annotations

from qgis.core import (
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.parameters.inputs import check_one_layer, export_area, export_features
from georaster_dl_qgis.parameters.values import ParameterValues
from georaster_dl_qgis.program.runner import GeodlError

__all__ = [
    "add_area",
    "add_mask",
    "add_numbers",
    "add_reading",
    "add_resampling",
    "area",
    "check_area",
    "reading",
    "resampling",
]

# A window edits the names in a table; the class is only imported there.
_BAND_NAMES_WIDGET = {"widget_wrapper": {"class": "georaster_dl_qgis.dialog.band_names.BandNames"}}


def add_area(algorithm: GeodlAlgorithm) -> None:
    """Add polygons or an extent that limit the output."""
    kinds = [QgsProcessing.SourceType.TypeVectorPolygon]
    polygons = QgsProcessingParameterFeatureSource(
        "AOI", "Area of interest: polygons", kinds, optional=True
    )
    help_text = "Polygons in any CRS, all or the selected ones; elsewhere the output is nodata."
    algorithm.add(polygons, help_text)
    extent = QgsProcessingParameterExtent("EXTENT", "Or an extent", optional=True)
    help_text = "Of the map canvas, of a layer, or drawn; elsewhere the output is nodata."
    algorithm.add(extent, help_text)


def check_area(values: ParameterValues) -> None:
    """Refuse two areas of interest."""
    if values.text("EXTENT") and values.source("AOI") is not None:
        raise GeodlError("Give polygons or an extent as the area of interest, not both.")
    check_one_layer(values.layer("AOI"))


def area(values: ParameterValues, context: QgsProcessingContext) -> list[str]:
    """Arguments of ``add_area``."""
    polygons = values.source("AOI")
    if polygons is not None:
        return ["--aoi", export_features(polygons, "area of interest", context)]
    return (
        ["--aoi", export_area(*values.extent("EXTENT"), context)] if values.text("EXTENT") else []
    )


def add_reading(algorithm: GeodlAlgorithm) -> None:
    """Add names and wavelengths of the bands, scale, offset, nodata and a mask, which few scenes need."""
    add_numbers(algorithm)
    wavelengths = QgsProcessingParameterFile(
        "WAVELENGTHS", "File of the bands' wavelengths", optional=True
    )
    help_text = "Text with the wavelength of each band in file order (nm or um), for files that do not state them."
    algorithm.add(wavelengths, help_text, advanced=True)
    add_mask(algorithm, advanced=True)


def add_numbers(algorithm: GeodlAlgorithm) -> None:
    """Add names of the bands, scale, offset and nodata."""
    bands = QgsProcessingParameterString(
        "BANDS", "Names of the bands, in file order (B02,B03,...)", optional=True
    )
    bands.setMetadata(_BAND_NAMES_WIDGET)
    help_text = (
        "For files that do not name their bands: one name for each band, as the model calls them, "
        "separated by commas."
    )
    algorithm.add(bands, help_text, advanced=True)
    for name, title, help_text in (
        ("SCALE", "Scale of the numbers", "Physical value = number x scale + offset; Sentinel-2: 0.0001."),
        ("OFFSET", "Offset of the numbers", "Sentinel-2 from processing baseline 04.00 on: -0.1."),
        ("NODATA", "Nodata of the scene", "Number that stands for no measurement, where the file does not say."),
    ):  # fmt: skip
        double = QgsProcessingParameterNumber.Type.Double
        algorithm.add(
            QgsProcessingParameterNumber(name, title, double, optional=True),
            help_text,
            advanced=True,
        )


def add_mask(algorithm: GeodlAlgorithm, *, also: str = "", advanced: bool) -> None:
    """Add the band that masks clouds, with more help in ``also``."""
    mask = QgsProcessingParameterString(
        "MASK", "Quality band that masks clouds (SCL, a band, or FILE=3,8-10)", optional=True
    )
    help_text = (
        "SCL of a Sentinel-2 product, QA_PIXEL, Fmask, UDM2, or another band or file with the numbers that "
        "mask: FILE=3,8-10, FILE=bits:1,3 or FILE=keep:1. SCL=cloud_high,snow names classes, B02>0.2 masks by "
        f"values.{also}"
    )
    algorithm.add(mask, help_text, advanced=advanced)


def add_resampling(algorithm: GeodlAlgorithm) -> None:
    """Add that bands may be resampled."""
    resample = QgsProcessingParameterBoolean(
        "RESAMPLE", "Resample the bands to the model's wavelengths", defaultValue=False
    )
    help_text = "For hyperspectral scenes of another sensor than the model's."
    algorithm.add(resample, help_text, advanced=True)


def resampling(values: ParameterValues) -> list[str]:
    """Arguments of ``add_resampling``."""
    return ["--resample"] if values.flag("RESAMPLE") else []


def reading(values: ParameterValues) -> list[str]:
    """Arguments of a mask, of numbers and of wavelengths."""
    return values.options("BANDS", "WAVELENGTHS", "MASK", "SCALE", "OFFSET", "NODATA")
