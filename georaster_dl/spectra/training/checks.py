"""Checks of a table before it is learnt from: spectra unfit for preprocessing, absurd values, repeated spectra."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.wording import counted
from georaster_dl.spectra.preprocess.chain import Preprocessing, uneven_steps
from georaster_dl.spectra.preprocess.steps import UnfitSpectraError
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.scoring.split import samples_of
from georaster_dl.spectra.table.cells import numbers_of
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.training.columns import TableOptions

__all__ = ["check_table", "sample_column"]

_FAR = (
    100  # interquartile ranges from the median; a slipped decimal point is nearer, and may be right
)
_FEWEST_SAMPLES, _MOST_SCANS = (
    10,
    10,
)  # of a column that may name samples: values, and mean rows of each


def check_table(
    table: SpectraTable,
    target: npt.NDArray[Any],
    options: TableOptions,
    settings: Settings,
    report: Report,
    unlabelled: str = "left out",
) -> None:
    """Warn of missing and absurd values, repeated spectra, and filters over unequal steps.

    Parameters
    ----------
    target : of ``columns.learnable``.
    unlabelled : what becomes of rows without a value, in words.

    Raises
    ------
    OptionError
        When the preprocessing cannot be applied to a spectrum of a known target; its row is named.
    """
    _check_preprocessing(table, target, options, settings)
    messages = [
        uneven_steps(settings.preprocessing, table.wavelengths_nm),
        *_missing_values(table, options, unlabelled),
        *_missing_classes(table, options.class_column),
        *_far_values(table, target, options),
        _repeated_spectra(table, options),
    ]
    for message in filter(None, messages):
        report(Warned(f"{table.name}: {message}"))


def sample_column(table: SpectraTable, options: TableOptions) -> str | None:
    """Find a column of text or whole numbers that repeats like names of samples that were scanned several times."""
    for name in table.columns.columns.difference(options.names, sort=False):
        column = table.columns[name]
        if column.isna().any() or (numbers_of(column) % 1 > 0).any():
            continue
        sizes = column.value_counts()
        many = len(sizes) >= max(_FEWEST_SAMPLES, len(table) / _MOST_SCANS)
        if many and sizes.min() > 1:
            return str(name)
    return None


def _check_preprocessing(
    table: SpectraTable, target: npt.NDArray[Any], options: TableOptions, settings: Settings
) -> None:
    known = ~pd.isna(target.reshape(len(table), -1)).all(axis=1)
    groups = samples_of(table, options.division).of(known).groups
    try:
        Preprocessing(settings.preprocessing).fit(table.spectra[known], groups=groups)
    except UnfitSpectraError as error:
        rows = table.where(np.flatnonzero(known)[error.positions])
        raise OptionError(f"{table.name}: {error.said_of(rows)}") from error


def _missing_values(
    table: SpectraTable, options: TableOptions, unlabelled: str
) -> list[str | None]:
    """Count rows without a value by the words in their cells, and values below a limit."""
    messages: list[str | None] = []
    for name in options.targets:
        messages.append(table.censored(name))
        empty = int(table.column(name).isna().sum())
        held = table.words(name) | ({"empty": empty} if empty else {})
        if held:
            words = ", ".join(f"{n:,} {word}" for word, n in held.items())
            messages.append(
                f"{sum(held.values()):,} of {counted(len(table), 'row')} {unlabelled}, as {name!r} has no value there ({words})"
            )
    return messages


def _missing_classes(table: SpectraTable, column: str | None) -> list[str]:
    """Count rows without a class, and words that are read as classes."""
    if column is None:
        return []
    messages = [
        f"{word} is taken for a class of {column!r} ({counted(n, 'row')}); where it means that none is known, leave the "
        f"cell empty"
        for word, n in table.words(column).items()
    ]
    if empty := int(table.column(column).isna().sum()):
        rows = counted(len(table), "row")
        messages.insert(
            0, f"{empty:,} of {rows} left out, as {column!r} has no class there ({empty:,} empty)"
        )
    return messages


def _far_values(table: SpectraTable, target: npt.NDArray[Any], options: TableOptions) -> list[str]:
    messages = []
    for name, values in zip(options.targets, target.T, strict=False):
        low, median, high = np.nanquantile(values, [0.25, 0.5, 0.75])
        far = np.flatnonzero(np.abs(values - median) > _FAR * (high - low))
        if high > low and far.size:
            messages.append(
                f"{name!r} is {values[far[0]]:g} in {table.where(far[:1])}, more than {_FAR} interquartile ranges from the "
                f"median of {median:g} ({counted(len(far), 'value')} that far); if it is wrong, correct it or leave the cell "
                f"empty, as it spoils the model and all figures"
            )
    return messages


def _repeated_spectra(table: SpectraTable, options: TableOptions) -> str | None:
    if options.division.group_column is not None:
        return None
    spectra = [spectrum.tobytes() for spectrum in table.spectra]
    times = Counter(spectra)
    repeated = sum(n > 1 for n in times.values())
    if not repeated:
        return None
    first = next(i for i, spectrum in enumerate(spectra) if times[spectrum] > 1)
    pair = [i for i, spectrum in enumerate(spectra) if spectrum == spectra[first]]
    samples = sample_column(table, options)
    named = f", perhaps `group_column={samples}`" if samples else " by `group_column=`"
    verb = "occurs" if repeated == 1 else "occur"
    return (
        f"{counted(repeated, 'spectrum')} {verb} more than once ({table.where(pair)}), so copies of what was learnt "
        f"from would test, which flatters; delete copies, or name the column of samples{named}"
    )
