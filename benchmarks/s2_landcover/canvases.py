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
from sets import BANDS, CLASSES, CLOUD, Float, Parts, Piece

from georaster_dl.core.bands import named_bands
from georaster_dl.train.transforms.augment import Augmentation, Optics

SIDE, BATCH = 64, 16
# Weight of labels of three classes and more where the set has pixels that tell these apart: they
# would else make ever surer that all of them are what most of their neighbours are.
_VAGUE = {"WorldCereal": 0.3}
# Canvases of a set among all, and the side of its crops.
SHARES = {"Ireland": 0.2, "Slovenia": 0.08, "Tokyo": 0.28, "WorldCereal": 0.34, "simulated": 0.1}
_CROPS = {"Ireland": 64, "Slovenia": 32, "Tokyo": 16, "WorldCereal": 16, "simulated": 64}

_NEEDED = [BANDS.index(name) for name in ("B03", "B04")]
_NIR = [BANDS.index(name) for name in ("B08", "B8A")]
_RARELY = [BANDS.index(name) for name in ("B01", "B09")]
_FEW = [BANDS.index(name) for name in ("B02", "B03", "B04")]
_AUGMENTATION = Augmentation(
    scale=0.0, gain=0.05, band_gain=0.02, haze=0.15, offset=0.02, noise=0.02
)


@dataclass(frozen=True)
class Scaling:
    """Mean and deviation of each band over training pixels without cloud, (12,)."""

    mean: Float
    std: Float

    @classmethod
    def of(cls, sets: dict[str, Parts]) -> Scaling:
        """Measure over labelled land and water; clouds would drown the rest in their range.

        Every set counts alike, whatever its size.
        """
        moments = []
        for parts in sets.values():
            image = np.concatenate(
                [p.image[:, (p.label > 0) & (p.label != CLOUD)] for p in parts.training], axis=1
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

    @property
    def optics(self) -> Optics:
        """What varying the light has to know."""
        return Optics.of(named_bands(BANDS), self.mean.astype(float), self.std.astype(float))


@dataclass(frozen=True)
class Batch:
    """Images (N, 12, rows, cols), present (N, 12), labels (N, rows, cols), weights alike."""

    image: torch.Tensor
    present: torch.Tensor
    label: torch.Tensor
    weight: torch.Tensor


def mirrored(piece: Piece, side: int) -> Piece:
    """A small piece amid its own mirror image, at least ``side`` each way; the margin is unlabelled."""
    missing = [max(side - n, 0) for n in piece.label.shape]
    pad = [(n // 2, n - n // 2) for n in missing]
    return Piece(
        np.pad(piece.image, [(0, 0), *pad], mode="symmetric"),
        piece.present,
        np.pad(piece.label, pad),
        np.pad(piece.valid, pad, mode="symmetric"),
    )


class Canvases:
    """Endless varied batches.

    Parameters
    ----------
    sets : the training parts are used.
    """

    def __init__(self, sets: dict[str, Parts], scaling: Scaling, seed: int) -> None:
        self._names = list(SHARES)
        self._sources = {
            name: _Source(sets[name].training, _CROPS[name], _VAGUE.get(name, 1.0))
            for name in SHARES
        }
        self._scaling = scaling
        self._optics = scaling.optics
        self._rng = np.random.default_rng(seed)

    def __iter__(self) -> Iterator[Batch]:
        """Draw batches."""
        while True:
            names = self._rng.choice(self._names, BATCH, p=list(SHARES.values()))
            made = [self._canvas(name) for name in names]
            image, present, label, weight = (
                torch.from_numpy(np.stack(each)) for each in zip(*made, strict=True)
            )
            yield Batch(image, present, label, weight)

    def _canvas(
        self, name: str
    ) -> tuple[Float, npt.NDArray[np.bool_], npt.NDArray[np.int64], Float]:
        source = self._sources[name]
        n = SIDE // source.side
        image = np.zeros((len(BANDS), SIDE, SIDE), np.float32)
        label = np.zeros((SIDE, SIDE), np.int64)
        weight = np.zeros((SIDE, SIDE), np.float32)
        first = source.draw(self._rng)
        present = _taken_away(self._rng, first.present)
        for place in range(n * n):
            # One canvas has one list of bands, as a scene has.
            piece = first if place == 0 else source.draw(self._rng, like=first)
            down, across = (slice(i * source.side, (i + 1) * source.side) for i in divmod(place, n))
            image[:, down, across], label[down, across] = self._varied(piece)
            weight[down, across] = source.weight[label[down, across]]
        image[~present] = 0
        return image, present, label, weight / max(float(weight.sum()), 1e-6)

    def _varied(self, piece: Piece) -> tuple[Float, npt.NDArray[np.int64]]:
        image, valid, label = _AUGMENTATION.apply(
            self._rng,
            self._scaling.apply(piece),
            piece.valid,
            piece.label.astype(np.int64),
            patch=piece.label.shape[0],
            optics=self._optics,
        )
        return image, np.where(valid, label, 0)


class _Source:
    """Crops of one set, its labels drawn about evenly.

    Attributes
    ----------
    weight : of a pixel by its label's bits: rare labels count more, by the root of their rarity.
    """

    def __init__(self, pieces: list[Piece], side: int, vague: float) -> None:
        small = pieces[0].label.shape[0] < side
        self._pieces = [mirrored(p, side) for p in pieces] if small else pieces
        self.side = side
        counts = np.zeros(1 << len(CLASSES))
        # For each label, where it occurs: (piece, row, col), thinned out.
        places: dict[int, list[npt.NDArray[np.int32]]] = {}
        for number, piece in enumerate(self._pieces):
            counts += np.bincount(piece.label.ravel(), minlength=len(counts))
            for bits in np.unique(piece.label[piece.label > 0]):
                rows, cols = np.nonzero(piece.label == bits)
                step = max(len(rows) // 2000, 1)
                found = np.stack([np.full(len(rows), number), rows, cols], axis=1)[::step]
                places.setdefault(int(bits), []).append(found.astype(np.int32))
        self._places = {bits: np.concatenate(found) for bits, found in places.items()}
        known = np.flatnonzero(counts[1:]) + 1
        self.weight = np.zeros(len(counts), np.float32)
        self.weight[known] = (counts[known] / counts[known].sum()) ** -0.5
        self.weight[[bits for bits in known if int(bits).bit_count() > 2]] *= vague
        share = np.sqrt(counts[list(self._places)])
        self._labels = list(self._places)
        self._share = share / share.sum()

    def draw(self, rng: np.random.Generator, like: Piece | None = None) -> Piece:
        """A crop around a pixel of a random label, with the same bands as ``like``."""
        while True:
            places = self._places[int(rng.choice(self._labels, p=self._share))]
            number, row, col = places[rng.integers(len(places))]
            piece = self._pieces[number]
            if like is None or (piece.present == like.present).all():
                return self._crop(rng, piece, int(row), int(col))

    def _crop(self, rng: np.random.Generator, piece: Piece, row: int, col: int) -> Piece:
        if min(piece.label.shape) < self.side:
            piece = mirrored(piece, self.side)
        rows, cols = (
            slice(start, start + self.side)
            for start in (
                int(np.clip(at - rng.integers(self.side), 0, n - self.side))
                for at, n in zip((row, col), piece.label.shape, strict=True)
            )
        )
        return replace(
            piece,
            image=piece.image[:, rows, cols],
            label=piece.label[rows, cols],
            valid=piece.valid[rows, cols],
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
