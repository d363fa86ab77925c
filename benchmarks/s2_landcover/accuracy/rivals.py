"""What a network is measured beside: a forest on spectra, the teachers, one class a place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sets import Float, Piece
from sklearn.ensemble import RandomForestClassifier
from world import Chip, read_teachers, teacher_cover

from accuracy.parts import features
from accuracy.tally import CLOUD, SHADOW, SURFACES, Counted, Ints, N, by_place, count, is_sure

_SHARE = 60_000 // N  # pixels of a class


def spectral_forest(leveled: Sequence[tuple[str, Chip]], seed: int) -> RandomForestClassifier:
    """A forest of 100 trees on spectra of sure labels.

    Of each class up to a ninth of 60,000 pixels, of each of its places as many as there are, then of
    its chips, those of L2A behind the veil among them: it meets both levels as the network does.
    """
    rng = np.random.default_rng(seed)
    pools: dict[int, dict[str, list[Float]]] = {}
    for _, chip in leveled:
        x, label = features([chip.piece], context=False), chip.piece.label.ravel()
        for c in range(N):
            found = rng.permutation(np.flatnonzero(label == 1 << c))[:_SHARE]
            if len(found):
                pools.setdefault(c, {}).setdefault(chip.place, []).append(x[found])
    drawn = {
        c: _drawn(rng, [_drawn(rng, of_chips) for of_chips in places.values()])
        for c, places in pools.items()
    }
    forest = RandomForestClassifier(100, n_jobs=1, random_state=seed)
    classes = np.repeat(list(drawn), [len(x) for x in drawn.values()])
    return forest.fit(np.concatenate(list(drawn.values())), classes)


def _drawn(rng: np.random.Generator, pools: list[Float]) -> Float:
    """Up to a class's share of rows, as many of each pool as it has or as is fair, shuffled."""
    taken, left = [], _SHARE
    for number, pool in enumerate(sorted(pools, key=len)):
        share = min(len(pool), left // (len(pools) - number))
        taken.append(pool[:share])
        left -= share
    return rng.permutation(np.concatenate(taken))


def map_by_forest(forest: RandomForestClassifier, piece: Piece) -> Ints:
    """Class of each pixel with a sure label; elsewhere 0."""
    asked = is_sure(piece.label)
    mapped = np.zeros(asked.shape, np.int64)
    if asked.any():
        mapped[asked] = forest.predict(features([piece], context=False)[asked.ravel()])
    return mapped


def teachers_counted(data: Path, chips: Sequence[Chip], *, sky: bool) -> list[Counted]:
    """Count what Dynamic World says of the chips that it ran on, the most probable of the seven.

    With ``sky`` ukis-csmask's clouds and shadows lie over it.
    """
    counted = []
    for chip in chips:
        teacher = read_teachers(data / "s2_world", chip.name)
        cover = teacher_cover(teacher)
        if cover.any():
            mapped = cover.argmax(axis=0)
            mapped = with_sky(teacher, mapped) if sky else mapped
            counted.append(Counted(chip, chip.level, count(chip.piece.label, mapped)))
    return counted


def with_sky(teacher: dict[str, npt.NDArray], mapped: Ints) -> Ints:
    """A map with cloud and shadow where the mean of ukis-csmask's two scales is over a half."""
    for name in ("shadow", "cloud"):
        mean = (teacher[f"cs10_{name}"] + teacher[f"cs30_{name}"]) / 2
        mapped = np.where(mean > 0.5, CLOUD if name == "cloud" else SHADOW, mapped)
    return mapped


def one_class_a_place(counted: Sequence[Counted]) -> list[Counted]:
    """What maps of one class would say that know the commonest class of each place."""
    best = {p: int(np.argmax(_surface(c).sum(axis=1))) for p, c in by_place(counted).items()}
    made = []
    for each in counted:
        counts = np.zeros_like(each.counts)
        counts[:, best.get(each.chip.place, 0)] = each.counts.sum(axis=1)
        made.append(Counted(each.chip, each.level, counts))
    return made


def _surface(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    kept = np.zeros_like(counts)
    kept[list(SURFACES)] = counts[list(SURFACES)]
    return kept
