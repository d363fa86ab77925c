"""Cells of table columns: numbers, words for missing values, and text."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["is_text", "is_word", "numbers_of"]

_WORDS = {"na", "n/a", "nan", "#n/a", "null", "none"}


def numbers_of(column: Any) -> npt.NDArray[np.float64]:
    """Convert a column to numbers; other cells become NaN."""
    return np.asarray(pd.to_numeric(column, errors="coerce"), np.float64)


def is_text(column: Any) -> npt.NDArray[np.bool_]:
    """Mask of text cells that are neither numbers nor words for a missing value."""
    given = np.flatnonzero(np.isnan(numbers_of(column)) & column.notna().to_numpy())
    text = np.zeros(len(column), bool)
    text[given] = [not is_word(value) for value in column.iloc[given]]
    return text


def is_word(value: Any) -> bool:
    """Whether a cell holds a word for a missing value, for example NA."""
    return isinstance(value, str) and value.strip().casefold() in _WORDS
