"""How results come into the project: named, styled, and together in a group."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from qgis.core import (
    QgsLayerTreeGroup,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingLayerPostProcessorInterface,
    QgsProject,
    QgsRasterLayer,
)
from qgis.PyQt.QtCore import QTimer

__all__ = ["LayerGroup", "load_layers"]


def load_layers(title: str, made: dict[str, str], context: QgsProcessingContext) -> None:
    """Load files, in one group, that QGIS was going to load.

    Parameters
    ----------
    title : of the group, behind the program's name.
    made : name of the layer by path; an empty path is one that was not wanted.
    """
    group = LayerGroup(f"geodl: {title}")
    for path, name in made.items():
        if path and context.willLoadLayerOnCompletion(path):
            group.add(path, name, context)


class LayerGroup:
    """The layers of one run, from top to bottom.

    Parameters
    ----------
    title : name of their group in the layer tree.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._size = 0
        self._ranks: dict[str, int] = {}  # of the layers that are in, by their id

    def add(self, path: str, name: str, context: QgsProcessingContext) -> None:
        """Load a file when the algorithm is done, below those that were added before.

        One that could not be made, of which geodl has warned, is left out.
        """
        if not Path(path.partition("|")[0]).is_file():
            planned = context.layersToLoadOnCompletion()
            planned.pop(path, None)
            context.setLayersToLoadOnCompletion(planned)
            return
        project = context.project()
        if project is None:  # qgis_process without a project: there is nowhere to load to
            return
        if not context.willLoadLayerOnCompletion(path):
            details = QgsProcessingContext.LayerDetails(name, project, name)
            context.addLayerToLoadOnCompletion(path, details)
        details = context.layerToLoadOnCompletionDetails(path)
        details.name = name
        details.forceName = True
        details.setPostProcessor(_PostProcessor.kept(self, self._size))
        self._size += 1

    def take_in(self, layer: QgsMapLayer, rank: int, project: QgsProject) -> None:
        """Move a layer of the tree to its place in the group."""
        root = project.layerTreeRoot()
        node = root.findLayer(layer.id())
        if node is None:  # the user was faster
            return
        group = self._group(root)
        self._ranks[layer.id()] = rank
        ranks = [self._ranks.get(other.layerId(), self._size) for other in group.findLayers()]
        moved = node.clone()
        group.insertChildNode(sum(other < rank for other in ranks), moved)
        node.parent().removeChildNode(node)
        moved.setExpanded(rank == 0)
        moved.setItemVisibilityChecked(rank == 0)

    def _group(self, root: QgsLayerTreeGroup) -> QgsLayerTreeGroup:
        """Find the group of this run, also after the user moved or renamed it."""
        for group in root.findGroups(True):
            if any(node.layerId() in self._ranks for node in group.findLayers()):
                return group
        return root.insertGroup(0, self._title)


class _PostProcessor(QgsProcessingLayerPostProcessorInterface):
    """Styles one layer and puts it into its group."""

    _alive: ClassVar[set[_PostProcessor]] = set()  # QGIS holds no reference to them

    @classmethod
    def kept(cls, group: LayerGroup, rank: int) -> _PostProcessor:
        """A post-processor that lives until its layer is in its place."""
        made = cls()
        made._group, made._rank = group, rank
        cls._alive.add(made)
        return made

    def postProcessLayer(self, layer, context, feedback) -> None:
        _apply_style(layer)
        project = context.project() or QgsProject.instance()

        def place() -> None:
            self._group.take_in(layer, self._rank, project)
            self._alive.discard(self)

        # Only then is the layer certain to be in the tree: versions of QGIS differ in when they put it there.
        QTimer.singleShot(0, place)


def _apply_style(layer: QgsMapLayer) -> None:
    """Apply the style that geodl wrote, in place of the user's default for rasters."""
    if isinstance(layer, QgsRasterLayer):
        style = Path(layer.source()).with_suffix(".qml")
        if style.is_file():
            layer.loadNamedStyle(str(style))
    else:
        layer.loadDefaultStyle()
