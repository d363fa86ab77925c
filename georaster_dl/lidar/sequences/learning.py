"""Training of a network of slices: walks through time, steps, validation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from georaster_dl.core.events import EpochEnded, Report
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.lidar.sequences.options import SequenceTraining
from georaster_dl.lidar.sequences.parts import Part, Run
from georaster_dl.lidar.sequences.segmenter import Segmenter
from georaster_dl.lidar.sequences.slices import as_slice, window_of
from georaster_dl.models.zoo.lidar.helix4d import Helix4D, LidarSlice, Memory

__all__ = ["Learning", "Planes", "judge", "planes_of"]

_TURNS = 4  # of a walk: the third and the fourth remember all that there is to remember
_FEWEST = 64  # points of a slice that teaches
_FALL = 0.25  # share of the course in which the rate falls to 0


Planes = npt.NDArray[np.int64]
"""Plane of each label value, 0 of those that are no class."""


@dataclass(frozen=True)
class _Walk:
    """A window of successive turns, as a network under way sees it."""

    run: Run
    first: int
    place: float  # of the window among those that a turn has, 0 to 1
    turned: Tensor  # (3, 3): rotation about the vertical, and mirror

    def steps(
        self, share: float, planes: Planes, device: str
    ) -> Iterator[tuple[LidarSlice, Tensor]]:
        """Give the slice of each turn, with the planes of its labels (n,)."""
        period = self.run.rotations.period_s
        for number in range(self.first, min(self.first + _TURNS, self.run.stop)):
            rotation = self.run.rotations[number]
            length = (rotation.seconds[-1] - rotation.seconds[0]) / period
            window = window_of(rotation, self.place * max(length - share, 0), share, period)
            one = as_slice(rotation, window, device, whole=share == 1)
            back = torch.eye(4, dtype=torch.float64)
            back[:3, :3] = self.turned.T
            turned = self.turned.to(device, torch.float32)
            moved = LidarSlice(
                one.xyz @ turned.T, one.intensity, one.pose @ back.to(device), one.whole
            )
            if rotation.label is not None:
                own = planes_of(rotation.label[window], planes)
                yield moved, torch.from_numpy(own).to(device)


def _walks(part: Part, slices: int, random: np.random.Generator) -> list[_Walk]:
    """Divide a part into walks, each turn as many times as it has slices, in random order."""
    walks = []
    for run in part:
        length = run.stop - run.first
        phase = int(random.integers(_TURNS)) if length > _TURNS else 0
        starts = sorted({0, *range(phase, length, _TURNS)})
        for start in starts:
            places = (np.arange(slices) + random.random(slices)) / slices
            walks += [
                _Walk(run, run.first + start, float(place), _turned(random)) for place in places
            ]
    return [walks[i] for i in random.permutation(len(walks))]


def _turned(random: np.random.Generator) -> Tensor:
    angle, mirror = random.uniform(0, 2 * math.pi), random.choice([-1.0, 1.0])
    cos, sin = math.cos(angle), math.sin(angle)
    rows = [[cos, -sin * mirror, 0], [sin, cos * mirror, 0], [0, 0, 1]]
    return torch.tensor(rows, dtype=torch.float64)


class Learning:
    """A training: network, optimiser and how far it is.

    Parameters
    ----------
    network : to train, on its device.
    planes : of each label value.
    names : of the classes.

    Attributes
    ----------
    best : state of the network with the best validation, and its mean IoU.
    history : loss and validation of each epoch.
    """

    def __init__(
        self,
        network: Helix4D,
        planes: Planes,
        names: tuple[str, ...],
        settings: SequenceTraining,
        loss: nn.Module,
    ) -> None:
        self.network, self.planes, self.names = network, planes, names
        self.settings, self._loss = settings, loss
        self._device = str(next(network.parameters()).device)
        self._optimiser = torch.optim.AdamW(
            network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.best: tuple[dict[str, Tensor], float] = ({}, -1.0)
        self.history: list[dict[str, float]] = []
        self._seconds = 0.0

    def run(
        self, training: Part, validation: Part, report: Report, checkpoint: Callable[[], None]
    ) -> None:
        """Train until the validation rises no more, or epochs or minutes are over."""
        while not self._over():
            begun = time.monotonic()
            epoch = len(self.history)
            random = np.random.default_rng([self.settings.seed, epoch])
            torch.manual_seed(self.settings.seed * 1_000_003 + epoch)
            loss = self._epoch(training, random, begun)
            found = judge(self.network, validation, self.planes, self.names, self.settings.slices)
            score = found.mean_iou
            if score > self.best[1]:
                state = self.network.state_dict()
                self.best = (
                    {name: each.detach().cpu().clone() for name, each in state.items()},
                    score,
                )
            self._seconds += time.monotonic() - begun
            self.history.append({"epoch": epoch, "loss": loss, "mIoU": score, "best": self.best[1]})
            report(self._event(loss, 1 - found.overall_accuracy, score))
            checkpoint()

    def _event(self, loss: float, wrong: float, score: float) -> EpochEnded:
        done = len(self.history)
        left = self._seconds / done * (self.settings.epochs - done)
        if self.settings.minutes is not None:
            left = min(left, max(60 * self.settings.minutes - self._seconds, 0))
        rate = self._optimiser.param_groups[0]["lr"]
        return EpochEnded(done - 1, loss, wrong, score, rate, self.settings.epochs, "mIoU", left)

    def _over(self) -> bool:
        scores = [each["mIoU"] for each in self.history]
        if not scores:
            return False
        late = len(scores) - 1 - int(np.argmax(scores)) >= self.settings.patience
        return late or self._done(self._seconds, len(scores)) >= 1

    def _done(self, seconds: float, epochs: float) -> float:
        minutes = self.settings.minutes
        by_clock = 0.0 if minutes is None else seconds / (60 * minutes)
        return max(by_clock, epochs / self.settings.epochs)

    def _epoch(self, training: Part, random: np.random.Generator, begun: float) -> float:
        walks = _walks(training, self.settings.slices, random)
        size = self.settings.batch_size
        batches = [walks[first : first + size] for first in range(0, len(walks), size)]
        total, steps = 0.0, 0
        for number, batch in enumerate(batches):
            done = self._done(
                self._seconds + time.monotonic() - begun, len(self.history) + number / len(batches)
            )
            if done >= 1:
                break
            rate = self.settings.learning_rate * min(1.0, max(1 - done, 0.01) / _FALL)
            self._optimiser.param_groups[0]["lr"] = rate
            for loss in self._along(batch):
                total, steps = total + loss, steps + 1
        return total / max(steps, 1)

    def _along(self, walks: list[_Walk]) -> Iterator[float]:
        """Make a step for each turn of some walks, side by side."""
        self.network.train()
        share = 1 / self.settings.slices
        memories = [Memory(1) for _ in walks]
        under_way = [walk.steps(share, self.planes, self._device) for walk in walks]
        for _ in range(_TURNS):
            met = [
                (next(steps, None), memory)
                for steps, memory in zip(under_way, memories, strict=True)
            ]
            seen = [
                (*step, memory)
                for step, memory in met
                if step is not None and len(step[1]) >= _FEWEST
            ]
            if not seen or not any(bool((planes > 0).any()) for _, planes, _ in seen):
                continue
            target = torch.cat([planes for _, planes, _ in seen])
            # A third of the points says as much as all, which are too alike.
            decoded = torch.randperm(len(target), device=target.device)[: len(target) // 3]
            logits, left = self.network(
                [one for one, _, _ in seen], [memory.recall() for _, _, memory in seen], decoded
            )
            for (_, _, memory), past in zip(seen, left, strict=True):
                memory.keep(past)
            target = target[decoded]
            # Points without a class teach nothing; their plane is there as the authors' code has it.
            loss = self._loss(logits.T[None, :, None], target.where(target > 0, -1)[None, None])
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()
            yield float(loss.detach())

    def state(self) -> dict[str, Any]:
        """Collect weights, optimiser and history."""
        return {
            "network": self.network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "best": self.best[0],
            "best_score": self.best[1],
            "history": self.history,
            "seconds": self._seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self.network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.best = (state["best"], state["best_score"])
        self.history, self._seconds = state["history"], state["seconds"]


def planes_of(labels: npt.NDArray[np.integer[Any]], planes: Planes) -> Planes:
    """Look up the plane of each label (n,), 0 of those that are no class."""
    values = labels.astype(np.int64)
    return np.where(values < len(planes), planes[np.minimum(values, len(planes) - 1)], 0)


def judge(
    network: Helix4D, part: Part, planes: Planes, names: tuple[str, ...], slices: int
) -> Confusion:
    """Compare the classes of all labelled points of a part with their labels, slice by slice in time."""
    device = str(next(network.parameters()).device)
    counts = Confusion.empty(names)
    for run in part:
        segmenter = Segmenter(network, slices, device)
        for number in range(run.first, run.stop):
            rotation = run.rotations[number]
            if rotation.label is None:
                continue
            found = segmenter.rotation(rotation, run.rotations.period_s)
            own = planes_of(rotation.label, planes)
            counts += Confusion.of(found.planes.astype(np.int64) - 1, own - 1, names)
    return counts
