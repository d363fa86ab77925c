"""Values of an algorithm's parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qgis.core import (
    QgsGeometry,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
)

from georaster_dl_qgis.program.runner import GeodlError

__all__ = ["ParameterValues"]


class ParameterValues:
    """The values of an algorithm's parameters."""

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
    ) -> None:
        self._ask, self._parameters, self._context = algorithm, parameters, context

    def _of(self, kind: str, name: str) -> Any:
        return getattr(self._ask, f"parameterAs{kind}")(self._parameters, name, self._context)

    def text(self, name: str) -> str:
        """Text of any parameter, empty where nothing was given."""
        return str(self._of("String", name) or "").strip()

    def options(self, *names: str) -> list[str]:
        """Options of geodl that are called as these parameters, of those that were given."""
        texts = {name: self.text(name) for name in names}
        return [
            f"--{name.lower().replace('_', '-')}={text}" for name, text in texts.items() if text
        ]

    def choice(self, name: str) -> str:
        """Value of an enumeration of texts."""
        return str(self._of("EnumString", name) or "")

    def flag(self, name: str) -> bool:
        """Whether it is ticked."""
        return bool(self._of("Boolean", name))

    def crs(self, name: str) -> list[str]:
        """Option of geodl with a CRS, where one was given."""
        crs = self._of("Crs", name)
        return [f"--{name.lower()}={crs.authid() or crs.toWkt()}"] if crs.isValid() else []

    def raster(self, name: str) -> Any:
        """Raster layer, None where nothing was given."""
        layer = self._of("RasterLayer", name)
        if layer is None and self.text(name):
            raise GeodlError(f"{self.text(name)} cannot be opened as a raster; check the path.")
        return layer

    def rasters(self, name: str) -> list[Any]:
        """Raster layers of a list."""
        return list(self._of("LayerList", name))

    def files(self, name: str) -> list[str]:
        """Paths of a list of files."""
        return list(self._of("FileList", name))

    def layer(self, name: str) -> Any:
        """Layer of any kind, or the layer of given features; None without a value."""
        value = self._parameters.get(name)
        if isinstance(value, QgsProcessingFeatureSourceDefinition):
            value = value.source.staticValue()
        return self._ask.parameterAsLayer({name: value}, name, self._context)

    def source(self, name: str) -> Any:
        """Features, all or selected, as the user asked; None without a value."""
        return None if self._parameters.get(name) in (None, "") else self._of("Source", name)

    def extent(self, name: str) -> tuple[Any, Any]:
        """Outline of an extent and its CRS."""
        return QgsGeometry.fromRect(self._of("Extent", name)), self._of("ExtentCrs", name)

    def output(self, name: str) -> str:
        """Path of a raster or vector to make, empty where it is not wanted."""
        return str(self._of("OutputLayer", name) or "") if self._parameters.get(name) else ""

    def file_output(self, name: str) -> str:
        """Path of a file to make, empty where it is not wanted."""
        return str(self._of("FileOutput", name) or "") if self._parameters.get(name) else ""

    def permanent_path(self, name: str) -> Path:
        """Path of a file or folder to make; that of the definition where nothing was given."""
        return Path(self._of("FileOutput", name))

    def wanted_path(self, name: str) -> Path | None:
        """Path of a file to make; that of the definition where nothing was given, None where it is not wanted."""
        given = self._parameters.get(name, self._ask.parameterDefinition(name).defaultValue())
        return self.permanent_path(name) if given else None
