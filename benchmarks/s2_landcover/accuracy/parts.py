"""Held-out parts of four sets that a network learns from, beside a forest and an analyst's rules.

Every method is scored in the classes that a set's labels tell apart. A class of the map that
belongs to none of them is wrong where it appears; pixels whose label says no more than 'one of
these' across such classes are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from canvases import Scaling, mirrored
from recipe import logits_of
from scipy.ndimage import uniform_filter
from scipy.special import softmax
from sets import (
    BANDS,
    BARE,
    BUILT,
    CLASSES,
    CLOUD,
    CROP,
    GRASS,
    GREEN,
    SHADOW,
    TREE,
    WATER,
    Float,
    Parts,
    Piece,
)  # fmt: skip
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score
from torch import nn

from accuracy.tally import Ints, spread

# The labels of each set that are scored; of a set with tree, grass and crop apart, 7 is none.
SCORED = {
    "Ireland": {"vegetation": GREEN, "not vegetated": BARE | BUILT, "water": WATER, "cloud": CLOUD, "shadow": SHADOW},
    "Slovenia": {"tree cover": TREE, "grass": GRASS, "built-up": BUILT, "cloud": CLOUD},
    "Tokyo": {"tree cover": TREE, "grass": GRASS, "cropland": CROP, "built-up": BUILT, "water": WATER},
    "WorldCereal": {"grass": GRASS, "cropland": CROP, "cloud": CLOUD, "shadow": SHADOW},
}  # fmt: skip
RGB_NIR = ("B02", "B03", "B04", "B08", "B8A")

Network = tuple[nn.Module, Scaling]


@dataclass(frozen=True)
class Score:
    """Accuracy, macro F1 and F1 of each class of a set, shares of 1; and pixels compared."""

    accuracy: float
    macro_f1: float
    f1: dict[str, float]
    n: int


def truth_of(name: str, pieces: list[Piece]) -> Ints:
    """Number of the scored class of each pixel (N, rows, cols), -1 where none."""
    label = np.stack([p.label for p in pieces]).astype(np.int64)
    truth = np.full(label.shape, -1)
    for number, bits in enumerate(SCORED[name].values()):
        # A label of some of these classes only, as an interpreter gives it, is one of them too.
        truth[(label > 0) & (label & ~bits == 0)] = number
    return truth


def grouped(name: str, classes: Ints) -> Ints:
    """Scored class of each class of the map; the number after the last where it belongs to none."""
    groups = list(SCORED[name].values())
    lookup = [
        next((g for g, bits in enumerate(groups) if bits >> c & 1), len(groups))
        for c in range(len(CLASSES))
    ]
    return np.array(lookup)[classes]


def score(name: str, truth: Ints, predicted: Ints) -> Score:
    """Compare numbers of scored classes where there is a truth."""
    known = truth >= 0
    names = list(SCORED[name])
    f1 = f1_score(
        truth[known], predicted[known], labels=range(len(names)), average=None, zero_division=0
    )
    return Score(
        float((truth[known] == predicted[known]).mean()),
        float(f1.mean()),
        dict(zip(names, (float(v) for v in f1), strict=True)),
        int(known.sum()),
    )


def alike(pieces: list[Piece], most: int = 512) -> Iterator[list[Piece]]:
    """Pieces of one shape and one list of bands, some at a time; small ones amid their mirror."""
    pieces = [mirrored(p, 16) if p.label.shape[0] < 16 else p for p in pieces]
    keys = [(p.label.shape, tuple(p.present)) for p in pieces]
    for key in dict.fromkeys(keys):
        same = [p for p, k in zip(pieces, keys, strict=True) if k == key]
        step = max(most * 256 // (key[0][0] * key[0][1]), 1)
        for start in range(0, len(same), step):
            yield same[start : start + step]


def network_scores(network: nn.Module, scaling: Scaling, name: str, pieces: list[Piece]) -> Score:
    """Score of the most probable class of each pixel."""
    truth, predicted = [], []
    for some in alike(pieces):
        truth.append(truth_of(name, some).ravel())
        predicted.append(grouped(name, logits_of(network, scaling, some).argmax(axis=1)).ravel())
    return score(name, np.concatenate(truth), np.concatenate(predicted))


def with_bands(pieces: list[Piece], names: tuple[str, ...]) -> list[Piece]:
    """The pieces as if they had these bands only."""
    asked = np.array([name in names for name in BANDS])
    return [
        replace(p, present=p.present & asked, image=p.image * asked[:, None, None]) for p in pieces
    ]


def with_offset(pieces: list[Piece], offset: float) -> list[Piece]:
    """The pieces with reflectances too high, as where an offset was forgotten."""
    return [
        replace(
            p, image=np.where(p.valid & p.present[:, None, None], p.image + np.float32(offset), 0)
        )
        for p in pieces
    ]


def features(pieces: list[Piece], *, context: bool) -> Float:
    """Spectra (pixels, 12), NaN in absent bands; with context also mean and deviation of 5 x 5."""
    columns = []
    for piece in pieces:
        planes = [piece.image]
        if context:
            size = (1, 5, 5)
            mean = uniform_filter(piece.image, size, mode="reflect")
            square = uniform_filter(piece.image**2, size, mode="reflect")
            planes += [mean, np.sqrt(np.maximum(square - mean**2, 0))]
        there = np.where(piece.present, 1, np.nan)[:, None, None]
        columns.append(np.concatenate([p * there for p in planes]).reshape(len(planes) * 12, -1))
    return np.concatenate(columns, axis=1).T.astype(np.float32)


def forest_scores(name: str, parts: Parts, *, context: bool, seed: int, most: int = 8000) -> Score:
    """A forest of 200 trees that learns the set's own classes from the set's own training pixels.

    Up to ``most`` pixels of each class.
    """
    rng = np.random.default_rng(seed)
    x, y = features(parts.training, context=context), _truths(name, parts.training)
    chosen = np.concatenate(
        [rng.permutation(np.flatnonzero(y == c))[:most] for c in range(len(SCORED[name]))]
    )
    forest = RandomForestClassifier(200, n_jobs=-1, random_state=seed).fit(x[chosen], y[chosen])
    truth = _truths(name, parts.held_out)
    known = np.flatnonzero(truth >= 0)
    predicted = np.full_like(truth, -1)
    predicted[known] = forest.predict(features(parts.held_out, context=context)[known])
    return score(name, truth, predicted)


def _truths(name: str, pieces: list[Piece]) -> Ints:
    return np.concatenate([truth_of(name, [p]).ravel() for p in pieces])


def rule_scores(name: str, pieces: list[Piece]) -> Score:
    """Score of thresholds on indices, written before looking at these data and never tuned."""
    mapped = [grouped(name, rules(p)).ravel() for p in pieces]
    return score(name, _truths(name, pieces), np.concatenate(mapped))


def rules(piece: Piece) -> Ints:
    """Class of each pixel by brightness, NDVI, NDWI and NDBI; red edge stands in for red."""

    def band(*names: str) -> Float:
        name = next(n for n in names if piece.present[BANDS.index(n)])
        return piece.image[BANDS.index(name)]

    green, red = band("B03", "B05"), band("B04", "B05")
    nir, swir = band("B08", "B8A"), band("B11")
    with np.errstate(invalid="ignore", divide="ignore"):
        ndvi, ndwi, ndbi = (
            np.nan_to_num((a - b) / (a + b)) for a, b in ((nir, red), (green, nir), (swir, nir))
        )
    conditions = [
        (green > 0.2) & (red > 0.18) & (ndvi < 0.4),
        (ndwi > 0) & (nir < 0.15),
        (nir < 0.12) & (swir < 0.1),
        (ndbi > 0) & (ndvi < 0.3),
        ndvi < 0.25,
        (ndvi > 0.6) & (swir < 0.18),
        (ndvi > 0.6) & (nir > 0.35),
    ]
    bits = [CLOUD, WATER, SHADOW, BUILT, BARE, TREE, CROP]
    return np.select(conditions, [int(b).bit_length() - 1 for b in bits], GRASS.bit_length() - 1)


def group_probabilities(
    network: nn.Module, scaling: Scaling, name: str, pieces: list[Piece], temperature: float = 1.0
) -> tuple[Float, Ints]:
    """Probabilities of the scored classes (pixels, classes), and the true one of each pixel.

    Classes of the map that belong to none of them count as one more, which is never true.
    """
    found, truths = [], []
    for some in alike(pieces):
        shares = softmax(logits_of(network, scaling, some) / temperature, axis=1)
        shares = np.moveaxis(shares, 1, -1)
        truth = truth_of(name, some)
        place = grouped(name, np.arange(len(CLASSES)))
        sums = np.stack(
            [shares[..., place == g].sum(axis=-1) for g in range(len(SCORED[name]) + 1)], axis=-1
        )
        found.append(sums[truth >= 0])
        truths.append(truth[truth >= 0])
    return np.concatenate(found), np.concatenate(truths)


def tables(
    sets: dict[str, Parts], networks: Sequence[Network], before: Network, *, forests: bool
) -> None:
    """Print how every seed does on the held-out parts, and the baselines with as many seeds."""
    print("| held out | method | accuracy | macro F1 | F1 by class |\n|---|---|---|---|---|")
    for name in SCORED:
        for method, scores in _methods(name, sets[name], networks, before, forests=forests):
            if scores:
                print(_row(f"{name} ({scores[0].n:,} pixels)", method, scores), flush=True)
    print()


def _methods(
    name: str, parts: Parts, networks: Sequence[Network], before: Network, *, forests: bool
) -> Iterator[tuple[str, list[Score]]]:
    pieces = parts.held_out
    changed = {"": pieces}
    if name != "Tokyo":  # its patches have neither green nor red
        changed[", RGB and NIR only"] = with_bands(pieces, RGB_NIR)
    for change, some in changed.items():
        yield f"s2-landcover{change}", [network_scores(*each, name, some) for each in networks]
        yield f"the model before{change}", [network_scores(*before, name, some)]
    high = with_offset(pieces, 0.1)
    yield (
        "s2-landcover, -1000 forgotten",
        [network_scores(*each, name, high) for each in networks],
    )
    for context in (False, True) if forests else ():
        yield (
            f"random forest, spectrum{' and 5 x 5' if context else ''}",
            [forest_scores(name, parts, context=context, seed=s) for s in range(len(networks))],
        )
    yield "rules", [rule_scores(name, pieces)]


def _row(name: str, method: str, scores: list[Score]) -> str:
    by_class = ", ".join(f"{c} {np.mean([s.f1[c] for s in scores]):.2f}" for c in scores[0].f1)
    accuracy = spread([s.accuracy for s in scores])
    return (
        f"| {name} | {method} | {accuracy} | {spread([s.macro_f1 for s in scores])} | {by_class} |"
    )
