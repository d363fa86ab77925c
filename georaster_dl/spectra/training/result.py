"""Results of a training: methods with their scores, the choice among them, the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.wording import counted
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.values import Interval
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.scoring.folds import Fold
from georaster_dl.spectra.scoring.scores import ClassScores, ValueScores
from georaster_dl.spectra.scoring.split import RowSplit
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.training.columns import TableOptions

__all__ = ["Choice", "ComponentsCurve", "CrossValidated", "Scores", "TrainedTable", "TriedMethod"]

Scores = ValueScores | ClassScores

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ComponentsCurve:
    """Errors of cross-validation by the number of latent variables.

    Attributes
    ----------
    losses : (most,) RMSECV of values, or 1 less macro F1 of classes, with 1, 2, ... latent variables.
    chosen : number that was taken.
    asked : whether it was asked for; else it has the least loss.
    fewest : number within one standard error of the least loss.
    """

    losses: _Floats = field(repr=False)
    chosen: int
    asked: bool
    fewest: int

    def text(self, loss: str) -> str:
        """Say how many were taken and why; ``loss`` is its name."""
        if self.asked:
            return f"{counted(self.chosen, 'latent variable')}, as asked for"
        taken = f"{counted(self.chosen, 'latent variable')}, the least {loss} of 1 to {len(self.losses)}"
        if self.fewest >= self.chosen:
            return f"{taken}; no fewer are within one standard error"
        verb = "is" if self.fewest == 1 else "are"
        return (
            f"{taken}; {self.fewest} {verb} within one standard error (`components={self.fewest}`)"
        )


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """A method in cross-validation of the rows that learn.

    Attributes
    ----------
    method : name.
    settings : of each target, or of the classes, as cross-validation chose them; of a network none.
    out_of_fold : (repeats, n, targets) values of the table's rows, NaN where not predicted, or
        (repeats, n) class names, None where not; settings of a fold are chosen on the others.
    scores : by target or class column, of these: ``rmsep`` is the RMSECV.
    errors : standard error of the RMSECV by target, in its unit; of 1 less macro F1 of classes.
    loss : what methods are chosen by: the RMSECV, of several targets the mean of RMSECV by standard
        deviation, or 1 less macro F1.
    standard_error : of the loss.
    curves : by target or class column, of methods of latent variables.
    seconds : that it took.
    """

    method: str
    settings: tuple[Mapping[str, Any], ...]
    out_of_fold: npt.NDArray[Any] = field(repr=False)
    scores: Mapping[str, Scores]
    errors: Mapping[str, float]
    loss: float
    standard_error: float
    curves: Mapping[str, ComponentsCurve]
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class TriedMethod:
    """A method in cross-validation, and fitted to all rows that learn.

    Attributes
    ----------
    label : name as it is printed: ``pls-da`` for classes by PLS.
    cross_validated : what it did in cross-validation.
    predicted : (n, targets) values or (n,) class names of all rows by the fitted method.
    spread : (n, targets) standard deviation of a network's members; 0 for all others, empty for classes.
    fitted : scores of the rows it learnt from, by target or class column: ``rmsep`` is the RMSEC.
    tested : scores of the rows that test: ``rmsep`` is the RMSEP.
    members : networks; 0 for methods that are none.
    """

    label: str
    cross_validated: CrossValidated
    predicted: npt.NDArray[Any] = field(repr=False)
    spread: _Floats = field(repr=False)
    fitted: Mapping[str, Scores]
    tested: Mapping[str, Scores]
    members: int

    @property
    def method(self) -> str:
        """Name of the method."""
        return self.cross_validated.method


@dataclass(frozen=True)
class Choice:
    """Choice of a method, with its reason.

    Attributes
    ----------
    kept : its name.
    by_rule : name of the simplest within one standard error of the least loss.
    least : name of the method of the least loss in cross-validation.
    asked : whether the kept one was asked for; else it is the rule's.
    reason : in a sentence, without a full stop.
    """

    kept: str
    by_rule: str
    least: str
    asked: bool
    reason: str


@dataclass(frozen=True, eq=False)
class TrainedTable:
    """A trained model with everything that a report of the training shows.

    Attributes
    ----------
    card : of the package.
    table, options, settings : as they were given.
    target : (n, targets) values, NaN where not known; or (n,) class names, None where not known.
    split : rows that learn and rows that test.
    folds : of each repeat, positions among the rows that learn (``learnt``).
    methods : all that were tried, the kept one first.
    choice : of the kept one.
    intervals : of each target; empty for classes.
    model : as it was fitted, ``FittedMethod`` or ``SpectraNetwork``.
    seconds : of the training.
    """

    card: Card
    table: SpectraTable = field(repr=False)
    options: TableOptions
    settings: Settings
    target: npt.NDArray[Any] = field(repr=False)
    split: RowSplit = field(repr=False)
    folds: Sequence[Sequence[Fold]] = field(repr=False)
    methods: tuple[TriedMethod, ...]
    choice: Choice
    intervals: tuple[Interval | None, ...]
    model: Any = field(repr=False)
    seconds: float

    @property
    def kept(self) -> TriedMethod:
        """The method of the package."""
        return self.methods[0]

    @property
    def learnt(self) -> npt.NDArray[np.bool_]:
        """(n,) rows that learn, whether weights, settings, epochs or intervals."""
        return self.split.learnt

    @property
    def scores(self) -> Mapping[str, Mapping[str, Scores]]:
        """Scores of the test rows, by target or class column and by method."""
        return {
            name: {tried.method: tried.tested[name] for tried in self.methods}
            for name in self.options.names
        }
