"""Simulated spectra with their targets, and the table that they are written as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.wording import counted, listed
from georaster_dl.spectra.descent import LIBRARY, PARENTS
from georaster_dl.spectra.synthetic import SYNTHETIC
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.table.write import spectra_frame, write_spectra

__all__ = ["Simulated"]


@dataclass(frozen=True, eq=False)
class Simulated:
    """Simulated spectra with the values or classes of each.

    Attributes
    ----------
    spectra : (n, bands) float32, of the quantity named below.
    wavelengths_nm : (bands,) increasing.
    columns : by name (n,) values, fractions or classes of the spectra.
    method : name of ``methods.METHODS``.
    seed : of all random numbers; the same gives the same table.
    settings : of the method, as they were used, for reports.
    quantity : that the spectra are, such as ``reflectance``.
    fwhm_nm : (bands,) widths of the bands, None where they are not known.
    notes : what was assumed or left out, a sentence each.
    parents : (n,) digests of the library spectra that each was made of, with spaces between; None where a spectrum is not of
        some of them.
    library : digest of the library, where the method learnt from all of it.
    """

    spectra: npt.NDArray[np.float32] = field(repr=False)
    wavelengths_nm: npt.NDArray[np.float64] = field(repr=False)
    columns: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    method: str
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    quantity: str = "reflectance"
    fwhm_nm: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    parents: npt.NDArray[np.object_] | None = field(default=None, repr=False)
    library: str | None = None

    def __post_init__(self) -> None:
        n, bands = self.spectra.shape
        if len(self.wavelengths_nm) != bands:
            raise ValueError(
                f"Spectra of {counted(bands, 'band')} came with {counted(len(self.wavelengths_nm), 'wavelength')}."
            )
        uneven = [name for name, values in self.columns.items() if len(values) != n]
        if uneven:
            raise ValueError(
                f"{counted(n, 'spectrum')} came with columns of other lengths ({listed(uneven)})."
            )

    def __len__(self) -> int:
        return len(self.spectra)

    def table(self) -> SpectraTable:
        """Return the spectra as ``read_spectra`` reads them from a written table, ``synthetic`` in all rows."""
        descent: dict[str, Any] = {PARENTS: self.parents, LIBRARY: self.library}
        known = {name: value for name, value in descent.items() if value is not None}
        columns = pd.DataFrame({**self.columns, SYNTHETIC: np.ones(len(self), bool), **known})
        return SpectraTable(
            self.method,
            np.asarray(self.wavelengths_nm, np.float64),
            self.spectra.astype(np.float64),
            columns,
            fwhm_nm=self.fwhm_nm,
        )

    def frame(self) -> pd.DataFrame:
        """Return a data frame (n, columns and bands): columns, ``synthetic``, descent, then a column a band, named ``450 nm``."""
        columns = self.table().columns
        return spectra_frame(columns, self.spectra, self.wavelengths_nm, self.fwhm_nm)

    def write(self, path: Path) -> None:
        """Write the table as .csv, .xlsx or .parquet, by the name of the file.

        Raises
        ------
        OptionError
            When it ends otherwise, or .parquet without pyarrow.
        """
        write_spectra(self.frame(), path)
