"""Columns of a table as they came, before their headers are understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RawTable"]


@dataclass(frozen=True, eq=False)
class RawTable:
    """Columns as they came.

    Attributes
    ----------
    path : the file, or the folder.
    headers : of the columns; may repeat.
    frame : columns by position; its index is the row of the file, as editors and spreadsheets count. Only
        empty cells are missing: words such as NA stand in it as text.
    first : the first column with its header, also where it has none and is therefore left out of the others.
    repairs : what was guessed or passed over, a sentence each.
    comma : whether its numbers have decimal commas.
    sheet : of a workbook, where it was named.
    """

    path: Path
    headers: tuple[str, ...]
    frame: Any = field(repr=False)
    first: Any = field(repr=False)
    repairs: tuple[str, ...] = ()
    comma: bool = False
    sheet: str | None = None

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> Self:
        """Take the columns of a data frame, which is not changed; its index is left out."""
        columns = frame.set_axis(range(frame.shape[1]), axis=1)
        columns.index = range(1, len(frame) + 1)
        headers = tuple(str(name).strip() for name in frame.columns)
        return cls(Path("the data frame"), headers, columns, None)

    @property
    def title(self) -> str:
        """Name of the file, and of the sheet, for messages."""
        return self.path.name + ("" if self.sheet is None else f" (sheet {self.sheet!r})")
