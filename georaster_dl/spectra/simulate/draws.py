"""Rows of a library by class, and random shares, of which simulated spectra are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed, nearest_names
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["Library", "dirichlet", "evenly", "probabilities"]

_Floats = npt.NDArray[np.float64]
_Numbers = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Library:
    """Spectra to simulate from, with their classes and values, all known.

    Attributes
    ----------
    table : of n rows.
    classes : sorted names; one unnamed class of all rows where no class column is asked for.
    numbers : (n,) class number of each row.
    values : (n,) numbers of each column of values, by its name.
    notes : which rows were left out.
    """

    table: SpectraTable
    classes: tuple[str, ...]
    numbers: _Numbers = field(repr=False)
    values: Mapping[str, _Floats] = field(repr=False)
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, table: SpectraTable, class_field: str | None = None, targets: Sequence[str] = ()
    ) -> Library:
        """Take the rows of a table whose class and values are known.

        Raises
        ------
        OptionError
            When neither classes nor values are asked for, a column is not there, or no row is left.
        """
        if class_field is None and not targets:
            raise OptionError(
                f"Nothing says what the spectra of {table.name} are; name the column of their classes with `class_field=` or "
                f"columns of values with `targets=` (it has {listed(map(str, table.columns.columns)) or 'none'})."
            )
        names: npt.NDArray[Any] = np.full(len(table), "", object)
        if class_field is not None:
            names = table.classes(class_field)
        values = {name: table.target(name) for name in targets}
        known = ~pd.isna(names)
        for column in values.values():
            known &= ~np.isnan(column)
        if not known.any():
            what = listed([*([] if class_field is None else [class_field]), *targets])
            raise OptionError(
                f"No row of {table.name} has a value in {what}; name columns that are filled."
            )
        notes: tuple[str, ...] = ()
        if not known.all():
            left = f"{int((~known).sum())} of {counted(len(table), 'row')}"
            notes = (f"{table.name}: {left} left out, as a class or value is not known there.",)
        classes, numbers = np.unique(names[known].astype(str), return_inverse=True)
        return cls(
            table.rows(known),
            tuple(classes.tolist()),
            numbers,
            {name: column[known] for name, column in values.items()},
            notes,
        )

    @property
    def sizes(self) -> _Numbers:
        """(classes,) number of spectra of each class."""
        return np.bincount(self.numbers, minlength=len(self.classes))

    def draw(self, classes: _Numbers, random: np.random.Generator) -> _Numbers:
        """Draw a row for each class number, of any shape, with replacement."""
        order = np.argsort(self.numbers, kind="stable")
        first = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        place = np.floor(random.random(classes.shape) * self.sizes[classes]).astype(np.intp)
        return np.asarray(order[first[classes] + place])

    def shares(self, proportions: Mapping[str, float] | None) -> _Floats:
        """Probabilities (classes,) to be drawn: equal, but for weights that are given.

        Raises
        ------
        OptionError
            When a weight is of no class, or negative, or all are 0.
        """
        given = dict(proportions or {})
        for name in given:
            if name not in self.classes:
                raise OptionError(
                    f"`proportions=` names {name!r}, which is no class of {self.table.name}"
                    f"{nearest_names(name, self.classes)}; its classes are {listed(self.classes)}."
                )
        weights = {name: given.get(name, 1.0) for name in self.classes}
        return probabilities(list(weights.values()), "proportions")


def probabilities(weights: Sequence[float], option: str) -> _Floats:
    """Scale weights to a sum of 1.

    Raises
    ------
    OptionError
        When one is negative or no number, or all are 0.
    """
    found = np.array(weights, np.float64)
    if not np.isfinite(found).all() or (found < 0).any() or not found.sum() > 0:
        raise OptionError(
            f"`{option}=` takes weights of 0 or more, of which one at least is above 0, but got "
            f"{listed(f'{weight:g}' for weight in weights)}."
        )
    return np.asarray(found / found.sum())


def dirichlet(parts: _Numbers, random: np.random.Generator) -> _Floats:
    """Draw weights (n, most parts) of sum 1, uniform on the simplex of each row's number of parts (n,); 0 beyond it."""
    most = int(parts.max())
    drawn = random.standard_exponential((len(parts), most))
    drawn[np.arange(most) >= parts[:, None]] = 0
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def evenly(n: int, shares: _Floats) -> _Numbers:
    """Number n rows by class, as near to the shares (classes,) as whole numbers allow."""
    return np.searchsorted(np.cumsum(shares) * n, np.arange(n) + 0.5).clip(max=len(shares) - 1)
