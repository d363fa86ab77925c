"""Kinds of split into training, validation and test: whole scenes, blocks, random patches, a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.labels.read import is_vector, read_features
from georaster_dl.tiling.places import SharedBlocks, overlapping
from georaster_dl.tiling.split_blocks import (
    NO_PART,
    PARTS,
    SEEN_PLACES,
    TEST,
    TRAIN,
    VALIDATION,
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

_FEWEST_PLACES = 3  # that whole scenes are split by
_SEEN_SHARE = 0.1  # of the training scenes' labels, to measure on
_DEAREST = 0.2  # share that they and the gaps around them may cost
_MOST_NAMED = 4  # scenes, in the line that describes a split
_FEWEST_BLOCKS, _SHORTEST = 12, 4  # of the training scenes, to hold some out; their side in cells

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
    groups = overlapping([each.scene.geobox for each in scenes])
    if settings.kind == "auto":
        return _by_places(scenes, groups, settings, patch, seed)
    if settings.kind == "scenes":
        return _by_scenes(scenes, groups, settings, seed)
    return _by_blocks(scenes, groups, settings, patch, seed)


def _by_places(
    scenes: tuple[CachedScene, ...],
    groups: npt.NDArray[np.int64],
    settings: SplitSection,
    patch: int,
    seed: int,
) -> Split:
    """Split whole scenes where every part can have enough of them, else blocks."""
    places = len(
        {group for group, each in zip(groups, scenes, strict=True) if len(each.index.rows)}
    )
    if settings.block is not None:
        return _by_blocks(scenes, groups, settings, patch, seed)
    if places >= _FEWEST_PLACES:
        split = _by_scenes(scenes, groups, settings, seed)
        reason = _lack(split)
        if not reason:
            return _with_seen_places(split, groups, settings, seed)
    else:
        reason = f"labels lie in {counted(places, 'place')} only"
    split = _by_blocks(scenes, groups, settings, patch, seed)
    if len(scenes) == 1:
        return split
    return replace(split, note=f"{split.note}; not whole scenes, because {reason}")


def _lack(split: Split) -> str:
    """Name the classes that a part lacks in a split of whole scenes; empty where each has enough.

    Training needs all classes, the other parts half of them and at least two.
    """
    legend = split.scenes[0].legend
    if legend is None:
        return ""
    missing = np.flatnonzero(split.labelled(TRAIN) == 0)
    if len(missing):
        holders = [Path(s.scene.name).name for s in split.scenes if s.index.totals[missing[0]]]
        names = listed((legend.names[i] for i in missing), 3)
        return f"these leave training without {names} (which {listed(holders, 2)} has)"
    for part in (VALIDATION, TEST):
        held = int(np.count_nonzero(split.labelled(part)))
        if 0 < held < max(2, len(legend.names) / 2):
            return f"{PARTS[part]} would have {held} of {counted(len(legend.names), 'class')}"
    return ""


def _with_seen_places(
    split: Split, groups: npt.NDArray[np.int64], settings: SplitSection, seed: int
) -> Split:
    """Hold blocks of the large training scenes out, where there are enough of them and it costs little."""
    train = np.array([bool((mask.parts == TRAIN).all()) for mask in split.masks])
    indexes = [
        s.index for s, own in zip(split.scenes, train, strict=True) if own and len(s.index.rows)
    ]
    cell = max(index.cell for index in indexes)
    sides = np.array([max(each.scene.shape) for each in split.scenes]) // cell
    side = min(block_side(indexes), int(np.median(sides[train])) // 2)
    # A scene of a block or two would be held out as a whole; what overlaps it must not be divided either.
    small = set(groups[sides < 2 * side].tolist())
    large = [i for i in np.flatnonzero(train) if int(groups[i]) not in small]
    if side < _SHORTEST or not large:
        return split
    scenes = [split.scenes[i] for i in large]
    geoboxes = [each.scene.geobox for each in scenes]
    blocks = SharedBlocks(geoboxes, [s.index for s in scenes], groups[large], side * cell)
    if blocks.labelled < _FEWEST_BLOCKS:
        return split
    gap = 2 * cell if settings.buffer is None else settings.buffer
    masks = list(split.masks)
    for i, mask in zip(
        large, blocks.masks((1 - _SEEN_SHARE, 0, _SEEN_SHARE), seed, gap), strict=True
    ):
        parts = np.where(mask.parts == TEST, np.int8(SEEN_PLACES), mask.parts)
        masks[i] = replace(mask, parts=parts)
    held = replace(split, masks=tuple(masks))
    before, after = split.labelled(TRAIN), held.labelled(TRAIN)
    cost = 1 - after.sum() / before.sum()
    lost = ((before > 0) & (after == 0)).any()
    if lost or cost > _DEAREST or not held.labelled(SEEN_PLACES).any():
        return split
    note = f"{split.note}; {100 * cost:.0f} % of the training scenes held out in blocks"
    return replace(held, note=note)


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
    geoboxes = [each.scene.geobox for each in scenes]
    blocks = SharedBlocks(geoboxes, indexes, groups, side * cell)
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
        smaller = "use smaller blocks" if unit == "block" else "split with `split.kind='blocks'`"
        raise OptionError(
            f"The split has {counted(parts, 'part')} but the scenes make {counted(units, unit)}; {smaller}, give "
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
    parts[labelled] = assign(counts[labelled], settings.shares, seed, unit="scene")
    masks = tuple(
        SplitMask.whole(index, int(parts[group]))
        for group, index in zip(groups, indexes, strict=True)
    )
    of_part = (
        f"{counted(int(np.count_nonzero(parts[labelled] == number)), 'place')} for {name}"
        + ("" if number == TRAIN else f" ({_names_in(scenes, masks, number)})")
        for number, name in enumerate(PARTS)
        if settings.shares[number] > 0
    )
    return Split(
        scenes, masks, f"whole scenes (those that overlap are one place): {', '.join(of_part)}"
    )


def _names_in(scenes: Sequence[CachedScene], masks: Sequence[SplitMask], part: int) -> str:
    """List labelled scenes that are of a part as a whole."""
    names = (
        Path(each.scene.name).name
        for each, mask in zip(scenes, masks, strict=True)
        if len(each.index.rows) and (mask.parts == part).all()
    )
    return listed(names, _MOST_NAMED)


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
