"""The layers with which a window opens: those that are chosen in the Layers panel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qgis.core import QgsMapLayer, QgsProject, QgsRasterLayer, QgsVectorLayer

__all__ = ["SelectedLayers"]

_MADE_BY_GEODL = "GEORASTER_DL_CONTENT="  # tag of every raster that geodl makes


class SelectedLayers:
    """Layers as they are chosen, and those of the project.

    Parameters
    ----------
    layers : the active layer first, then the others that are selected; None is left out.
    """

    def __init__(self, layers: Iterable[QgsMapLayer | None], project: QgsProject) -> None:
        self._layers = list({layer.id(): layer for layer in layers if layer is not None}.values())
        self._project = project

    @classmethod
    def in_window(cls, iface: Any) -> SelectedLayers:
        """Read the selection in QGIS's window; empty without a window."""
        project = QgsProject.instance()
        if iface is None:
            return cls([], project)
        return cls([iface.activeLayer(), *iface.layerTreeView().selectedLayers()], project)

    def scenes(self) -> list[QgsRasterLayer]:
        """List selected rasters that geodl did not make, else the only raster of the project."""
        return self._selected_or_only(_is_scene)

    def rasters(self) -> list[QgsRasterLayer]:
        """List selected rasters, of geodl too, else the only raster of the project."""
        return self._selected_or_only(_is_file)

    def labels(self) -> list[QgsVectorLayer]:
        """List selected vector layers, else the only vector layer of the project."""
        return self._selected_or_only(_is_vector)

    def map(self) -> QgsRasterLayer | None:
        """The chosen map that geodl made or that shows classes, else geodl's topmost of the project."""
        top = self._project.layerTreeRoot().layerOrder()
        selected = [layer for layer in self._layers if _is_map(layer) or _shows_classes(layer)]
        return next(iter([*selected, *filter(_is_map, top)]), None)

    def maps(self) -> list[QgsRasterLayer]:
        """List the selected maps, else all maps of the project that geodl made."""
        selected = [layer for layer in self._layers if _is_map(layer) or _shows_classes(layer)]
        return selected or list(filter(_is_map, self._project.layerTreeRoot().layerOrder()))

    def reference(self) -> QgsMapLayer | None:
        """A chosen layer of classes or vectors beside the map, None where there is none."""
        taken = self.map()
        fitting = (layer for layer in self._layers if _is_vector(layer) or _shows_classes(layer))
        return next((layer for layer in fitting if layer != taken), None)

    def _selected_or_only(self, fits) -> list[Any]:
        selected = [layer for layer in self._layers if fits(layer)]
        if selected:
            return selected
        all_layers = [layer for layer in self._project.mapLayers().values() if fits(layer)]
        return all_layers if len(all_layers) == 1 else []


def _is_vector(layer: QgsMapLayer) -> bool:
    return isinstance(layer, QgsVectorLayer) and layer.isValid() and layer.isSpatial()


def _is_file(layer: QgsMapLayer) -> bool:
    fits = isinstance(layer, QgsRasterLayer) and layer.providerType() == "gdal"
    return fits and layer.isValid()  # the file of a layer may be gone


def _is_scene(layer: QgsMapLayer) -> bool:
    return _is_file(layer) and _MADE_BY_GEODL not in layer.dataProvider().htmlMetadata()


def _is_map(layer: QgsMapLayer) -> bool:
    return _is_file(layer) and f"{_MADE_BY_GEODL}map<" in layer.dataProvider().htmlMetadata()


def _shows_classes(layer: QgsMapLayer) -> bool:
    return _is_file(layer) and layer.renderer().type() == "paletted"
