"""How well measures of uncertainty find a map's errors, and what several passes cost.

    python benchmarks/uncertainty.py quality ../shared/data enmap_potsdam --runs runs
    python benchmarks/uncertainty.py quality ../shared/data s2_tokyo --runs runs
    python benchmarks/uncertainty.py cost unet
    python benchmarks/uncertainty.py memory

``quality`` trains small networks with a dropout of 0.1 in the decoder, per seed: one, two more
that are an ensemble with it, and one with a Bayesian last layer (``--runs`` keeps them). Temperatures and prediction
sets are fitted on the validation ground, all figures are of the test ground. For ``s2_tokyo`` that is another part of
the city than the training's. Errors are found by a measure as well as its AUROC says: 0.5 is chance. AURC is the
area under the curve of the share of errors over the share of pixels that are kept, the surest first.

``cost`` compares 20 passes with dropout over one tile with one pass, in turn, the network rewritten for the processor in both
cases; f is the share of a pass that lies behind the first dropout, without the masks. ``memory`` maps a scene from
file to file, in a process of its own each, and prints its seconds and peak memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import accuracy
import cubes
import numpy as np
import rasterio
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from georaster_dl.evaluation.metrics.calibration import class_probabilities, fit_calibration
from georaster_dl.evaluation.metrics.prediction_sets import prediction_sets
from georaster_dl.evaluation.metrics.reliability import measure_reliability
from georaster_dl.evaluation.metrics.selective import error_auroc, risk_coverage
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.card import Architecture, ModelHalo
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.cost import measure_cost
from georaster_dl.models.runtime.device import Device
from georaster_dl.predict.engine.optimise import optimise_network
from georaster_dl.predict.engine.place import Place
from georaster_dl.predict.engine.rewrite.network import Rewritten
from georaster_dl.predict.engine.rewrite.program import Program
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.predictors.fields import Draw
from georaster_dl.predict.predictors.network import SampledNetwork
from georaster_dl.predict.predictors.passes import RandomPasses
from georaster_dl.predict.predictors.stochastic import SceneDropout, make_dropout_random
from georaster_dl.predict.predictors.sums import ClassSums
from georaster_dl.predict.segment import SegmentRun
from georaster_dl.testing import write_model, write_scene
from georaster_dl.tiling.pixels import PixelPlaces
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import train

MEMBERS = 3
PASSES = 20
MOST = 20_000  # pixels of a tile
LEAST_ERRORS = 50
LEVEL = 0.9
COLORS = ("#000000", "#0072b2", "#e69f00", "#009e73", "#cc79a7")  # Okabe and Ito 2008
BANDS, CLASSES, STRIDE = 12, 9, 32
Tile = tuple[Path, Path]
Floats = NDArray[np.floating]


@dataclass
class Ground:
    """Logits (n, passes, classes), class index and place of the labelled pixels of some tiles."""

    logits: NDArray[np.float32]
    target: NDArray[np.int64]
    place: NDArray[np.int64]


def quality(data: Path, name: str, runs: Path, seeds: Sequence[int], picture: Path | None) -> None:
    """Print the table of a data set, and draw its risk-coverage curves."""
    tiles, config, ignore = TASKS[name](data / name, runs)
    rows: dict[tuple[str, str], list[float]] = {}
    curves: dict[str, list[Floats]] = {}
    for seed in seeds:
        models = _trained(tiles, config, ignore, runs / name, seed)
        for predictor, package, options in _predictors(models):
            parts = [
                _ground(tiles[part], package, options, ignore, seed)
                for part in ("validation", "test")
            ]
            for column, value in _scores(*parts):
                rows.setdefault((predictor, column), []).append(value)
            curves.setdefault(predictor, []).append(_curve(*parts))
        _print(rows, f"{name}, seeds {seeds[: seeds.index(seed) + 1]}")
    if picture is not None:
        _draw(curves, name, picture)


def _curve(validation: Ground, test: Ground) -> Floats:
    """Share of errors among the surest 5, 6, ... 100 % of the pixels, by their confidence."""
    fitted = fit_calibration(validation.logits, validation.target)
    shares = class_probabilities(test.logits, fitted)
    found = risk_coverage(1 - shares.max(1), shares.argmax(1) != test.target)
    return 1 - np.array([found.accuracy_at(percent / 100) for percent in range(5, 101)])


def _draw(curves: dict[str, list[Floats]], name: str, picture: Path) -> None:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for (predictor, found), color in zip(curves.items(), COLORS, strict=True):
        axes.plot(range(5, 101), 100 * np.mean(found, axis=0), label=predictor, color=color)
    axes.set(xlabel="pixels kept, the surest first (%)", ylabel="errors among them (%)", title=name)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, dpi=100)


def _predictors(
    models: dict[str, list[Path]],
) -> Iterator[tuple[str, Path, SegmentOptions]]:
    one, *others = models["plain"]
    yield "single pass", one, SegmentOptions()
    yield "tta d4", one, SegmentOptions(predictor="tta")
    yield f"mc-dropout, {PASSES}", one, SegmentOptions(predictor="mc-dropout", passes=PASSES)
    yield f"ensemble of {MEMBERS}", one, SegmentOptions(members=tuple(others))
    (bayesian,) = models["bayesian"]
    yield f"bayesian, {PASSES}", bayesian, SegmentOptions(predictor="bayesian", passes=PASSES)


def _trained(
    tiles: dict[str, list[Tile]], config: dict, ignore: tuple[float, ...], runs: Path, seed: int
) -> dict[str, list[Path]]:
    """Train the networks of a seed, or take them from an earlier run."""
    runs.mkdir(parents=True, exist_ok=True)
    pairs = [
        SceneWithLabels(str(image), labels, part)
        for part in accuracy.PARTS
        for image, labels in tiles[part]
    ]
    made: dict[str, list[Path]] = {"plain": [], "bayesian": []}
    for head, seeds in (("plain", [seed + 100 * i for i in range(MEMBERS)]), ("bayesian", [seed])):
        for number in seeds:
            path = runs / f"{head}_{number}.safetensors"
            if not path.exists():
                given = {"seed": number, "split": {"kind": "column"}, "labels": {"ignore": ignore}}
                model = config["model"] | ({"head": head} if head != "plain" else {})
                train(pairs, path, TrainConfig.of(config | given | {"model": model}))
            made[head].append(path)
    return made


def _ground(
    tiles: Sequence[Tile],
    package: Path,
    options: SegmentOptions,
    ignore: tuple[float, ...],
    seed: int,
) -> Ground:
    """Take the logits of all passes at labelled pixels, at most some of each tile."""
    rng = np.random.default_rng(seed)
    logits, targets, places = [], [], []
    for number, (image, mask) in enumerate(tiles):
        run = SegmentRun((str(image),), package, Outputs.in_memory(), options, lambda _event: None)
        values = run.prepared.match.card.legend.values
        with rasterio.open(mask) as source:
            classes = source.read(1)
        rows, cols = (~np.isin(classes, ignore)).nonzero()
        chosen = np.sort(rng.permutation(len(rows))[:MOST])
        rows, cols = rows[chosen], cols[chosen]
        found = run.at_pixels(PixelPlaces(rows, cols))
        index = np.searchsorted(values, classes[rows, cols])
        known = np.isfinite(found).all(axis=(1, 2)) & np.isin(classes[rows, cols], values)
        logits.append(found[known])
        targets.append(index[known].astype(np.int64))
        places.append(np.full(int(known.sum()), number))
    return Ground(np.concatenate(logits), np.concatenate(targets), np.concatenate(places))


def _scores(validation: Ground, test: Ground) -> Iterator[tuple[str, float]]:
    """Yield the figures of a predictor by their names."""
    fitted = fit_calibration(validation.logits, validation.target)
    plain = class_probabilities(test.logits, Calibration())
    shares = class_probabilities(test.logits, fitted)
    wrong = shares.argmax(1) != test.target
    yield "accuracy", 1 - wrong.mean()
    if wrong.sum() >= LEAST_ERRORS:
        for measure, values in _measures(test.logits, shares, fitted):
            yield f"AUROC {measure}", error_auroc(values, wrong)
        curve = risk_coverage(1 - shares.max(1), wrong)
        yield "AURC", curve.area
        yield "accuracy at 90 %", curve.accuracy_at(0.9)
        yield "accuracy at 80 %", curve.accuracy_at(0.8)
    yield "temperature", fitted.temperature
    for name, given in (("raw", plain), ("fitted", shares)):
        found = measure_reliability(given, test.target)
        yield f"ECE, {name}", found.ece.value
        yield f"NLL, {name}", found.nll.value
    members = prediction_sets(shares, fitted.largest_score(LEVEL))
    covered = members[np.arange(len(wrong)), test.target]
    yield f"in {LEVEL:.0%} sets", covered.mean()
    yield "in sets, worst place", min(covered[test.place == p].mean() for p in set(test.place))
    yield "classes in a set", members.sum(1).mean()


def _measures(logits: Floats, shares: Floats, fitted: Calibration) -> Iterator[tuple[str, Floats]]:
    yield "1 - confidence", 1 - shares.max(1)
    total = _entropy(shares)
    yield "entropy", total
    if logits.shape[1] > 1:
        each = [class_probabilities(logits[:, [t]], fitted) for t in range(logits.shape[1])]
        expected = np.mean([_entropy(one) for one in each], axis=0)
        yield "mutual information", total - expected
        yield "variance", np.mean([((one - shares) ** 2).sum(1) for one in each], axis=0)


def _entropy(shares: Floats) -> Floats:
    return -(shares * np.log(shares.clip(1e-12))).sum(1)


def _print(rows: dict[tuple[str, str], list[float]], title: str) -> None:
    print(f"\n{title}")
    predictors = list(dict.fromkeys(predictor for predictor, _ in rows))
    columns = list(dict.fromkeys(column for _, column in rows))
    print(f"| | {' | '.join(predictors)} |")
    print("|---|" + "---|" * len(predictors))
    for column in columns:
        cells = [_cell(rows.get((predictor, column), [])) for predictor in predictors]
        print(f"| {column} | {' | '.join(cells)} |", flush=True)


def _cell(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{spread}"


def enmap_potsdam(folder: Path, _runs: Path) -> tuple[dict, dict, tuple[float, ...]]:
    """EnMAP, 218 good bands, the published split of tiles; a small network, as many are trained."""
    task, _config = accuracy.enmap_potsdam(folder)["unet"].args
    config = {
        "patches": {"size": 32, "sampling": "random", "per_epoch": 160},
        "model": {"architecture": "spectral_unet", "options": {"widths": [32, 48]}},
        "augment": {"scale": 0.0, "band_dropout": 0.0, "noise": 0.05},
        "training": {
            "epochs": 25,
            "batch": 8,
            "learning_rate": 3e-3,
            "patience": 25,
            **accuracy.ONE_CYCLE,
        },
    }
    return task.tiles, config, task.ignore


def s2_tokyo(folder: Path, runs: Path) -> tuple[dict, dict, tuple[float, ...]]:
    """Patches of 8 x 8 pixels of six bands side by side: area A trains and validates, area B tests."""
    runs.mkdir(parents=True, exist_ok=True)
    tiles: dict[str, list[Tile]] = {}
    for area in "AB":
        with np.load(folder / f"s2_tokyo_{area}.npz") as found:
            patches, classes = found["X20"].clip(1), found["y20"] + np.uint8(1)
        order = np.random.default_rng(0).permutation(len(classes))
        cut = len(order) * 4 // 5
        parts = {"A": {"train": order[:cut], "validation": order[cut:]}, "B": {"test": order}}[area]
        for part, chosen in parts.items():
            tiles[part] = [_mosaic(patches[chosen], classes[chosen], runs / f"tokyo_{part}.tif")]
    config = {
        "patches": {"size": 64, "sampling": "random", "per_epoch": 192},
        "model": {"architecture": "spectral_unet", "options": {"widths": [32, 48]}},
        "augment": {"scale": 0.0},
        "training": {
            "epochs": 20,
            "batch": 8,
            "learning_rate": 3e-3,
            "patience": 20,
            **accuracy.ONE_CYCLE,
        },
    }
    return tiles, config, (0.0,)


def _mosaic(patches: NDArray[np.int16], classes: NDArray[np.uint8], path: Path) -> Tile:
    """Lay patches (n, bands, 8, 8) side by side, labelled in the 4 x 4 pixels of their middle."""
    across = 32
    n = len(patches) // across * across
    n_bands, side = patches.shape[1:3]
    grid = patches[:n].reshape(n // across, across, n_bands, side, side)
    image = grid.transpose(2, 0, 3, 1, 4).reshape(n_bands, -1, across * side)
    middle = np.zeros((side, side), np.uint8)
    middle[2:6, 2:6] = 1
    labels = np.kron(classes[:n].reshape(-1, across), middle)[None]
    scene = cubes.write(path, image.astype(np.uint16))
    return scene, cubes.write(path.with_stem(f"{path.stem}_labels"), labels, 0)


TASKS = {"enmap_potsdam": enmap_potsdam, "s2_tokyo": s2_tokyo}


def cost(architecture: str, side: int, rounds: int) -> None:
    """Print the seconds of one pass and of several over one tile, and what these may take."""
    image = torch.randn(1, BANDS, side, side).contiguous(memory_format=torch.channels_last)
    plain, several = _plain(architecture), _several(architecture)
    layers = [each for each in several.modules() if isinstance(each, SceneDropout)]
    place = Place([(0, 0)], torch.ones(1, 1, side, side, dtype=torch.bool))
    with torch.inference_mode(), Device.choose("cpu").arithmetic():
        plain(image), several(image, place)
        random = several.passes.network
        program = random.program(torch.get_autocast_dtype("cpu"))
        times: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name, run in {
                "one": lambda: plain(image),
                "several": lambda: several(image, place),
                **_parts(program, layers, image),
            }.items():
                begun = time.perf_counter()
                run()
                times.setdefault(name, []).append(time.perf_counter() - begun)
    best = {name: min(found) for name, found in times.items()}
    share = best["each"] / (best["once"] + best["each"])
    allowed = (1 + PASSES * share) * best["one"] * 1.05
    print(f"{architecture}, {side} x {side} x {BANDS}: one pass {best['one']:.2f} s, f {share:.2f}")
    print(
        f"{PASSES} passes {best['several']:.2f} s; (1 + {PASSES} f) one pass + 5 % is {allowed:.2f} s"
    )


def _parts(
    program: Program, layers: list[SceneDropout], image: torch.Tensor
) -> dict[str, Callable]:
    """Make the functions that run what passes have in common, and one of them without its masks."""
    kept: dict[str, object] = {}

    def once() -> None:
        with torch.autocast("cpu", enabled=False):
            kept["begun"] = program.begin(image)

    def each() -> None:
        masks = [layer._run.compute for layer in layers]
        for layer in layers:
            layer._run.compute = _unmasked
        with torch.autocast("cpu", enabled=False):
            program.one_pass(kept["begun"])
        for layer, mask in zip(layers, masks, strict=True):
            layer._run.compute = mask

    return {"once": once, "each": each}


def _unmasked(planes: torch.Tensor, made: torch.Tensor) -> None:
    if made is not planes:
        made.copy_(planes)


def _network(architecture: str, dropout: float) -> torch.nn.Module:
    torch.manual_seed(0)
    made = create_model(architecture, in_bands=BANDS, n_classes=CLASSES, decoder_dropout=dropout)
    return optimise_network(made, BANDS, STRIDE, torch.device("cpu"))


def _plain(architecture: str) -> Rewritten:
    return Rewritten(_network(architecture, 0.0), STRIDE)


def _several(architecture: str) -> SampledNetwork:
    network, draw = _network(architecture, 0.1), Draw(0)
    make_dropout_random(network, BANDS, STRIDE, draw)
    passes = RandomPasses(Rewritten(network, STRIDE), draw, PASSES, Calibration())
    return SampledNetwork(passes, ClassSums, STRIDE)


def memory(side: int) -> None:
    """Print seconds and peak memory of maps from file to file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = [f"b{i}" for i in range(BANDS)]
        rng = np.random.default_rng(0)
        pixels = rng.integers(1, 5000, (BANDS, side, side), dtype=np.uint16)
        write_scene(folder / "scene.tif", pixels, bands=names, tiled=True)
        options = {"decoder_dropout": 0.1}
        network = create_model("unet", in_bands=BANDS, n_classes=CLASSES, **options)
        write_model(
            folder / "model.safetensors",
            bands=names,
            n_classes=CLASSES,
            network=network,
            architecture=Architecture(name="unet", encoder="resnet18", options=options),
            stride=STRIDE,
            halo=ModelHalo(default=64, exact=None),
            cost=measure_cost(network, in_bands=BANDS, stride=STRIDE),
        )
        for method in ("softmax", "mc-dropout", "tta"):
            command = ["geodl", "segment", "scene.tif", "-m", "model.safetensors", "-o", "map.tif",
                       "--overwrite", "--quiet", "--uncertainty", method]  # fmt: skip
            begun = time.perf_counter()
            process = subprocess.Popen(command, cwd=folder)
            _, status, usage = os.wait4(process.pid, 0)
            seconds, peak = time.perf_counter() - begun, usage.ru_maxrss / 2**20
            print(f"{method}: {seconds:.1f} s, {peak:.2f} GiB, status {status}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "quality", help="errors found, calibration and sets on test ground"
    )
    command.add_argument("data", type=Path, help="folder of the data sets")
    command.add_argument("name", choices=TASKS)
    command.add_argument("--runs", type=Path, required=True, help="folder for the trained models")
    command.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    command.add_argument("--picture", type=Path, help="PNG of the risk-coverage curves")
    command.set_defaults(run=lambda a: quality(a.data, a.name, a.runs, a.seeds, a.picture))
    command = commands.add_parser("cost", help="passes over a tile beside one")
    command.add_argument("architecture", choices=["unet", "spectral_unet"])
    command.add_argument("--side", type=int, default=1024)
    command.add_argument("--rounds", type=int, default=3)
    command.set_defaults(run=lambda a: cost(a.architecture, a.side, a.rounds))
    command = commands.add_parser("memory", help="peak memory of maps from file to file")
    command.add_argument("--side", type=int, default=2048)
    command.set_defaults(run=lambda a: memory(a.side))
    arguments = parser.parse_args()
    begun = time.perf_counter()
    arguments.run(arguments)
    print(f"\n{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
