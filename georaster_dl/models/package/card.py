"""The card of a model: its inputs, its outputs, and how far to trust it.

A card travels in the header of the model's file (see :mod:`georaster_dl.models.package.file`) and is
read before a single weight is. Files come from strangers, so every number has a limit and every
text a length, and whatever is outside them is refused with one line that names the field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.models.package.class_limits import ClassLimits
from georaster_dl.models.package.domain import CalibrationDomain
from georaster_dl.models.package.limits import (
    LARGEST_METRIC,
    ClassColor,
    FilePart,
    Limits,
    Line,
    Lonlat,
    Metres,
    Name,
    Nanometres,
    OptionName,
    OptionValue,
    Pixels,
    Share,
    Text,
    Unit,
    Value,
    Version,
    Word,
)
from georaster_dl.models.package.novelty import AbsentBands, NoveltyStatistics
from georaster_dl.models.package.series import CardLidar, CardSeries
from georaster_dl.models.package.values import InputBand, Interval, Target
from georaster_dl.models.registry import weighs_modalities

__all__ = [
    "FORMAT",
    "Architecture",
    "Card",
    "CardPreprocessing",
    "Cost",
    "ModelHalo",
    "Predictor",
]

FORMAT = 8  # raised when an older georaster_dl would misread a newer card
_MAX_CARD_CHARACTERS = 4 * 2**20
_RENAMED = {"needs": "required_bands", "treatment": "preprocessing", "caution": "limitations"}
"""Keys of cards of format 1 that have other names since."""


_MOST_LEARNT = 2048 * 51  # of each band, from 25 bands on each side
_Deviation = Annotated[float, Field(gt=0, le=1e9)]
_Strength = Annotated[float, Field(ge=0, le=1e9)]
_Group = Annotated[tuple[Word, ...], Field(min_length=1, max_length=2048)]
_Modality = Word | Literal[""]
_Band = Annotated[
    InputBand,
    Limits(
        name=Word,
        wavelength_nm=Nanometres | None,
        fwhm_nm=Nanometres | None,
        modality=_Modality,
        unit=Unit,
        gsd_m=Metres | None,
        mean=Value,
        std=_Deviation,
    ),
]
_Class = Annotated[
    MapClass, Limits(value=Annotated[int, Field(ge=0, le=65534)], name=Word, color=ClassColor)
]
_Interval = Annotated[
    Interval,
    Limits(level=Annotated[float, Field(gt=0, lt=1)], factor=_Strength, floor=_Strength),
]
_Target = Annotated[
    Target, Limits(name=Word, unit=Unit, mean=Value, std=_Deviation, interval=_Interval | None)
]


class Architecture(FilePart):
    """Which network to build: a name of the registry, an encoder, and the network's options.

    The encoder is a plain name: no ``:`` or ``/``, by which encoder libraries reach for the
    network or for local folders.
    """

    name: Name
    encoder: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None = None
    options: dict[OptionName, OptionValue] = Field({}, max_length=32)


class CardPreprocessing(FilePart):
    """Preprocessing of every spectrum before it is normalised, as ``Preprocessing`` writes it.

    Attributes
    ----------
    steps : names and parameters, such as ``snv,savgol(15,2,1)``.
    bands : of a spectrum.
    learnt : arrays that each step learnt in training, by name.
    """

    steps: Line
    bands: Annotated[int, Field(ge=1, le=2048)]
    learnt: Annotated[
        tuple[dict[OptionName, Annotated[tuple[float, ...], Field(max_length=_MOST_LEARNT)]], ...],
        Field(max_length=16),
    ]


class ModelHalo(FilePart):
    """How much context a tile needs.

    Attributes
    ----------
    default : halo in pixels that a run takes by default; a multiple of the stride.
    exact : halo in pixels with which tiles give the untiled result; None where an output
        depends on the whole input, so that no halo does.
    changed : share of pixels, 0..1, whose class differs from the untiled result at ``default``,
        or whose value does by more than 1 % of the standard deviation of all values; None where
        it was not measured.
    blend : pixels on each side of a seam over which probabilities or values are mixed; 0 trims.
    """

    default: Pixels
    exact: Pixels | None = None
    changed: Share | None = None
    blend: Pixels = 0

    @model_validator(mode="after")
    def _blend_within_halo(self) -> Self:
        if self.blend > self.default:
            raise ValueError(f"blend is {self.blend} but must not exceed default, {self.default}")
        return self


class Cost(FilePart):
    """Cost of one input pixel: multiply-accumulates, and peak bytes of float32 activations."""

    macs_per_pixel: Annotated[float, Field(ge=0, le=1e12)]
    bytes_per_pixel: Annotated[float, Field(ge=0, le=1e9)]


Predictor = Literal["single", "mc-dropout", "bayesian", "tta", "ensemble"]
"""How the probabilities of a pixel are made: by one pass of the network, or as the mean of several."""


class Card(FilePart):
    """Everything about a model but its weights.

    Inputs are physical values (``quantity``), normalised by the network's user as
    ``(x - mean) / std`` band by band, in the order of ``bands``. Outputs are logits in the order
    of ``classes``, one plane for each of the ``targets`` (behind them, of an ensemble, one for the
    spread of each), or for an autoencoder the normalised bands again, at the resolution of the
    input. The planes of fractions are the fractions themselves: not below 0, and of sum 1.

    Attributes
    ----------
    format : version of the card's format.
    name, version, description : of the model.
    task : what it predicts of a pixel.
    architecture : network, encoder and options, by the names of the registry.
    bands : input bands in order, with wavelengths, modality, unit and ground sampling distance, and the mean and standard deviation that normalise each.
    required_bands : groups of bands of which a scene must have at least one each; the others may be
        absent. Every band is required where there are no groups.
    quantity : of the physical values, such as ``reflectance``; ``digital numbers`` are as stored.
    resolution_m : finest and coarsest ground sampling distance seen in training, in metres.
    series : of models of image time series: sensors and dates. ``bands`` are then those of each date, sensor
        by sensor, and outputs are of a pixel or parcel.
    lidar : of models of the points of a rotating LiDAR: the sensor. ``bands`` are then features of a point.
    stride : total down-sampling; tiles start at multiples of it and are multiples of it long.
    preprocessing : of spectra, before they are normalised; means and deviations of the bands are
        those of preprocessed values.
    classes, targets : one of them: the classes of a segmentation, the quantities of a regression, or
        what the fractions of a pixel are of (two or more, without unit, mean 0 and std 1); neither for
        an autoencoder.
    halo : context that tiles need, in pixels.
    cost : of one pixel.
    licence : of the weights.
    training : what it learnt from, by name.
    metrics : measured accuracies and errors, by name.
    calibration : of the probabilities that one pass of the network gives.
    calibrations : of those that are means of several passes, by how these are made.
    places : longitude and latitude in degrees of the scenes that it was trained and tested on.
    configuration : the effective configuration of the training run, one entry per setting.
    novelty : what tells pixels that are unlike the training's; None in cards of format 2 and before.
    domain : of models of spectra: what tells spectra that are unlike the calibration; None in cards of format 5 and before.
    class_limits : of models of classes of spectra: limits of each class in the order of ``classes``, None of those that
        have none; empty where no class has any.
    absent_bands : the accuracy of a model of optional bands without some of them.
    limitations : where the model should not be trusted, for the person who runs it.
    weights_sha256 : digest of the weights; filled in when the model is saved.

    Raises
    ------
    ModelPackageError
        When a field is missing, unknown or outside its limits; one line names the first three.
    """

    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    name: Name
    version: Version
    description: Text = ""
    task: Literal["segmentation", "regression", "fractions", "autoencoder", "lidar"] = (
        "segmentation"
    )
    architecture: Architecture
    bands: Annotated[tuple[_Band, ...], Field(min_length=1, max_length=2048)]
    required_bands: Annotated[tuple[_Group, ...], Field(max_length=64)] = ()
    quantity: Word = "reflectance"
    resolution_m: tuple[Metres, Metres] | None = None
    classes: Annotated[tuple[_Class, ...], Field(max_length=1024)] = ()
    preprocessing: CardPreprocessing | None = None
    targets: Annotated[tuple[_Target, ...], Field(max_length=64)] = ()
    series: CardSeries | None = None
    lidar: CardLidar | None = None
    stride: Annotated[int, Field(ge=1, le=512)]
    halo: ModelHalo
    cost: Cost
    licence: Line = ""
    training: dict[Word, Line] = Field({}, max_length=64)
    places: Annotated[tuple[Lonlat, ...], Field(max_length=256)] = ()
    configuration: dict[Word, Line] = Field({}, max_length=256)
    metrics: dict[Word, Annotated[float, Field(ge=-LARGEST_METRIC, le=LARGEST_METRIC)]] = Field(
        {}, max_length=64
    )
    calibration: Calibration = Calibration()
    calibrations: dict[Predictor, Calibration] = Field(default={}, max_length=8)
    novelty: NoveltyStatistics | None = None
    domain: CalibrationDomain | None = None
    class_limits: Annotated[tuple[ClassLimits | None, ...], Field(max_length=1024)] = ()
    absent_bands: Annotated[tuple[AbsentBands, ...], Field(max_length=64)] = ()
    limitations: Text = ""
    weights_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""

    if not TYPE_CHECKING:  # type checkers keep the signature that pydantic gives

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise ModelPackageError(_one_line(error)) from None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for field, halo in (("default", self.halo.default), ("exact", self.halo.exact)):
            if halo is not None and halo % self.stride:
                raise ValueError(
                    f"halo.{field} is {halo} but must be a multiple of stride, {self.stride}"
                )
        if self.resolution_m is not None and self.resolution_m[0] > self.resolution_m[1]:
            raise ValueError(f"resolution_m is {self.resolution_m} but must be finest, coarsest")
        names = [band.name for band in self.bands]
        if len(set(names)) < len(names):
            raise ValueError("bands must have distinct names")
        return self

    @model_validator(mode="after")
    def _bands_of_the_sensors(self) -> Self:
        own = len(self.bands) if self.series is None else sum(s.bands for s in self.series.sensors)
        if own != len(self.bands):
            raise ValueError(f"series has sensors of {own} bands, but bands are {len(self.bands)}")
        return self

    @model_validator(mode="after")
    def _domain_of_the_bands(self) -> Self:
        if self.domain is not None and len(self.domain.mean) != len(self.bands):
            raise ValueError(
                f"domain is of {len(self.domain.mean)} bands, but bands are {len(self.bands)}"
            )
        return self

    @model_validator(mode="after")
    def _limits_of_the_classes(self) -> Self:
        if len(self.class_limits) not in (0, len(self.classes)):
            raise ValueError(
                f"class_limits are of {len(self.class_limits)} classes, but classes are {len(self.classes)}"
            )
        for limits in self.class_limits:
            if limits is not None and len(limits.mean) != len(self.bands):
                raise ValueError(
                    f"class_limits are of {len(limits.mean)} bands, but bands are {len(self.bands)}"
                )
        return self

    @model_validator(mode="after")
    def _calibrations_of_the_classes(self) -> Self:
        for calibration in (self.calibration, *self.calibrations.values()):
            if len(calibration.gain) not in (0, len(self.classes)):
                raise ValueError(
                    f"calibration has {len(calibration.gain)} gains but must have one for each class, "
                    f"{len(self.classes)}"
                )
        return self

    @model_validator(mode="after")
    def _required_bands_can_be_met(self) -> Self:
        required = {name for group in self.required_bands for name in group}
        unknown = required - {band.name for band in self.bands}
        if unknown:
            raise ValueError(f"required_bands names {min(unknown)!r}, which is none of the bands")
        if self.required_bands and not self.does_without:
            raise ValueError(
                "required_bands lets bands be absent, so architecture.options.optional_bands must be true, or the "
                "architecture one that weighs modalities"
            )
        return self

    @model_validator(mode="after")
    def _output_of_task(self) -> Self:
        if (self.task == "lidar") != (self.lidar is not None):
            raise ValueError("lidar describes the sensor of task lidar, and of no other")
        if self.task in ("segmentation", "lidar"):
            if not self.classes or self.targets:
                raise ValueError(f"task {self.task} needs classes and has no target")
            _ = self.legend  # refuses values or names that occur twice
        elif self.classes or bool(self.targets) != (self.task in ("regression", "fractions")):
            wanted = "has no target" if self.task == "autoencoder" else "needs a target"
            raise ValueError(f"task {self.task} {wanted} and has no classes")
        elif self.task == "autoencoder" and self.optional_bands:
            raise ValueError("an autoencoder gives all of its bands back, so none can be optional")
        return self

    @model_validator(mode="after")
    def _boundaries_of_classes(self) -> Self:
        if self.gives_boundaries and self.task != "segmentation":
            raise ValueError(
                f"architecture.options.head is 'boundaries', so task must be segmentation, but it is {self.task!r}"
            )
        return self

    @model_validator(mode="after")
    def _fractions_of_a_whole(self) -> Self:
        head = self.architecture.options.get("head")
        if self.task != "fractions":
            if head == "fractions":
                raise ValueError(
                    f"architecture.options.head is 'fractions', so task must be, but it is {self.task!r}"
                )
            return self
        names = {target.name for target in self.targets}
        if len(names) < max(2, len(self.targets)):
            raise ValueError("task fractions needs two or more targets, of distinct names")
        if any((t.unit, t.mean, t.std) != ("", 0, 1) for t in self.targets):
            raise ValueError("targets of fractions have no unit, mean 0 and std 1")
        if head not in (None, "fractions"):
            raise ValueError(
                f"task fractions needs outputs of sum 1, so architecture.options.head cannot be {head!r}"
            )
        return self

    @classmethod
    def from_json(cls, text: str | bytes) -> Card:
        """Read a card from JSON.

        Raises
        ------
        ModelPackageError
            When the text is not JSON, is of a newer format, or breaks a limit.
        """
        if len(text) > _MAX_CARD_CHARACTERS:
            raise ModelPackageError(
                f"The model's card has {len(text)} characters, but at most {_MAX_CARD_CHARACTERS} "
                f"are read; the file is damaged or hostile."
            )
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelPackageError(
                f"The model's card is not JSON ({error}); the file is damaged."
            ) from None
        return cls.from_fields(fields)

    @classmethod
    def from_fields(cls, fields: object) -> Card:
        """Build a card from the fields of its JSON object; raises as ``from_json``."""
        if not isinstance(fields, Mapping) or not all(isinstance(key, str) for key in fields):
            raise ModelPackageError(
                f"The model's card must be a JSON object, but is {type(fields).__name__}; the file is damaged."
            )
        written = fields.get("format", 1)
        # Before anything else: a newer card may well have fields that look hostile to this version.
        if isinstance(written, int) and written > FORMAT:
            raise ModelPackageError(
                f"The model's card has format {written} and this version reads up to {FORMAT}: it was "
                f"written by a newer georaster_dl: upgrade (pip install -U georaster_dl)."
            )
        return cls(**_current_fields(fields))

    def to_json(self) -> str:
        """Return the card as compact JSON, which ``from_json`` reads back unchanged."""
        return self.model_dump_json()

    @property
    def optional_bands(self) -> bool:
        """Whether bands may be absent: the network reads a flag for each."""
        return self.architecture.options.get("optional_bands") is True

    @property
    def weighs_modalities(self) -> bool:
        """Whether the network weighs the modalities of its bands in each pixel, so that a whole modality may be absent."""
        return weighs_modalities(self.architecture.name)

    @property
    def does_without(self) -> bool:
        """Whether the network can do without some of the bands."""
        return self.optional_bands or self.weighs_modalities

    @property
    def modalities(self) -> tuple[str, ...]:
        """Modalities of the bands, in the order in which they come first."""
        return tuple(dict.fromkeys(band.modality for band in self.bands))

    @property
    def required_bands_text(self) -> str:
        """The required bands in words, ``B03, B08 or B8A``; empty where all are."""
        return ", ".join(map(self.words_of, self.required_bands))

    def words_of(self, group: Sequence[str]) -> str:
        """Name a group of required bands: its bands, or their modalities where these are whole or absent."""
        if not self.weighs_modalities:
            return " or ".join(group)
        own = (band.modality or band.name for band in self.bands if band.name in group)
        return " or ".join(dict.fromkeys(own))

    @property
    def outputs(self) -> int:
        """Number of the network's output planes."""
        if self.targets:
            return len(self.targets) * (2 if self.gives_spread else 1)
        return len(self.classes) or len(self.bands)

    @property
    def value_planes(self) -> tuple[tuple[str, float, float], ...]:
        """Name of each output plane, and mean and std that turn it into a value; none for classes."""
        if self.task == "autoencoder":
            return tuple((band.name, band.mean, band.std) for band in self.bands)
        spreads = [(f"{t.name}, spread", 0.0, t.std) for t in self.targets if self.gives_spread]
        return (*((t.name, t.mean, t.std) for t in self.targets), *spreads)

    @property
    def gives_spread(self) -> bool:
        """Whether the network also gives a plane of spread for each target, as an ensemble does."""
        return self.architecture.name == "ensemble"

    @property
    def gives_boundaries(self) -> bool:
        """Whether the network can give a plane of the boundaries between objects, beside its ``outputs``."""
        return self.architecture.options.get("head") == "boundaries"

    def calibration_of(self, predictor: Predictor) -> Calibration:
        """Look up the calibration of a predictor; where it has none, that of one pass."""
        return self.calibrations.get(predictor, self.calibration)

    @property
    def fills_hidden(self) -> bool:
        """Whether the model is an autoencoder that learnt to fill hidden squares only."""
        hidden = self.configuration.get("corruption.hidden", "0")
        return self.task == "autoencoder" and hidden not in {"0.0", "0"}

    @property
    def predicts(self) -> str:
        """Classes or quantities of the output, in a few words."""
        if self.task == "fractions":
            return f"fractions of {', '.join(target.name for target in self.targets)}"
        if self.targets:
            names = ", ".join(target.label for target in self.targets)
            return f"{names}, {'a quantity' if len(self.targets) == 1 else 'quantities'}"
        if self.task == "autoencoder":
            return "the scene's own bands and features of them"
        return counted(len(self.classes), "class")

    @property
    def legend(self) -> Legend:
        """The output classes as a legend.

        Raises
        ------
        OptionError
            When the model has no classes.
        """
        if not self.classes:
            raise OptionError(
                f"{self.name} has no classes: it predicts {self.predicts}; use a segmentation model "
                f"here."
            )
        return Legend(self.classes)


def _current_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the fields of an older card to the names of today; the first cards had one target."""
    current = {_RENAMED.get(name, name): value for name, value in fields.items()}
    if len(current) < len(fields):
        return dict(fields)  # both names of one field: the older one is refused as unknown
    target = current.pop("target", None)
    if current.get("format", 1) in range(1, FORMAT):
        current["format"] = FORMAT
    return current | ({} if target is None else {"targets": [target]})


def _one_line(error: ValidationError, most: int = 3) -> str:
    """Say which fields broke which limits, in one line and without the hostile value's bulk."""
    problems = error.errors(include_url=False, include_context=False)
    shown = "; ".join(_problem(problem) for problem in problems[:most])
    rest = f"; and {len(problems) - most} more" if len(problems) > most else ""
    return (
        f"The model's card is refused: {shown}{rest}. Correct these fields or get the model anew."
    )


def _problem(problem: Mapping[str, Any]) -> str:
    # Keys of the card's tables are the stranger's own text, so they are shown like a value.
    place = ".".join(_shown(part, 40) for part in problem["loc"]) or "card"
    message = re.sub(r"^(Value error|Assertion failed), |\.$", "", str(problem["msg"]))
    value = problem.get("input")
    if problem["type"] in {"missing", "value_error"} or isinstance(
        value, Mapping | list | tuple | BaseModel
    ):
        return f"{place}: {_shown(message, 200)}"
    return f"{place} = {_shown(value, 40)}: {_shown(message, 200)}"


def _shown(value: object, most: int) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = visible(text[: most + 1])
    return text if len(text) <= most else text[:most] + "..."
