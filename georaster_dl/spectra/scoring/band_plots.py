"""Coefficients, VIP and selectivity ratio over the wavelengths, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from georaster_dl.spectra.methods.explain import BandImportance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_importance"]

_WIDE, _HIGH = 6.4, 5.6  # inches of a target
_DOTS = 120  # an inch
_LINE, _REFERENCE, _ABOVE = "#1f77b4", "#555555", "#cfe2f3"


def plot_importance(
    path: Path,
    explained: Sequence[BandImportance],
    wavelengths_nm: npt.NDArray[np.float64],
    units: Sequence[str],
) -> None:
    """Draw the weights of the bands in a PLS as PNG: a column for each target, bands of VIP above 1 shaded.

    Parameters
    ----------
    units : of the targets, in the order of ``explained``; empty where there is none.
    """
    _figure(explained, wavelengths_nm, units).savefig(path, format="png")


def _figure(
    explained: Sequence[BandImportance],
    wavelengths_nm: npt.NDArray[np.float64],
    units: Sequence[str],
) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure((_WIDE * len(explained), _HIGH), dpi=_DOTS, layout="constrained")
    columns = figure.subplots(3, len(explained), sharex=True, squeeze=False).T
    order = np.argsort(wavelengths_nm)
    x = wavelengths_nm[order]
    for axes, each, unit in zip(columns, explained, units, strict=True):
        axes[0].set_title(each.name, fontsize=10)
        rows = (
            (f"coefficient{f' ({unit})' if unit else ''}", each.coefficients, 0.0),
            ("VIP", each.vip, 1.0),
            ("selectivity ratio", each.selectivity_ratio, None),
        )
        for axis, (label, values, reference) in zip(axes, rows, strict=True):
            if reference is not None:
                axis.axhline(reference, color=_REFERENCE, linewidth=0.8)
            axis.fill_between(
                x, 0, 1, where=each.vip[order] > 1, transform=axis.get_xaxis_transform(),
                color=_ABOVE, linewidth=0, zorder=0,
            )  # fmt: skip
            axis.plot(x, values[order], color=_LINE, linewidth=1.2)
            axis.set_ylabel(label)
            axis.margins(x=0)
        axes[-1].set_xlabel("wavelength (nm)")
    return figure
