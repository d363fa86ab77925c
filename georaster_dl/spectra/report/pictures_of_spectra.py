"""Charts by wavelength: spectra before and after preprocessing, and weights of a model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from georaster_dl.render.palette import palette
from georaster_dl.spectra.methods.explain import BandImportance
from georaster_dl.spectra.report.axis import Axis
from georaster_dl.spectra.report.chart import Chart, Style
from georaster_dl.spectra.report.content import TRAINING, Samples
from georaster_dl.spectra.report.style import BLUE, DASHED, PARTS, THIN, about_zero, evenly

__all__ = ["class_importance_chart", "importance_charts", "spectra_charts"]

_Floats = npt.NDArray[np.float64]

_ALL_SPECTRA = 30  # of a part: more are shown as a band and a few of them
_SOME_SPECTRA = 8
_WAVELENGTH = "wavelength (nm)"
_ABOUT_VIP = (
    "Variable importance in projection: above 1 a wavelength counts more than the average one."
)


def spectra_charts(samples: Samples) -> list[Chart]:
    """Draw the spectra as they came, and preprocessed; none where the spectra are not known."""
    if samples.wavelengths_nm is None or samples.spectra is None:
        return []
    charts = [_spectra_chart("Spectra as measured", samples.quantity, samples, samples.spectra)]
    if samples.preprocessed is not None:
        charts.append(
            _spectra_chart(
                "Preprocessed spectra",
                f"preprocessed {samples.quantity}",
                samples,
                samples.preprocessed,
            )
        )
    return charts


def _spectra_chart(title: str, quantity: str, samples: Samples, spectra: _Floats) -> Chart:
    wavelengths = np.asarray(samples.wavelengths_nm)
    known = np.isfinite(spectra).all(axis=1)
    parts = [(part, spectra[known & (samples.part == part)]) for part in PARTS]
    parts = [(part, rows) for part, rows in parts if len(rows)]
    few = max(len(rows) for _, rows in parts) <= _ALL_SPECTRA
    shown = np.concatenate([rows if few else _spread(rows) for _, rows in parts])
    chart = Chart(
        title,
        Axis.around(_WAVELENGTH, wavelengths, margin=0.01),
        Axis.around(quantity, shown),
        "All spectra."
        if few
        else f"Band and dashed lines: 5 and 95 % of the training and the test spectra. Thin: {_SOME_SPECTRA} of each.",
    )
    for part, rows in parts:
        style = PARTS[part]
        if not few:
            low, high = np.quantile(rows, (0.05, 0.95), axis=0)
            if part == TRAINING:
                chart.band(wavelengths, low, high, Style(style.color, opacity=0.2))
            else:
                for end in (low, high):
                    chart.line(wavelengths, end, Style(style.color, width=1.3, dashes="5 3"))
        faint = Style(style.color, width=0.8, opacity=0.5)
        for row in rows if few else rows[evenly(len(rows), _SOME_SPECTRA)]:
            chart.line(wavelengths, row, faint)
        chart.line(
            wavelengths,
            np.median(rows, axis=0),
            Style(style.color, width=2.2),
            f"{part}, median of {len(rows):,}",
        )
    return chart


def _spread(rows: _Floats) -> _Floats:
    """Choose the ends of a band of many spectra, and some of them."""
    ends = np.quantile(rows, (0.05, 0.95), axis=0)
    return np.concatenate([ends, rows[evenly(len(rows), _SOME_SPECTRA)]])


def class_importance_chart(importance: Sequence[BandImportance], samples: Samples) -> Chart:
    """Draw the VIP of each class by wavelength."""
    wavelengths = np.asarray(samples.wavelengths_nm)
    chart = Chart(
        "VIP by class",
        Axis.around(_WAVELENGTH, wavelengths, margin=0.01),
        Axis.up_from_zero("VIP", *(each.vip for each in importance), 1.0),
        _ABOUT_VIP,
    )
    chart.rule(DASHED, y=1.0)
    for each, color in zip(importance, palette(len(importance)), strict=True):
        chart.line(wavelengths, each.vip, Style(color), each.name)
    return chart


def importance_charts(
    importance: BandImportance, samples: Samples, *, several: bool = False
) -> list[Chart]:
    """Draw regression coefficients, VIP and selectivity ratio by wavelength.

    Parameters
    ----------
    several : whether the model has several targets, so that the latter two are of a PLS of all.
    """
    of_all = " Of one PLS of all targets." if several else ""
    if (importance.coefficients == 0).any():
        of_all = " Of a PLS of all wavelengths, also of those whose coefficient is 0 here."
    wavelengths = np.asarray(samples.wavelengths_nm)
    across = Axis.around(_WAVELENGTH, wavelengths, margin=0.01)
    charts = [
        Chart(
            "Regression coefficients",
            across,
            about_zero("regression coefficient", importance.coefficients),
            "On preprocessed spectra; wavelengths far from 0 weigh most.",
        ),
        Chart(
            "VIP",
            across,
            Axis.up_from_zero("VIP", importance.vip, 1.0),
            _ABOUT_VIP + of_all,
        ),
        Chart(
            "Selectivity ratio",
            across,
            Axis.up_from_zero("selectivity ratio", importance.selectivity_ratio),
            "Variance that the model explains at a wavelength, by the variance that it does not."
            + of_all,
        ),
    ]
    charts[0].rule(THIN, y=0.0)
    charts[1].rule(DASHED, y=1.0)
    drawn = (importance.coefficients, importance.vip, importance.selectivity_ratio)
    for chart, values in zip(charts, drawn, strict=True):
        chart.line(wavelengths, values, Style(BLUE))
    return charts
