"""Rows of a table that were simulated, which never test, validate or calibrate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["SYNTHETIC", "synthetic_rows"]

SYNTHETIC = "synthetic"
"""Column that says whether a spectrum was simulated."""

_WORDS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def synthetic_rows(table: SpectraTable) -> npt.NDArray[np.bool_]:
    """Find the simulated rows (n,) of a table: ``True`` in its column ``synthetic``; none without that column.

    An empty cell is a measured spectrum, as tables are that were put below one another.

    Raises
    ------
    OptionError
        When the column holds anything but true and false.
    """
    if SYNTHETIC not in table.columns:
        return np.zeros(len(table), bool)
    names = table.classes(SYNTHETIC)
    wrong = [i for i, name in enumerate(names) if name and name.casefold() not in _WORDS]
    if wrong:
        raise OptionError(
            f"Column {SYNTHETIC!r} of {table.name} holds {names[wrong[0]]!r} ({table.where(wrong[:1])}), but it says by True "
            f"and False which spectra were simulated; correct or rename it."
        )
    return np.array([name is not None and _WORDS[name.casefold()] for name in names], bool)
