"""Judgement of a simulation: real spectra are held out, and others simulated from the rest by the same method."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Progressed, Report, no_report
from georaster_dl.spectra.preprocess.chain import Preprocessing
from georaster_dl.spectra.scoring.folds import cross_validation
from georaster_dl.spectra.simulate.judging.against import unseen
from georaster_dl.spectra.simulate.judging.likeness import Likeness, compare_spectra
from georaster_dl.spectra.simulate.judging.truth import Truth
from georaster_dl.spectra.simulate.judging.use import A_CLASS, Gain, Learner
from georaster_dl.spectra.simulate.result import Simulated
from georaster_dl.spectra.simulate.run import Request, prepared, simulate_from
from georaster_dl.spectra.table.resample import aligned
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["Judged", "Judging", "judge"]

_Rows = npt.NDArray[np.intp]
_Labelled = tuple[npt.NDArray[np.float64], npt.NDArray[Any]]  # spectra and their targets

_FOLDS = 5
_DRAWS = 8
_MOST = 500  # simulated spectra that a model learns from
_FEWEST = 10  # real spectra that can be divided
_OF_CLASSES = (3, 5, 10, 20)
_OF_VALUES = (5, 10, 20, 40)


@dataclass(frozen=True)
class Judging:
    """Settings of a judgement.

    Attributes
    ----------
    preprocessing : steps before distances between spectra and before the models that judge.
    group_column : of samples, whose spectra are held out together.
    """

    preprocessing: str = "none"
    group_column: str | None = None


@dataclass(frozen=True, eq=False)
class Judged:
    """Judgement of a simulation against real spectra.

    Attributes
    ----------
    method : of the simulation.
    real : those that judged, whose targets are known.
    truth : their classes or values.
    against : whether they are another table than the one simulated from.
    likeness : of each fold of them.
    of_real, of_simulated : (folds,) scores on held-out real spectra of models of the others (TRTR) and of simulated
        spectra alone (TSTR).
    score_name : of all scores, of which more is better.
    gains : by number of real spectra, the last of all that learn.
    n : simulated spectra from which a model learnt.
    """

    method: str
    real: SpectraTable
    truth: Truth
    against: bool
    likeness: tuple[Likeness, ...]
    of_real: npt.NDArray[np.float64] = field(repr=False)
    of_simulated: npt.NDArray[np.float64] = field(repr=False)
    score_name: str
    gains: tuple[Gain, ...]
    n: int

    def mean(self, name: str) -> float:
        """Mean over the folds of a figure of ``Likeness``."""
        return float(np.mean([getattr(fold, name) for fold in self.likeness]))


def judge(
    request: Request,
    made: Simulated,
    tables: Sequence[SpectraTable],
    *,
    against: SpectraTable | None = None,
    judging: Judging = Judging(),
    report: Report = no_report,
) -> Judged:
    """Judge simulated spectra by real spectra: their likeness, novelty and use.

    A fifth of the real spectra is held out in turn, and others are simulated from the rest by the same method and options, so
    that no real spectrum that tests was simulated from. With few real spectra, simulated are made from these few alone, in
    8 draws. Against another table, the simulated spectra are those that were made.

    Parameters
    ----------
    request : the simulation.
    made : what it made.
    tables : libraries that it was made from; none where it needs none.
    against : real spectra with the same columns; those that were simulated, or simulated from, are left out.

    Raises
    ------
    OptionError
        When there are no real spectra, fewer than 10, or they lack the simulated columns or wavelengths.
    """
    if against is not None:
        real = unseen(against, tables, report)
    elif tables:
        real = prepared(tables, request, no_report)[0]
    else:
        raise OptionError(
            f"{request.method} simulates without measured spectra, so there are none to judge by; give a table of them, with the columns "
            f"of the simulated spectra, with `against=`."
        )
    truth = Truth.of(real, made.columns, request.options.get("class_field"))
    targets = truth.of_real(real)
    known = ~pd.isna(targets if targets.ndim == 1 else targets.sum(axis=1))
    if known.sum() < _FEWEST:
        raise OptionError(
            f"{real.name} has {int(known.sum())} spectra with known targets, but a judgement divides {_FEWEST} or more; give a "
            f"larger table of measured spectra with `against=`, or leave the report out."
        )
    real = aligned(real.rows(known), made.wavelengths_nm)
    again = replace(request, bands=None, scale=None, quantity=made.quantity)
    trial = _Trial(
        again, real, truth, targets[known], judging.preprocessing, None if against is None else made
    )
    return _judged(trial, _groups(real, judging.group_column), report)


def _groups(real: SpectraTable, column: str | None) -> npt.NDArray[np.object_] | None:
    return None if column is None else real.classes(column)


@dataclass(frozen=True, eq=False)
class _Trial:
    """Simulation from some of the real spectra, and models of both.

    Attributes
    ----------
    targets : (n,) classes or (n, columns) values of the real spectra.
    made : simulated spectra that do not depend on the real ones; None where they are simulated from these.
    """

    request: Request
    real: SpectraTable
    truth: Truth
    targets: npt.NDArray[Any]
    preprocessing: str
    made: Simulated | None

    @property
    def n(self) -> int:
        return min(self.request.n, _MOST)

    @property
    def strata(self) -> npt.NDArray[np.object_] | None:
        """(n,) classes of the real spectra, None of values."""
        column = self.truth.class_column
        return None if column is None else self.real.classes(column)

    @property
    def learner(self) -> Learner:
        if self.truth.of_classes:
            return Learner(self.preprocessing)
        spread = self.targets.std(axis=0)
        return Learner(self.preprocessing, np.where(spread > 0, spread, 1.0))

    def simulated(self, rows: _Rows, seed: int) -> _Labelled:
        """Spectra and targets that are simulated from real rows."""
        made = self.made
        if made is None:
            request = replace(self.request, n=self.n, seed=self.request.seed + seed)
            made = simulate_from([self.real.rows(rows)], request, no_report)
        chosen = np.random.default_rng(seed).permutation(len(made))[: self.n]
        return made.spectra[chosen].astype(np.float64), self.truth.of_simulated(made.columns)[
            chosen
        ]

    def learnt_from(self, rows: _Rows) -> _Labelled:
        return self.real.spectra[rows], self.targets[rows]

    def score(self, learnt: _Labelled, test: _Rows) -> float:
        return self.learner.score(*learnt, *self.learnt_from(test))

    def likeness(self, made: _Labelled, train: _Rows, test: _Rows, seed: int) -> Likeness:
        held, known = self.learnt_from(test), self.learnt_from(train)
        chain = Preprocessing(self.preprocessing).fit(known[0])
        one, real, others = (chain.transform(each[0]) for each in (made, known, held))
        classes = (made[1], known[1], held[1]) if self.truth.of_classes else None
        return compare_spectra(one, real, others, classes, np.random.default_rng(seed))


def _judged(trial: _Trial, groups: npt.NDArray[np.object_] | None, report: Report) -> Judged:
    folds = cross_validation(
        len(trial.real), _FOLDS, groups=groups, classes=trial.strata, seed=trial.request.seed
    )
    fewest = min(_per_class(trial.strata, train) for train, _ in folds)
    levels = [
        level for level in (_OF_VALUES if trial.strata is None else _OF_CLASSES) if level <= fewest
    ]
    step = _Steps(report, len(folds) + _DRAWS * len(levels))
    gains = [_few(trial, level, folds, step) for level in levels]
    likeness, scores = [], []
    for number, (train, test) in enumerate(folds):
        made = trial.simulated(train, number)
        likeness.append(trial.likeness(made, train, test, number))
        known = trial.learnt_from(train)
        scores.append([trial.score(each, test) for each in (known, made, _joined(known, made))])
        step()
    of_real, of_simulated, both = np.array(scores).T
    train, test = folds[0]
    gains.append(Gain(f"all {len(train)}", of_real, both, len(test) / len(train)))
    return Judged(
        trial.request.method,
        trial.real,
        trial.truth,
        trial.made is not None,
        tuple(likeness),
        of_real,
        of_simulated,
        trial.learner.score_name,
        tuple(gains),
        trial.n,
    )


def _few(trial: _Trial, level: int, folds: Any, step: Any) -> Gain:
    """Gain with few real spectra, of a class or of all, drawn from the rows of a fold that learn."""
    label = f"{level}{A_CLASS}" if trial.strata is not None else str(level)
    alone, both = [], []
    for draw in range(_DRAWS):
        train, test = folds[draw % len(folds)]
        rows = _drawn(trial.strata, train, level, np.random.default_rng([trial.request.seed, draw]))
        try:
            made = trial.simulated(rows, draw)
        except OptionError as error:
            step(_DRAWS - draw)
            return Gain(label, refused=str(error))
        known = trial.learnt_from(rows)
        alone.append(trial.score(known, test))
        both.append(trial.score(_joined(known, made), test))
        step()
    return Gain(label, np.array(alone), np.array(both))


def _per_class(strata: npt.NDArray[np.object_] | None, rows: _Rows) -> int:
    """Number of spectra of the rarest class, or of all."""
    if strata is None:
        return len(rows)
    return int(np.unique(strata[rows].astype(str), return_counts=True)[1].min())


def _drawn(
    strata: npt.NDArray[np.object_] | None, rows: _Rows, level: int, random: np.random.Generator
) -> _Rows:
    """Draw as many of the rows, or of those of each class."""
    if strata is None:
        return random.choice(rows, level, replace=False)
    names = strata[rows].astype(str)
    return np.concatenate(
        [random.choice(rows[names == name], level, replace=False) for name in np.unique(names)]
    )


def _joined(first: _Labelled, second: _Labelled) -> _Labelled:
    return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])


class _Steps:
    """Count of draws and folds that are done, reported as progress."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._total, self._done = report, total, 0
        self._begun = time.monotonic()

    def __call__(self, steps: int = 1) -> None:
        self._done += steps
        left = (time.monotonic() - self._begun) / self._done * (self._total - self._done)
        self._report(Progressed(self._done, self._total, left))
