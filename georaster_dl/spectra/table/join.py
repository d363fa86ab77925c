"""Rows of several files that belong together: spectra in one, measured values in another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted, listed, nearest_names
from georaster_dl.spectra.table.axis import is_band
from georaster_dl.spectra.table.raw import RawTable

__all__ = ["as_name", "join_rows", "row_label"]

_ENDING = re.compile(r"\.(?:asd|dpt|jdx|dx|jcm|spc|0)$", re.IGNORECASE)  # of spectrometers' files


def join_rows(raw: Sequence[RawTable], id_column: str | None) -> tuple[list[str], Any, list[str]]:
    """Put the columns of several files side by side.

    Parameters
    ----------
    id_column : whose equal values join rows; None joins them in their order. In files but the first it may have another
        name, where one column alone has these values.

    Returns
    -------
    Headers, columns with the rows of the first file, and what was assumed, in reading them too, a sentence each.

    Raises
    ------
    OptionError
        When the numbers of rows differ, both name the same samples in another order, or ids are absent, repeat, or do not
        meet.
    """
    headers, frame = list(raw[0].headers), raw[0].frame
    notes = [repair for table in raw for repair in table.repairs]
    for other in raw[1:]:
        if id_column is None:
            part = _by_order(raw[0], other)
            notes.append(_order_note(raw[0], other))
            kept = list(other.headers)
        else:
            part, kept, note = _by_id(raw[0], other, id_column)
            notes += note
        frame = pd.concat([frame, part], axis=1, ignore_index=False)
        frame.columns = range(frame.shape[1])
        headers += kept
    return headers, frame, notes


def row_label(index: Any) -> str:
    """Name a row by the index of its frame: its number in the file, or its file's name."""
    return index if isinstance(index, str) else f"row {index}"


def _by_order(first: RawTable, other: RawTable) -> Any:
    if len(first.frame) != len(other.frame):
        raise OptionError(
            f"{first.title} has {counted(len(first.frame), 'row')} and {other.title} {len(other.frame)}, so "
            f"they cannot be joined in order; name a column of both whose values tell the rows apart by `id_column=`."
        )
    for name, names in _name_columns(first):
        for same, others in _name_columns(other):
            if set(names) == set(others) and list(names) != list(others):
                theirs = "" if same == name else f", there {same!r},"
                raise OptionError(
                    f"Column {name!r} of {first.title}{theirs} names the same samples in {other.title} in another order, so "
                    f"joining the rows in order would mix them up; join by the names, with `id_column={name}`."
                )
    return other.frame.set_axis(first.frame.index)


def _name_columns(table: RawTable) -> list[tuple[str, Any]]:
    """Find the columns of text that name each row once; their values come without endings of files."""
    texts = (
        (header, table.frame[i])
        for i, header in enumerate(table.headers)
        if not pd.api.types.is_numeric_dtype(table.frame[i])
    )
    named = [(header, cells.map(_without_ending)) for header, cells in texts if cells.notna().all()]
    return [(header, names) for header, names in named if names.is_unique]


def _order_note(first: RawTable, other: RawTable) -> str:
    ends = {0: None, len(first.frame) - 1: None}
    pairs = [
        f"{row_label(first.frame.index[i])} with {row_label(other.frame.index[i])}" for i in ends
    ]
    return (
        f"{other.title}: its rows were taken for those of {first.title}, in order "
        f"({' to '.join(pairs)})."
    )


def _by_id(first: RawTable, other: RawTable, id_column: str) -> tuple[Any, list[str], list[str]]:
    """The other file's rows for those of the first, in which an id may repeat (several scans), and their headers."""
    ids = _ids(first, id_column)
    own, notes = _own_name(other, ids, id_column)
    keys = _ids(other, own)
    if keys.duplicated().any():
        raise OptionError(
            f"Column {own!r} of {other.title} repeats {keys[keys.duplicated()].iloc[0]!r}; only the "
            f"first file may have several rows of one id. Give {other.title} first."
        )
    place = pd.Index(keys).get_indexer(ids)
    bare = keys.map(_without_ending)
    if (place < 0).all() and bare.is_unique:
        place = pd.Index(bare).get_indexer(ids.map(_without_ending))
    if (place < 0).all():
        raise OptionError(
            f"No {id_column!r} of {first.title} is in {other.title} (for example "
            f"{ids.iloc[0]!r} and {keys.iloc[0]!r}); check the column."
        )
    position = other.headers.index(own)
    part = other.frame.drop(columns=position).reset_index(drop=True)
    part = part.reindex(place).set_axis(first.frame.index)
    without = int((place < 0).sum())
    if without:
        lacking = f"it lacks {without} of {counted(len(ids), 'row')}; their values are missing."
        notes.append(f"{other.title}: {lacking}")
    return part, [name for name in other.headers if name != own], notes


def _own_name(other: RawTable, ids: Any, id_column: str) -> tuple[str, list[str]]:
    """Name of the id column in another file, and a note where it is a different one."""
    if id_column in other.headers:
        return id_column, []
    known = set(ids.map(_without_ending))
    same = [
        name for name, names in _name_columns(other) if known <= set(names) or set(names) <= known
    ]
    if len(same) != 1:
        return id_column, []  # whose absence is an error
    return same[0], [f"{other.title}: its column {same[0]!r} has the names of {id_column!r}."]


def _ids(table: RawTable, id_column: str) -> Any:
    if table.headers.count(id_column) != 1:
        near = nearest_names(id_column, table.headers)
        held = (
            listed(name for name in table.headers if not is_band(name)) or "none but the spectrum"
        )
        raise OptionError(
            f"{table.title} has no single column {id_column!r}{near}, and every file needs it once; its columns are {held}."
        )
    column = table.frame[table.headers.index(id_column)]
    if column.isna().any():
        raise OptionError(
            f"Column {id_column!r} of {table.title} is empty in {row_label(column.index[column.isna()][0])}; "
            f"fill it in."
        )
    return column.map(as_name)


def _without_ending(value: Any) -> str:
    return _ENDING.sub("", str(value).strip())


def as_name(value: Any) -> str | None:
    """Text of an id or class, None where it is missing; 2.0 is '2'."""
    if pd.isna(value):
        return None
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value).strip()
