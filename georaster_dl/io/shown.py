"""Results of runs as notebooks show them: a picture of the raster that was made."""

from __future__ import annotations

import html
from pathlib import Path

__all__ = ["ShownResult"]

_LONGEST = 1000  # side of the picture in pixels


class ShownResult:
    """Base of results whose ``files`` end with the raster that was made."""

    files: tuple[Path, ...]

    def _repr_html_(self) -> str | None:
        """Picture and facts of the raster; None, for the plain text, where it cannot be read any more."""
        from georaster_dl.core.errors import GeoRasterError
        from georaster_dl.io.maps import (
            read_map,  # the result of a run on the command line shows nothing
        )

        rasters = [path for path in self.files if path.suffix in (".tif", ".tiff", ".vrt")]
        try:
            shown = read_map(rasters[-1], longest=_LONGEST)
        except (IndexError, GeoRasterError):
            return None
        names = "".join(f"<li><code>{html.escape(str(path))}</code></li>" for path in self.files)
        return f"{shown._repr_html_()}<ul>{names}</ul>"
