"""Content of a report, as plain arrays and texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from georaster_dl.models.package.domain import CalibrationDomain
from georaster_dl.spectra.methods.domain import domain_distances
from georaster_dl.spectra.methods.explain import BandImportance
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores

__all__ = [
    "TEST",
    "TRAINING",
    "ClassResult",
    "ComparedMethod",
    "ComponentsCurve",
    "Distances",
    "ReportContent",
    "Samples",
    "ValueResult",
]

TRAINING, TEST = "training", "test"

_Floats = npt.NDArray[np.float64]
_Names = npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Samples:
    """The spectra of a report.

    Attributes
    ----------
    names : (n,) of the samples.
    part : (n,) ``training`` or ``test``; rows of neither are left out.
    wavelengths_nm : (bands,).
    spectra, preprocessed : (n, bands); None where only predictions are known.
    groups : (n,) sample, site or year of each, None where none is known.
    quantity : that the spectra are.
    """

    names: _Names
    part: _Names
    wavelengths_nm: _Floats | None = field(default=None, repr=False)
    spectra: _Floats | None = field(default=None, repr=False)
    preprocessed: _Floats | None = field(default=None, repr=False)
    groups: _Names | None = field(default=None, repr=False)
    quantity: str = "reflectance"

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class ComponentsCurve:
    """Errors of a method over its number of latent variables.

    Attributes
    ----------
    method : name.
    crossed : (most,) RMSECV with 1, 2, ... latent variables; of classes 1 less macro F1.
    chosen : number of latent variables of the model.
    fitted : (some,) RMSEC of the same, as far as the model has latent variables; None where it is not known.
    fewest : number within one standard error of the least; None where it is not known.
    """

    method: str
    crossed: _Floats = field(repr=False)
    chosen: int
    fitted: _Floats | None = field(default=None, repr=False)
    fewest: int | None = None


@dataclass(frozen=True, eq=False)
class ValueResult:
    """Predictions of one quantity.

    Attributes
    ----------
    name, label : of the quantity; the label has its unit.
    measured, predicted : (n,), of training rows out of fold; NaN where not known.
    lower, upper : (n,) ends of the intervals, None where there are none.
    level : share of values that these are meant to hold, 0..1.
    scores : of the test rows.
    errors : further errors by name, such as RMSEC.
    method : that predicted, where there are several.
    """

    name: str
    label: str
    measured: _Floats = field(repr=False)
    predicted: _Floats = field(repr=False)
    scores: ValueScores
    lower: _Floats | None = field(default=None, repr=False)
    upper: _Floats | None = field(default=None, repr=False)
    level: float | None = None
    errors: Mapping[str, float] = field(default_factory=dict)
    curve: ComponentsCurve | None = None
    importance: BandImportance | None = None
    method: str = ""

    @property
    def subject(self) -> str:
        """Target, with the method where there are several."""
        return f"{self.label} by {self.method}" if self.method else self.label


@dataclass(frozen=True, eq=False)
class ClassResult:
    """Predictions of classes.

    Attributes
    ----------
    name : of the column.
    reference : (n,) class of each sample, None where it is not known.
    scores : of the test rows.
    importance : of each class.
    method : that predicted, where there are several.
    """

    name: str
    reference: _Names = field(repr=False)
    scores: ClassScores
    curve: ComponentsCurve | None = None
    importance: tuple[BandImportance, ...] = ()
    method: str = ""

    @property
    def subject(self) -> str:
        """Target, with the method where there are several."""
        return f"{self.name} by {self.method}" if self.method else self.name


@dataclass(frozen=True, eq=False)
class Distances:
    """How far samples are from the calibration.

    Attributes
    ----------
    scores : (n, components) of PLS.
    t2, q : (n,) Hotelling's T2 and squared residual.
    t2_limits, q_limits : by level, 0..1.
    """

    scores: _Floats = field(repr=False)
    t2: _Floats = field(repr=False)
    q: _Floats = field(repr=False)
    t2_limits: Mapping[float, float]
    q_limits: Mapping[float, float]

    @classmethod
    def of(cls, domain: CalibrationDomain, preprocessed: _Floats) -> Distances:
        """Measure spectra (n, bands), preprocessed as in training."""
        found = domain_distances(domain, preprocessed)
        scores = (preprocessed - np.array(domain.mean)) @ domain.by_band("rotations")
        limits = (
            dict(zip((0.95, 0.99), ends, strict=True))
            for ends in (domain.t2_limits, domain.q_limits)
        )
        return cls(scores, found.t2, found.q, *limits)


@dataclass(frozen=True)
class ComparedMethod:
    """Errors of a method in a comparison.

    Attributes
    ----------
    name, settings : of the method, as texts; the settings may be empty.
    kept : whether it is the model.
    cv, cv_se : error in cross-validation, and its standard error; None where that was not asked for.
    test, test_sd : error on the test rows, the mean over several seeds, and its standard deviation over these.
    p_value : of the paired test against the first method, corrected for all pairs; None where there is none.
    """

    name: str
    settings: str = ""
    kept: bool = False
    cv: float | None = None
    cv_se: float | None = None
    test: float | None = None
    test_sd: float | None = None
    p_value: float | None = None


@dataclass(frozen=True, eq=False)
class ReportContent:
    """All that one report shows; parts that are None or empty are left out of the page.

    Attributes
    ----------
    title : of the page.
    table : name of the table.
    facts : name and text of what is worth knowing about data and model.
    repairs : what the reader of the table guessed, turned round or left out.
    choice : why this method was kept; empty where nothing was chosen.
    limits : when the model should not be used, a sentence each.
    fractions : whether the values are fractions of a whole.
    """

    title: str
    table: str
    samples: Samples
    values: tuple[ValueResult, ...] = ()
    classes: ClassResult | None = None
    facts: tuple[tuple[str, str], ...] = ()
    repairs: tuple[str, ...] = ()
    choice: str = ""
    limits: tuple[str, ...] = ()
    distances: Distances | None = None
    methods: Mapping[str, tuple[ComparedMethod, ...]] = field(default_factory=dict)
    fractions: bool = False
