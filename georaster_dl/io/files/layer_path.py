"""Paths of vector files as QGIS writes them: ``file.gpkg|layername=NAME``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from georaster_dl.core.errors import OptionError

__all__ = ["LayerPath", "file_of"]

_IGNORED = {"geometrytype", "uniquegeometrytype", "authid", "encoding"}


@dataclass(frozen=True)
class LayerPath:
    """A vector file and, where the path names one, a layer of it.

    Attributes
    ----------
    file : what lies on the disk.
    layer : name of a layer, None where none is named.
    number : place of a layer among the file's, from 0, as old versions of QGIS name it.
    """

    file: Path
    layer: str | None = None
    number: int | None = None

    @classmethod
    def of(cls, path: Path) -> LayerPath:
        """Take a path apart. A file whose own name has a ``|`` is that file.

        Raises
        ------
        OptionError
            When it names something else than a layer, a filter for example.
        """
        file, _, rest = str(path).partition("|")
        if not rest or path.exists() or not Path(file).exists():
            return cls(path)
        named: dict[str, str] = {}
        for part in rest.split("|"):
            key, _, value = part.partition("=")
            named[key.strip().lower()] = value.strip()
        layer, number = named.pop("layername", None), named.pop("layerid", None)
        unknown = sorted(set(named) - _IGNORED)
        if unknown or not (layer or (number or "").isdecimal()):
            raise OptionError(
                f"{path} names {unknown[0] if unknown else 'no layer'!r} after the file, but only "
                f"|layername=NAME is read there; export what you mean to a file of its own."
            )
        return cls(Path(file), layer, None if layer else int(str(number)))


def file_of(path: Path | str) -> Path:
    """The file of a path that may also name a layer."""
    return LayerPath.of(Path(path)).file if "|" in str(path) else Path(path)
