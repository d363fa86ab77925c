"""Definitions of parameters that many algorithms have; without a default they are optional."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

__all__ = [
    "choice",
    "class_names",
    "field_name",
    "field_names",
    "flag",
    "labels",
    "number",
    "rasters",
    "report",
    "text",
    "wanted_raster",
    "wanted_vector",
]


def choice(
    name: str, title: str, options: list[str], default: str | None = None
) -> QgsProcessingParameterEnum:
    """A choice of texts."""
    return QgsProcessingParameterEnum(
        name,
        title,
        options=options,
        defaultValue=default,
        optional=default is None,
        usesStaticStrings=True,
    )


def number(
    name: str,
    title: str,
    default: float | None = None,
    *,
    least: float | None = None,
    most: float | None = None,
    real: bool = False,
) -> QgsProcessingParameterNumber:
    """A number between bounds, whole where it is not ``real``."""
    kinds = QgsProcessingParameterNumber.Type
    bounds = {"minValue": least, "maxValue": most}
    return QgsProcessingParameterNumber(
        name,
        title,
        kinds.Double if real else kinds.Integer,
        default,
        default is None,
        **{key: value for key, value in bounds.items() if value is not None},
    )


def flag(name: str, title: str, default: bool = False) -> QgsProcessingParameterBoolean:
    """A tick."""
    return QgsProcessingParameterBoolean(name, title, defaultValue=default)


def text(name: str, title: str) -> QgsProcessingParameterString:
    """A line of text that may be empty."""
    return QgsProcessingParameterString(name, title, optional=True)


def rasters(name: str, title: str) -> QgsProcessingParameterMultipleLayers:
    """One raster or more."""
    return QgsProcessingParameterMultipleLayers(name, title, QgsProcessing.SourceType.TypeRaster)


def labels(name: str, title: str, *, optional: bool = False) -> QgsProcessingParameterMapLayer:
    """A vector layer or a raster."""
    sources = QgsProcessing.SourceType
    kinds = [sources.TypeVectorAnyGeometry, sources.TypeRaster]
    return QgsProcessingParameterMapLayer(name, title, optional=optional, types=kinds)


def field_name(name: str, title: str, *, of: str) -> QgsProcessingParameterString:
    """A field or band of the layer of another parameter, which a column of a table may be instead."""
    return _listed(name, title, of=of, several=False, kind="fields")


def field_names(name: str, title: str, *, of: str) -> QgsProcessingParameterString:
    """Fields or bands of the layer of another parameter, with commas between."""
    return _listed(name, title, of=of, several=True, kind="fields")


def class_names(
    name: str, title: str, *, of: str, field: str = "", several: bool = False
) -> QgsProcessingParameterString:
    """Classes of the layer of another parameter, which others than those may be.

    Parameters
    ----------
    of : parameter with the layer.
    field : parameter with its field of classes.
    several : whether there may be more than one, with commas between.
    """
    return _listed(name, title, of=of, field=field, several=several, kind="classes")


def _listed(name: str, title: str, **what: Any) -> QgsProcessingParameterString:
    definition = text(name, title)
    # A window lists them; the class is only imported there.
    listing = {"class": "georaster_dl_qgis.dialog.listed_names.ListedNames", **what}
    definition.setMetadata({"widget_wrapper": listing})
    return definition


def report(name: str = "REPORT", title: str = "Report") -> QgsProcessingParameterFileDestination:
    """A web page that is made by default."""
    return QgsProcessingParameterFileDestination(
        name, title, fileFilter="Web pages (*.html)", optional=True
    )


def wanted_raster(name: str, title: str) -> QgsProcessingParameterRasterDestination:
    """A further raster that is made where it is asked for."""
    return QgsProcessingParameterRasterDestination(
        name, title, optional=True, createByDefault=False
    )


def wanted_vector(name: str, title: str) -> QgsProcessingParameterVectorDestination:
    """A further vector file that is made where it is asked for."""
    return QgsProcessingParameterVectorDestination(
        name, title, optional=True, createByDefault=False
    )
