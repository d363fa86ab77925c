"""QGIS plugin that maps rasters with ``geodl``, a program with an environment of its own.

Nothing here imports more than Python's standard library and QGIS; importing this package alone does
not even need QGIS.
"""

from __future__ import annotations


def classFactory(iface):
    """Give QGIS the plugin; ``iface`` is None in ``qgis_process``."""
    from .plugin import Plugin

    return Plugin(iface)
