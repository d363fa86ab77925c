"""Files that geodl can make beside a map: the list in outputs.json, made from the library's own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from qgis.core import QgsProcessingParameterBoolean

from georaster_dl_qgis.algorithms.geodl_algorithm import GeodlAlgorithm
from georaster_dl_qgis.parameters.values import ParameterValues

__all__ = ["DEFAULT_MODEL", "OUTPUT_KINDS", "OutputKind", "add_flag", "chosen_kinds"]

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

    def beside(self, mapped: str) -> str:
        """Path of the file beside the map that it belongs to."""
        path = Path(mapped)
        return str(path.with_name(f"{path.stem}_{self.name}{self.suffix}"))


def _read() -> list[OutputKind]:
    text = Path(__file__).with_name("outputs.json").read_text(encoding="utf-8")
    rows = json.loads(text)
    return [OutputKind(**{**row, "choices": tuple(row["choices"])}) for row in rows]


OUTPUT_KINDS = _read()


def add_flag(algorithm: GeodlAlgorithm, kind: OutputKind, *, of: str) -> None:
    """Add the choice to make a file beside ``of``."""
    flag = QgsProcessingParameterBoolean(
        kind.parameter, f"Also make: {kind.title.lower()}", defaultValue=False
    )
    algorithm.add(flag, f"{kind.help[0].upper()}{kind.help[1:]}, beside {of}.")


def chosen_kinds(values: ParameterValues, kinds: list[OutputKind]) -> list[OutputKind]:
    """Give the kinds whose flag is set."""
    return [kind for kind in kinds if values.flag(kind.parameter)]
