"""Kinds of split into training, validation and test: blocks, whole scenes, random patches, a column."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas
import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from odc.geo.gcp import GCPGeoBox
from odc.geo.geobox import GeoBox

from georaster_dl.core.errors import OptionError
from georaster_dl.core.geography import footprint, full_turn, near_longitude, to_coordinates
from georaster_dl.core.raster import Georeference
from georaster_dl.core.wording import counted
from georaster_dl.io.labels.read import is_vector, read_features
from georaster_dl.tiling.sampling import LabelIndex
from georaster_dl.tiling.split_blocks import (
    NO_PART,
    PARTS,
    TRAIN,
    VALIDATION,
    Parts,
    SplitMask,
    assign,
    block_side,
    separated,
    with_nearest_part,
)
from georaster_dl.training.data.cache import CachedScene, count_labels
from georaster_dl.training.data.labelled_scenes import LabelledScene
from georaster_dl.training.data.split import Split
from georaster_dl.training.settings.config import SplitSection

__all__ = ["split_scenes"]

_SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}


def split_scenes(
    scenes: Sequence[CachedScene], settings: SplitSection, *, patch: int, seed: int
) -> Split:
    """Split scenes into training, validation and test.

    Parameters
    ----------
    patch : side of a training patch in pixels, the unit of a random split.

    Raises
    ------
    OptionError
        When there are fewer units than parts, or a column does not name the parts.
    """
    scenes = tuple(scenes)
    if settings.kind == "column":
        return _by_column(scenes, settings)
    groups = _overlapping([each.scene.geobox for each in scenes])
    if settings.kind == "scenes":
        return _by_scenes(scenes, groups, settings, seed)
    return _by_blocks(scenes, groups, settings, patch, seed)


def _by_blocks(
    scenes: tuple[CachedScene, ...],
    groups: npt.NDArray[np.int64],
    settings: SplitSection,
    patch: int,
    seed: int,
) -> Split:
    """Split into blocks, or patches where the split is random."""
    indexes = [each.index for each in scenes]
    labelled = scenes[0].labels is not None
    cell = max(index.cell for index in indexes)
    if settings.kind == "random":
        side, gap = max(1, patch // cell), 0
    else:
        side = block_side(indexes) if settings.block is None else -(-settings.block // cell)
        gap = 2 * cell if settings.buffer is None else settings.buffer
    blocks = _Blocks(scenes, groups, side * cell)
    if not labelled:
        _check_units(blocks.labelled, "block", settings.shares)
    masks = blocks.masks(settings.shares, seed, gap)
    unit = (
        f"{counted(blocks.labelled, 'labelled block' if labelled else 'block')} of "
        f"{counted(side * cell, 'pixel')}"
    )
    if settings.kind == "random":
        return Split(
            scenes,
            masks,
            f"random patches: {unit}",
            "Validation and test patches lie beside training patches (random split): their accuracy "
            "leaks and is too high for new places.",
        )
    return Split(scenes, masks, f"{unit}, at least {counted(gap, 'pixel')} apart")


def _check_units(units: int, unit: str, shares: tuple[float, float, float]) -> None:
    """Check that unlabelled scenes have as many units as parts; ``assign`` checks those of labels."""
    parts = sum(share > 0 for share in shares)
    if units < parts:
        raise OptionError(
            f"The split has {counted(parts, 'part')} but the scenes make {counted(units, unit)}; use smaller blocks, give "
            f"more scenes, or set a share to 0."
        )


def _by_scenes(
    scenes: tuple[CachedScene, ...],
    groups: npt.NDArray[np.int64],
    settings: SplitSection,
    seed: int,
) -> Split:
    """Split whole scenes; those of one place stay together."""
    if scenes[0].labels is None:
        _check_units(int(groups.max()) + 1, "place", settings.shares)
    indexes = [each.index for each in scenes]
    counts = np.zeros((groups.max() + 1, indexes[0].counts.shape[1]), np.int64)
    for group, index in zip(groups, indexes, strict=True):
        counts[group] += index.totals
    labelled = np.flatnonzero(counts.any(axis=1))
    parts = np.full(len(counts), TRAIN, np.int8)
    parts[labelled] = assign(counts[labelled], settings.shares, seed, unit="scenes")
    masks = tuple(
        SplitMask.whole(index, int(parts[group]))
        for group, index in zip(groups, indexes, strict=True)
    )
    note = f"{counted(len(labelled), 'place')}, each a scene or several that overlap"
    return Split(scenes, masks, note)


def _by_column(scenes: tuple[CachedScene, ...], settings: SplitSection) -> Split:
    """Split by a column of the list of scenes, or by an attribute of vector labels."""
    if any(each.part for each in scenes):
        masks = tuple(
            SplitMask.whole(each.index, _part_named(each.part or "", each.scene.name))
            for each in scenes
        )
        note = f"column {settings.column!r} of the list of scenes"
    else:
        masks = tuple(_by_features(each, settings) for each in scenes)
        note = f"column {settings.column!r} of the labels"
    split = Split(scenes, masks, note)
    for part in (TRAIN, VALIDATION):
        if not split.labelled(part).any():
            raise OptionError(
                f"The column {settings.column!r} gives no {scenes[0].counted} pixel to {PARTS[part]}; mark some with the "
                f"word {PARTS[part]!r}."
            )
    return split


def _by_features(cached: CachedScene, settings: SplitSection) -> SplitMask:
    """Assign cells to the only part with features in them, cells without any to the nearest part."""
    features = _features_with_column(cached, settings.column)
    index = cached.index
    cells = np.full(index.grid, NO_PART, np.int8)
    shared = np.zeros(index.grid, bool)
    for value in sorted(features[settings.column].dropna().astype(str).unique()):
        part = _part_named(value, str(cached.labels))
        of_part = count_labels(cached, (settings.column, value))
        held = cells[of_part.rows, of_part.cols]
        shared[of_part.rows, of_part.cols] |= (held != NO_PART) & (held != part)
        cells[of_part.rows, of_part.cols] = part
    spread = with_nearest_part(np.where(shared, NO_PART, cells).astype(np.int8))
    gap = 0 if settings.buffer is None else settings.buffer
    parts = separated(np.where(shared, NO_PART, spread).astype(np.int8), gap, index.cell)
    return SplitMask(index.shape, index.cell, parts)


def _features_with_column(labelled: LabelledScene, column: str) -> geopandas.GeoDataFrame:
    """Read the vector labels of a scene; they must have the column."""
    labels = labelled.labels
    if labels is None or not is_vector(labels):
        state = "there are no labels" if labels is None else f"{labels} is a raster"
        columns = "scene" if labels is None else "scene,label"
        raise OptionError(
            f"`split.kind='column'` needs a column {column!r} in a CSV of scenes or in vector labels, "
            f"but {state}; list {columns},{column} in a CSV."
        )
    features = read_features(labels, labelled.options)
    if column not in features.columns:
        names = ", ".join(str(c) for c in features.columns if c not in ("geometry", "label"))
        raise OptionError(
            f"{labels} has no column {column!r} that says train, validation or test; it "
            f"has {names}; choose one with `split.column=`."
        )
    return features


def _part_named(text: str, source: str) -> int:
    for number, part in enumerate(PARTS):
        if text.strip().casefold() in _SPELLINGS[part]:
            return number
    raise OptionError(
        f"{source} is marked {text!r} in the split's column, but train, validation or test is "
        f"expected; correct the column or choose another with `split.column=`."
    )


class _Blocks:
    """Square blocks of cells, shared by scenes that overlap.

    The blocks of overlapping scenes are those of the first of them: other dates, and neighbours on
    other grids, are split along the same lines, so that no place is in two parts.
    """

    def __init__(
        self, scenes: Sequence[CachedScene], groups: npt.NDArray[np.int64], side: int
    ) -> None:
        self._indexes = [each.index for each in scenes]
        self._groups = groups
        first = [scenes[int(np.argmax(groups == group))].scene.geobox for group in groups]
        # Block of each cell, counted in the blocks of its group's first scene.
        self._places = [
            _cell_centres(each.scene.geobox, first[i], each.index) // side
            for i, each in enumerate(scenes)
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


def _overlapping(geoboxes: Sequence[Georeference]) -> npt.NDArray[np.int64]:
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
