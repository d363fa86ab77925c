"""Settings that a search varies: those that matter most and that the user has not stated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from georaster_dl.core.errors import OptionError
from georaster_dl.training.data.training_data import SMALLEST_PATCH, TrainingData
from georaster_dl.training.loop.learner import usual_rate
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import resolve_defaults
from georaster_dl.training.transforms.augment import Augmentation

if TYPE_CHECKING:
    import optuna

__all__ = ["Setting", "Space", "make_space"]

Value = str | int | float | bool
Changes = dict[str, Any]  # of a configuration, by full names

# Of the augmentation; turns and zoom have no strength, and what a model can do without is not for a search to say.
_UNCHANGED = ("dihedral", "scale", "modality_dropout", "needed_modalities")
_FEWEST_BANDS = {"spectral_unet": 10, "dense_classifier": 4}  # below, spectra alone say little
_LARGEST_PATCH = 128  # unless patches are larger by default
_SIZES: dict[str, Changes] = {  # of a U-Net
    "small": {"encoder_depth": 3, "decoder_channels": [32, 16, 8]},
    "usual": {"encoder_depth": 3, "decoder_channels": [64, 32, 16]},
    "wide": {"encoder_depth": 3, "decoder_channels": [128, 64, 32]},
    "deep": {"encoder_depth": 4, "decoder_channels": [128, 64, 32, 16]},
}


@dataclass(frozen=True)
class Setting:
    """A setting that is varied.

    Attributes
    ----------
    name : in tables.
    values : what it may be; of a range the least and the largest.
    default : what it is in a training without a search.
    changes : makes changes of the configuration of a value.
    log : whether numbers are drawn between the two values, evenly in their logarithm; ``None`` where the values are
        all that it may be.
    only : architectures that it is of; None for all.
    """

    name: str
    values: tuple[Value, ...]
    default: Value
    changes: Callable[[Any], Changes]
    log: bool | None = None
    only: str | None = None

    def draw(self, trial: optuna.Trial) -> Value:
        """Let a trial choose a value."""
        if self.log is None:
            return cast(Value, trial.suggest_categorical(self.name, self.values))
        low, high = (float(value) for value in self.values)
        return trial.suggest_float(self.name, low, high, log=self.log)


@dataclass(frozen=True)
class Space:
    """Settings that a search varies.

    Attributes
    ----------
    base : settings of a training without a search.
    settings : those that are varied.
    """

    base: TrainConfig
    settings: tuple[Setting, ...]

    @property
    def defaults(self) -> dict[str, Value]:
        """Value of each setting in a training without a search."""
        return {each.name: each.default for each in self.settings}

    def draw(self, trial: optuna.Trial) -> dict[str, Value]:
        """Let a trial choose values of the settings that its architecture has."""
        values: dict[str, Value] = {}
        for each in self.settings:
            if each.only in (None, values.get("architecture", self.base.model.architecture)):
                values[each.name] = each.draw(trial)
        return values

    def config(self, values: Mapping[str, Value]) -> TrainConfig:
        """Make the configuration of a trial from the values that it chose.

        Raises
        ------
        GeoRasterError
            When the settings contradict each other.
        """
        model = self.base.model
        architecture = values.get("architecture", model.architecture)
        trials, minutes = self.base.search.trials, self.base.training.minutes
        changes: Changes = {"search.trials": 0, "training.devices": 1}
        if minutes is not None:
            changes["training.minutes"] = minutes / trials
        options = dict(model.options) if architecture == model.architecture else {}
        for each in self.settings:
            if each.name in values:
                own = each.changes(values[each.name])
                options |= own.pop("model.options", {})
                changes |= own
        return resolve_defaults(self.base.updated({**changes, "model.options": options}))


def make_space(stated: TrainConfig, data: TrainingData) -> Space:
    """List the settings to vary for the data.

    Parameters
    ----------
    stated : settings as the user gave them; what is stated stays as it is.
    data : with the settings of a training without a search.

    Raises
    ------
    OptionError
        When everything that could be varied is stated.
    """
    settings = (
        _learning_rate(data),
        *_losses(data),
        *_patches(data),
        _augmentation(data),
        *_networks(stated, data),
    )
    left = tuple(each for each in settings if not _is_stated(each, stated))
    if not left:
        raise OptionError(
            "The configuration states everything that `search=` varies (learning rate, loss, patches, augmentation, network); "
            "leave some of it out, or leave out the search."
        )
    return Space(data.config, left)


def _is_stated(setting: Setting, stated: TrainConfig) -> bool:
    """Whether the user stated a setting."""
    given = stated.model_dump(exclude_unset=True)
    for key in {key for value in setting.values for key in setting.changes(value)}:
        section, _, name = key.rpartition(".")
        if section == "augment" and stated.augment != Augmentation():
            return True
        if section != "augment" and name in given.get(section, {}):
            return True
    return False


def _learning_rate(data: TrainingData) -> Setting:
    usual = usual_rate(data.config)
    return Setting(
        "learning rate",
        (usual / 10, usual * 4),
        usual,
        lambda rate: {"training.learning_rate": rate},
        log=True,
    )


def _losses(data: TrainingData) -> list[Setting]:
    """Losses of the task, by names of which ``+`` makes sums."""
    loss = data.config.loss
    if data.config.task == "regression":
        kinds = ("huber", "mse", "l1")
        return [Setting("loss", kinds, loss.regression, lambda name: {"loss.regression": name})]
    if data.config.task != "segmentation":
        return []
    usual = "+".join(loss.names)
    sums = dict.fromkeys(
        (usual, "cross-entropy", "cross-entropy+dice", "cross-entropy+lovasz", "focal+dice")
    )
    return [
        Setting("loss", tuple(sums), usual, lambda names: {"loss.names": tuple(names.split("+"))}),
        Setting(
            "class weights",
            (False, True),
            loss.class_weights,
            lambda weighed: {"loss.class_weights": weighed},
        ),
    ]


def _patches(data: TrainingData) -> list[Setting]:
    """Sides of patches that fit the scenes, about the usual one."""
    usual = data.patch
    if data.centred or usual < SMALLEST_PATCH:
        return []
    smallest = min(min(each.scene.shape) for each in data.scenes)
    sides = [
        side
        for side in (usual // 2, usual, usual * 2)
        if SMALLEST_PATCH <= side <= min(smallest, max(_LARGEST_PATCH, usual))
        and side % SMALLEST_PATCH == 0
    ]
    if len(sides) < 2:
        return []
    return [Setting("patch", tuple(sides), usual, lambda side: {"patches.size": side})]


def _augmentation(data: TrainingData) -> Setting:
    """Strength of all but turns and zoom, as a multiple of the usual."""
    usual = data.config.augment
    names = [each.name for each in fields(usual) if each.name not in _UNCHANGED]

    def changes(strength: float) -> Changes:
        if strength == 1:
            return {}
        strengths = {name: getattr(usual, name) for name in names}
        return {f"augment.{name}": strength * value for name, value in strengths.items() if value}

    return Setting("augmentation", (0.0, 0.5, 1.0, 2.0), 1.0, changes)


def _networks(stated: TrainConfig, data: TrainingData) -> list[Setting]:
    """Architecture, its size where it is a U-Net with an encoder, and dropout."""
    usual = data.config.model
    if data.config.start.weights != "random":
        return []  # the weights are of one network
    found: list[Setting] = []
    pixels = data.patch < SMALLEST_PATCH  # one by one, without surroundings
    names = [
        name
        for name, bands in _FEWEST_BANDS.items()
        if len(data.bands) >= bands and (name == "dense_classifier" or not pixels)
    ]
    architectures = tuple(dict.fromkeys((usual.architecture, *names)))
    if not stated.model.model_fields_set & {"architecture", "encoder"} and len(architectures) > 1:
        found.append(
            Setting(
                "architecture",
                architectures,
                usual.architecture,
                lambda name: {"model.architecture": name},
            )
        )
    size = next(
        (name for name, own in _SIZES.items() if usual.options.items() >= own.items()), None
    )
    if usual.architecture == "unet" and size is not None:
        found.append(
            Setting(
                "size", tuple(_SIZES), size, lambda s: {"model.options": _SIZES[s]}, only="unet"
            )
        )
    dropout = usual.options.get("decoder_dropout")
    if dropout is not None:
        found.append(
            Setting(
                "dropout",
                (0.0, 0.1, 0.3),
                dropout,
                lambda share: {"model.options": {"decoder_dropout": share}},
                only=usual.architecture,
            )
        )
    return found
