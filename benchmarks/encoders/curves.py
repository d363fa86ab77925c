"""How many labels an encoder saves: networks of several starts, and a forest, by the share of the labels."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import places
import sets

from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import train

SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
METHODS = ("forest", "random", "s2-encoder", "random spectral_unet", "s2-landcover")
_TREES, _MOST_PIXELS = 300, 50_000


def measure(
    data: Path, encoder: Path, jsonl: Path, *, names: Sequence[str], shares: Sequence[float],
    methods: Sequence[str], seeds: Sequence[int], epochs: int,
) -> None:  # fmt: skip
    """Train and test what the file has no line of yet, and add the lines."""
    lines = jsonl.read_text().splitlines() if jsonl.exists() else []
    done = {(e["set"], e["share"], e["method"], e["seed"]) for e in map(json.loads, lines)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for one in names:
            whole = sets.pieces(one, data, folder)
            for seed in seeds:
                for share in shares:
                    pairs = sets.thinned(one, whole, share, seed, folder)
                    for method in methods:
                        key = {"set": one, "share": share, "method": method, "seed": seed}
                        if tuple(key.values()) in done:
                            continue
                        begun = time.process_time()
                        miou = (
                            _forest(pairs, seed)
                            if method == "forest"
                            else _network(pairs, folder, _config(method, encoder, seed, epochs))
                        )
                        entry = {
                            **key,
                            "miou": round(miou, 4),
                            "cpu_s": round(time.process_time() - begun, 1),
                        }
                        with jsonl.open("a") as file:
                            file.write(json.dumps(entry) + "\n")
                        print(entry, flush=True)


def _config(method: str, encoder: Path, seed: int, epochs: int) -> TrainConfig:
    settings: dict[str, Any] = {
        "seed": seed,
        "scene": {"bands": places.BANDS},
        "split": {"kind": "column"},
        "patches": {"size": 64, "per_epoch": 240},
        "training": {"epochs": epochs, "patience": epochs, "device": "cpu"},
    }
    start = {"s2-encoder": str(encoder), "s2-landcover": "s2-landcover"}
    if method in start:
        settings["start"] = {"weights": start[method]}
    elif method == "random":
        settings["model"] = {"architecture": "unet", "encoder": "tu-resnet18"}
    else:
        settings["model"] = {"architecture": "spectral_unet"}
    return TrainConfig.of(settings)


def _network(pairs: list[SceneWithLabels], folder: Path, config: TrainConfig) -> float:
    trained = train(pairs, folder / "model.safetensors", config, overwrite=True)
    assert trained is not None
    return trained.card.metrics["mIoU, test"]


def _forest(pairs: list[SceneWithLabels], seed: int) -> float:
    """A forest of the spectra of the labels of training and validation, which it does not need apart."""
    from sklearn.ensemble import RandomForestClassifier

    x, y = _pixels([pair for pair in pairs if pair.part != "test"])
    chosen = np.random.default_rng(seed).permutation(len(y))[:_MOST_PIXELS]
    forest = RandomForestClassifier(_TREES, random_state=seed, class_weight="balanced")
    forest.fit(x[chosen], y[chosen])
    x, y = _pixels([pair for pair in pairs if pair.part == "test"])
    known = [int(c) for c in np.unique(np.concatenate([y, forest.classes_]))]
    found = np.searchsorted(known, forest.predict(x))
    counts = np.zeros((len(known), len(known)), np.int64)
    np.add.at(counts, (found, np.searchsorted(known, y)), 1)
    return Confusion(tuple(map(str, known)), counts).mean_iou


def _pixels(pairs: list[SceneWithLabels]) -> tuple[npt.NDArray, npt.NDArray]:
    """Spectra and classes of the labelled, valid pixels."""
    spectra, classes = [], []
    for pair in pairs:
        scene = open_scene(pair.scene)
        places_of = [
            next(i for i, b in enumerate(scene.bands) if b.name == name) for name in places.BANDS
        ]
        raster = scene.select(places_of).read()
        labels = sets._read(pair.labels)
        use = (labels > 0) & raster.valid
        spectra.append(raster.array[:, use].T)
        classes.append(labels[use])
    return np.concatenate(spectra), np.concatenate(classes)


def table(jsonl: Path, picture: Path | None) -> None:
    """Print mean and deviation over the seeds as a table for each set, and draw the curves."""
    entries = [json.loads(line) for line in jsonl.read_text().splitlines()]
    for name in dict.fromkeys(e["set"] for e in entries):
        own = [e for e in entries if e["set"] == name]
        shares = sorted({e["share"] for e in own})
        print(
            f"\n{name}, mIoU of the test part\n\n| start | "
            + " | ".join(f"{s:.0%}" for s in shares)
            + " |"
        )
        print("|---" * (len(shares) + 1) + "|")
        for method in (m for m in METHODS if any(e["method"] == m for e in own)):
            cells = [
                _cell([e["miou"] for e in own if (e["method"], e["share"]) == (method, s)])
                for s in shares
            ]
            print(f"| {method} | " + " | ".join(cells) + " |")
    if picture is not None:
        _draw(entries, picture)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=min(1, len(values) - 1)):.3f} ({len(values)})"


def _draw(entries: list[dict[str, Any]], picture: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(e["set"] for e in entries))
    figure, axes = plt.subplots(1, len(names), figsize=(4.2 * len(names), 3.4), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        for method in METHODS:
            own = [e for e in entries if (e["set"], e["method"]) == (name, method)]
            shares = sorted({e["share"] for e in own})
            values = [[e["miou"] for e in own if e["share"] == s] for s in shares]
            if shares:
                axis.errorbar(
                    [100 * s for s in shares], [np.mean(v) for v in values], [np.std(v) for v in values],
                    label=method, marker="o", markersize=3, capsize=2,
                )  # fmt: skip
        axis.set(xscale="log", xlabel="share of the labels (%)", ylabel="mIoU", title=name)
        axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(picture, dpi=130)
