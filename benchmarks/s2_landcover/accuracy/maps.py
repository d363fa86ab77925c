"""Networks as makers of maps, and maps of chips by networks that never saw the chip's place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import recipe
from canvases import Scaling
from light import PASSED, PATH
from sets import BANDS, Piece
from world import FOLDS, Chip

from accuracy.parts import Network
from accuracy.tally import Counted, Ints, count
from georaster_dl.models.package.file import load_model

Mapper = Callable[[Chip], Ints]
"""Numbers of classes (rows, cols) of a chip."""
Seeds = list[list[Counted]]
"""What each seed of a method says of the chips."""

MADE = "L1C made of L2A"
LEVELS = ("L1C", "L2A", MADE)
# Constants of the veil that no paired scenes have checked; these bands are absent behind it.
_UNCHECKED = [BANDS.index(name) for name in ("B01", "B09")]


def behind_veil(piece: Piece, strength: float = 1.0) -> Piece:
    """L1C made of an L2A piece: see :mod:`light`."""
    path, passed = (v.numpy()[:, None, None] for v in (PATH, PASSED))
    present = piece.present.copy()
    present[_UNCHECKED] = False
    image = strength * path + passed**strength * piece.image
    return replace(piece, image=image * piece.valid * present[:, None, None], present=present)


def restore_package(path: Path) -> Network:
    """Network and scaling of a model file."""
    card, network = load_model(path)
    mean, std = (
        np.array([getattr(band, name) for band in card.bands], np.float32)
        for name in ("mean", "std")
    )
    return network, Scaling(mean, std)


def map_pieces(network: Network, pieces: Sequence[Piece]) -> Ints:
    """Most probable class (N, rows, cols) of pieces of one shape and one list of bands."""
    return recipe.logits_of(*network, list(pieces)).argmax(axis=1)


def mapper_of(network: Network) -> Mapper:
    """The network as a maker of maps of chips."""
    return lambda chip: map_pieces(network, [chip.piece])[0]


def at_levels(chips: Sequence[Chip]) -> list[tuple[str, Chip]]:
    """Every chip at its level, and those of L2A as L1C besides."""
    made = [(MADE, replace(c, piece=behind_veil(c.piece))) for c in chips if c.level == "L2A"]
    return [(c.level, c) for c in chips] + made


def mapped_out_of_fold(
    leveled: Sequence[tuple[str, Chip]], mapper_of_fold: Callable[[int], Mapper]
) -> Iterator[tuple[str, Chip, Ints]]:
    """Chips with what the mapper of their own fold makes of them, fold by fold."""
    for fold in sorted({chip.fold for _, chip in leveled}):
        mapper = mapper_of_fold(fold)
        for level, chip in leveled:
            if chip.fold == fold:
                yield level, chip, mapper(chip)


def out_of_fold(
    leveled: Sequence[tuple[str, Chip]], mapper_of_fold: Callable[[int], Mapper]
) -> list[Counted]:
    """Count what the mapper of each chip's own fold says of it."""
    return [
        Counted(chip, level, count(chip.piece.label, mapped))
        for level, chip, mapped in mapped_out_of_fold(leveled, mapper_of_fold)
    ]


def fold_weights(runs: Path) -> list[dict[int, Path]]:
    """Files of weights by fold, of every seed that has all folds; else of the seed with the most.

    Raises
    ------
    FileNotFoundError
        When there are no weights of any fold.
    """
    seeds: dict[str, dict[int, Path]] = {}
    for path in sorted(runs.glob("fold*_seed*.pt")):
        fold, seed = path.stem.removeprefix("fold").split("_seed")
        seeds.setdefault(seed, {})[int(fold)] = path
    if not seeds:
        raise FileNotFoundError(
            f"{runs} holds no fold{{k}}_seed{{s}}.pt; train with --folds first."
        )
    whole = [folds for folds in seeds.values() if len(folds) == FOLDS]
    return whole or [max(seeds.values(), key=len)]
