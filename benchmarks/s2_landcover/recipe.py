"""Training of s2-landcover: network, loss of partial labels, averaging, calibration."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sets
import torch
import world
from canvases import CLASS_WEIGHTS, Canvases, Scaling
from light import soils
from sets import BANDS, CLASSES, Float, Piece
from torch import Tensor, nn

from georaster_dl.models.runtime.device import Device
from georaster_dl.models.zoo.spectral_unet import SpectralUNet

OPTIONS = {"mixed": 64, "widths": (32, 48, 64, 96), "optional_bands": True}
_N_LABELS = 1 << len(CLASSES)
# (labels, classes): 0 where the label allows a class, else so low that its share is nothing.
ALLOWED = torch.tensor(
    [[0.0 if bits >> c & 1 else -1e4 for c in range(len(CLASSES))] for bits in range(_N_LABELS)]
)


def partial_loss(logits: Tensor, label: Tensor) -> Tensor:
    """-log of the probability of all classes that a label allows together, per pixel.

    Parameters
    ----------
    logits : (N, classes, rows, cols).
    label : (N, rows, cols) bits of classes; where 0, the loss is 0.
    """
    allowed = ALLOWED[label].permute(0, 3, 1, 2)
    loss = logits.logsumexp(dim=1) - (logits + allowed).logsumexp(dim=1)
    return torch.where(label > 0, loss, 0.0)


Trained = tuple[SpectralUNet, Scaling]


def build() -> SpectralUNet:
    """The network with fresh weights."""
    return SpectralUNet(len(BANDS), len(CLASSES), **OPTIONS)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Lesson:
    """What a network learns from.

    Attributes
    ----------
    sets : training parts by name.
    chips : of the world.
    soils : spectra to lay over land.
    """

    sets: dict[str, list[Piece]]
    chips: list[world.Chip]
    soils: Float

    @cached_property
    def sources(self) -> dict[str, list[list[Piece]]]:
        """Pieces by set and place."""
        sources = {name: [pieces] for name, pieces in self.sets.items()}
        places: dict[str, list[Piece]] = {}
        for chip in self.chips:
            places.setdefault(chip.place, []).append(chip.piece)
        return sources | {"world": list(places.values())} if places else sources

    @property
    def base(self) -> Lesson:
        """The sets alone, without the chips of the world: what networks of all folds begin with."""
        return replace(self, chips=[])

    @classmethod
    def of(cls, data: Path) -> Lesson:
        """Read everything that may ship."""
        known = {name: parts.training for name, parts in sets.load(data).items()}
        chips = [chip for chip in world.chips(data) if chip.ships]
        return cls(known, chips, soils(sets.spectral_table(data), BANDS))

    def without(self, fold: int | None) -> Lesson:
        """Leave the places of a fold out."""
        return replace(self, chips=[chip for chip in self.chips if chip.fold != fold])


def train(lesson: Lesson, *, steps: int, seed: int, start: Path | None = None) -> Trained:
    """Train a network, from fresh weights or from those of ``start``.

    Returns
    -------
    The network with the average of its weights over about the last twentieth of the steps, and
    the scaling it began with.
    """
    torch.manual_seed(seed)
    device = Device.choose("cpu")
    network, scaling = restore(start) if start else (build(), Scaling.of(lesson.sources))
    network = network.to(memory_format=torch.channels_last)
    averaged = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(max(1 - 20 / steps, 0.0)),
        use_buffers=True,
    )
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 3e-3, total_steps=steps, pct_start=0.1
    )
    begun, running = time.monotonic(), 0.0
    batches = iter(Canvases(lesson.sources, scaling, lesson.soils, seed))
    for step in range(1, steps + 1):
        batch = next(batches)
        network.train()
        with device.arithmetic():
            logits = network(
                batch.image.contiguous(memory_format=torch.channels_last), batch.present
            )
        logits = logits.float()
        loss = (partial_loss(logits, batch.label) * batch.weight).sum() / len(batch.label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        averaged.update_parameters(network)
        running += float(loss.detach())
        if step % 200 == 0:
            seconds = time.monotonic() - begun
            print(f"step {step}: loss {running / 200:.3f}, {seconds:.0f} s", flush=True)
            running = 0.0
    return averaged.module.eval(), scaling


@torch.no_grad()
def adjust_logits(network: SpectralUNet) -> None:
    """Take half of the weights of classes back, in the bias of the last layer.

    Rare classes are learnt better with a greater weight, but then they are found too often (logit
    adjustment: Menon et al. 2021, arXiv:2007.07314).
    """
    for bits, weight in CLASS_WEIGHTS.items():
        network.segmentation_head[0].bias[bits.bit_length() - 1] -= 0.5 * math.log(weight)


@torch.inference_mode()
def logits_of(network: nn.Module, scaling: Scaling, pieces: list[Piece]) -> npt.NDArray[np.float32]:
    """Logits (N, classes, rows, cols) of pieces of one shape and one list of bands, untiled."""
    rows, cols = pieces[0].label.shape
    images = np.stack([scaling.apply(p) for p in pieces])
    images = np.pad(images, ((0, 0), (0, 0), (0, -rows % 8), (0, -cols % 8)))
    present = torch.from_numpy(np.stack([p.present for p in pieces]))
    image = torch.from_numpy(images.astype(np.float32)).contiguous(
        memory_format=torch.channels_last
    )
    made: npt.NDArray[np.float32] = network(image, present)[:, :, :rows, :cols].numpy()
    return made


def save(network: nn.Module, scaling: Scaling, path: Path) -> None:
    """Keep weights and scaling, to be measured and packaged."""
    torch.save({"network": network.state_dict(), "mean": scaling.mean, "std": scaling.std}, path)


def restore(path: Path) -> Trained:
    """What ``save`` kept."""
    kept = torch.load(path, weights_only=False)
    network = build()
    network.load_state_dict(kept["network"])
    return network.eval(), Scaling(kept["mean"], kept["std"])
