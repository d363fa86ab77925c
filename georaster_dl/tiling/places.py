"""Groups of scenes that overlap, and square blocks of cells common to them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.core.geography import (
    Georeference,
    footprint,
    full_turn,
    near_longitude,
    to_coordinates,
)
from georaster_dl.tiling.sampling import LabelIndex
from georaster_dl.tiling.split_blocks import (
    NO_PART,
    Parts,
    SplitMask,
    assign,
    separated,
    with_nearest_part,
)

__all__ = ["SharedBlocks", "overlapping"]


class SharedBlocks:
    """Square blocks of cells, shared by scenes that overlap.

    The blocks of overlapping scenes are those of the first of them: other dates, and neighbours on
    other grids, are split along the same lines, so that no place is in two parts.

    Parameters
    ----------
    geoboxes, indexes, groups : grid, labels and place of each scene, as ``overlapping`` numbers places.
    side : of a block, in pixels of the first scene of its place.

    Attributes
    ----------
    labelled : number of blocks that hold labels.
    """

    def __init__(
        self,
        geoboxes: Sequence[Georeference],
        indexes: Sequence[LabelIndex],
        groups: npt.NDArray[np.int64],
        side: int,
    ) -> None:
        self._indexes = indexes
        self._groups = np.unique(groups, return_inverse=True)[1]
        groups = self._groups
        first = [geoboxes[int(np.argmax(groups == group))] for group in groups]
        # Block of each cell, counted in the blocks of its group's first scene.
        self._places = [
            _cell_centres(geobox, start, index) // side
            for geobox, start, index in zip(geoboxes, first, indexes, strict=True)
        ]
        for group in range(groups.max() + 1):
            members = [i for i, g in enumerate(groups) if g == group]
            low = np.min([self._places[i].min(axis=(1, 2)) for i in members], axis=0)
            for i in members:
                self._places[i] = (self._places[i] - low[:, None, None]).astype(np.int64)
        self._counts = [self._counted(group) for group in range(groups.max() + 1)]
        self.labelled = int(sum(counts.any(axis=2).sum() for counts in self._counts))

    def _counted(self, group: int) -> npt.NDArray[np.int64]:
        """(block rows, block cols, classes) labelled pixels of a group's scenes together."""
        members = [i for i, g in enumerate(self._groups) if g == group]
        shape = np.max([self._places[i].max(axis=(1, 2)) for i in members], axis=0) + 1
        counts = np.zeros((*shape, self._indexes[0].counts.shape[1]), np.int64)
        for i in members:
            index = self._indexes[i]
            rows, cols = self._places[i][:, index.rows, index.cols]
            np.add.at(counts, (rows, cols), index.counts)
        return counts

    def masks(
        self, shares: tuple[float, float, float], seed: int, gap: int
    ) -> tuple[SplitMask, ...]:
        """Assign the blocks to the parts and map them to the cells of every scene."""
        labelled = [counts.any(axis=2) for counts in self._counts]
        parts = assign(
            np.concatenate([c[some] for c, some in zip(self._counts, labelled, strict=True)]),
            shares,
            seed,
        )
        ends = np.cumsum([where.sum() for where in labelled])
        of_group: list[Parts] = []
        for where, some in zip(labelled, np.split(parts, ends[:-1]), strict=True):
            grid = np.full(where.shape, NO_PART, np.int8)
            grid[where] = some
            # Blocks without labels are context; it belongs to the nearest part.
            of_group.append(with_nearest_part(grid))
        masks = []
        for group, places, index in zip(self._groups, self._places, self._indexes, strict=True):
            cells = of_group[group][places[0], places[1]]
            masks.append(SplitMask(index.shape, index.cell, separated(cells, gap, index.cell)))
        return tuple(masks)


def _cell_centres(
    geobox: Georeference, first: Georeference, index: LabelIndex
) -> npt.NDArray[np.float64]:
    """(2, cell rows, cell cols): row and col of each cell's centre in pixels of ``first``."""
    rows, cols = (np.arange(n) * index.cell + index.cell / 2 for n in index.grid)
    if geobox == first or not isinstance(geobox, GeoBox) or not isinstance(first, GeoBox):
        return np.stack(np.meshgrid(rows, cols, indexing="ij"))
    down, across = np.meshgrid(rows, cols, indexing="ij")
    x, y = to_coordinates(geobox.affine, across, down)
    if geobox.crs != first.crs and geobox.crs is not None and first.crs is not None:
        to_first = pyproj.Transformer.from_crs(
            geobox.crs.to_wkt(), first.crs.to_wkt(), always_xy=True
        )
        x, y = to_first.transform(x, y)
    if first.crs is not None and first.crs.geographic:
        middle = first.extent.geom.centroid.x
        x = near_longitude(x, middle, full_turn(first.crs.proj))
    col, row = ~first.affine * (x, y)
    return np.stack([row, col])


def overlapping(geoboxes: Sequence[Georeference]) -> npt.NDArray[np.int64]:
    """Group number of each scene; scenes of one group overlap, directly or through others."""
    footprints, systems = zip(*map(_footprint, geoboxes), strict=True)
    groups = np.arange(len(geoboxes))
    tree = shapely.STRtree(footprints)
    for a, b in tree.query(footprints, predicate="intersects").T:
        if (
            a < b
            and systems[a] == systems[b]
            and footprints[a].intersection(footprints[b]).area > 0
        ):
            groups[groups == groups[b]] = groups[a]
    return np.unique(groups, return_inverse=True)[1]


def _footprint(geobox: Georeference) -> tuple[shapely.Geometry, str]:
    """Outline and its coordinate system: empty for longitude and latitude, WKT for a local CRS.

    The outline of a scene without georeference is empty, so it overlaps no other.
    """
    if geobox.crs is None or isinstance(geobox, GCPGeoBox):
        return shapely.Polygon(), ""
    outline = footprint(geobox)
    return (geobox.extent.geom, geobox.crs.to_wkt()) if outline is None else (outline.geometry, "")
