"""What the user knows better than the file; kept apart so that asking costs no GDAL."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SceneOptions"]


@dataclass(frozen=True)
class SceneOptions:
    """Overrides for a scene.

    Attributes
    ----------
    bands : for a plain file, the names of its bands in file order; for a product or where fewer
        names than bands are given, the bands to use.
    nodata : number that stands for no measurement, in every band.
    scale, offset : physical value = number * scale + offset, in every band.
    """

    bands: tuple[str, ...] | None = None
    nodata: float | None = None
    scale: float | None = None
    offset: float | None = None
