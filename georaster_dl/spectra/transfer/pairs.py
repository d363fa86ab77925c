"""The same samples measured on two instruments."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.spectra.table.join import as_name
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["FEWEST", "paired"]

_Floats = npt.NDArray[np.float64]

FEWEST = 5
"""Samples without which nothing can be transferred."""


def paired(
    primary: SpectraTable, secondary: SpectraTable, id_column: str | None
) -> tuple[_Floats, _Floats]:
    """Spectra (n, bands) of the samples that both tables have, the primary's first.

    Parameters
    ----------
    primary, secondary : on the same wavelengths.
    id_column : whose equal values are one sample, of whose scans the mean is taken; None takes rows in order.

    Raises
    ------
    OptionError
        When the tables do not fit together, or have fewer than 5 samples in common.
    """
    if id_column is None:
        if len(primary) != len(secondary):
            raise OptionError(
                f"{primary.name} has {counted(len(primary), 'spectrum')} and {secondary.name} {len(secondary)}, so they "
                f"cannot be the same samples in order; name the column of the samples with `id_column=`."
            )
        found = primary.spectra, secondary.spectra
    else:
        first, second = (_means(table, id_column) for table in (primary, secondary))
        both = first.index.intersection(second.index)
        found = first.loc[both].to_numpy(), second.loc[both].to_numpy()
    if len(found[0]) < FEWEST:
        raise OptionError(
            f"{primary.name} and {secondary.name} have {counted(len(found[0]), 'sample')} in common, but at least {FEWEST} "
            f"are needed; measure more of them on both instruments, or check `id_column=`."
        )
    return found


def _means(table: SpectraTable, id_column: str) -> pd.DataFrame:
    names = table.column(id_column).map(as_name)
    return pd.DataFrame(table.spectra).groupby(names.to_numpy()).mean()
