"""Removal of another installation's GDAL and PROJ from the environment, before anything loads them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["dropped_variables", "forget_foreign_gdal"]

_dropped: dict[str, str] = {}


def forget_foreign_gdal() -> None:
    """Drop another installation's GDAL and PROJ data folders from the environment.

    A parent such as QGIS leaks them, and its older proj.db breaks every CRS. Only where rasterio
    brings its own data: a conda or system build needs the variables.
    """
    spec = importlib.util.find_spec("rasterio")
    if spec is None or spec.origin is None or not (Path(spec.origin).parent / "proj_data").is_dir():
        return
    for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"):
        value = os.environ.pop(name, None)
        if value is not None:
            _dropped[name] = value


def dropped_variables() -> Mapping[str, str]:
    """Return the dropped variables, for ``geodl doctor``."""
    return dict(_dropped)
