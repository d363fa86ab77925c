"""Labelled scenes with held-out ground, of which a share of the labels is learnt from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import places
import rasterio
from rasterio.windows import Window

from georaster_dl.training.data.sources import SceneWithLabels

ROOT = Path(__file__).parents[2]
SETS = ("world", "slovenia", "sample")
_COVER = (
    6  # classes of the world that both held-out parts have; clouds, shadows and snow are left out
)
_BLOCK = {
    "world": 16,
    "slovenia": 4,
    "sample": 16,
}  # pixels a side; labels of a block are kept together


@dataclass(frozen=True)
class Piece:
    """A scene with its labels, 0 where there is none, and its part."""

    scene: Path
    labels: npt.NDArray[np.uint8]
    part: str


def pieces(name: str, data: Path, folder: Path) -> list[Piece]:
    """Read a set: chips of whole places, or rows of scenes, which are written to the folder as scenes of their own."""
    if name == "world":
        return [Piece(p, _world(p), part) for p, part in places.chips(data).items()]
    if name == "slovenia":
        scenes = [
            data / f"s2_slovenia/scene_{date}.tif" for date in (3, 4, 5)
        ]  # the others are under cloud
        labels = _read(data / "s2_slovenia/lulc.tif")
        rows = {"train": (0, 36), "validation": (38, 50), "test": (52, 100)}
        return [p for scene in scenes for p in _rows(scene, labels, rows, folder)]
    west, east = (ROOT / f"sample_tiles/s2_{side}.tif" for side in ("west", "east"))
    truth = {
        s: _read(s.with_name(f"{s.stem}_truth.tif")) + np.uint8(1) for s in (west, east)
    }  # 255, none, becomes 0
    return [
        *_rows(west, truth[west], {"train": (0, 380), "validation": (388, 512)}, folder),
        *_rows(east, truth[east], {"test": (0, 512)}, folder),
    ]


def thinned(
    name: str, all_pieces: list[Piece], share: float, seed: int, folder: Path
) -> list[SceneWithLabels]:
    """Keep a share of the blocks with labels in training and validation, at least one of each class; write them.

    The labels of the test part stay whole.
    """
    rng = np.random.default_rng([seed, round(1000 * share)])
    kept = []
    for part in ("train", "validation", "test"):
        own = [p for p in all_pieces if p.part == part]
        labels = [p.labels for p in own] if part == "test" else _kept(rng, own, share, _BLOCK[name])
        for number, (piece, array) in enumerate(zip(own, labels, strict=True)):
            if array.any():
                path = folder / f"{part}_{number}.tif"
                with rasterio.open(piece.scene) as scene:
                    profile = {"crs": scene.crs, "transform": scene.transform}
                _write(path, array[None], nodata=0, **profile)
                kept.append(SceneWithLabels(str(piece.scene), path, part))
    return kept


def _kept(
    rng: np.random.Generator, own: list[Piece], share: float, side: int
) -> list[npt.NDArray[np.uint8]]:
    """Labels of the drawn blocks, 0 elsewhere."""
    blocks = [
        (number, row, col)
        for number, piece in enumerate(own)
        for row in range(0, piece.labels.shape[0], side)
        for col in range(0, piece.labels.shape[1], side)
        if piece.labels[row : row + side, col : col + side].any()
    ]
    order = [blocks[i] for i in rng.permutation(len(blocks))]
    wanted = max(round(share * len(blocks)), 1)
    missing = {int(c) for piece in own for c in np.unique(piece.labels)} - {0}
    chosen = []
    for place, (number, row, col) in enumerate(order):
        found = set(np.unique(own[number].labels[row : row + side, col : col + side]).tolist())
        if place < wanted or found & missing:
            chosen.append((number, row, col))
            missing -= found
    labels = [np.zeros_like(piece.labels) for piece in own]
    for number, row, col in chosen:
        square = np.s_[row : row + side, col : col + side]
        labels[number][square] = own[number].labels[square]
    return labels


def _world(chip: Path) -> npt.NDArray[np.uint8]:
    labels = _read(chip.parents[1] / "labels" / chip.name)
    return np.where(labels <= _COVER, labels, 0).astype(np.uint8)


def _rows(
    scene: Path, labels: npt.NDArray[np.uint8], rows: dict[str, tuple[int, int]], folder: Path
) -> Iterator[Piece]:
    """Cut parts off a scene by their first rows and those behind their last."""
    with rasterio.open(scene) as source:
        for part, (first, behind) in rows.items():
            window = Window(0, first, source.width, behind - first)
            names = [source.descriptions.index(band) + 1 for band in places.BANDS]
            path = folder / f"{scene.stem}_{part}.tif"
            _write(
                path, source.read(names, window=window), nodata=0, descriptions=places.BANDS, scales=[1e-4] * len(names),
                crs=source.crs, transform=source.window_transform(window),
            )  # fmt: skip
            yield Piece(path, labels[first:behind], part)


def _read(path: Path) -> npt.NDArray[np.uint8]:
    with rasterio.open(path) as source:
        array: npt.NDArray[np.uint8] = source.read(1)
    return array


def _write(
    path: Path,
    array: npt.NDArray,
    *,
    descriptions: tuple[str, ...] = (),
    scales: list[float] | None = None,
    **more: object,
) -> None:
    profile = {
        "driver": "GTiff",
        "count": len(array),
        "height": array.shape[1],
        "width": array.shape[2],
    }
    with rasterio.open(path, "w", dtype=array.dtype.name, **profile, **more) as out:
        out.write(array)
        if scales is not None:
            out.descriptions, out.scales = descriptions, scales
