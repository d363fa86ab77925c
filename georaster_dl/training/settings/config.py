"""Settings of a training run, read from and written to TOML.

``geodl train`` needs none of it: every setting has a default. What was in effect is written beside
the checkpoints (``config.toml``, which ``--config`` reads back) and into the model's card.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import SceneOptions, TrainingLabelOptions
from georaster_dl.core.wording import nearest_names
from georaster_dl.io.files.text_file import read_text
from georaster_dl.models.registry import fitted_models
from georaster_dl.tiling.sampling import Sampling
from georaster_dl.training.transforms.augment import Augmentation
from georaster_dl.training.transforms.noise import InputNoise

__all__ = ["FRESH_RATE", "TrainConfig", "read_config"]

FRESH_RATE = 3e-3  # learning rate from random weights

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SplitSection(_Section):
    """Split into training, validation and test.

    Attributes
    ----------
    kind : ``auto``: whole scenes where labels lie in three places or more, and every part can have enough
        classes, else blocks; square ``blocks``, which ``auto`` takes where ``block`` is given; whole
        ``scenes``; ``random`` patches (leaks); or a ``column`` of the list of scenes or of the vector
        labels that says train, validation or test.
    validation, test : shares of the labelled pixels.
    block : side of a block in pixels; chosen so that two dozen hold labels where None.
    buffer : pixels that lie at least between two parts; two cells (see ``sampling``) where None.
    column : name of the column of ``kind = "column"``.
    """

    kind: Literal["auto", "blocks", "scenes", "random", "column"] = "auto"
    validation: Share = 0.15
    test: Share = 0.15
    block: Count | None = None
    buffer: Annotated[int, Field(ge=0)] | None = None
    column: str = "split"

    @model_validator(mode="after")
    def _leaves_training(self) -> Self:
        if self.validation <= 0 or self.validation + self.test >= 1:
            raise ValueError(
                f"validation ({self.validation}) must be above 0 and with test ({self.test}) leave "
                f"a share for training"
            )
        return self

    @property
    def shares(self) -> tuple[float, float, float]:
        """Of training, validation and test."""
        return 1.0 - self.validation - self.test, self.validation, self.test


class PatchesSection(_Section):
    """Size, sampling and number of training patches.

    Attributes
    ----------
    size : side in pixels; 1 gives a network that sees one pixel at a time labelled pixels only.
    """

    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    sampling: Sampling = "balanced"
    per_epoch: Count | None = None


class ModelSection(_Section):
    """Network by the registry's names, with hyphens or underscores.

    Attributes
    ----------
    ensemble : networks of this architecture to train, one after the other, and to package as one.
    head : ``bayesian`` makes the last layer's weights distributions that can be sampled; None leaves it to the
        options or the model to start from. Networks of fractions always have a head of their own.
    """

    architecture: str = "unet"
    encoder: str = "tu-resnet18"
    options: dict[str, Any] = {"encoder_depth": 3, "decoder_channels": [64, 32, 16]}
    ensemble: Annotated[int, Field(ge=1, le=64)] = 1
    head: Literal["plain", "bayesian"] | None = None
    name: str | None = None
    licence: str = ""

    @field_validator("architecture")
    @classmethod
    def _registered(cls, name: str) -> str:
        registered = name.replace("-", "_")
        if registered in fitted_models(to="scenes"):
            raise ValueError(
                f"{name} is fitted to the pixels of a scene without labels (geodl unmix), not trained; "
                f"choose an architecture of `list_models()`"
            )
        if registered in fitted_models(to="pixels"):
            raise ValueError(
                f"{name} is fitted to labelled pixels, not trained; leave the architecture out and use `method='rf'` or "
                f"`method='svm'`"
            )
        if registered in fitted_models():
            raise ValueError(
                f"{name} is fitted to tables of spectra (geodl spectra train), not trained on scenes; "
                f"choose an architecture of `list_models()`"
            )
        return registered


class StartSection(_Section):
    """Initial weights, and frozen layers.

    Attributes
    ----------
    weights : ``random``, ``imagenet``, a model package, a public encoder as ``torchgeo:NAME`` or ``timm:NAME``, or
        ``auto``, the bundled encoder that reads the scenes' bands, else random ones.
    freeze : ``encoder`` or ``all-but-head`` are not trained.
    unfreeze_every : epochs after which one more frozen stage is trained too, the deepest first;
        0 keeps them frozen.
    rehearse : folder of the run of an autoencoder to go on from, whose patches make half of each batch.
    """

    weights: str = "random"
    freeze: Literal["none", "encoder", "all-but-head"] = "none"
    unfreeze_every: Annotated[int, Field(ge=0)] = 0
    rehearse: Path | None = None


class LossSection(_Section):
    """Loss to minimise.

    Attributes
    ----------
    names, weights : of a segmentation, a weighted sum.
    gce_q : how little ``gce`` trusts single labels: near 0 it is cross-entropy, 1 the mean absolute error.
    regression : of a regression.
    reconstruction : of an autoencoder; ``sam`` adds the spectral angle to the mean square error.
    """

    names: tuple[Literal["cross-entropy", "focal", "gce", "dice", "lovasz"], ...] = (
        "cross-entropy",
        "dice",
    )
    weights: tuple[Positive, ...] = ()
    class_weights: bool = False
    cap: Annotated[float, Field(ge=1)] = 10.0
    focal_gamma: NotNegative = 2.0
    gce_q: Annotated[float, Field(gt=0, le=1)] = 0.7
    label_smoothing: Share = 0.0
    regression: Literal["mse", "l1", "huber"] = "huber"
    reconstruction: Literal["mse", "sam"] = "mse"

    @model_validator(mode="after")
    def _weights_fit(self) -> Self:
        if not self.names or (self.weights and len(self.weights) != len(self.names)):
            raise ValueError(
                f"weights ({len(self.weights)}) must be as many as names ({len(self.names)}), which "
                f"must be at least one"
            )
        return self


class TrainingSection(_Section):
    """Optimisation, hardware and logs.

    Attributes
    ----------
    epochs, minutes : the longest that the network learns for; the seconds before and after are not counted.
    average : whether weights are averages over about the last tenth of the steps.
    learning_rate : the largest of the schedule; found by a range test where ``"find"``; 3e-3 from random
        weights and 5e-4 from others where None.
    schedule : ``plateau`` stays level and falls in the last fifth of the epochs, once validation no longer improves
        or the time is up; ``one-cycle`` is made for all ``epochs``.
    clip : largest norm of the gradient.
    patience : epochs without a better validation score after which the rate falls, or with the other
        schedules training stops.
    precision : ``auto`` is bf16 where the hardware computes in it, fp16 on an older GPU.
    device : ``auto``, ``cpu``, ``cuda``, or a single GPU such as ``cuda:1``.
    devices : number of GPUs; all where None, unless ``device`` names a single GPU.
    workers : processes that read patches; chosen by the processor where None.
    tracker : where figures go beside ``log.csv``, by a package of that name, an extra.
    tensorboard : whether they go to TensorBoard, also beside another tracker.
    """

    epochs: Count = 100
    minutes: Positive | None = None
    average: bool = True
    batch: Count = 16
    learning_rate: Positive | Literal["find"] | None = None
    schedule: Literal["plateau", "one-cycle", "constant"] = "plateau"
    weight_decay: NotNegative = 1e-2
    clip: Positive = 2.0
    patience: Count = 10
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    devices: Count | None = None
    workers: Annotated[int, Field(ge=0)] | None = None
    tracker: Literal["tensorboard", "mlflow", "wandb"] | None = None
    tensorboard: bool = False

    @model_validator(mode="after")
    def _ends_in_time(self) -> Self:
        if self.minutes is not None and self.schedule != "plateau":
            raise ValueError(
                f"minutes ({self.minutes:g}) need the schedule plateau, but it is {self.schedule}"
            )
        return self


class SearchSection(_Section):
    """Search of the settings that are not stated.

    Attributes
    ----------
    trials : networks to train with other settings; 0 trains one with the settings as they are.
    """

    trials: Annotated[int, Field(ge=0, le=1000)] = 0


class TrainConfig(_Section):
    """The settings of a run, section by section.

    Attributes
    ----------
    task : what the model predicts of a pixel.
    method : of classes: ``network``; ``rf`` or ``svm``, a forest or support vector machine of spectra and texture instead
        of one; ``auto``, the one of them all that is best on the validation ground. None is ``auto`` where nothing of
        the network is stated, else the network, compared with the others.
    seed : of all that is random.
    labels, scene : how labels and scenes are read.
    split : which ground is training, validation and test.
    patches : size, sampling and number.
    model : network to train, and the name and licence on its card.
    start : initial weights and frozen layers.
    loss : to minimise.
    augment, corruption : random changes of the patches; noise that an autoencoder has to remove, and what is
        hidden from it.
    training : epochs, batch, learning rate, device.
    search : of settings.
    """

    task: Literal["segmentation", "regression", "fractions", "autoencoder"] = "segmentation"
    method: Literal["auto", "network", "rf", "svm"] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    labels: TrainingLabelOptions = TrainingLabelOptions()
    scene: SceneOptions = SceneOptions()
    split: SplitSection = SplitSection()
    patches: PatchesSection = PatchesSection()
    model: ModelSection = ModelSection()
    start: StartSection = StartSection()
    loss: LossSection = LossSection()
    augment: Augmentation = Augmentation()
    corruption: InputNoise = InputNoise()
    training: TrainingSection = TrainingSection()
    search: SearchSection = SearchSection()

    @classmethod
    def of(cls, fields: Mapping[str, Any], source: str = "the configuration") -> TrainConfig:
        """Check settings and make a configuration of them.

        Raises
        ------
        OptionError
            When a key is unknown (the nearest is named) or a value cannot work.
        """
        try:
            return cls.model_validate(dict(fields))
        except ValidationError as error:
            raise OptionError(f"{source}: {_explained(error)}") from None

    def updated(self, changes: Mapping[str, Any]) -> TrainConfig:
        """Copy the settings with some changed, by keys like ``"split.kind"``."""
        fields = self.model_dump(exclude_unset=True)
        for key, value in changes.items():
            section, _, name = key.rpartition(".")
            (fields.setdefault(section, {}) if section else fields)[name] = value
        return TrainConfig.of(fields, "the options")

    def to_toml(self) -> str:
        """Write the settings as TOML, which ``read_config`` reads back, without those that are None."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def flat(self) -> dict[str, str]:
        """Format every setting as text by its full name, for the card."""
        return dict(_flat("", self.model_dump(mode="json", exclude_none=True)))


def read_config(path: Path) -> TrainConfig:
    """Read settings from a TOML file.

    Raises
    ------
    OptionError
        When the file cannot be read, is no TOML, or holds an unknown key or impossible value.
    """
    try:
        fields = tomllib.loads(read_text(path))
    except OSError as error:
        raise OptionError(
            f"The configuration {path} cannot be read ({error.strerror}); check the path."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeError) as error:
        raise OptionError(f"The configuration {path} is not TOML: {error}; correct it.") from error
    return TrainConfig.of(fields, str(path))


def _flat(prefix: str, fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
        elif isinstance(value, list):
            yield f"{prefix}{key}", ", ".join(map(str, value))
        else:
            yield f"{prefix}{key}", str(value)


def _explained(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        keys = _keys_at(first["loc"][:-1])
        near = nearest_names(str(first["loc"][-1]), keys)
        return f"unknown key {place!r}{near}; known here: {', '.join(keys)}."
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    value = "" if isinstance(first["input"], Mapping) else f" = {first['input']!r}"
    return f"{place}{value}: {message}; correct it."


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    section: Any = TrainConfig
    for part in place:
        section = section.model_fields[str(part)].annotation
    return (
        [each.name for each in fields(section)]
        if is_dataclass(section)
        else [*section.model_fields]
    )
