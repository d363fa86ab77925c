"""Rows of several files that belong together: spectra in one, measured values in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, nearest_names
from georaster_dl.spectra.table.raw import RawTable

__all__ = ["as_name", "join_rows"]


def join_rows(raw: Sequence[RawTable], id_column: str | None) -> tuple[list[str], Any, list[str]]:
    """Put the columns of several files side by side.

    Parameters
    ----------
    id_column : whose equal values join rows; None joins them in their order.

    Returns
    -------
    Headers, columns with the rows of the first file, and what was assumed, in reading them too, a sentence each.

    Raises
    ------
    OptionError
        When the numbers of rows differ, or ids are absent, repeat, or do not meet.
    """
    headers, frame = list(raw[0].headers), raw[0].frame
    notes = [repair for table in raw for repair in table.repairs]
    for other in raw[1:]:
        if id_column is None:
            part = _by_order(raw[0], other)
            notes.append(
                f"{other.title}: its rows were taken for those of {raw[0].title}, in order."
            )
            kept = list(other.headers)
        else:
            part, note = _by_id(raw[0], other, id_column)
            notes += note
            kept = [name for name in other.headers if name != id_column]
        frame = pd.concat([frame, part], axis=1, ignore_index=False)
        frame.columns = range(frame.shape[1])
        headers += kept
    return headers, frame, notes


def _by_order(first: RawTable, other: RawTable) -> Any:
    if len(first.frame) != len(other.frame):
        raise OptionError(
            f"{first.title} has {counted(len(first.frame), 'row')} and {other.title} {len(other.frame)}, so "
            f"they cannot be joined in order; name a column of both whose values tell the rows apart."
        )
    return other.frame.set_axis(first.frame.index)


def _by_id(first: RawTable, other: RawTable, id_column: str) -> tuple[Any, list[str]]:
    """The other file's rows for those of the first, in which an id may repeat (several scans)."""
    ids, keys = (_ids(table, id_column) for table in (first, other))
    if keys.duplicated().any():
        raise OptionError(
            f"Column {id_column!r} of {other.title} repeats {keys[keys.duplicated()].iloc[0]!r}; only the "
            f"first file may have several rows of one id. Give {other.title} first."
        )
    place = pd.Index(keys).get_indexer(ids)
    if (place < 0).all():
        raise OptionError(
            f"No {id_column!r} of {first.title} is in {other.title} (for example "
            f"{ids.iloc[0]!r} and {keys.iloc[0]!r}); check the column."
        )
    part = other.frame.drop(columns=other.headers.index(id_column)).reset_index(drop=True)
    part = part.reindex(place).set_axis(first.frame.index)
    without = int((place < 0).sum())
    message = f"{other.title}: it lacks {without} of {counted(len(ids), 'row')}; their values are missing."
    return part, [message] if without else []


def _ids(table: RawTable, id_column: str) -> Any:
    if table.headers.count(id_column) != 1:
        near = nearest_names(id_column, table.headers)
        raise OptionError(
            f"{table.title} has no single column {id_column!r}{near}; every file needs it once."
        )
    column = table.frame[table.headers.index(id_column)]
    if column.isna().any():
        raise OptionError(
            f"Column {id_column!r} of {table.title} is empty in row {column.index[column.isna()][0]}; "
            f"fill it in."
        )
    return column.map(as_name)


def as_name(value: Any) -> str | None:
    """Text of an id or class, None where it is missing; 2.0 is '2'."""
    if pd.isna(value):
        return None
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value).strip()
