"""What labelling the proposed samples is worth, beside labelling random ones.

    python benchmarks/labels_next.py forest ../shared/data/sits_matogrosso/samples_mt_9classes.npz
    python benchmarks/labels_next.py buildings ../shared/data/vhr_buildings
    python benchmarks/labels_next.py world ../shared/data/s2_world

``forest``: a random forest on time series of MODIS: 3 labels of each class at first, then 10 at a time chosen by its
own probabilities, as ``geodl propose`` chooses cells, up to 147. Macro F1 on a random half that is never chosen from.

The others train a small U-Net on the labels of some cells of the scenes, map all scenes as ``geodl propose`` does,
label the cells that it proposes, and train again from the start. IoU on scenes that are never chosen from.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.models.runtime.uncertainty import entropy, margin, mutual_information
from georaster_dl.proposals.choice import choose

FIRST, STEP, LAST = 3, 10, 147  # labels: of each class at first, each time, in the end
TREES = 200
PATCH, BATCH = 48, 8  # of a network's training

Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


def of_forest(forest, values: Values, measure: str) -> Values:
    """Score (samples,) of each sample by a forest."""
    import torch

    if measure == "trees":
        passes = np.stack([tree.predict_proba(values).T for tree in forest.estimators_])
        return mutual_information(torch.from_numpy(passes)).numpy()
    probabilities = torch.from_numpy(forest.predict_proba(values).T)
    return (entropy if measure == "entropy" else margin)(probabilities).numpy()


def best(scores: Values, _values: Values, n: int, _seed: int) -> Places:
    """The best by score alone."""
    return np.argsort(-scores, kind="stable")[:n]


def spread(scores: Values, values: Values, n: int, seed: int) -> Places:
    """As ``geodl propose`` chooses."""
    return choose(scores, values, n, seed=seed)


def at_random(scores: Values, _values: Values, n: int, seed: int) -> Places:
    return np.random.default_rng(seed).choice(len(scores), n, replace=False)


WAYS: dict[str, tuple[str, Callable[..., Places]]] = {
    "random": ("margin", at_random),
    "entropy": ("entropy", best),
    "mutual information of the trees": ("trees", best),
    "margin": ("margin", best),
    "margin + spread (geodl propose)": ("margin", spread),
}


def curve(values: Values, classes: Places, split: tuple[Places, Places], way: str, seed: int):
    """Macro F1 (steps,) on the test half with 27, 37, ... labels."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import f1_score

    measure, pick = WAYS[way]
    pool, test = split
    generator = np.random.default_rng(seed)
    labelled = np.concatenate(
        [
            generator.choice(pool[classes[pool] == c], FIRST, replace=False)
            for c in np.unique(classes)
        ]
    )
    found = []
    while True:
        forest = RandomForestClassifier(TREES, random_state=seed)
        forest.fit(values[labelled], classes[labelled])
        found.append(f1_score(classes[test], forest.predict(values[test]), average="macro"))
        if len(labelled) >= LAST:
            return np.array(found)
        rest = np.setdiff1d(pool, labelled)
        scores = of_forest(forest, values[rest], measure)
        chosen = pick(scores, values[rest], STEP, 1000 * seed + len(labelled))
        labelled = np.concatenate([labelled, rest[chosen]])


def area(curves: Values) -> Values:
    """Mean height (seeds,) of curves (seeds, steps)."""
    return np.trapezoid(curves, axis=1) / (curves.shape[1] - 1)


def forest(args: argparse.Namespace) -> None:
    from sklearn.model_selection import train_test_split

    data = np.load(args.data[0], allow_pickle=True)
    values = data["X"].reshape(len(data["X"]), -1)
    classes = np.unique(data["y"], return_inverse=True)[1]
    everything = np.arange(len(classes))
    pool, test = train_test_split(everything, test_size=0.5, random_state=0, stratify=classes)
    labels = np.arange(FIRST * (classes.max() + 1), LAST + 1, STEP)
    curves = {}
    for way in WAYS:
        curves[way] = np.stack(
            [curve(values, classes, (pool, test), way, seed) for seed in range(args.seeds)]
        )
        print_curve(way, labels, curves[way], (47, 67, 97, 147))
    draw(args.picture, labels, curves, "labels", "macro F1")


@dataclass(frozen=True)
class Setting:
    """What the cells of a data set are, and how a network learns them.

    ``known`` is the share of a cell that must be labelled, for both ways, so that labelling it gives something.
    """

    bands: tuple[str, ...]
    classes: tuple[str, ...]
    quantity: str
    cell: int
    step: int
    rounds: int
    known: float = 0.5
    scale: float = 1.0


SETTINGS = {
    "buildings": Setting(("red", "green", "blue"), ("ground", "building"), "digital numbers", 16, 10, 7),
    "world": Setting(
        ("B02", "B03", "B04", "B08", "B11", "B12"),
        ("tree cover", "low vegetation", "cropland", "built-up", "bare", "water",
         "cloud", "cloud shadow", "snow and ice", "flooded vegetation"),
        "reflectance", 16, 20, 7, scale=1e-4,
    ),
}  # fmt: skip


@dataclass
class Ground:
    """A scene with all its labels, of which a cell's are seen when it is labelled.

    ``classes`` (rows, cols) are -1 where nobody knows.
    """

    path: Path
    image: npt.NDArray[np.float32]
    classes: npt.NDArray[np.int64]


def at_half_size(path: Path, folder: Path) -> Path:
    """Write a picture at twice its pixel size, so that a small network sees more ground."""
    import rasterio
    from rasterio.enums import Resampling

    with rasterio.open(path) as scene:
        rows, cols = scene.height // 2, scene.width // 2
        profile = {
            **scene.profile, "height": rows, "width": cols,
            "transform": scene.transform * scene.transform.scale(scene.width / cols, scene.height / rows),
        }  # fmt: skip
        pixels = scene.read(out_shape=(scene.count, rows, cols), resampling=Resampling.average)
    made = folder / path.parent.name / path.name
    made.parent.mkdir(exist_ok=True)
    with rasterio.open(made, "w", **profile) as scene:
        scene.write(pixels)
    return made


def read_ground(kind: str, folder: Path, made: Path) -> tuple[list[Ground], list[Ground]]:
    """Scenes to choose from, and scenes to test on: every third."""
    import rasterio

    setting = SETTINGS[kind]
    if kind == "buildings":
        images = sorted((folder / "images").glob("*.tif"))
        masks = [folder / "masks" / path.name for path in images]
        pairs = [
            (at_half_size(one, made), at_half_size(two, made))
            for one, two in zip(images, masks, strict=True)
        ]
    else:
        chips = sorted((folder / "chips").glob("*_L2A.tif"))
        pairs = [(path, folder / "labels" / path.name) for path in chips]
    grounds = []
    for path, labels in pairs:
        with rasterio.open(path) as scene, rasterio.open(labels) as truth:
            names = setting.bands if kind == "buildings" else scene.descriptions
            if not set(setting.bands) <= set(names):
                continue
            image = scene.read([names.index(band) + 1 for band in setting.bands])
            value = truth.read(1).astype(np.int64)
        classes = (value > 127).astype(np.int64) if kind == "buildings" else value - 1
        grounds.append(Ground(path, image.astype(np.float32) * setting.scale, classes))
    test = grounds[::3]
    return [ground for i, ground in enumerate(grounds) if i % 3], test


def train(grounds, masks, setting: Setting, stats, seed: int, steps: int):
    """Train a small U-Net on the labels under the masks."""
    import torch
    from torch import nn

    from georaster_dl.models.registry import create_model

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = create_model(
        "plain_unet",
        in_bands=len(setting.bands),
        n_classes=len(setting.classes),
        widths=(16, 32, 64),
    ).to(memory_format=torch.channels_last)
    mean, std = (torch.tensor(each, dtype=torch.float32)[:, None, None] for each in stats)
    places = [
        np.argwhere(mask & (ground.classes >= 0))
        for ground, mask in zip(grounds, masks, strict=True)
    ]
    weights = np.array([len(found) for found in places], float)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    loss_of = nn.CrossEntropyLoss(ignore_index=-1)
    for _ in range(steps):
        images, truths = [], []
        for g in rng.choice(len(grounds), BATCH, p=weights / weights.sum()):
            found = places[g]
            image, truth = patch(grounds[g], masks[g], found[rng.integers(len(found))], rng)
            images.append(image)
            truths.append(truth)
        x = (torch.from_numpy(np.stack(images)) - mean) / std
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(x.contiguous(memory_format=torch.channels_last))
        loss = loss_of(logits.float(), torch.from_numpy(np.stack(truths)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def patch(ground: Ground, mask, middle, rng):
    """A patch around a labelled pixel, turned and mirrored; what is not labelled is -1."""
    start = [
        int(np.clip(m - rng.integers(PATCH), 0, n - PATCH))
        for m, n in zip(middle, mask.shape, strict=True)
    ]
    at = tuple(slice(s, s + PATCH) for s in start)
    image, truth = ground.image[(slice(None), *at)], np.where(mask[at], ground.classes[at], -1)
    turns = int(rng.integers(4))
    image, truth = np.rot90(image, turns, (1, 2)), np.rot90(truth, turns)
    if rng.integers(2):
        image, truth = image[:, :, ::-1], truth[:, ::-1]
    return image.copy(), truth.copy()


def iou(network, grounds, setting: Setting, stats) -> float:
    """IoU of the buildings, or mean over the classes that occur, on whole scenes."""
    import torch

    mean, std = (torch.tensor(each, dtype=torch.float32)[:, None, None] for each in stats)
    n = len(setting.classes)
    counts = np.zeros((n, n), np.int64)
    with torch.inference_mode():
        for ground in grounds:
            rows, cols = (length // 4 * 4 for length in ground.classes.shape)
            x = (torch.from_numpy(ground.image[:, :rows, :cols]) - mean) / std
            mapped = network(x[None])[0].argmax(dim=0).numpy()
            truth = ground.classes[:rows, :cols]
            known = truth >= 0
            counts += np.bincount(mapped[known] * n + truth[known], minlength=n * n).reshape(n, n)
    right = counts.diagonal()
    union = counts.sum(axis=0) + counts.sum(axis=1) - right
    found = right / np.maximum(union, 1)
    return float(found[1] if n == 2 else found[counts.sum(axis=0) > 0].mean())


def package(network, setting: Setting, stats, path: Path) -> Path:
    """Save the network as a model package."""
    from georaster_dl.core.legend import MapClass
    from georaster_dl.models.package.card import Architecture, Card, Cost, ModelHalo
    from georaster_dl.models.package.file import save_model
    from georaster_dl.models.package.values import InputBand

    bands = [
        InputBand(name=name, mean=float(m), std=float(s))
        for name, m, s in zip(setting.bands, *stats, strict=True)
    ]
    classes = [MapClass(i, name, (9 * i, 99, 99)) for i, name in enumerate(setting.classes)]
    card = Card(
        name="benchmark", version="1", task="segmentation", bands=bands, classes=classes, quantity=setting.quantity,
        architecture=Architecture(name="plain_unet", options={"widths": (16, 32, 64)}), stride=4,
        halo=ModelHalo(default=24, exact=None), cost=Cost(macs_per_pixel=20_000, bytes_per_pixel=600),
    )  # fmt: skip
    save_model(path, card, network)
    return path


def scored(grounds, model: Path, setting: Setting):
    """The cells of all scenes, with their scores, as ``geodl propose`` sees them."""
    from georaster_dl.core.scene_options import SceneOptions
    from georaster_dl.proposals.candidates import find_candidates
    from georaster_dl.proposals.options import ProposeOptions
    from georaster_dl.proposals.propose import open_scenes

    names = setting.bands if setting.quantity == "digital numbers" else None
    options = ProposeOptions(scene=SceneOptions(bands=names), cell=setting.cell)
    opened = open_scenes([ground.path for ground in grounds], model, options)
    return find_candidates(opened, options)


def cells_of(grounds, setting: Setting):
    """(cells, 2) scene and number of every cell that is labelled enough, in the candidates' numbering."""
    from georaster_dl.proposals.cells import Cells

    found = []
    for g, ground in enumerate(grounds):
        zones = Cells(ground.classes.shape, setting.cell)
        numbers = zones.read(*(slice(0, n) for n in ground.classes.shape))
        known = np.bincount(numbers[ground.classes >= 0], minlength=zones.count)
        enough = np.flatnonzero(known >= setting.known * setting.cell**2)
        found.append(np.stack([np.full(len(enough), g), enough], axis=1))
    return np.concatenate(found)


def mask_of(grounds, setting: Setting, labelled):
    from georaster_dl.proposals.cells import Cells

    masks = []
    for g, ground in enumerate(grounds):
        shape = ground.classes.shape
        numbers = Cells(shape, setting.cell).read(slice(0, shape[0]), slice(0, shape[1]))
        masks.append(np.isin(numbers, [n for scene, n in labelled if scene == g]))
    return masks


def network_curve(
    kind: str, pool, test, way: str, seed: int, folder: Path, steps: int
) -> list[float]:
    """IoU after each round of labelling."""
    from georaster_dl.proposals.candidates import choose_areas

    setting = SETTINGS[kind]
    stats = [np.mean([g.image.mean(axis=(1, 2)) for g in pool], axis=0),
             np.mean([g.image.std(axis=(1, 2)) for g in pool], axis=0)]  # fmt: skip
    rng = np.random.default_rng(seed)
    free = {tuple(cell) for cell in cells_of(pool, setting).tolist()}
    labelled = [sorted(free)[i] for i in rng.choice(len(free), setting.step, replace=False)]
    found = []
    for number in range(setting.rounds):
        network = train(pool, mask_of(pool, setting, labelled), setting, stats, seed, steps)
        found.append(iou(network, test, setting, stats))
        free -= set(labelled)
        if number == setting.rounds - 1:
            return found
        if way == "random":
            new = [sorted(free)[i] for i in rng.choice(len(free), setting.step, replace=False)]
        else:
            model = package(network, setting, stats, folder / f"{number}.safetensors")
            candidates = scored(pool, model, setting)
            pairs = list(zip(candidates.scene.tolist(), candidates.number.tolist(), strict=True))
            candidates = candidates.take(np.flatnonzero([pair in free for pair in pairs]))
            if way == "margin":
                best = np.argsort(-candidates.score, kind="stable")[: setting.step]
                chosen = candidates.take(best)
            else:
                chosen = choose_areas(candidates, setting.step, seed)
            new = list(zip(chosen.scene.tolist(), chosen.number.tolist(), strict=True))
        labelled += new
    return found


def networks(kind: str, args: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(args.threads)
    setting = SETTINGS[kind]
    made = tempfile.TemporaryDirectory()
    pool, test = read_ground(kind, args.data[0], Path(made.name))
    print(
        f"{len(pool)} scenes to choose from, {len(test)} to test on; {len(cells_of(pool, setting))} cells"
    )
    labels = setting.step * np.arange(1, setting.rounds + 1)
    curves: dict[str, list[list[float]]] = {way: [] for way in args.ways.split(",")}
    for seed in range(args.seeds):
        for way, found in curves.items():
            with tempfile.TemporaryDirectory() as folder:
                found.append(network_curve(kind, pool, test, way, seed, Path(folder), args.steps))
            print(f"seed {seed} {way}: {' '.join(f'{v:.3f}' for v in found[-1])}", flush=True)
    made.cleanup()
    areas = {way: np.array(found) for way, found in curves.items()}
    for way, found in areas.items():
        print_curve(way, labels, found, tuple(labels[[1, 3, 5]]))
    draw(args.picture, labels, areas, f"labelled cells of {setting.cell} px", "IoU")


def buildings(args: argparse.Namespace) -> None:
    networks("buildings", args)


def world(args: argparse.Namespace) -> None:
    networks("world", args)


def print_curve(way: str, labels: Places, curves: Values, shown: tuple[int, ...]) -> None:
    areas = area(curves)
    heights = curves.mean(axis=0)
    at = "  ".join(f"{n}: {heights[np.flatnonzero(labels == n)[0]]:.3f}" for n in shown)
    print(f"{way:34} {at}  area {areas.mean():.3f} +- {areas.std(ddof=1):.3f}", flush=True)


def draw(
    path: Path | None, labels: Places, curves: dict[str, Values], xlabel: str, ylabel: str
) -> None:
    """Draw the mean of each way's curves, with their standard deviation."""
    if path is None:
        return
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for color, (way, found) in zip(("0.5", "C1", "C2", "C0", "C3"), curves.items(), strict=False):
        mean, std = found.mean(axis=0), found.std(axis=0, ddof=1)
        axes.plot(labels, mean, color=color, label=way)
        axes.fill_between(labels, mean - std, mean + std, color=color, alpha=0.12, linewidth=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("experiment", choices=["forest", "buildings", "world"])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="of each training")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", default="random,margin + spread")
    parser.add_argument("--picture", type=Path, help="PNG of the curves")
    globals()[(args := parser.parse_args()).experiment](args)


if __name__ == "__main__":
    main()
