"""Content of a report, as plain arrays and texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from georaster_dl.models.package.domain import CalibrationDomain
from georaster_dl.spectra.methods.domain import domain_distances
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores

__all__ = [
    "TEST",
    "TRAINING",
    "ClassResult",
    "ComponentsCurve",
    "Distances",
    "MethodResult",
    "ReportContent",
    "Samples",
    "Signature",
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
    """Errors over the number of latent variables.

    Attributes
    ----------
    rmsecv, rmsec : (most,) with 1, 2, ... latent variables; the error rate of classes.
    se : (most,) standard error of ``rmsecv`` over the folds, None where it is not known.
    chosen : number of latent variables of the model.
    """

    rmsecv: _Floats
    chosen: int
    rmsec: _Floats | None = None
    se: _Floats | None = None


@dataclass(frozen=True, eq=False)
class Signature:
    """Weights of a model by wavelength, (bands,) each; None if unknown.

    Attributes
    ----------
    coefficients : of the regression on preprocessed spectra.
    vip : variable importance in projection; its mean square is 1.
    selectivity : ratio of explained to residual variance.
    """

    coefficients: _Floats | None = None
    vip: _Floats | None = None
    selectivity: _Floats | None = None


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
    signature: Signature | None = None


@dataclass(frozen=True, eq=False)
class ClassResult:
    """Predictions of classes.

    Attributes
    ----------
    name : of the column.
    reference : (n,) class of each sample, None where it is not known.
    scores : of the test rows.
    """

    name: str
    reference: _Names = field(repr=False)
    scores: ClassScores
    curve: ComponentsCurve | None = None


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
class MethodResult:
    """Errors of a method in a comparison.

    Attributes
    ----------
    name : of the method, with its settings where these are known.
    kept : whether it is the model.
    cv, cv_se : error out of fold, and its standard error over the folds; None where it was not asked for.
    test : error on the test rows; None where it was not asked for.
    p_value : of the paired comparison with the first method, corrected for their number; None where
        there is none.
    """

    name: str
    kept: bool = False
    cv: float | None = None
    cv_se: float | None = None
    test: float | None = None
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
    methods: Mapping[str, tuple[MethodResult, ...]] = field(default_factory=dict)
