"""Train the bundled demonstration model on simulated scenes and package it.

    python sample_tiles/train_model.py -o georaster_dl/models/builtin/landcover-sample.safetensors

The seeds of training, validation and test scenes are disjoint from each other and from the sample
scenes, which are read only to report how well the finished model does on them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import torch
from landscape import CLASSES
from sensor import SENTINEL2
from training_data import (
    BANDS,
    BATCH,
    HALO,
    IGNORE,
    PATCH,
    PLANES,
    TEST,
    TRAINING,
    VALIDATION,
    Scaling,
    Scene,
    batches,
    simulate,
)

from georaster_dl.core.legend import MapClass
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.card import Architecture, Card, ModelHalo
from georaster_dl.models.package.file import load_model, save_model
from georaster_dl.models.package.values import InputBand
from georaster_dl.models.registry import create_model
from georaster_dl.models.runtime.cost import measure_cost
from georaster_dl.models.runtime.halo import choose_halo, probe_halo

Float = npt.NDArray[np.float32]

ENCODER = "tu-resnet18"  # of timm: it leaves out the stages beyond the depth
OPTIONS = {"encoder_depth": 3, "decoder_channels": [64, 32, 16]}
STRIDE = 8


def loss_of(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross-entropy plus the Dice loss over the classes present in the batch."""
    cross_entropy = torch.nn.functional.cross_entropy(logits, target, ignore_index=IGNORE)
    valid = (target != IGNORE)[:, None]
    truth = (
        torch.nn.functional.one_hot(target.clamp(min=0), len(CLASSES)).permute(0, 3, 1, 2) * valid
    )
    shares = logits.softmax(dim=1) * valid
    overlap = (shares * truth).sum(dim=(0, 2, 3))
    total = shares.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3))
    present = truth.sum(dim=(0, 2, 3)) > 0
    return cross_entropy + (1.0 - 2.0 * overlap / (total + 1.0))[present].mean()


@torch.inference_mode()
def logits_of(network: torch.nn.Module, image: Float) -> torch.Tensor:
    """Run on a whole normalised scene (bands, rows, cols); returns (classes, rows, cols)."""
    _, rows, cols = image.shape
    padded = np.pad(image, ((0, 0), (0, -rows % 8), (0, -cols % 8)))
    batch = torch.from_numpy(padded.astype(np.float32))[None].contiguous(
        memory_format=torch.channels_last
    )
    return network(batch)[0, :, :rows, :cols]


def confusion_of(predicted: npt.NDArray, target: npt.NDArray) -> npt.NDArray[np.int64]:
    """Count (true class, predicted class) over the targets that are not ignored."""
    n, known = len(CLASSES), target >= 0
    return np.bincount(target[known] * n + predicted[known], minlength=n * n).reshape(n, n)


def iou_of(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """IoU per class; NaN for a class that neither truth nor prediction has."""
    hits = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)


def evaluate(
    network: torch.nn.Module, scenes: list[Scene], scaling: Scaling
) -> dict[float, npt.NDArray]:
    """Return the IoU per class for each ground sampling distance."""
    network.eval()
    confusion: dict[float, npt.NDArray] = {}
    for scene in scenes:
        image = scaling.apply(scene.image, np.ones(scene.target.shape, bool))
        counts = confusion_of(logits_of(network, image).argmax(dim=0).numpy(), scene.target)
        confusion[scene.gsd_m] = confusion.get(scene.gsd_m, 0) + counts
    return {gsd_m: iou_of(counts) for gsd_m, counts in confusion.items()}


def build() -> torch.nn.Module:
    """Build the network with fresh weights."""
    return create_model(
        "unet", in_bands=len(BANDS), n_classes=len(CLASSES), encoder=ENCODER, **OPTIONS
    )


def _score(iou: dict[float, npt.NDArray]) -> float:
    """Score a network by its mIoU, mostly at 10 m: the best one is kept."""
    weights = {10.0: 0.7, 20.0: 0.2, 60.0: 0.1}
    return sum(weight * float(np.nanmean(iou[gsd_m])) for gsd_m, weight in weights.items())


def train(steps: int, seed: int, checkpoint: Path) -> None:
    """Train, keep the weights that do best on the validation scenes, and write ``checkpoint``."""
    torch.manual_seed(seed)
    start = time.perf_counter()
    scenes, validation = simulate(TRAINING), simulate(VALIDATION)
    scaling = Scaling.of(scenes)
    print(f"{len(scenes)} scenes in {time.perf_counter() - start:.0f} s")
    network = build().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 3e-3, total_steps=steps, pct_start=0.15
    )
    best, running = -1.0, 0.0
    for step, (inputs, targets) in zip(
        range(1, steps + 1), batches(scenes, scaling, seed), strict=False
    ):
        network.train()
        loss = loss_of(network(inputs), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        running += float(loss.detach())
        if step % 100 and step != steps:
            continue
        iou = evaluate(network, validation, scaling)
        seconds = time.perf_counter() - start
        shown = ", ".join(
            f"{gsd_m:.0f} m {np.nanmean(values):.3f}" for gsd_m, values in iou.items()
        )
        print(f"step {step}: loss {running / 100:.3f}, mIoU {shown}, {seconds:.0f} s", flush=True)
        running = 0.0
        if _score(iou) > best:
            best = _score(iou)
            state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
            facts = {
                "steps": step,
                "seconds": seconds,
                "score": best,
                "threads": torch.get_num_threads(),
            }
            scale = {"mean": torch.from_numpy(scaling.mean), "std": torch.from_numpy(scaling.std)}
            torch.save({"state": state, "scaling": scale, "facts": facts}, checkpoint)


def temperature_of(
    network: torch.nn.Module, scenes: list[Scene], scaling: Scaling
) -> tuple[float, float]:
    """Find the temperature of least cross-entropy, and the expected calibration error it leaves."""
    everywhere = [
        (logits_of(network, scaling.apply(s.image, np.ones(s.target.shape, bool))), s.target)
        for s in scenes
    ]
    logits = torch.cat([scene.flatten(1).T[::3] for scene, _ in everywhere])
    target = torch.cat([torch.from_numpy(truth).flatten()[::3] for _, truth in everywhere])
    candidates = np.geomspace(0.5, 3.0, 73)
    losses = [float(torch.nn.functional.cross_entropy(logits / t, target)) for t in candidates]
    temperature = float(candidates[int(np.argmin(losses))])
    confidence, predicted = (logits / temperature).softmax(dim=1).max(dim=1)
    right = (predicted == target).double()
    ece = 0.0
    for low in np.arange(0.0, 1.0, 1 / 15):
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if bool(inside.any()):
            gap = (right[inside].mean() - confidence[inside].double().mean()).abs()
            ece += float(gap) * float(inside.double().mean())
    return round(temperature, 3), round(ece, 4)


def sample_iou(network: torch.nn.Module, scaling: Scaling, name: str) -> npt.NDArray[np.float64]:
    """Return the IoU per class on a sample scene of this folder, over all its valid pixels."""
    folder = Path(__file__).parent
    with rasterio.open(folder / f"{name}.tif") as source:
        planes = [source.descriptions.index(band) + 1 for band in BANDS]
        digital = source.read(planes).astype(np.float32)
        image = digital * np.float32(source.scales[0]) + np.float32(source.offsets[0])
        valid = (digital != source.nodata).all(axis=0)
    with rasterio.open(folder / f"{name}_truth.tif") as source:
        truth = source.read(1)
        target = np.where(valid & (truth != source.nodata), truth.astype(np.int64) - 1, IGNORE)
    predicted = logits_of(network, scaling.apply(image, valid)).argmax(dim=0).numpy()
    return iou_of(confusion_of(predicted, target))


def _metrics(network: torch.nn.Module, scaling: Scaling) -> dict[str, float]:
    """Measure on held-out simulated scenes, and on the sample scenes."""
    metrics = {}
    for gsd_m, iou in evaluate(network, simulate(TEST), scaling).items():
        metrics[f"mIoU, simulated test scenes, {gsd_m:.0f} m"] = float(np.nanmean(iou))
        if gsd_m == 10.0:
            for (_, name, _), value in zip(CLASSES, iou, strict=True):
                metrics[f"IoU {name}, simulated test scenes, 10 m"] = float(value)
    for name in ("s2_west", "s2_east"):
        iou = sample_iou(network, scaling, name)
        metrics[f"mIoU, {name}"] = float(np.nanmean(iou))
        shown = ", ".join(f"{c[1]} {value:.3f}" for c, value in zip(CLASSES, iou, strict=True))
        print(f"{name}: mIoU {np.nanmean(iou):.4f} ({shown})")
    return {name: round(value, 4) for name, value in metrics.items()}


def _halo(network: torch.nn.Module, scaling: Scaling) -> ModelHalo:
    """Probe the exact halo and choose the shortest that changes less than 1 pixel in 1000."""
    exact = probe_halo(network, in_bands=len(BANDS), stride=STRIDE).exact
    inputs = [
        scaling.apply(s.image, np.ones(s.target.shape, bool)).astype(np.float32)
        for s in simulate(HALO)
    ]
    default, changed = choose_halo(network, inputs, stride=STRIDE, exact=exact, tile=256)
    return ModelHalo(default=default, exact=exact, changed=round(changed, 6))


def _bands(scaling: Scaling) -> tuple[InputBand, ...]:
    return tuple(
        InputBand(
            name=name,
            wavelength_nm=float(SENTINEL2.wavelength_nm[plane]),
            fwhm_nm=float(SENTINEL2.fwhm_nm[plane]),
            mean=round(float(mean), 6),
            std=round(float(std), 6),
        )
        for name, plane, mean, std in zip(BANDS, PLANES, scaling.mean, scaling.std, strict=True)
    )


def package(checkpoint: Path, output: Path) -> None:
    """Turn a checkpoint into a model package with a complete card."""
    stored = torch.load(checkpoint, weights_only=True)
    network = build()
    network.load_state_dict(stored["state"])
    network = network.eval()
    scaling = Scaling(*(stored["scaling"][name].numpy() for name in ("mean", "std")))
    facts = stored["facts"]
    draft = Card(
        name="landcover-sample",
        version="1.0",
        description=(
            "Land cover in seven classes from Sentinel-2 reflectance at 10 to 60 m. A small demonstration "
            "model that needs no download, trained on simulated landscapes."
        ),
        architecture=Architecture(name="unet", encoder=ENCODER, options=OPTIONS),
        bands=_bands(scaling),
        quantity="reflectance",
        resolution_m=(10.0, 60.0),
        classes=tuple(MapClass(value, name, color) for value, name, color in CLASSES),
        stride=STRIDE,
        halo=_halo(network, scaling),
        cost=measure_cost(network, in_bands=len(BANDS), stride=STRIDE),
        licence="Apache-2.0",
        training={
            "data": "simulated scenes only, made by sample_tiles/landscape.py",
            "recipe": "sample_tiles/train_model.py",
            "training seeds": TRAINING.seeds,
            "validation seeds": VALIDATION.seeds,
            "test seeds": TEST.seeds,
            "patches": f"{facts['steps'] * BATCH} of {PATCH} x {PATCH} pixels, mostly at 10 m",
            "loss": "cross-entropy + Dice",
            "pretrained weights": "none",
            "time": f"{facts['seconds'] / 60:.0f} min on {facts['threads']} CPU threads",
        },
        limitations="Trained on simulated scenes only: a demonstration, not for real land-cover mapping.",
    )
    # Half precision rounds the weights, so what is measured is the file that users load.
    save_model(output, draft, network, half=True)
    card, network = load_model(output)
    scaling = Scaling(
        np.array([band.mean for band in card.bands], np.float32),
        np.array([band.std for band in card.bands], np.float32),
    )
    temperature, ece = temperature_of(network, simulate(VALIDATION), scaling)
    card = card.model_copy(
        update={
            "calibration": Calibration(temperature=temperature, ece=ece),
            "metrics": _metrics(network, scaling),
        }
    )
    card = save_model(output, Card.from_json(card.to_json()), network, half=True)
    print(card.model_dump_json(indent=2))
    print(f"{output.stat().st_size:,} bytes in {output}")


def main() -> None:
    """Train unless the checkpoint exists, then package."""
    parser = argparse.ArgumentParser(description="Train and package the demonstration model.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="model file to write")
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=Path(tempfile.gettempdir()) / "landcover-sample.pt",
        help="trained weights; training is skipped where the file exists (default: %(default)s)",
    )
    parser.add_argument(
        "--steps", type=int, default=1200, help="training steps (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of weights and batches")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.checkpoint.exists():
        train(options.steps, options.seed, options.checkpoint)
    package(options.checkpoint, options.output)


if __name__ == "__main__":
    main()
