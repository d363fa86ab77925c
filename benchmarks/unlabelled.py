"""Whether unlabelled ground of the training scene helps: pseudo-labels and consistency beside labels alone.

    python benchmarks/unlabelled.py sample_tiles --polygons 2 --seeds 0 1 2

Of the western sample scene a few polygons of each class are labelled; the rest of it is unlabelled. Measured are the mIoU of
the truth of the western scene without these polygons, and of the eastern scene, with the weights of the last step. Every setting
was fixed before either truth was looked at; no ground chooses anything. ``consistency`` is FixMatch (Sohn et al. 2020)
with the mean teacher of Tarvainen and Valpola (2017); ``pseudo-labels`` learns once more, from scratch, from what the first network is
sure of.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import torch
from rasterio.features import rasterize
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.models.registry import create_model

STEPS, BATCH, SIDE, RATE = 150, 4, 64, 3e-3
SURE, DECAY = 0.95, 0.98  # probability of a pseudo-label; of the teacher's weights
OPTIONS = {"encoder_depth": 3, "decoder_channels": (32, 16, 16)}


def read(path: Path) -> Tensor:
    """(bands, rows, cols) standardised values of a scene."""
    with rasterio.open(path) as dataset:
        image = dataset.read().astype(np.float32)
    mean, std = image.mean(axis=(1, 2), keepdims=True), image.std(axis=(1, 2), keepdims=True)
    return torch.from_numpy((image - mean) / std)


def few_labels(folder: Path, polygons: int, seed: int) -> np.ndarray:
    """(rows, cols) class of the pixels of a few polygons of each class, 0 elsewhere."""
    frame = geopandas.read_file(folder / "s2_west_labels.gpkg")
    chosen = frame.sample(frac=1, random_state=seed).groupby("class_id").head(polygons)
    with rasterio.open(folder / "s2_west.tif") as dataset:
        shapes = zip(chosen.to_crs(dataset.crs).geometry, chosen.class_id, strict=True)
        return rasterize(shapes, dataset.shape, transform=dataset.transform, dtype=np.uint8)


def cut(
    rng: np.random.Generator, image: Tensor, labels: Tensor, *, labelled: bool
) -> tuple[Tensor, Tensor]:
    """Draw a batch of turned patches, around labels of classes drawn alike or anywhere."""
    images, targets = [], []
    classes = labels[labels >= 0].unique()
    for _ in range(BATCH):
        place = rng.integers(0, np.array(labels.shape))
        if labelled:
            places = (labels == classes[rng.integers(len(classes))]).nonzero()
            place = places[rng.integers(len(places))].numpy()
        row, col = (
            int(np.clip(p - rng.integers(SIDE), 0, n - SIDE))
            for p, n in zip(place, labels.shape, strict=True)
        )
        turn, flip = int(rng.integers(4)), [-1] * int(rng.integers(2))
        for found, source in ((images, image), (targets, labels)):
            patch = source[..., row : row + SIDE, col : col + SIDE].rot90(turn, (-2, -1))
            found.append(patch.flip(flip) if flip else patch)
    return torch.stack(images), torch.stack(targets)


def disturbed(images: Tensor, strength: float) -> Tensor:
    """Vary brightness, bands and noise of a batch."""
    shape = len(images), images.shape[1]
    gain = 1 + strength * torch.randn(shape[0], 1, 1, 1)
    offset = strength * torch.randn(*shape, 1, 1)
    return images * gain + offset + 0.5 * strength * torch.randn_like(images)


def learn(
    image: Tensor, labels: Tensor, n_classes: int, seed: int, *, consistent: bool
) -> nn.Module:
    """Train a small U-Net; ``consistent`` also on what its slow average is sure of on any ground."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = create_model(
        "unet", in_bands=len(image), n_classes=n_classes, encoder="tu-test_resnet", **OPTIONS
    )
    teacher = copy.deepcopy(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS)
    for step in range(STEPS):
        images, targets = cut(rng, image, labels, labelled=True)
        loss = cross_entropy(network(disturbed(images, 0.1)), targets, ignore_index=-1)
        if consistent:
            images, _ = cut(rng, image, labels, labelled=False)
            with torch.no_grad():
                sure, found = teacher(disturbed(images, 0.02)).softmax(1).max(1)
            errors = cross_entropy(network(disturbed(images, 0.2)), found, reduction="none")
            loss = loss + min(1.0, 2 * step / STEPS) * (errors * (sure > SURE)).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            for slow, fast in zip(
                teacher.state_dict().values(), network.state_dict().values(), strict=True
            ):
                slow.copy_(
                    fast if not slow.is_floating_point() else slow * DECAY + fast * (1 - DECAY)
                )
    return teacher.eval() if consistent else network.eval()


@torch.inference_mode()
def probabilities(network: nn.Module, image: Tensor) -> Tensor:
    """(classes, rows, cols) of a whole scene."""
    return network(image[None])[0].softmax(0)


def score(network: nn.Module, image: Tensor, truth: np.ndarray, names: tuple[str, ...]) -> float:
    """Mean IoU on a truth, -1 where nothing is known."""
    mapped = probabilities(network, image).argmax(0).numpy()
    return Confusion.of(mapped, truth, names).mean_iou


def main() -> None:
    """Print the mIoU of each way to learn, by seed, and mean and deviation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--polygons", type=int, default=2, help="of each class, or all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    west, east = (read(given.folder / f"s2_{side}.tif") for side in ("west", "east"))
    truths = []
    for side in ("west", "east"):
        with rasterio.open(given.folder / f"s2_{side}_truth.tif") as dataset:
            truths.append(dataset.read(1, masked=True).filled(0))
    print("polygons of a class, seed, way: mIoU of the same scene, of the other", flush=True)
    ways: dict[str, list[tuple[float, float]]] = {}
    for seed in given.seeds:
        raw = few_labels(given.folder, given.polygons, seed)
        values = np.unique(raw[raw > 0])
        lookup = np.full(256, -1)
        lookup[values] = np.arange(len(values))
        names = tuple(map(str, values))
        labels = torch.from_numpy(lookup[raw])
        rest, other = np.where(raw > 0, -1, lookup[truths[0]]), lookup[truths[1]]
        alone = learn(west, labels, len(values), seed, consistent=False)
        sure, found = probabilities(alone, west).max(0)
        pseudo = torch.where(labels >= 0, labels, torch.where(sure > SURE, found, -1))
        networks = {
            "labels alone": alone,
            "pseudo-labels": learn(west, pseudo, len(values), seed, consistent=False),
            "consistency": learn(west, labels, len(values), seed, consistent=True),
        }
        for way, network in networks.items():
            figures = score(network, west, rest, names), score(network, east, other, names)
            ways.setdefault(way, []).append(figures)
            print(f"{given.polygons} {seed} {way}: {figures[0]:.3f} {figures[1]:.3f}", flush=True)
    for way, runs in ways.items():
        means, spread = np.mean(runs, axis=0), np.std(runs, axis=0)
        print(f"{way}: {means[0]:.3f} +- {spread[0]:.3f}, {means[1]:.3f} +- {spread[1]:.3f}")


if __name__ == "__main__":
    main()
