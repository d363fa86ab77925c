"""Classes or values that real and simulated spectra both have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed
from georaster_dl.spectra.table.axis import is_band
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["Truth"]

_Columns = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Truth:
    """Columns by which simulated spectra are compared with real spectra.

    Attributes
    ----------
    class_column : of class names; None where values are compared.
    values : columns of values; those of shares of classes are named by these.
    pure_classes : names of the classes, where the values are shares of them and each real spectrum is of one alone, so that
        its shares are 0 and 1; else empty.
    """

    class_column: str | None = None
    values: tuple[str, ...] = ()
    pure_classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, real: SpectraTable, simulated: _Columns, class_field: str | None) -> Self:
        """Find the common columns: of classes, else of values, else shares of the real classes.

        Parameters
        ----------
        simulated : columns by name.
        class_field : column of the real classes that the spectra were simulated from.

        Raises
        ------
        OptionError
            When they have no column in common.
        """
        for name, column in simulated.items():
            if column.dtype.kind in "OUS" and name in real.columns:
                return cls(class_column=name)
        both = tuple(name for name in simulated if name in real.columns)
        if both:
            return cls(values=both)
        if class_field is not None and class_field in real.columns:
            names = real.classes(class_field)
            classes = np.unique(names[~pd.isna(names)].astype(str)).tolist()
            shares = tuple(f"{class_field}_{c}" if is_band(c) else c for c in classes)
            if set(shares) <= set(simulated):
                return cls(class_field, shares, tuple(classes))
        raise OptionError(
            f"{real.name} has none of the columns of the simulated spectra ({listed(simulated)}), so it is no measure of them; give a "
            f"table that has one with `against=`."
        )

    @property
    def of_classes(self) -> bool:
        """Whether classes are compared, not values."""
        return not self.values

    def of_real(self, real: SpectraTable) -> npt.NDArray[Any]:
        """Return class names (n,), None where not known; or values (n, columns), NaN where not known."""
        if self.class_column is None:
            return np.stack([real.target(name) for name in self.values], axis=1)
        names = real.classes(self.class_column)
        if self.of_classes:
            return np.asarray(names)
        shares = (names[:, None] == np.array(self.pure_classes, object)).astype(np.float64)
        shares[pd.isna(names)] = np.nan
        return np.asarray(shares)

    def of_simulated(self, columns: _Columns) -> npt.NDArray[Any]:
        """Return the same of simulated spectra."""
        if self.of_classes:
            return np.asarray(columns[str(self.class_column)], object)
        return np.stack([np.asarray(columns[name], np.float64) for name in self.values], axis=1)
