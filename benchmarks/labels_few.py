"""Few labels: points that grow by superpixels, and one class beside what is not labelled.

    python benchmarks/labels_few.py points ../shared/data/vhr_buildings
    python benchmarks/labels_few.py positive ../shared/data/sits_matogrosso/samples_mt_9classes.npz

``points`` draws points of each class on six orthophotos and tests a forest of spectrum and texture on two others: with the
points' own pixels, with discs about them, and with the superpixels (SLIC, Achanta et al. 2012) that they lie in. The four
test tiles of docs/benchmarks.md are not looked at. ``positive`` labels a share of the samples of one class and nothing else: a
network (one hidden layer) that takes the rest for background, the same with nnPU (Kiryo et al. 2017; the prior is given), and a
forest that takes the rest for background. Each calls as many of the test samples positive as the prior says.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import torch
from scipy.ndimage import distance_transform_edt
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score, jaccard_score
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn.functional import softplus

from georaster_dl.label_check.tables import series_features
from georaster_dl.models.zoo.texture.features import Texture
from georaster_dl.timeseries.tables.options import SeriesTableOptions
from georaster_dl.timeseries.tables.read import read_series

TRAINING, VALIDATION = ("1033", "1036", "1039", "1045", "966", "967"), ("970", "973")
WINDOWS = (5, 15, 31)  # of the texture, as beside a network

Array = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]


def superpixels(image: Array, side: int, compactness: float, rounds: int = 5) -> Index:
    """Number each pixel's superpixel (rows, cols): k-means in colour and place about centres of a grid."""
    bands, rows, cols = image.shape
    own = np.stack(np.mgrid[:rows, :cols]) // side
    shape = own[0].max() + 1, own[1].max() + 1
    place = np.stack(np.mgrid[:rows, :cols]).astype(np.float32) * compactness / side
    pixels = np.concatenate([image, place]).reshape(bands + 2, -1)
    number = np.ravel_multi_index(own.reshape(2, -1), shape)
    for _ in range(rounds):
        sizes = np.maximum(np.bincount(number, minlength=shape[0] * shape[1]), 1)
        centres = np.stack([np.bincount(number, each, len(sizes)) / sizes for each in pixels])
        nearest = np.full(rows * cols, np.inf)
        for by in np.ndindex(3, 3):
            near = [np.clip(own[i] + by[i] - 1, 0, shape[i] - 1).ravel() for i in (0, 1)]
            of = np.ravel_multi_index(near, shape)
            distance = ((pixels - centres[:, of]) ** 2).sum(axis=0)
            closer = distance < nearest
            nearest[closer], number = distance[closer], np.where(closer, of, number)
    return number.reshape(rows, cols)


def grown(image: Array, chosen: Index, how: str) -> tuple[Index, Index]:
    """Grow points (flat places): places of labelled pixels, and the point that each is of."""
    rows, cols = image.shape[1:]
    kind, _, size = how.partition(" ")
    if kind == "points":
        return chosen, np.arange(len(chosen))
    if kind == "discs":
        apart = np.ones(rows * cols, bool)
        apart[chosen] = False
        far, (row, col) = distance_transform_edt(apart.reshape(rows, cols), return_indices=True)
        places = np.flatnonzero(far.ravel() <= float(size))
        order = np.argsort(chosen)
        nearest = (row * cols + col).ravel()[places]
        return places, order[np.searchsorted(chosen[order], nearest)]
    numbers = superpixels(image, int(size), 1.0).ravel()
    parts = [np.flatnonzero(numbers == numbers[point]) for point in chosen]
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def points(args: argparse.Namespace) -> None:
    images, masks, planes = {}, {}, {}
    for name in TRAINING + VALIDATION:
        with rasterio.open(next((args.data / "images").glob(f"*_{name}.tif"))) as file:
            images[name] = (file.read()[:3] / 255).astype(np.float32)
        with rasterio.open(next((args.data / "masks").glob(f"*_{name}.tif"))) as file:
            masks[name] = (file.read(1) > 0).ravel().astype(np.intp)
    every = np.concatenate([images[name].reshape(3, -1) for name in TRAINING], axis=1)
    mean, std = (f(every, axis=1)[:, None, None] for f in (np.mean, np.std))
    texture = Texture(3, WINDOWS, 3)
    texture.axes.copy_(torch.from_numpy(np.linalg.eigh(np.cov(every))[1][:, ::-1].T.copy()))
    for name, image in images.items():
        reach = texture.reach
        around = np.pad((image - mean) / std, ((0, 0), (reach, reach), (reach, reach)))
        with torch.inference_mode():
            made = texture(torch.from_numpy(around.astype(np.float32))[None])
        planes[name] = made[0].flatten(1).T.numpy()
    rng = np.random.default_rng(0)
    tested = {name: rng.permutation(len(masks[name]))[:20_000] for name in VALIDATION}
    truth = np.concatenate([masks[name][at] for name, at in tested.items()])
    seen = np.concatenate([planes[name][at] for name, at in tested.items()])
    for n in args.points:
        for how in args.ways:
            scores, right = [], []
            for seed in range(args.seeds):
                rng = np.random.default_rng(seed)
                parts = []
                for name in TRAINING:
                    kinds = [np.flatnonzero(masks[name] == kind) for kind in (0, 1)]
                    chosen = np.concatenate([rng.permutation(kind)[:n] for kind in kinds])
                    places, of = grown(images[name], chosen, how)
                    labels = masks[name][chosen][of]
                    right.append((labels == masks[name][places]).mean())
                    weight = 1 / np.bincount(of)[of]  # each point counts the same
                    parts.append((planes[name][places], labels, weight))
                features, labels, weights = (
                    np.concatenate(each) for each in zip(*parts, strict=True)
                )
                forest = RandomForestClassifier(60, min_samples_leaf=3, random_state=seed)
                mapped = forest.fit(features, labels, weights).predict(seen)
                scores.append(jaccard_score(truth, mapped, average="macro"))
            print(f"{n} points a class and tile, {how:14} {np.mean(right):.3f} of the labels right, mIoU "
                  f"{np.mean(scores):.3f} +- {np.std(scores, ddof=1):.3f}", flush=True)  # fmt: skip


def fitted(
    values: Array, labelled: npt.NDArray[np.bool_], prior: float, loss: str, seed: int, epochs: int
) -> nn.Module:
    """Fit a network of one hidden layer to positive samples and the rest.

    nnPU is prior * E_p[l(g)] + max(0, E_u[l(-g)] - prior * E_p[l(-g)]) with the logistic loss l; where the part in brackets is
    negative, the step goes up it (Kiryo et al. 2017, algorithm 1 with beta 0 and gamma 1).
    """
    torch.manual_seed(seed)
    x, positive = torch.from_numpy(values), torch.from_numpy(labelled)
    network = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 1))
    optimiser = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=1e-2)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(256):
            g, p = network(x[rows])[:, 0], positive[rows]
            if p.sum() == 0 or p.all():
                continue
            if loss == "background":
                risk = nn.functional.binary_cross_entropy_with_logits(g, p.float())
            else:
                negative = softplus(g[~p]).mean() - prior * softplus(g[p]).mean()
                risk = prior * softplus(-g[p]).mean() + negative if negative >= 0 else -negative
            optimiser.zero_grad()
            risk.backward()
            optimiser.step()
    return network.eval()


def ranked(
    values: Array,
    labelled: npt.NDArray[np.bool_],
    tested: Array,
    prior: float,
    seed: int,
    epochs: int,
) -> Iterator[tuple[str, Array]]:
    """Give the scores of the tested samples by each way."""
    forest = RandomForestClassifier(
        200, min_samples_leaf=3, random_state=seed, class_weight="balanced"
    )
    yield "forest, rest as background", forest.fit(values, labelled).predict_proba(tested)[:, 1]
    for loss in ("background", "nnPU"):
        network = fitted(values, labelled, prior, loss, seed, epochs)
        with torch.inference_mode():
            yield (
                f"network, {'rest as background' if loss == 'background' else loss}",
                network(torch.from_numpy(tested))[:, 0].numpy(),
            )


def positive(args: argparse.Namespace) -> None:
    samples = read_series(args.data, SeriesTableOptions(class_column="y"))
    values = series_features(samples)
    values = ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)
    everything: dict[str, list[float]] = {}
    for number, name in enumerate(samples.legend.names):
        truth = samples.labels == number
        found: dict[str, list[float]] = {}
        for seed in range(args.seeds):
            taught, tested = train_test_split(
                np.arange(len(truth)), test_size=0.3, stratify=samples.labels, random_state=seed
            )
            own = taught[truth[taught]]
            chosen = np.random.default_rng(seed).permutation(own)[: round(args.share * len(own))]
            labelled = np.isin(taught, chosen)
            prior = (truth[taught] & ~labelled).sum() / (~labelled).sum()
            for way, scores in ranked(
                values[taught], labelled, values[tested], prior, seed, args.epochs
            ):
                most = np.sort(scores)[::-1][truth[tested].sum() - 1]
                found.setdefault(way, []).append(f1_score(truth[tested], scores >= most))
        for way, scores in found.items():
            everything.setdefault(way, []).append(float(np.mean(scores)))
            print(f"{name:16} {way:28} F1 {np.mean(scores):.3f} +- {np.std(scores, ddof=1):.3f}", flush=True)  # fmt: skip
    for way, means in everything.items():
        print(f"mean of classes  {way:28} F1 {np.mean(means):.3f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", choices=["points", "positive"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--points", type=int, nargs="+", default=[10, 40])
    parser.add_argument(
        "--ways", nargs="+", default=["points", "discs 3", "superpixels 8", "superpixels 16"]
    )
    parser.add_argument("--share", type=float, default=0.2, help="of a class that is labelled")
    parser.add_argument("--epochs", type=int, default=60)
    args = parser.parse_args()
    {"points": points, "positive": positive}[args.experiment](args)


if __name__ == "__main__":
    main()
