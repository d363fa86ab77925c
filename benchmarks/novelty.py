"""What novelty tells: faults of a scene, and wrong pixels and places.

    python benchmarks/novelty.py faults ../shared/data
    python benchmarks/novelty.py accuracy ../shared/data BEFORE.safetensors

``faults`` needs no network: statistics of four sixths of the places of s2_world, limits from a fifth
sixth, and on the last how often ordinary chips are warned of, and chips with a fault that was put
into them. ``accuracy`` takes a model that never saw s2_world (the one bundled before) and statistics
of the parts that it learnt from, and compares measures of novelty by the area under the ROC curve:
wrong against right pixels, and places of accuracy below 0.6 against above 0.8, in seven classes
(grass with crops, cloud with shadow). Tables of docs/benchmarks.md; pip install xarray netCDF4.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import torch
from scipy.special import logsumexp, softmax
from scipy.stats import rankdata

sys.path.insert(0, str(Path(__file__).parent / "s2_landcover"))

import sets
import world

from georaster_dl.core.bands import named_bands
from georaster_dl.models.novelty import fit
from georaster_dl.models.novelty.detector import Detector
from georaster_dl.models.novelty.judge import SceneNovelty, judge
from georaster_dl.models.novelty.mixture import Mixture
from georaster_dl.models.package.novelty import NoveltyStatistics
from georaster_dl.models.runtime.features import FeatureNetwork
from georaster_dl.models.runtime.optional_bands import load_narrowed

Float = npt.NDArray[np.floating]
BANDS = sets.BANDS
FEW = {
    "all bands": BANDS,
    "RGB and NIR": ("B02", "B03", "B04", "B08"),
    "RGB": ("B02", "B03", "B04"),
}
FITS = ((8, 0), (8, 1), (8, 2), (16, 0), (16, 1), (16, 2))  # clusters, seed
PIXELS = 4000  # of a chip
NARROWEST = 0.005  # standard deviation of reflectance
# Tree, grass and crops, built-up, bare, water, cloud and shadow, snow; by place in sets.CLASSES.
MERGED = np.array([0, 1, 1, 2, 3, 4, 5, 5, 6])


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(description="Novelty of scenes and pixels.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("faults", "accuracy"):
        commands.add_parser(name).add_argument("data", type=Path)
    commands.choices["accuracy"].add_argument("model", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.command == "faults":
        faults(options.data)
    else:
        accuracy(options.data, options.model)


def faults(data: Path) -> None:
    """Print how often chips are warned of, as they are and with faults, by the bands that are there."""
    chips = world.chips(data)
    values = {chip.name: sampled(chip.piece, PIXELS) for chip in chips}
    warned: dict[tuple[str, str], list[tuple[str, SceneNovelty]]] = defaultdict(list)
    for fold in range(world.FOLDS):
        aside = (fold + 1) % world.FOLDS
        statistics = fit.fit_novelty(
            BANDS,
            by_place([c for c in chips if c.fold not in (fold, aside)], values),
            by_place([c for c in chips if c.fold == aside], values),
        )
        print(f"fold {fold}: {statistics.threshold=} {statistics.share=} {statistics.margin=}")
        for chip in (c for c in chips if c.fold == fold):
            for fault, changed in with_faults(values[chip.name]):
                for which, names in FEW.items():
                    if fault != "thermal bands" or which == "all bands":
                        found = verdict(statistics, changed, names)
                        warned[fault, which].append((chip.place, found))
        for name, pixels in orthophotos(data):
            for which in ("RGB", "RGB and NIR"):
                there = [BANDS.index(band) for band in FEW[which]]
                if not np.isnan(pixels[:, there]).any():
                    found = verdict(statistics, pixels, FEW[which])
                    warned["orthophoto", which].append((name, found))
    report(warned)


def by_place(chips: list[world.Chip], values: dict[str, Float]) -> list[Float]:
    """Pixels of each place; of chips of other bands apart."""
    found: dict[tuple[str, int], list[Float]] = defaultdict(list)
    for chip in chips:
        found[chip.place, int(chip.piece.present.sum())].append(values[chip.name])
    return [np.concatenate(each) for each in found.values()]


def report(warned: dict[tuple[str, str], list[tuple[str, SceneNovelty]]]) -> None:
    """Print shares of chips and of places warned of, and the most frequent reasons."""
    for (fault, which), found in warned.items():
        places = {place for place, _ in found}
        of_places = {place for place, one in found if one.reason}
        reasons = Counter(one.reason[:44] for _, one in found if one.reason)
        print(
            f"{fault:18s} {which:12s} chips {len(found):3d} warned "
            f"{np.mean([one.reason is not None for _, one in found]):.2f}, places "
            f"{len(of_places)}/{len(places)}, median share {np.median([o.share for _, o in found]):.2f}  "
            f"{reasons.most_common(3)}"
        )
        if fault == "as they are":
            print("    ", sorted(of_places))


def sampled(piece: sets.Piece, most: int) -> Float:
    """Pixels (pixels, 12) of a piece, NaN in absent bands."""
    pixels = np.where(piece.present, piece.image[:, piece.valid].T, np.nan)
    return pixels[np.random.default_rng(0).permutation(len(pixels))[:most]]


def with_faults(pixels: Float) -> Iterator[tuple[str, Float]]:
    """Pixels as they are, and with each fault put into them."""
    yield "as they are", pixels
    yield "offset left in", pixels + 0.1
    yield "offset twice", pixels - 0.1
    yield "times 10", pixels * 10
    yield "a tenth", pixels * 0.1
    swapped = pixels.copy()
    swapped[:, [3, 7]] = pixels[:, [7, 3]]
    yield "B04 as B08", swapped
    thermal = pixels.copy()
    noise = np.random.default_rng(0).normal(0.3, 0.01, (len(pixels), 2))
    thermal[:, 10:] = np.where(np.isnan(pixels[:, 10:]), np.nan, noise)  # 300 K, scaled to 0.3
    yield "thermal bands", thermal


def orthophotos(data: Path) -> Iterator[tuple[str, Float]]:
    """Pixels of aerial photographs taken for reflectance, with near infrared where there is one."""
    folder = data / "lidar_ign/ortho"
    color = read_image(folder / "test_data_rgb.tif")
    infrared = read_image(folder / "test_data_irc.tif")
    yield "ortho", photograph(color, infrared[0])
    for path in sorted((data / "vhr_buildings/images").glob("*.tif"))[:8]:
        yield path.stem, photograph(read_image(path), None)


def read_image(path: Path) -> Float:
    with rasterio.open(path) as source:
        return source.read()[:3].reshape(3, -1) / 255


def photograph(color: Float, infrared: Float | None) -> Float:
    pixels = np.full((color.shape[1], len(BANDS)), np.nan)
    pixels[:, [3, 2, 1]] = color.T
    if infrared is not None:
        pixels[:, 7] = infrared
    return pixels[:: max(len(pixels) // PIXELS, 1)]


def verdict(statistics: NoveltyStatistics, pixels: Float, names: tuple[str, ...]) -> SceneNovelty:
    there = [
        i for i, name in enumerate(BANDS) if name in names and not np.isnan(pixels[:, i]).any()
    ]
    present = [BANDS[i] for i in there]
    detector = Detector.of(statistics, present)
    classes = [name for name, _ in sets.CLASSES]
    return judge(
        statistics,
        detector,
        pixels[:, there],
        named_bands(present),
        quantity="reflectance",
        classes=classes,
    )


def accuracy(data: Path, model: Path) -> None:
    """Print the area under the ROC curve of each measure."""
    run = Runner(model)
    learnt = [
        {key: np.concatenate([one[key] for one in of_set]) for key in of_set[0]}
        for of_set in ([run.measure(piece, 1000) for piece in pieces] for pieces in own_parts(data))
    ]
    measures = {**of_input(learnt), **of_features(learnt), **of_logits()}
    chips = world.chips(data)
    seen = {chip.name: run.measure(chip.piece, 5000) for chip in chips}
    wrong = {name: is_wrong(one) for name, one in seen.items()}
    places: dict[str, list[str]] = defaultdict(list)
    for chip in chips:
        if np.isfinite(wrong[chip.name]).any():
            places[chip.place].append(chip.name)
    right = {p: 1 - np.nanmean(joined(wrong, names)) for p, names in places.items()}
    judged = [p for p, share in right.items() if share < 0.6 or share > 0.8]
    bad = [right[p] < 0.6 for p in judged]
    everywhere = joined(wrong, list(wrong))
    known = np.isfinite(everywhere)
    print(
        f"{sum(bad)} of {len(judged)} places below 0.6; {everywhere[known].mean():.2f} of pixels wrong"
    )
    for name, measure in measures.items():
        scores = {chip: measure(one) for chip, one in seen.items()}
        of_pixels = auroc(everywhere[known] == 1, joined(scores, list(wrong))[known])
        within = np.mean([auroc(w[k] == 1, scores[c][k]) for c, w, k in mixed(wrong)])
        of_places = auroc(bad, [float(np.median(joined(scores, places[p]))) for p in judged])
        print(
            f"{name:42s} pixels {of_pixels:.3f}, within chips {within:.3f}, places {of_places:.3f}"
        )


def joined(by_chip: dict[str, Float], names: list[str]) -> Float:
    return np.concatenate([by_chip[name] for name in names])


def mixed(wrong: dict[str, Float]) -> Iterator[tuple[str, Float, npt.NDArray[np.bool_]]]:
    """Chips with wrong and right pixels, and where there is a label."""
    for name, one in wrong.items():
        known = np.isfinite(one)
        if known.any() and 0.02 < one[known].mean() < 0.98:
            yield name, one, known


def auroc(positive: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Area under the ROC curve: how often a positive has the higher score."""
    positive = np.asarray(positive, bool)
    n = positive.sum()
    ranks = rankdata(score)[positive].sum()
    return float((ranks - n * (n + 1) / 2) / (n * (len(positive) - n)))


def own_parts(data: Path) -> Iterator[list[sets.Piece]]:
    """Pieces that the model bundled before learnt from, as many pixels of each set."""
    for name, parts in sets.load(data).items():
        pieces = parts.training[:1200] if name == "Tokyo" else parts.training
        yield pieces


class Runner:
    """Network of a model over pieces."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._networks: dict[tuple[str, ...], tuple] = {}

    @torch.inference_mode()
    def measure(self, piece: sets.Piece, most: int) -> dict[str, Float]:
        """Values, features, logits and labels of some pixels of a piece."""
        names = tuple(name for name, there in zip(BANDS, piece.present, strict=True) if there)
        if names not in self._networks:
            card, network = load_narrowed(self._model, names)
            self._networks[names] = card, FeatureNetwork(network, len(names))
        card, network = self._networks[names]
        mean = np.array([band.mean for band in card.bands])[:, None, None]
        std = np.array([band.std for band in card.bands])[:, None, None]
        image = np.where(piece.valid, (piece.image[piece.present] - mean) / std, 0)
        rows, cols = piece.label.shape
        image = np.pad(image, ((0, 0), (0, -rows % 8), (0, -cols % 8)), mode="edge")
        features, logits = network._watched(torch.from_numpy(image).float()[None])
        chosen = np.random.default_rng(0).permutation(np.flatnonzero(piece.valid))[:most]
        pixels = np.where(piece.present[:, None, None], piece.image, np.nan)
        features, logits = (each[0, :, :rows, :cols].numpy() for each in (features, logits))
        return {
            "values": pixels.reshape(len(BANDS), -1)[:, chosen].T,
            "features": features.reshape(len(features), -1)[:, chosen].T,
            "logits": logits.reshape(len(logits), -1)[:, chosen].T / card.calibration.temperature,
            "label": piece.label.ravel()[chosen],
        }


def one_class(label: npt.NDArray) -> npt.NDArray[np.int64]:
    """Class of labels that name a single one, else -1."""
    classes = np.full(len(label), -1)
    for number in range(len(sets.CLASSES)):
        classes[label == 1 << number] = number
    return classes


def is_wrong(one: dict[str, Float]) -> Float:
    """1 where the mapped class is not the label's, 0 where it is, NaN without a sure label."""
    truth = one_class(one["label"])
    wrong = MERGED[one["logits"].argmax(axis=1)] != MERGED[truth]
    return np.where(truth >= 0, wrong, np.nan)


Measure = Callable[[dict[str, Float]], Float]


def of_input(learnt: list[dict[str, Float]]) -> dict[str, Measure]:
    """Mixtures of pixels in physical units, and one Gaussian for each class."""
    groups = [one["values"] for one in learnt]
    made = {}
    for clusters, seed in FITS:
        fit._CLUSTERS = clusters
        statistics = fit.fit_novelty(BANDS, groups, [], seed=seed)
        made[f"novelty, {clusters} Gaussians, seed {seed}"] = lambda one, s=statistics: novelty(
            s, one["values"]
        )
    fit._CLUSTERS = 8
    values = np.concatenate(groups)
    classes = one_class(np.concatenate([one["label"] for one in learnt]))
    whole = np.nanmean(values, axis=0), np.nanvar(values, axis=0)
    gaussians = [moments(values[classes == c], *whole) for c in np.unique(classes[classes >= 0])]
    mixture = Mixture(
        np.full(len(gaussians), 1 / len(gaussians)),
        np.stack([mean for mean, _ in gaussians]),
        np.stack([covariance for _, covariance in gaussians]),
    )
    statistics = fit._statistics(BANDS, mixture)
    made["a Gaussian for each class"] = lambda one: novelty(statistics, one["values"])
    return made


def novelty(statistics: NoveltyStatistics, values: Float) -> Float:
    there = np.flatnonzero(~np.isnan(values).any(axis=0))
    return Detector.of(statistics, [BANDS[i] for i in there]).novelty(values[:, there])


def moments(values: Float, usual: Float, spread: Float) -> tuple[Float, Float]:
    """Mean and covariance of pixels that may lack bands, by pairs of bands.

    A band that all lack has the mean ``usual`` and the variance ``spread``.
    """
    there = ~np.isnan(values)
    n = there.sum(axis=0)
    mean = np.where(n > 0, np.where(there, values, 0).sum(axis=0) / np.maximum(n, 1), usual)
    away = np.where(there, values - mean, 0)
    covariance = away.T @ away / np.maximum(there.T.astype(float) @ there, 1)
    covariance += np.diag(np.where(n > 0, 0, spread))
    variances, axes = np.linalg.eigh(covariance)
    return mean, (axes * np.maximum(variances, NARROWEST**2)) @ axes.T


def of_features(learnt: list[dict[str, Float]]) -> dict[str, Measure]:
    """Distances in the last layer of features (Lee et al. 2018; relative: Ren et al. 2021)."""
    features = np.concatenate([one["features"] for one in learnt]).astype(float)
    classes = one_class(np.concatenate([one["label"] for one in learnt]))
    means = np.stack(
        [features[classes == c].mean(axis=0) for c in np.unique(classes[classes >= 0])]
    )
    places = {c: i for i, c in enumerate(np.unique(classes[classes >= 0]))}
    known = classes >= 0
    away = features[known] - means[[places[c] for c in classes[known]]]
    ridge = 1e-4 * np.eye(features.shape[1])
    within = np.linalg.inv(np.cov(away.T) + ridge)
    whole = np.linalg.inv(np.cov(features.T) + ridge)
    centre = features.mean(axis=0)

    def distance(one: dict[str, Float]) -> Float:
        return np.min([squared(one["features"] - mean, within) for mean in means], axis=0)

    return {
        "features, Mahalanobis": distance,
        "features, relative Mahalanobis": lambda one: (
            distance(one) - squared(one["features"] - centre, whole)
        ),
    }


def squared(away: Float, precision: Float) -> Float:
    return (away @ precision * away).sum(axis=1)


def of_logits() -> dict[str, Measure]:
    """Baselines that need no statistics."""
    return {
        "entropy": lambda one: (
            -(softmax(one["logits"], axis=1) * np.log(softmax(one["logits"], axis=1) + 1e-12)).sum(
                axis=1
            )
        ),
        "largest logit, negative": lambda one: -one["logits"].max(axis=1),
        "energy": lambda one: -logsumexp(one["logits"], axis=1),
    }


if __name__ == "__main__":
    main()
