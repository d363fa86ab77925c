"""A map and the files that geodl can make beside it: the list in outputs.json, made from the library's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingDestinationParameter,
    QgsProcessingOutputRasterLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterVectorDestination,
)

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.parameters.values import ParameterValues
from georaster_dl_qgis.results.layer_group import LayerGroup

__all__ = [
    "DEFAULT_MODEL",
    "OUTPUT_KINDS",
    "RASTER_KINDS",
    "OutputKind",
    "add_certainty",
    "add_files",
    "add_flag",
    "add_map",
    "certainty",
    "chosen_kinds",
    "load_map",
    "named_files",
]

DEFAULT_MODEL = (
    "automatic: the bundled land-cover model, where the bands carry the names of Sentinel-2."
)
"""What happens where no model is chosen for a map."""


@dataclass(frozen=True)
class OutputKind:
    """A file beside a map.

    Attributes
    ----------
    name : option of geodl; the file's name ends in it.
    title : heading.
    help : what it holds, as a noun phrase.
    suffix : ending of its name; that of rasters is .tif.
    choices : values that its option takes, the first by default.
    """

    name: str
    title: str
    help: str
    suffix: str
    choices: tuple[str, ...] = ()

    @property
    def is_raster(self) -> bool:
        """Whether it is a raster, which geodl names after the map."""
        return self.suffix == ".tif"

    @property
    def parameter(self) -> str:
        """Name of the algorithm's parameter."""
        return self.name.upper()

    @property
    def output(self) -> str:
        """Name of the algorithm's output, of a raster."""
        return f"{self.parameter}_RASTER"

    def beside(self, mapped: str) -> str:
        """Path of the file beside the map that it belongs to."""
        path = Path(mapped)
        return str(path.with_name(f"{path.stem}_{self.name}{self.suffix}"))


def _read() -> list[OutputKind]:
    text = Path(__file__).with_name("outputs.json").read_text(encoding="utf-8")
    rows = json.loads(text)
    return [OutputKind(**{**row, "choices": tuple(row["choices"])}) for row in rows]


OUTPUT_KINDS = _read()
RASTER_KINDS = [kind for kind in OUTPUT_KINDS if kind.is_raster]
_FILE_KINDS = [kind for kind in OUTPUT_KINDS if not kind.is_raster]
_KEPT = "KEPT"


def add_flag(algorithm: GeodlAlgorithm, kind: OutputKind, *, of: str) -> None:
    """Add the choice to make a file beside ``of``."""
    flag = QgsProcessingParameterBoolean(
        kind.parameter, f"Also make: {kind.title.lower()}", defaultValue=False
    )
    algorithm.add(flag, f"{kind.help[0].upper()}{kind.help[1:]}, beside {of}.")


def chosen_kinds(values: ParameterValues, kinds: list[OutputKind]) -> list[OutputKind]:
    """Give the kinds whose flag is set."""
    return [kind for kind in kinds if values.flag(kind.parameter)]


def add_map(algorithm: GeodlAlgorithm, kinds: list[OutputKind]) -> None:
    """Add the map, and the rasters beside it that may be asked for."""
    definition = QgsProcessingParameterRasterDestination("OUTPUT", "Map")
    algorithm.add(definition, "GeoTIFF with class names and colours, or with values.")
    for kind in kinds:
        algorithm.addOutput(QgsProcessingOutputRasterLayer(kind.output, kind.title))


def add_files(algorithm: GeodlAlgorithm) -> None:
    """Add the files beside a map that the user names."""
    for kind in _FILE_KINDS:
        algorithm.add(_destination(kind), f"{kind.help[0].upper()}{kind.help[1:]}.")


def _destination(kind: OutputKind) -> QgsProcessingDestinationParameter:
    title = f"Also make: {kind.title.lower()}"
    if kind.suffix == ".gpkg":
        return QgsProcessingParameterVectorDestination(
            kind.parameter, title, optional=True, createByDefault=False
        )
    return QgsProcessingParameterFileDestination(
        kind.parameter,
        title,
        fileFilter=f"{kind.title} (*{kind.suffix})",
        optional=True,
        createByDefault=False,
    )


def named_files(algorithm: GeodlAlgorithm, values: ParameterValues) -> dict[OutputKind, str]:
    """Files beside a map that the user named; none where the algorithm does not ask for them."""
    named = {
        kind: values.output(kind.parameter)
        if kind.suffix == ".gpkg"
        else values.file_output(kind.parameter)
        for kind in _FILE_KINDS
        if algorithm.parameterDefinition(kind.parameter)
    }
    return {kind: path for kind, path in named.items() if path}


def add_certainty(algorithm: GeodlAlgorithm) -> None:
    """Add the share of pixels to accept as certain."""
    kept = QgsProcessingParameterNumber(
        _KEPT,
        "Share of the ground to keep as certain (empty: all)",
        QgsProcessingParameterNumber.Type.Double,
        optional=True,
        minValue=0.01,
        maxValue=0.99,
    )
    algorithm.add(
        kept,
        "0.9 makes pixels the class 'uncertain' whose probability nine tenths of the model's validation "
        "ground exceed. For models of classes that hold the statistics for it.",
        advanced=True,
    )


def certainty(values: ParameterValues) -> list[str]:
    """Arguments of ``add_certainty``."""
    return ["--reject", values.text(_KEPT)] if values.text(_KEPT) else []


def load_map(
    name: str,
    mapped: str,
    rasters: list[OutputKind],
    files: dict[OutputKind, str],
    context: QgsProcessingContext,
) -> dict[str, str]:
    """Load a map and the files beside it, and give the algorithm's outputs.

    Parameters
    ----------
    name : of what was mapped.
    rasters, files : made beside the map, if nothing went wrong.
    """
    group = LayerGroup(f"geodl: {name}")
    loads = context.willLoadLayerOnCompletion(mapped)
    made = {"OUTPUT": mapped}
    if loads:
        group.add(mapped, f"Map: {name}", context)
    for kind, path in files.items():
        made[kind.parameter] = path
        if context.willLoadLayerOnCompletion(path):
            group.add(path, f"{kind.title}: {name}", context)
    for kind in rasters:
        made[kind.output] = kind.beside(mapped)
        if loads:
            group.add(made[kind.output], f"{kind.title}: {name}", context)
    return made
