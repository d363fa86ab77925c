"""Scenes opened with their labels: with the same bands, one legend and one physical quantity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from georaster_dl.core.bands import Band, match_bands
from georaster_dl.core.errors import BandMismatchError, OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.core.scene_options import TrainingLabelOptions
from georaster_dl.core.wording import counted
from georaster_dl.io.labels.boundaries import check_objects
from georaster_dl.io.labels.fractions.checks import FractionSet
from georaster_dl.io.labels.fractions.read import (
    FractionLabels,
    open_fraction_labels,
    read_fractions,
)
from georaster_dl.io.labels.read import (
    ClassLabels,
    NumberLabels,
    open_class_labels,
    open_number_labels,
    read_legend,
)
from georaster_dl.io.scenes.checks.calibration import (
    alpha_warning,
    calibration_warning,
    least_ratio,
    levels_of,
)
from georaster_dl.io.scenes.checks.quantities import (
    Quantity,
    absolute_heights,
    check_alike,
    quantities_of,
)
from georaster_dl.io.scenes.checks.registration import registration_warnings
from georaster_dl.io.scenes.empty_bands import without_empty_bands
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig

__all__ = [
    "LabelledScene",
    "Labels",
    "NoLabels",
    "grain_of",
    "is_labelled",
    "open_labelled_scenes",
    "open_labels",
    "warn_implausible",
]

Warn = Callable[[str], None]

_MOST_REGISTERED = 8  # scenes whose files are compared: they are usually off alike
_UNLIKE = (
    30.0  # times that one scene is another in every band; snow and open sea in real scenes: 24
)


class NoLabels:
    """Labels of a scene without any: every pixel counts as labelled 0."""

    def __enter__(self) -> NoLabels:
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    def read(self, rows: slice, cols: slice) -> npt.NDArray[np.int8]:
        """(rows, cols) zeros."""
        return np.zeros((rows.stop - rows.start, cols.stop - cols.start), np.int8)

    def missed(self) -> tuple[int, int]:
        """There are no features that could cover no pixel."""
        return 0, 0


Labels = ClassLabels | NumberLabels | FractionLabels | NoLabels


@dataclass(frozen=True)
class LabelledScene:
    """A scene and its labels.

    Attributes
    ----------
    scene : planes in the order of the network's channels.
    labels : file of the labels; None for an autoencoder, to which every valid pixel is as good as
        labelled.
    legend : classes, in the order of the network's outputs; None for other tasks.
    options : how the labels are read.
    part : part of the split that a list of scenes gives, None where it gives none.
    fractions : what the labels are fractions of; None for other tasks.
    """

    scene: Scene
    labels: Path | None
    legend: Legend | None
    options: TrainingLabelOptions
    part: str | None = None
    fractions: FractionSet | None = None

    @property
    def columns(self) -> int:
        """Columns of the scene's label counts: one per class, one for other tasks."""
        return 1 if self.legend is None else len(self.legend.classes)

    @property
    def numeric(self) -> bool:
        """Whether the labels are numbers, NaN where there is none; class indexes have -1."""
        return self.legend is None and self.labels is not None

    @property
    def planes(self) -> tuple[int, ...]:
        """Label planes in front of rows and cols: a plane for each fraction, none where the labels are single numbers.

        Where fractions are those of whole polygons, the number of the polygon comes behind them.
        """
        if self.fractions is None:
            return ()
        return (len(self.fractions.names) + self.options.per_polygon,)

    @property
    def instances(self) -> bool:
        """Whether the boundaries of the labels' polygons are learnt."""
        return self.options.instances

    @property
    def counted(self) -> str:
        """Kind of pixel that a network is trained on, for messages."""
        return "valid" if self.labels is None else "labelled, valid"


def open_labelled_scenes(
    pairs: Sequence[SceneWithLabels], config: TrainConfig, warn: Warn = lambda _doubt: None
) -> list[LabelledScene]:
    """Open every scene with its labels; no pixel is read but the label rasters' classes or fractions.

    The bands are those of the first scene that its own list does not call bad, and that hold data in
    every scene.

    Parameters
    ----------
    warn : called with what is assumed about fractions.

    Raises
    ------
    GeoRasterError
        When a scene cannot be opened, the scenes differ in bands or in what their numbers mean, or
        the labels cannot be used.
    """
    pairs = [_labelled(pair, config.task) for pair in pairs]
    files = list(dict.fromkeys(pair.labels for pair in pairs if pair.labels is not None))
    if config.labels.instances:
        for file in files:
            check_objects(file, config.labels)
    legend = _legend(files, config.labels) if config.task == "segmentation" else None
    fractions = read_fractions(files, config.labels, warn) if config.task == "fractions" else None
    scenes = _with_data([open_scene(pair.scene, config.scene) for pair in pairs])
    bands = [band for band in scenes[0].bands if band.good]
    return _same_quantity(
        [
            LabelledScene(
                _with_bands(scene, bands), pair.labels, legend, config.labels, pair.part, fractions
            )
            for scene, pair in zip(scenes, pairs, strict=True)
        ]
    )


def grain_of(pair: SceneWithLabels, config: TrainConfig) -> tuple[int, float | None]:
    """Open a scene for its number of bands, without those that its own list calls bad, and metres of a pixel's side.

    Raises
    ------
    GeoRasterError
        When it cannot be opened.
    """
    scene = open_scene(pair.scene, config.scene)
    return sum(band.good for band in scene.bands), scene.resolution_m


def warn_implausible(labelled: Sequence[LabelledScene], warn: Warn) -> None:
    """Warn of implausible bands and values of single scenes, and of values that differ between scenes.

    Raises
    ------
    BandMismatchError
        When backscatter or heights are different quantities in different scenes.
    """
    scenes = [each.scene for each in labelled]
    quantities = _quantities(scenes)
    for scene in scenes[:: -(-len(scenes) // _MOST_REGISTERED)]:
        for shifted in registration_warnings(scene):
            warn(f"{scene.name}: {shifted}")
    doubts: dict[str, list[str]] = {}
    for scene in scenes:
        values = alpha_warning(scene), calibration_warning(scene)
        for doubt in (*scene.remarks, *values, *absolute_heights(scene, quantities[scene.name])):
            if doubt is not None:
                doubts.setdefault(doubt.removeprefix(f"{scene.name}: "), []).append(doubt)
    for doubt, of_scenes in doubts.items():
        told = dict.fromkeys(of_scenes)
        warn(of_scenes[0] if len(told) == 1 else f"{counted(len(told), 'scene')}: {doubt}")
    if len(scenes) < 2:
        return
    levels = np.stack([levels_of(scene) for scene in scenes])
    ratios = np.stack([least_ratio(own, levels) for own in levels])
    high, low = np.unravel_index(ratios.argmax(), ratios.shape)
    if ratios[high, low] > _UNLIKE:
        around = [f"{np.nanmedian(levels[i]):.3g} in {scenes[i].name}" for i in (low, high)]
        warn(
            f"the scenes' values differ in size, in every band: bright pixels have around {around[0]}, around "
            f"{around[1]}; check that their numbers mean the same (`scale=`, `offset=`)"
        )


def _quantities(scenes: Sequence[Scene]) -> dict[str, dict[str, Quantity]]:
    """Find the quantities of each scene's backscatter and heights, and refuse differences."""
    made: dict[str, dict[str, Quantity]] = {}
    first: dict[str, tuple[str, Quantity]] = {}
    for scene in scenes:
        found = made[scene.name] = quantities_of(scene)
        for band, quantity in found.items():
            if quantity.kind:
                name, expected = first.setdefault(band, (scene.name, quantity))
                check_alike(found, [(band, expected)], scene.name, name)
    return made


def _with_data(scenes: Sequence[Scene]) -> list[Scene]:
    """Drop the bands that are empty in any scene, where no pixel would be valid otherwise."""
    filled = [without_empty_bands(scene) for scene in scenes]
    lost = [
        {band.name for band in before.bands} - {band.name for band in after.bands}
        for before, after in zip(scenes, filled, strict=True)
    ]
    everywhere = set().union(*lost)
    return [
        scene.select([i for i, band in enumerate(scene.bands) if band.name not in everywhere])
        for scene in filled
    ]


def _labelled(pair: SceneWithLabels, task: str) -> SceneWithLabels:
    """Drop the labels for an autoencoder, and require them for other tasks."""
    if task == "autoencoder":
        return replace(pair, labels=None)
    if pair.labels is None:
        raise OptionError(
            f"{pair.scene} has no labels, but the task {task} learns from labels; give some, or use "
            f"`task='autoencoder'`."
        )
    return pair


def _legend(files: Sequence[Path], options: TrainingLabelOptions) -> Legend:
    legend = read_legend(files, options)
    if len(legend.classes) < 2:
        raise OptionError(
            f"The labels have only one class, {legend.names[0]!r}, but a map needs at least two; label "
            f"another, or give everything unlabelled a class with `background='NAME'`."
        )
    return legend


def _with_bands(scene: Scene, bands: Sequence[Band]) -> Scene:
    try:
        return scene.select(match_bands(bands, scene.bands))
    except BandMismatchError as error:
        raise BandMismatchError(
            f"{scene.name} does not go with the training's bands: {error}"
        ) from error


def _same_quantity(labelled: list[LabelledScene]) -> list[LabelledScene]:
    """Make scenes give physical values where every file is calibrated, stored values where none is."""
    calibrated = [all(p.calibrated for p in each.scene.planes) for each in labelled]
    if all(calibrated):
        return labelled
    if any(calibrated):
        unscaled = labelled[calibrated.index(False)].scene.name
        scaled = labelled[calibrated.index(True)].scene.name
        raise BandMismatchError(
            f"{scaled} says what its numbers mean (scale and offset) but {unscaled} does not; state it "
            f"for all with `scale=` and `offset=`, or give scenes of one kind."
        )
    return [replace(each, scene=each.scene.as_stored()) for each in labelled]


def open_labels(labelled: LabelledScene, where: tuple[str, str] | None = None) -> Labels:
    """Open the labels on the scene's grid; ``where`` selects vector features by the value of a column."""
    geobox = labelled.scene.geobox
    if labelled.labels is None:
        return NoLabels()
    if labelled.fractions is not None:
        return open_fraction_labels(
            labelled.labels, geobox, labelled.fractions, labelled.options, where=where
        )
    if labelled.legend is None:
        return open_number_labels(labelled.labels, geobox, labelled.options, where=where)
    return open_class_labels(
        labelled.labels,
        geobox,
        labelled.legend,
        labelled.options,
        where=where,
        erode=labelled.options.erode,
    )


def is_labelled(
    labels: npt.NDArray[np.integer] | npt.NDArray[np.floating],
) -> npt.NDArray[np.bool_]:
    """Mask (rows, cols) of class indexes that are not negative, or of finite values, or fractions in all planes."""
    if np.issubdtype(labels.dtype, np.floating):
        finite: npt.NDArray[np.bool_] = np.isfinite(labels).reshape(-1, *labels.shape[-2:]).all(0)
        return finite
    labelled: npt.NDArray[np.bool_] = labels >= 0
    return labelled
