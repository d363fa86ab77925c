"""A training run before its first step: scenes opened, labels counted, ground divided, patches chosen.

Everything that can be wrong with scenes and labels is found here, without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.tiling.sampling import LabelIndex, PatchSampler, Window
from georaster_dl.tiling.split_blocks import PARTS, TEST, TRAIN, VALIDATION, SplitMask
from georaster_dl.tiling.tiles import round_up
from georaster_dl.train.data.cache import CachedScene, CacheFolder, select_classes
from georaster_dl.train.data.class_counts import check_class_counts
from georaster_dl.train.data.labelled_scenes import (
    LabelledScene,
    open_labelled_scenes,
    warn_implausible,
)
from georaster_dl.train.data.patches import (
    SMALLEST_PATCH,
    centred_side,
    patch_side,
    patches_per_epoch,
)
from georaster_dl.train.data.sources import SceneWithLabels
from georaster_dl.train.data.split import Split, split_scenes
from georaster_dl.train.settings.config import TrainConfig
from georaster_dl.train.settings.resolve import with_code
from georaster_dl.train.transforms.noise import InputNoise

__all__ = ["TrainingPlan", "make_training_plan"]

_KEPT = 0.7  # share of the labels that the gaps should leave
_EVALUATION_SIDE = 256  # and at least two patches: fewer borders


@dataclass(frozen=True)
class TrainingPlan:
    """What will be learnt from.

    Attributes
    ----------
    stored : scenes with labels, one bands' order, one legend; decoded and counted.
    split : who learns from which ground.
    patch : side of a training patch in pixels, a multiple of 32 unless ``centred``.
    per_epoch : patches of an epoch.
    centred : whether only the middle pixel of a training patch is learnt from.
    """

    stored: tuple[CachedScene, ...]
    split: Split
    patch: int
    per_epoch: int
    config: TrainConfig
    centred: bool = False

    @property
    def grounds(self) -> tuple[LabelledScene, ...]:
        """The scenes with their labels."""
        return tuple(stored.ground for stored in self.stored)

    @property
    def indexes(self) -> tuple[LabelIndex, ...]:
        """Labelled pixels of each scene, all parts together."""
        return tuple(stored.index for stored in self.stored)

    @property
    def bands(self) -> tuple[Band, ...]:
        """The network's channels."""
        return self.grounds[0].scene.bands

    @property
    def quantity(self) -> str:
        """What the network's input is, for the card."""
        scene = self.grounds[0].scene
        if not all(plane.calibrated for plane in scene.planes):
            return "digital numbers"
        spectral = all(band.wavelength_nm is not None for band in scene.bands)
        return "reflectance" if spectral else "physical values"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes; empty for other tasks."""
        legend = self.grounds[0].legend
        return () if legend is None else tuple(legend.names)

    @property
    def unlabelled(self) -> bool:
        """Whether the bands themselves are learnt, so that there are no labels."""
        return self.grounds[0].labels is None

    @property
    def corruption(self) -> InputNoise | None:
        """What an autoencoder's input suffers; None for other tasks."""
        return InputNoise(**dict(self.config.corruption)) if self.unlabelled else None

    @property
    def outputs(self) -> int:
        """Planes that the network gives."""
        return len(self.bands) if self.unlabelled else len(self.names) or 1

    @property
    def masks(self) -> tuple[SplitMask, ...]:
        """LabelledScene of the parts in each scene."""
        return self.split.masks

    def sampler(self, part: int, side: int, *, grid: bool = False) -> PatchSampler:
        """Windows of ``side`` pixels on the ground of a part."""
        indexes = [
            index.within(mask.cells(part))
            for index, mask in zip(self.indexes, self.masks, strict=True)
        ]
        return PatchSampler(indexes, "grid" if grid else self.config.patches.sampling, side)

    def evaluation_windows(self, part: int) -> list[Window]:
        """The windows that cover a part's labels, wider than patches where scenes are."""
        longest = max(max(ground.scene.shape) for ground in self.grounds)
        side = min(max(_EVALUATION_SIDE, 2 * self.patch), round_up(longest, SMALLEST_PATCH))
        return self.sampler(part, side, grid=True).windows

    def labelled(self, part: int) -> npt.NDArray[np.int64]:
        """(classes,) labelled pixels of a part."""
        return _labelled(self.indexes, self.masks, part)

    def facts(self) -> dict[str, Any]:
        """Labelled pixels by class and part, for people and logs; all valid ones without labels."""
        names = self.names or ("valid" if self.unlabelled else "labelled",)
        counts = {PARTS[part]: self.labelled(part) for part in (TRAIN, VALIDATION, TEST)}
        return {
            part: dict(zip(names, map(int, values), strict=True)) for part, values in counts.items()
        }


def make_training_plan(
    pairs: Sequence[SceneWithLabels],
    config: TrainConfig,
    folder: CacheFolder,
    warn: Callable[[str], None],
    *,
    centred: int | None = None,
) -> TrainingPlan:
    """Open, decode, count and split_scenes.

    Parameters
    ----------
    folder : where the decoded ground is put.
    warn : called with what the user should know but need not stop for.
    centred : side in pixels of the patches of a network that learns of their middle pixel only.

    Raises
    ------
    GeoRasterError
        When scenes or labels cannot be used, or leave nothing to train or validate on.
    """
    grounds = open_labelled_scenes(pairs, config)
    warn_implausible(grounds, warn)
    config = with_code(config, len(grounds[0].scene.planes))
    patch = patch_side(grounds, config) if centred is None else centred_side(centred, config)
    # The windows to measure on are the largest; a patch that is zoomed and moved aside sees less.
    reach = max(_EVALUATION_SIDE, 2 * patch)
    stored = [
        CachedScene.fill(ground, folder, number, reach) for number, ground in enumerate(grounds)
    ]
    check_class_counts(stored, warn)
    totals = np.sum([each.index.totals for each in stored], axis=0)
    stored = select_classes(stored, totals > 0)
    grounds, indexes = [each.ground for each in stored], [each.index for each in stored]
    split = split_scenes(stored, config.split, patch=patch, seed=config.seed)
    if split.caution:
        warn(split.caution)
    _check_split(split, indexes, grounds, warn)
    labelled = int(_labelled(indexes, split.masks, TRAIN).sum())
    learnt = patch**2 if centred is None else 1  # pixels of a patch
    per_epoch = patches_per_epoch(labelled / learnt, config)
    return TrainingPlan(tuple(stored), split, patch, per_epoch, config, centred is not None)


def _labelled(
    indexes: Sequence[LabelIndex], masks: Sequence[SplitMask], part: int
) -> npt.NDArray[np.int64]:
    counts: npt.NDArray[np.int64] = np.sum(
        [index.within(mask.cells(part)).totals for index, mask in zip(indexes, masks, strict=True)],
        axis=0,
    )
    return counts


def _warn_of_lost(
    split: Split, indexes: Sequence[LabelIndex], what: str, warn: Callable[[str], None]
) -> None:
    """Say when the gap between the parts takes much of what there is: labels, or pixels."""
    total = sum(int(index.totals.sum()) for index in indexes)
    kept = sum(
        int(_labelled(indexes, split.masks, part).sum()) for part in (TRAIN, VALIDATION, TEST)
    )
    if kept < _KEPT * total:
        warn(
            f"the gap between the parts takes {100 * (1 - kept / total):.0f} % of the {what}: a smaller "
            f"--buffer or a larger --block keeps more"
        )


def _check_split(
    split: Split,
    indexes: Sequence[LabelIndex],
    grounds: Sequence[LabelledScene],
    warn: Callable[[str], None],
) -> None:
    """A part without labels stops the run; one without some class is told."""
    labelled = grounds[0].labels is not None
    _warn_of_lost(split, indexes, "labels" if labelled else "pixels", warn)
    legend = grounds[0].legend
    present = np.sum([index.totals for index in indexes], axis=0) > 0
    for part in (TRAIN, VALIDATION, TEST):
        counts = _labelled(indexes, split.masks, part)
        if not counts.any():
            if part == TEST:
                continue
            more = "label more places" if labelled else "give more scenes"
            raise OptionError(
                f"The split leaves no {grounds[0].counted} pixel for {PARTS[part]} ({split.note}); use "
                f"smaller blocks, a smaller buffer, or {more}."
            )
        if legend is None:
            continue
        missing = [
            c.name for c, n, p in zip(legend.classes, counts, present, strict=True) if p and not n
        ]
        if missing:
            warn(
                f"{PARTS[part]} has no pixel of {', '.join(missing)}: label it in more places, or "
                f"use smaller blocks"
            )
