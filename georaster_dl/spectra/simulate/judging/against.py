"""Real spectra of another table that may judge a simulation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.wording import counted
from georaster_dl.spectra.simulate.run import measured
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["unseen"]


def unseen(table: SpectraTable, libraries: Sequence[SpectraTable], report: Report) -> SpectraTable:
    """Leave out spectra that were simulated, or simulated from.

    Parameters
    ----------
    libraries : that the simulation was made from.

    Raises
    ------
    OptionError
        When none is left.
    """
    table = measured(table, report)
    rows = {row.tobytes() for library in libraries for row in library.spectra}
    seen = np.array([row.tobytes() in rows for row in table.spectra])
    if seen.all():
        raise OptionError(
            f"All spectra of {table.name} are in the library that was simulated from, so they are no test of it; give others with "
            f"`against=`, or leave it out: then parts of the library are held out in turn."
        )
    if seen.any():
        report(
            Warned(
                f"{table.name}: {int(seen.sum())} of {counted(len(table), 'spectrum')} left out of the report, as the library that "
                f"was simulated from has them too."
            )
        )
    return table.rows(~seen)
