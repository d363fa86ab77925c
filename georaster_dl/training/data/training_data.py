"""Training data: cached scenes, their split and normalisation, and the size of patches.

Errors of scenes, labels and split are raised here, before a network is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.models.package.file import find_model, read_card
from georaster_dl.tiling.sampling import PatchSampler, Window
from georaster_dl.tiling.split_blocks import ALL_PARTS, PARTS, TRAIN
from georaster_dl.tiling.tiles import round_up
from georaster_dl.training.data.cache import CachedScene, CacheFolder, drop_absent_classes
from georaster_dl.training.data.class_counts import check_class_counts, check_split
from georaster_dl.training.data.labelled_scenes import (
    LabelledScene,
    open_labelled_scenes,
    warn_implausible,
)
from georaster_dl.training.data.polygons import whole_polygons
from georaster_dl.training.data.scaling import Scaling
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.split import Split
from georaster_dl.training.data.split_kinds import split_scenes
from georaster_dl.training.rehearsal.reservoir import Reservoir
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.recipes import FINE_M
from georaster_dl.training.settings.resolve import with_code
from georaster_dl.training.start.public import is_package
from georaster_dl.training.transforms.noise import InputNoise

__all__ = ["SMALLEST_PATCH", "TrainingData", "load_training_data", "quantity_of", "with_settings"]

SMALLEST_PATCH = 32  # and every network can halve it five times
_PATCH, _FINE_PATCH = 64, 256  # in pixels; many small patches learn faster than few large ones
_FEWEST_BATCHES, _MOST_PATCHES = 30, 2048  # of an epoch
_EVALUATION_SIDE = 256  # and at least two patches: fewer borders
_DRIFT = 0.5  # of a band's standard deviation
_MEASURED = 512  # windows; where a training set has more, its statistics are estimated


@dataclass(frozen=True)
class TrainingData:
    """Split scenes, their normalisation, and the patches that a network is trained on.

    Attributes
    ----------
    split : scenes with one order of bands and one legend, and their parts.
    patch : side of a training patch in pixels, a multiple of 32 unless ``centred``.
    per_epoch : patches of an epoch.
    scaling : mean and standard deviation of the bands in the training part.
    centred : whether only the middle pixel of a training patch has a label.
    rehearsed : patches of earlier ground that make half of each batch.
    """

    split: Split
    patch: int
    per_epoch: int
    scaling: Scaling
    config: TrainConfig
    centred: bool = False
    rehearsed: Reservoir | None = None

    @property
    def scenes(self) -> tuple[CachedScene, ...]:
        """The scenes with their labels."""
        return self.split.scenes

    @property
    def bands(self) -> tuple[Band, ...]:
        """The network's input channels."""
        return self.scenes[0].scene.bands

    @property
    def quantity(self) -> str:
        """Physical quantity of the network's input, for the card."""
        return quantity_of(self.scenes[0].scene)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes; empty for other tasks."""
        legend = self.scenes[0].legend
        return () if legend is None else tuple(legend.names)

    @property
    def fractions(self) -> tuple[str, ...]:
        """Names of the fractions; empty for other tasks."""
        found = self.scenes[0].fractions
        return () if found is None else found.names

    @property
    def instances(self) -> bool:
        """Whether the boundaries of objects are learnt beside the classes."""
        return self.config.labels.instances

    @property
    def unlabelled(self) -> bool:
        """Whether the scenes have no labels, so that the bands are the targets."""
        return self.scenes[0].labels is None

    @property
    def input_noise(self) -> InputNoise | None:
        """Noise on an autoencoder's input; None for other tasks."""
        return self.config.corruption if self.unlabelled else None

    @property
    def masked(self) -> bool:
        """Whether squares are hidden from an autoencoder, and one more plane of its input says where."""
        return self.unlabelled and bool(self.config.corruption.hidden)

    @property
    def planes(self) -> int:
        """Number of the network's input planes in training."""
        return len(self.bands) + self.masked

    @property
    def outputs(self) -> int:
        """Number of the network's output channels."""
        return len(self.bands) if self.unlabelled else len(self.names or self.fractions) or 1

    def sampler(self) -> PatchSampler:
        """Sampler of training patches."""
        return self.split.sampler(TRAIN, self.config.patches.sampling, self.patch)

    def statistics_windows(self) -> list[Window]:
        """Windows of the training part over which statistics are computed."""
        return _statistics_windows(self.split, self.patch, self.config.seed)

    def evaluation_windows(self, part: int, most: int | None = None) -> list[Window]:
        """Windows that cover a part's labels, or ``most`` of them; wider than patches where possible."""
        longest = max(max(each.scene.shape) for each in self.scenes)
        side = min(max(_EVALUATION_SIDE, 2 * self.patch), round_up(longest, SMALLEST_PATCH))
        windows = self.split.sampler(part, "grid", side).windows
        return windows if most is None else _sampled(windows, most, self.config.seed)

    def label_counts(self) -> dict[str, dict[str, int]]:
        """Labelled pixels by part and class; valid pixels where there are no labels."""
        names = self.names or ("valid" if self.unlabelled else "labelled",)
        counts = {
            name: dict(zip(names, map(int, self.split.labelled(part)), strict=True))
            for part, name in enumerate(ALL_PARTS)
        }
        return {name: n for name, n in counts.items() if name in PARTS or any(n.values())}


def load_training_data(
    pairs: Sequence[SceneWithLabels],
    config: TrainConfig,
    cache: CacheFolder,
    warn: Callable[[str], None],
    *,
    centred: int | None = None,
) -> TrainingData:
    """Open, cache, count and split scenes with labels.

    Parameters
    ----------
    cache : folder of the decoded pixels.
    warn : called with doubts about scenes, labels and split that do not stop the run.
    centred : side in pixels of the patches of a network that is trained on their middle pixel only.

    Raises
    ------
    GeoRasterError
        When scenes or labels cannot be used, or leave nothing to train or validate on.
    """
    opened = open_labelled_scenes(pairs, config, warn)
    warn_implausible(opened, warn)
    config.augment.check_modalities(opened[0].scene.bands)
    config = with_code(config, len(opened[0].scene.planes))
    run = config.start.rehearse
    old = None if run is None else Reservoir.of_run(run)
    if old is not None and config.patches.size is None:
        config = config.updated({"patches.size": old.facts.side})
    patch = _patch_side(opened, config) if centred is None else _centred_side(centred, config)
    # The windows to measure on are the largest; a patch that is zoomed and moved aside sees less.
    reach = max(_EVALUATION_SIDE, 2 * patch)
    scenes = [CachedScene.fill(each, cache, number, reach) for number, each in enumerate(opened)]
    check_class_counts(scenes, warn)
    split = split_scenes(drop_absent_classes(scenes), config.split, patch=patch, seed=config.seed)
    check_split(split, warn)
    if config.labels.per_polygon:
        split = whole_polygons(split)
    scaling = _scaling(split, patch, config, warn)
    data = TrainingData(split, patch, 0, scaling, config, centred is not None, old)
    if old is not None:
        old.check_fits(tuple(band.name for band in data.bands), data.quantity, patch)
    return with_settings(data, config)


def with_settings(data: TrainingData, config: TrainConfig) -> TrainingData:
    """Replace the settings of patches and network; scenes, split and normalisation stay.

    Raises
    ------
    OptionError
        When an epoch has fewer patches than a batch.
    """
    patch = data.patch if data.centred else config.patches.size or data.patch
    learnt = 1 if data.centred else patch**2  # pixels of a patch
    per_epoch = _patches_per_epoch(int(data.split.labelled(TRAIN).sum()) / learnt, config)
    return replace(data, config=config, patch=patch, per_epoch=per_epoch)


def _scaling(split: Split, patch: int, config: TrainConfig, warn: Callable[[str], None]) -> Scaling:
    """Measure the normalisation; bands of the model to start from keep that model's."""
    windows = _statistics_windows(split, patch, config.seed)
    scaling = Scaling.measure(split.reader(TRAIN), windows)
    if not is_package(config.start.weights):
        return scaling
    card = read_card(find_model(config.start.weights))
    first = split.scenes[0]
    if card.quantity != quantity_of(first.scene):
        return scaling
    kept = scaling.with_bands_of(first.scene.bands, card)
    if config.start.rehearse is not None:
        _warn_of_drift(scaling.drift_from(kept), first.scene.bands, warn)
    return kept


def _warn_of_drift(
    drift: npt.NDArray[np.float64], bands: Sequence[Band], warn: Callable[[str], None]
) -> None:
    """Warn of the bands (bands,) whose mean is more than half a deviation from that of the model to go on from."""
    moved = [
        f"{band.name} by {amount:+.1f}"
        for band, amount in zip(bands, drift, strict=True)
        if abs(amount) > _DRIFT
    ]
    if moved:
        warn(
            f"the means of bands lie away from those that the model learnt, in its standard deviations: "
            f"{', '.join(moved)}; its normalisation stays. Check calibration and season of the scenes"
        )


def _statistics_windows(split: Split, patch: int, seed: int) -> list[Window]:
    return _sampled(split.sampler(TRAIN, "grid", patch).windows, _MEASURED, seed)


def _sampled(windows: Sequence[Window], most: int, seed: int) -> list[Window]:
    """Draw ``most`` random windows, in their order; all where there are fewer."""
    if len(windows) <= most:
        return list(windows)
    chosen = np.random.default_rng(seed).permutation(len(windows))[:most]
    return [windows[i] for i in sorted(chosen)]


def quantity_of(scene: Scene) -> str:
    """Name the physical quantity of a scene's values, as a card does."""
    if not all(plane.calibrated for plane in scene.planes):
        return "digital numbers"
    spectral = all(band.wavelength_nm is not None for band in scene.bands)
    return "reflectance" if spectral else "physical values"


def _patches_per_epoch(covering: float, config: TrainConfig) -> int:
    """Number of patches: the configured number, else four times as many as cover the labels, within limits."""
    batch = config.training.batch
    wished = max(min(round(4 * covering), _MOST_PATCHES), _FEWEST_BATCHES * batch)
    per_epoch = config.patches.per_epoch or -(-wished // batch) * batch
    if per_epoch < batch:
        raise OptionError(
            f"patches.per_epoch is {per_epoch}, fewer than a batch of {batch}; raise it or lower "
            f"training.batch."
        )
    return per_epoch


def _centred_side(side: int, config: TrainConfig) -> int:
    """Check that the settings of patches agree with the side that the network takes."""
    if config.patches.size not in (None, side):
        raise OptionError(
            f"patches.size is {config.patches.size}, but {config.model.architecture} takes patches of "
            f"{side} pixels; leave it out."
        )
    if config.patches.sampling == "grid":
        raise OptionError(
            f"patches.sampling is 'grid', but {config.model.architecture} learns of a patch's middle pixel "
            f"only; use 'balanced' or 'random'."
        )
    return side


def _patch_side(scenes: Sequence[LabelledScene], config: TrainConfig) -> int:
    """Side of a patch: the configured side, else a multiple of 32 that suits the resolution."""
    wished = config.patches.size
    if wished is None:
        resolution = scenes[0].scene.resolution_m
        fine = resolution is not None and resolution < FINE_M
        smallest = min(min(each.scene.shape) for each in scenes)
        wished = min(_FINE_PATCH if fine else _PATCH, max(smallest, SMALLEST_PATCH))
        return wished // SMALLEST_PATCH * SMALLEST_PATCH
    if wished % SMALLEST_PATCH:
        raise OptionError(
            f"patches.size is {wished} but must be a multiple of {SMALLEST_PATCH}, which every "
            f"network can halve five times; use {max(wished // 32, 1) * 32}."
        )
    return wished
