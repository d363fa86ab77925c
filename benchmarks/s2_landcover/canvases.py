"""Training canvases of 64 x 64 pixels: crops of the pieces, varied, with bands taken away.

Sets differ in size down to 8 x 8 pixels. Every batch mixes them, because BatchNorm should see
what it will see in use; small pieces are laid side by side on a canvas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from light import Weather
from sets import BANDS, BUILT, CLASSES, CLOUD, CROP, GRASS, TREE, Float, Piece

SIDE, BATCH = 64, 16
# Canvases of a source among all, and the side of its crops.
SHARES = {
    "world": 0.42, "Ireland": 0.1, "Slovenia": 0.08, "Tokyo": 0.16, "WorldCereal": 0.16, "simulated": 0.03, "spectra": 0.05,
}  # fmt: skip
_CROPS = {"world": 64, "Ireland": 64, "Slovenia": 32, "Tokyo": 16, "WorldCereal": 16, "simulated": 64, "spectra": 64}  # fmt: skip
# How often a crop is drawn around a pixel of a weak label, and how much such a label weighs.
_WEAK_DRAWN, _WEAK = 0.25, 0.2
# Weights in the loss: towns are few and small, fields and grass hard to tell apart, and woods so common
# that all green becomes tree cover.
CLASS_WEIGHTS = {TREE: 0.5, GRASS: 1.6, CROP: 1.8, BUILT: 2.5}
# Weight of labels below which a canvas counts less: Tokyo's sixteen patches have sixteen labels.
_FEWEST = 16.0
# Share of crops that are shrunk to 20 or 30 m, where a piece is large enough.
_SHRUNK = 0.3

_NEEDED = [BANDS.index(name) for name in ("B03", "B04")]
_NIR = [BANDS.index(name) for name in ("B08", "B8A")]
_RARELY = [BANDS.index(name) for name in ("B01", "B09")]
_FEW = [BANDS.index(name) for name in ("B02", "B03", "B04")]


@dataclass(frozen=True)
class Scaling:
    """Mean and deviation of each band over training pixels without cloud, (12,)."""

    mean: Float
    std: Float

    @classmethod
    def of(cls, sources: dict[str, list[list[Piece]]]) -> Scaling:
        """Measure over labelled land and water; clouds would drown the rest in their range.

        Every set counts alike, whatever its size.
        """
        moments = []
        for places in sources.values():
            image = np.concatenate(
                [
                    piece.image[:, (piece.label > 0) & (piece.label != CLOUD)]
                    for pieces in places
                    for piece in pieces
                ],
                axis=1,
            ).astype(np.float64)
            there = image > 0
            n = np.maximum(there.sum(axis=1), 1)
            mean = np.where(there, image, 0).sum(axis=1) / n
            moments.append((there.any(axis=1), mean, np.where(there, image**2, 0).sum(axis=1) / n))
        has, mean, square = (np.stack(each) for each in zip(*moments, strict=True))
        centre = (mean * has).sum(axis=0) / has.sum(axis=0)
        spread = np.sqrt((square * has).sum(axis=0) / has.sum(axis=0) - centre**2)
        return cls(centre.astype(np.float32), spread.astype(np.float32))

    def apply(self, piece: Piece) -> Float:
        """Normalised (12, rows, cols), 0 in absent bands and where not valid."""
        image = (piece.image - self.mean[:, None, None]) / self.std[:, None, None]
        return image * piece.valid * piece.present[:, None, None]


@dataclass(frozen=True)
class Batch:
    """Varied canvases with what is to be learnt from them.

    Attributes
    ----------
    image : (N, 12, rows, cols) normalised, 0 in absent bands.
    present : (N, 12) which bands there are.
    label, weight : (N, rows, cols) bits of classes, and how much they count.
    """

    image: torch.Tensor
    present: torch.Tensor
    label: torch.Tensor
    weight: torch.Tensor


def mirrored(piece: Piece, side: int) -> Piece:
    """A small piece amid its own mirror image, at least ``side`` each way; the margin is unlabelled."""
    missing = [max(side - n, 0) for n in piece.label.shape]
    pad = [(n // 2, n - n // 2) for n in missing]
    return replace(
        piece,
        image=np.pad(piece.image, [(0, 0), *pad], mode="symmetric"),
        label=np.pad(piece.label, pad),
        valid=np.pad(piece.valid, pad, mode="symmetric"),
    )


class Canvases:
    """Endless varied batches.

    Parameters
    ----------
    sources : pieces to learn from, each list from a place of its own, by the name of their set.
    soils : (n, 12) spectra that may lie over land: see :class:`light.Weather`.
    """

    def __init__(
        self, sources: dict[str, list[list[Piece]]], scaling: Scaling, soils: Float, seed: int
    ) -> None:
        self._sources = {name: _Source(places, _CROPS[name]) for name, places in sources.items()}
        self._names = list(self._sources)
        shares = np.array([SHARES[name] for name in self._names])
        self._shares = shares / shares.sum()
        self._mean, self._std = (
            torch.from_numpy(v)[None, :, None, None] for v in (scaling.mean, scaling.std)
        )
        self._weather = Weather(seed, SIDE, soils)
        self._rng = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[Batch]:
        """Draw batches."""
        while True:
            names = self._rng.choice(self._names, BATCH, p=self._shares)
            made = [self._canvas(str(name)) for name in names]
            image, present, label, valid, level = (
                torch.from_numpy(np.stack(each)) for each in zip(*made, strict=True)
            )
            image, label = self._weather.change(image, label, level)
            kept = present[:, :, None, None] & valid[:, None]
            image = torch.where(kept, (image - self._mean) / self._std, 0)
            label = torch.where(valid, label, 0)
            yield Batch(image, present, label, _weights(label))

    def _canvas(self, name: str) -> tuple[npt.NDArray, ...]:
        source = self._sources[name]
        n = SIDE // source.side
        image = np.zeros((len(BANDS), SIDE, SIDE), np.float32)
        label = np.zeros((SIDE, SIDE), np.int64)
        valid = np.zeros((SIDE, SIDE), bool)
        first = source.draw(self._rng)
        for place in range(n * n):
            # One canvas has one list of bands, as a scene has.
            piece = first if place == 0 else source.draw(self._rng, like=first)
            down, across = (slice(i * source.side, (i + 1) * source.side) for i in divmod(place, n))
            turn = int(self._rng.integers(8))
            image[:, down, across] = _turned(piece.image, turn)
            label[down, across] = _turned(piece.label, turn)
            valid[down, across] = _turned(piece.valid, turn)
        present = _taken_away(self._rng, first.present)
        return image, present, label, valid, np.array(first.top_of_atmosphere)


def _weights(label: torch.Tensor) -> torch.Tensor:
    """Weights of labels (N, rows, cols).

    Canvases count alike, unless they hold few labels; what is not sure counts less.
    """
    bits = sum((label >> c) & 1 for c in range(len(CLASSES)))
    weight = torch.where(bits == 1, 1.0, _WEAK) * (label > 0)
    for which, factor in CLASS_WEIGHTS.items():
        weight = torch.where(label == which, factor, weight)
    return weight / weight.sum(dim=(1, 2), keepdim=True).clamp(min=_FEWEST)


def _turned(array: npt.NDArray, turn: int) -> npt.NDArray:
    """Turn and mirror in one of eight ways; rows and cols are the last two axes."""
    array = np.rot90(array, turn % 4, axes=(-2, -1))
    return array[..., ::-1] if turn >= 4 else array


class _Source:
    """Crops of one set, drawn by label first, then by place.

    So neither common labels nor large places crowd the rest out.
    """

    def __init__(self, places: list[list[Piece]], side: int) -> None:
        self.side = side
        self._pieces: list[Piece] = []
        # For each label and place where it occurs: (piece, row, col), thinned out.
        found: dict[int, dict[int, list[npt.NDArray[np.int32]]]] = {}
        for number, pieces in enumerate(places):
            for piece in pieces:
                small = min(piece.label.shape) < side
                self._pieces.append(mirrored(piece, side) if small else piece)
                for bits, where in _where(self._pieces[-1], len(self._pieces) - 1).items():
                    found.setdefault(bits, {}).setdefault(number, []).append(where)
        self._places = {
            bits: [np.concatenate(each) for each in by.values()] for bits, by in found.items()
        }
        self._labels = list(self._places)
        # The more places and pixels a label has, the more there is to learn, but not in proportion.
        share = np.array([sum(len(a) for a in self._places[b]) ** 0.25 for b in self._labels])
        sure = np.array([int(bits).bit_count() == 1 for bits in self._labels])
        if sure.any() and not sure.all():
            share[sure] *= (1 - _WEAK_DRAWN) / share[sure].sum()
            share[~sure] *= _WEAK_DRAWN / share[~sure].sum()
        self._share = share / share.sum()

    def draw(self, rng: np.random.Generator, like: Piece | None = None) -> Piece:
        """A crop around a pixel of a random label, with the same bands as ``like``."""
        while True:
            places = self._places[int(rng.choice(self._labels, p=self._share))]
            size = np.array([len(a) for a in places]) ** 0.25
            where = places[rng.choice(len(places), p=size / size.sum())]
            number, row, col = where[rng.integers(len(where))]
            piece = self._pieces[number]
            if like is None or (piece.present == like.present).all():
                return self._crop(rng, piece, int(row), int(col))

    def _crop(self, rng: np.random.Generator, piece: Piece, row: int, col: int) -> Piece:
        factor = 1
        if self.side == SIDE and rng.random() < _SHRUNK:
            factor = min(int(rng.integers(2, 4)), min(piece.label.shape) // SIDE)
        side = self.side * factor
        rows, cols = (
            slice(start, start + side)
            for start in (
                int(np.clip(at - rng.integers(side), 0, n - side))
                for at, n in zip((row, col), piece.label.shape, strict=True)
            )
        )
        cut = piece.part(rows, cols)
        return shrunk(cut, factor) if factor > 1 else cut


def _where(piece: Piece, number: int) -> dict[int, npt.NDArray[np.int32]]:
    """Where each label of a piece occurs: (n, 3) of piece, row, col, thinned out."""
    places = {}
    for bits in np.unique(piece.label[piece.label > 0]):
        rows, cols = np.nonzero(piece.label == bits)
        step = max(len(rows) // 2000, 1)
        where = np.stack([np.full(len(rows), number), rows, cols], axis=1)[::step]
        places[int(bits)] = where.astype(np.int32)
    return places


def shrunk(piece: Piece, factor: int) -> Piece:
    """A piece of pixels ``factor`` times as wide; a label that holds for all of a pixel's parts."""
    rows, cols = (n // factor for n in piece.label.shape)
    cut = np.s_[..., : rows * factor, : cols * factor]

    def blocks(array: npt.NDArray) -> npt.NDArray:
        return array[cut].reshape(*array.shape[:-2], rows, factor, cols, factor)

    label, valid = blocks(piece.label), blocks(piece.valid).all(axis=(-3, -1))
    either = np.bitwise_or.reduce(np.bitwise_or.reduce(label, axis=-1), axis=-2)
    known = valid & (label > 0).all(axis=(-3, -1))
    return replace(
        piece,
        image=blocks(piece.image).mean(axis=(-3, -1)) * valid,
        label=np.where(known, either, 0).astype(np.uint16),
        valid=valid,
    )


def _taken_away(rng: np.random.Generator, present: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Bands that are left: all, red-green-blue and near infrared, or a random choice.

    Where a set has no green or red itself, its other bands are thinned out alike. B01 and B09 say
    little of the land but much of which set this is, so they go more often than not.
    """
    kind = rng.random()
    rarely = np.isin(np.arange(len(present)), _RARELY) & (rng.random(len(present)) < 0.6)
    if kind < 0.35:
        return present & ~rarely
    nir = [i for i in _NIR if present[i]]
    kept = np.zeros_like(present)
    kept[rng.choice(nir)] = True
    kept[_NEEDED] = present[_NEEDED]
    if kind < 0.6 and present[_FEW].all():
        kept[_FEW] = True
    else:
        kept |= present & ~rarely & (rng.random(len(present)) < rng.uniform(0.3, 1.0))
    return kept
