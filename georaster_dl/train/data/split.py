"""Divide the ground between training, validation and test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import footprint, full_turn, near_longitude, to_ground
from georaster_dl.core.raster import Georeference
from georaster_dl.core.wording import counted
from georaster_dl.io.labels.read import is_vector, read_features
from georaster_dl.tiling.sampling import LabelIndex
from georaster_dl.tiling.split_blocks import (
    NO_PART,
    PARTS,
    TRAIN,
    Parts,
    SplitMask,
    assign,
    block_side,
    separated,
    with_nearest_part,
)
from georaster_dl.train.data.cache import CachedScene, count_labels
from georaster_dl.train.data.labelled_scenes import LabelledScene
from georaster_dl.train.settings.config import SplitSection

__all__ = ["Split", "split_scenes"]

_SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class Split:
    """A finished split.

    Attributes
    ----------
    masks : one per scene.
    note : how the ground was divided, in one line.
    caution : what to keep in mind when the accuracies are read; empty where they are honest.
    """

    masks: tuple[SplitMask, ...]
    note: str
    caution: str = ""


def split_scenes(
    stored: Sequence[CachedScene],
    split: SplitSection,
    *,
    patch: int,
    seed: int,
) -> Split:
    """Divide the ground as ``split`` says.

    Parameters
    ----------
    stored : scenes with their labels, decoded and counted.
    patch : side of a training patch in pixels, the unit of a random split.

    Raises
    ------
    OptionError
        When there are fewer units than parts, or a column does not name the parts.
    """
    if split.kind == "column":
        return _by_column(stored, split)
    grounds, indexes = [s.ground for s in stored], [s.index for s in stored]
    labelled = grounds[0].labels is not None
    groups = _overlapping([ground.scene.geobox for ground in grounds])
    if split.kind == "scenes":
        if not labelled:
            _check_units(int(groups.max()) + 1, "place", split.shares)
        return _by_scenes(indexes, groups, split, seed)
    cell = max(index.cell for index in indexes)
    if split.kind == "random":
        side, gap = max(1, patch // cell), 0
    else:
        side = block_side(indexes) if split.block is None else -(-split.block // cell)
        gap = 2 * cell if split.buffer is None else split.buffer
    blocks = _Blocks(grounds, indexes, groups, side * cell)
    if not labelled:
        _check_units(blocks.labelled, "block", split.shares)
    masks = blocks.masks(split.shares, seed, gap)
    what = (
        f"{counted(blocks.labelled, 'labelled block' if labelled else 'block')} of "
        f"{counted(side * cell, 'pixel')}"
    )
    if split.kind == "random":
        return Split(
            masks,
            f"random patches: {what}",
            "Validation and test patches lie beside training patches (random split): their accuracy "
            "leaks and is too high for new places.",
        )
    return Split(masks, f"{what}, at least {counted(gap, 'pixel')} apart")


def _check_units(units: int, what: str, shares: tuple[float, float, float]) -> None:
    """Stop where unlabelled ground has fewer units than parts; that of labels speaks of labels."""
    parts = sum(share > 0 for share in shares)
    if units < parts:
        raise OptionError(
            f"The split has {counted(parts, 'part')} but the scenes make {counted(units, what)}; use smaller blocks, give "
            f"more scenes, or set a share to 0."
        )


def _by_scenes(
    indexes: Sequence[LabelIndex],
    groups: npt.NDArray[np.int64],
    split: SplitSection,
    seed: int,
) -> Split:
    """Scenes of one place stay together."""
    counts = np.zeros((groups.max() + 1, indexes[0].counts.shape[1]), np.int64)
    for group, index in zip(groups, indexes, strict=True):
        counts[group] += index.totals
    labelled = np.flatnonzero(counts.any(axis=1))
    parts = np.full(len(counts), TRAIN, np.int8)
    parts[labelled] = assign(counts[labelled], split.shares, seed, unit="scenes")
    masks = tuple(
        SplitMask.whole(index, int(parts[group]))
        for group, index in zip(groups, indexes, strict=True)
    )
    return Split(masks, f"{counted(len(labelled), 'place')}, each a scene or several that overlap")


def _by_column(stored: Sequence[CachedScene], split: SplitSection) -> Split:
    """The list of scenes, or an attribute of vector labels, says which part is which."""
    if any(each.ground.part for each in stored):
        masks = tuple(
            SplitMask.whole(each.index, _part_named(each.ground.part or "", each.ground.scene.name))
            for each in stored
        )
        note = f"column {split.column!r} of the list of scenes"
    else:
        masks = tuple(_by_features(each, split) for each in stored)
        note = f"column {split.column!r} of the labels"
    _check_parts(masks, stored, split.column)
    return Split(masks, note)


def _check_parts(masks: Sequence[SplitMask], stored: Sequence[CachedScene], column: str) -> None:
    pairs = list(zip(masks, stored, strict=True))
    for part in (0, 1):
        if not any(len(each.index.within(t.cells(part)).rows) for t, each in pairs):
            raise OptionError(
                f"The column {column!r} gives no {stored[0].ground.counted} pixel to {PARTS[part]}; mark some with the "
                f"word {PARTS[part]!r}."
            )


def _by_features(stored: CachedScene, split: SplitSection) -> SplitMask:
    """Cells go to the part whose features alone are in them, those without any to the nearest."""
    ground, index = stored.ground, stored.index
    if ground.labels is None or not is_vector(ground.labels):
        what = "there are no labels" if ground.labels is None else f"{ground.labels} is a raster"
        columns = "scene" if ground.labels is None else "scene,label"
        raise OptionError(
            f"--split column needs a column {split.column!r} in a CSV of scenes or in vector labels, "
            f"but {what}; list {columns},{split.column} in a CSV."
        )
    features = read_features(ground.labels, ground.options)
    if split.column not in features.columns:
        listed = ", ".join(str(c) for c in features.columns if c not in ("geometry", "label"))
        raise OptionError(
            f"{ground.labels} has no column {split.column!r} that says train, validation or test; it "
            f"has {listed}; choose one with --split-column."
        )
    cells = np.full(index.grid, NO_PART, np.int8)
    shared = np.zeros(index.grid, bool)
    for value in sorted(features[split.column].dropna().astype(str).unique()):
        part = _part_named(value, str(ground.labels))
        found = count_labels(stored, (split.column, value))
        held = cells[found.rows, found.cols]
        shared[found.rows, found.cols] |= (held != NO_PART) & (held != part)
        cells[found.rows, found.cols] = part
    spread = with_nearest_part(np.where(shared, NO_PART, cells).astype(np.int8))
    gap = 0 if split.buffer is None else split.buffer
    parts = separated(np.where(shared, NO_PART, spread).astype(np.int8), gap, index.cell)
    return SplitMask(index.shape, index.cell, parts)


def _part_named(text: str, source: str) -> int:
    for number, part in enumerate(PARTS):
        if text.strip().casefold() in _SPELLINGS[part]:
            return number
    raise OptionError(
        f"{source} is marked {text!r} in the split's column, but train, validation or test is "
        f"expected; correct the column or choose another with --split-column."
    )


class _Blocks:
    """Square blocks of ground, shared by scenes that overlap.

    The blocks of overlapping scenes are those of the first of them: other dates, and neighbours on
    other grids, are divided along the same lines, so that no ground is in two parts.
    """

    def __init__(
        self,
        grounds: Sequence[LabelledScene],
        indexes: Sequence[LabelIndex],
        groups: npt.NDArray[np.int64],
        side: int,
    ) -> None:
        self._indexes = indexes
        self._groups = groups
        first = [grounds[int(np.argmax(groups == group))].scene.geobox for group in groups]
        # Block of each cell, counted in the blocks of its group's first scene.
        self._places = [
            _cell_centres(ground.scene.geobox, first[i], indexes[i]) // side
            for i, ground in enumerate(grounds)
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
        """Give the blocks to the parts, and every scene its share of them."""
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
            # Blocks without labels are context; it belongs to whoever is nearest.
            of_group.append(with_nearest_part(grid))
        made = []
        for group, places, index in zip(self._groups, self._places, self._indexes, strict=True):
            cells = of_group[group][places[0], places[1]]
            made.append(SplitMask(index.shape, index.cell, separated(cells, gap, index.cell)))
        return tuple(made)


def _cell_centres(
    geobox: Georeference, first: Georeference, index: LabelIndex
) -> npt.NDArray[np.float64]:
    """(2, cell rows, cell cols): row and col of each cell's centre in pixels of ``first``."""
    rows, cols = (np.arange(n) * index.cell + index.cell / 2 for n in index.grid)
    if geobox == first or not isinstance(geobox, GeoBox) or not isinstance(first, GeoBox):
        return np.stack(np.meshgrid(rows, cols, indexing="ij"))
    down, across = np.meshgrid(rows, cols, indexing="ij")
    x, y = to_ground(geobox.affine, across, down)
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


def _overlapping(geoboxes: Sequence[Georeference]) -> npt.NDArray[np.int64]:
    """Group number of each scene; scenes of one group overlap, directly or through others."""
    footprints, planes = zip(*map(_footprint, geoboxes), strict=True)
    groups = np.arange(len(geoboxes))
    tree = shapely.STRtree(footprints)
    for a, b in tree.query(footprints, predicate="intersects").T:
        if a < b and planes[a] == planes[b] and footprints[a].intersection(footprints[b]).area > 0:
            groups[groups == groups[b]] = groups[a]
    return np.unique(groups, return_inverse=True)[1]


def _footprint(geobox: Georeference) -> tuple[shapely.Geometry, str]:
    """Outline, and the plane it lies in: longitude and latitude, or that of a local CRS.

    It is empty, so meeting none, for a scene without a place.
    """
    if geobox.crs is None or isinstance(geobox, GCPGeoBox):
        return shapely.Polygon(), ""
    found = footprint(geobox)
    return (geobox.extent.geom, geobox.crs.to_wkt()) if found is None else (found.geometry, "")
