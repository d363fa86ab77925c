"""A simulation's report as one HTML page that needs no other file and no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.wording import counted
from georaster_dl.render.html import render_page
from georaster_dl.spectra.simulate.judging.judge import Judged, Judging, judge
from georaster_dl.spectra.simulate.judging.pictures import (
    gain_chart,
    neighbour_chart,
    score_chart,
    spectra_charts,
)
from georaster_dl.spectra.simulate.judging.use import Gain
from georaster_dl.spectra.simulate.judging.words import (
    SMOOTH,
    how_judged,
    is_like,
    likeness_words,
    novelty_words,
    verdict,
)
from georaster_dl.spectra.simulate.result import Simulated
from georaster_dl.spectra.simulate.run import Request
from georaster_dl.spectra.table.samples import SpectraTable

__all__ = ["render_simulation", "write_judgement"]


def write_judgement(
    path: Path,
    request: Request,
    made: Simulated,
    tables: Sequence[SpectraTable],
    against: SpectraTable | None,
    judging: Judging,
    report: Report,
    worded: Callable[[str], str] = str,
) -> str:
    """Judge a simulation and write its page; where this is not possible, the page shows the simulated spectra.

    Parameters
    ----------
    worded : names options in a message as the caller's user gives them.

    Returns
    -------
    The verdict in a line; empty without a judgement.
    """
    judged, why_not = None, ""
    try:
        judged = judge(request, made, tables, against=against, judging=judging, report=report)
    except OptionError as error:
        if against is not None:
            raise
        why_not = str(error)
        report(Warned(why_not))
    path.write_text(render_simulation(made, judged, worded(why_not)), encoding="utf-8")
    return "" if judged is None else verdict(judged)


def render_simulation(made: Simulated, judged: Judged | None, why_not: str = "") -> str:
    """Make the page: the verdict first, then use, likeness and spectra."""
    page = {
        "title": f"Simulated spectra ({made.method})",
        "made": _made(made),
        "verdict": "" if judged is None else verdict(judged),
        "why_not": why_not,
        "how": "" if judged is None else how_judged(judged),
        "words": [] if judged is None else [likeness_words(judged), novelty_words(judged)],
        "cards": _extent(made) if judged is None else _cards(judged),
        "alarms": () if judged is None else _alarms(judged),
        "use": None if judged is None else _use(judged),
        "space": [] if judged is None else [score_chart(made, judged), neighbour_chart(judged)],
        "figures_": [] if judged is None else _figures(judged),
        "spectra": spectra_charts(made, judged),
        "settings": [
            (name.replace("_", " "), _words(value))
            for name, value in made.settings.items()
            if value not in (None, False, (), "") and value != {}
        ],
        "ranges": _ranges(made),
        "notes": made.notes,
    }
    return render_page(
        "georaster_dl.spectra.simulate.judging",
        "simulation.html",
        page,
        parents={
            "report.html": "georaster_dl.spectra.report",
            "charts.html": "georaster_dl.spectra.report",
        },
    )


def _words(value: Any) -> str:
    """Write a setting as a person would: ``tree 2, soil 0`` and ``0.7 to 1.3``."""
    match value:
        case True:
            return "yes"
        case dict():
            return ", ".join(f"{name} {_words(each)}" for name, each in value.items())
        case (int() | float() as low, int() | float() as high):
            return f"{low:g}" if low == high else f"{low:g} to {high:g}"
        case tuple() | list():
            return ", ".join(map(_words, value))
        case float():
            return f"{value:.6g}"
    return str(value)


def _made(made: Simulated) -> str:
    low, high = made.wavelengths_nm[[0, -1]]
    return (
        f"{counted(len(made), 'spectrum')} of {counted(len(made.wavelengths_nm), 'band')} ({low:.0f} to {high:.0f} nm, "
        f"{made.quantity}), seed {made.seed}"
    )


def _extent(made: Simulated) -> list[tuple[str, str, str]]:
    return [
        ("Spectra", f"{len(made):,}", "simulated"),
        ("Bands", f"{len(made.wavelengths_nm):,}", f"{made.wavelengths_nm[0]:.0f} to {made.wavelengths_nm[-1]:.0f} nm"),
        (f"Largest {made.quantity}", f"{made.spectra.max():.3g}", f"smallest: {made.spectra.min():.3g}"),
        ("Targets", f"{len(made.columns)}", "columns"),
    ]  # fmt: skip


def _cards(judged: Judged) -> list[tuple[str, str, str]]:
    measured = [gain for gain in judged.gains if not gain.refused]
    best = max(measured, key=lambda gain: gain.interval[0])
    low, high = best.interval
    return [
        (f"Gain with {best.label}", f"{best.mean:+.3f}", f"{judged.score_name}, {low:+.3f} to {high:+.3f}"),
        ("Simulated alone", f"{judged.of_simulated.mean():.3f}", f"{judged.score_name}; real spectra: {judged.of_real.mean():.3f}"),
        ("Discrepancy", f"{judged.mean('mmd'):.3f}", f"of real spectra: {judged.mean('mmd_real'):.3f}"),
        ("Neighbour ratio", f"{judged.mean('neighbour_ratio'):.2f}", "1: as new as real spectra"),
    ]  # fmt: skip


def _alarms(judged: Judged) -> list[str]:
    gains = [gain for gain in judged.gains if not gain.refused]
    found = [] if is_like(judged) or judged.truth.pure_classes else ["Discrepancy"]
    best = max(gains, key=lambda gain: gain.interval[0])
    return [*found, *([f"Gain with {best.label}"] if best.interval[1] < 0 else [])]


def _use(judged: Judged) -> dict[str, Any]:
    return {
        "chart": gain_chart(judged),
        "score": judged.score_name,
        "rows": [_gain_cells(gain) for gain in judged.gains],
        "refused": sorted({gain.refused for gain in judged.gains if gain.refused}),
        "alone": [
            f"{each.mean():.3f} ± {each.std(ddof=1):.3f}"
            for each in (judged.of_real, judged.of_simulated)
        ],
        "n": judged.n,
    }


def _gain_cells(gain: Gain) -> tuple[str, list[str], bool]:
    if gain.refused:
        return gain.label, ["refused", "", "", ""], False
    low, high = gain.interval
    alone, both = (
        f"{each.mean():.3f} ± {each.std(ddof=1):.3f}" for each in (gain.alone, gain.both)
    )
    return gain.label, [alone, both, f"{gain.mean:+.3f}", f"{low:+.3f} to {high:+.3f}"], low > 0


def _figures(judged: Judged) -> list[tuple[str, str, str]]:
    """List figures of likeness with their value and the value that is expected."""
    return [
        ("Discrepancy to held-out", f"{judged.mean('mmd'):.3f}", f"{judged.mean('mmd_real'):.3f}, as real spectra have"),
        ("Values beyond the range", f"{100 * judged.mean('outside'):.2f} %", "near 0"),
        ("Roughness by that of real", f"{judged.mean('roughness'):.2f}", f"{SMOOTH[0]:g} to {SMOOTH[1]:g}"),
        ("Neighbour ratio", f"{judged.mean('neighbour_ratio'):.2f}", "0.8 to 1.3"),
    ]  # fmt: skip


def _ranges(made: Simulated) -> list[tuple[str, str]]:
    ranges = []
    for name, column in made.columns.items():
        values = np.asarray(column)
        if values.dtype.kind in "OUS":
            names, counts = np.unique(values.astype(str), return_counts=True)
            told = ", ".join(f"{each} ({n:,})" for each, n in zip(names, counts, strict=True))
        else:
            low, middle, high = np.quantile(values.astype(np.float64), (0, 0.5, 1))
            told = f"{low:.4g} to {high:.4g}, median {middle:.4g}"
        ranges.append((name, told))
    return ranges
