"""How the numbers of a scene are read, where the user knows it better than the file."""

from __future__ import annotations

from qgis.core import (
    QgsProcessingParameterBoolean,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.parameters.values import ParameterValues

__all__ = ["add_reading", "add_resampling", "reading"]

# A window edits the names in a table; the class is only imported there.
_BAND_NAMES_WIDGET = {"widget_wrapper": {"class": "georaster_dl_qgis.dialog.band_names.BandNames"}}


def add_reading(algorithm: GeodlAlgorithm) -> None:
    """Add names of the bands, a mask, scale, offset and nodata."""
    bands = QgsProcessingParameterString(
        "BANDS", "Names of the bands, in file order (B02,B03,...)", optional=True
    )
    bands.setMetadata(_BAND_NAMES_WIDGET)
    help_text = (
        "For files that do not name their bands: one name for each band, as the model calls them, "
        "separated by commas."
    )
    algorithm.add(bands, help_text, advanced=True)
    mask = QgsProcessingParameterString(
        "MASK", "Quality band that masks clouds (SCL, a band, or FILE=3,8-10)", optional=True
    )
    help_text = (
        "SCL of a Sentinel-2 product, QA_PIXEL, Fmask, UDM2, or another band or file with the numbers that "
        "mask: FILE=3,8-10, FILE=bits:1,3 or FILE=keep:1. SCL=cloud_high,snow names classes, B02>0.2 masks by values."
    )
    algorithm.add(mask, help_text, advanced=True)
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


def add_resampling(algorithm: GeodlAlgorithm) -> None:
    """Add that bands may be resampled."""
    resample = QgsProcessingParameterBoolean(
        "RESAMPLE", "Resample the bands to the model's wavelengths", defaultValue=False
    )
    help_text = "For hyperspectral scenes of another sensor than the model's."
    algorithm.add(resample, help_text, advanced=True)


def reading(values: ParameterValues) -> list[str]:
    """Arguments of ``add_reading``."""
    texts = {name: values.text(name) for name in ("BANDS", "MASK", "SCALE", "OFFSET", "NODATA")}
    return [f"--{name.lower()}={value}" for name, value in texts.items() if value]
