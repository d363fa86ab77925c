"""The training of s2-encoder: a masked autoencoder of Sentinel-2 chips of the world."""

from __future__ import annotations

from pathlib import Path

import places

from georaster_dl.core.events import EpochEnded
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import train

CONFIG = {
    "task": "autoencoder",
    "scene": {"bands": places.BANDS},
    "split": {"kind": "column"},
    "model": {
        "architecture": "unet",
        "encoder": "tu-resnet18",
        "options": {"encoder_depth": 3, "decoder_channels": [64, 32, 16]},
        "name": "s2-encoder",
        "licence": "Apache-2.0",
    },
    "patches": {"size": 64},
    "augment": {"scale": 0.0},  # which costs as much as the network
    "corruption": {"squares": 8, "hidden": 0.6, "masked": 0.25, "gaussian": 0.1},
    "training": {"patience": 1000, "schedule": "one-cycle", "device": "cpu"},
}


def pretrain(
    data: Path, output: Path, *, epochs: int, patches: int, seed: int, resume: bool
) -> None:
    """Train the encoder on the places of training; the best epoch is that of the validation's."""
    pairs = [SceneWithLabels(str(path), None, part) for path, part in places.chips(data).items()]
    config = TrainConfig.of(CONFIG).updated(
        {"seed": seed, "training.epochs": epochs, "patches.per_epoch": patches}
    )

    def told(event: object) -> None:
        if isinstance(event, EpochEnded):
            print(event, flush=True)

    trained = train(pairs, output, config, resume=resume, overwrite=True, report=told)
    if trained is not None:
        print(*(f"{name}: {value}" for name, value in trained.card.metrics.items()), sep="\n")
