"""A simulation from a library or from nothing: the library prepared, the method run, everything assumed reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report, Warned
from georaster_dl.core.wording import counted
from georaster_dl.io.scenes.scene import Scene
from georaster_dl.spectra.sensor import SensorBands, on_bands
from georaster_dl.spectra.simulate.methods import Method, check_options, known_method
from georaster_dl.spectra.simulate.result import Simulated
from georaster_dl.spectra.synthetic import synthetic_rows
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.table.unit_check import REFLECTANCE, likely_quantity, typical_largest

__all__ = ["Request", "measured", "prepared", "simulate_from"]

_BRIGHTEST = 1.5
_WHOLE_NUMBERS = 150.0  # beyond absorbances and percent


@dataclass(frozen=True)
class Request:
    """Settings of a simulation.

    Attributes
    ----------
    method : name of ``methods.METHODS``.
    n : number of spectra.
    seed : of all random numbers.
    options : those that were given, by the names of the method's arguments.
    bands : of the sensor whose spectra are simulated; None keeps the library's, or the method's own.
    scene : that has these bands; its noise is taken by methods that can, where the options say nothing of noise.
    scale : factor that makes values of the first library physical ones.
    quantity : that the spectra are; None takes reflectance where their size allows it.
    """

    method: str
    n: int
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    bands: SensorBands | None = None
    scene: Scene | None = None
    scale: float | None = None
    quantity: str | None = None


def simulate_from(tables: Sequence[SpectraTable], request: Request, report: Report) -> Simulated:
    """Simulate spectra with their targets; every assumption is a warning.

    Parameters
    ----------
    tables : libraries of measured spectra, put below one another; without a sensor all at the same wavelengths. None for
        methods that need none.

    Raises
    ------
    OptionError
        When the method is not known, lacks its library or an option, or cannot work with the library; when libraries
        do not fit each other or the sensor.
    """
    method = known_method(request.method)
    check_options(method, request.options)
    if request.n < 1:
        raise OptionError(f"`n={request.n}` spectra cannot be simulated; give 1 or more.")
    options = _with_noise(method, request)
    function = partial(method.load(), n=request.n, seed=request.seed, **options)
    if method.reports:
        function = partial(function, report=report)
    if not method.from_library:
        made: Simulated = _without_library(function, method, tables, request)
    elif tables:
        library, quantity = prepared(tables, request, report)
        made = function(library, quantity=quantity)
    else:
        raise OptionError(
            f"{method.name} simulates from measured spectra; give a library (table of spectra) of your classes."
        )
    for note in made.notes:
        report(Warned(note))
    return made


def _with_noise(method: Method, request: Request) -> Mapping[str, Any]:
    """Options of a method, which takes the noise of the scene unless they state one."""
    stated = {"noise", "noise_of"} & set(request.options)
    if request.scene is None or stated or "noise_of" not in method.options:
        return request.options
    return {**request.options, "noise_of": request.scene}


def _without_library(
    function: Callable[..., Any], method: Method, tables: Sequence[SpectraTable], request: Request
) -> Any:
    """Run a method that has no library; it may take the bands of a sensor."""
    if tables or request.scale is not None or request.quantity is not None:
        given = f"the library {tables[0].name}" if tables else "`scale=` or `quantity=`"
        raise OptionError(
            f"{method.name} simulates reflectances without measured spectra, but got {given}; leave it out."
        )
    return function() if request.bands is None else function(bands=request.bands)


def prepared(
    tables: Sequence[SpectraTable], request: Request, report: Report
) -> tuple[SpectraTable, str]:
    """Join libraries at the bands of a sensor, and give their quantity; raises as ``simulate_from``."""
    first, *others = tables
    scale = request.scale
    if scale is not None:
        if not 0 < scale < np.inf:
            raise OptionError(f"`scale={scale}` is no factor; give one above 0, such as 0.0001.")
        first = replace(first, spectra=first.spectra * scale)
    fitting = [_fitting(measured(table, report), request, report) for table in (first, *others)]
    library = _below_one_another(fitting)
    if request.quantity is None and typical_largest(library) > _WHOLE_NUMBERS:
        report(
            Warned(
                f"{library.name}: if its values are reflectances times 10,000, give `scale=0.0001`."
            )
        )
    return library, request.quantity or likely_quantity(library, report)


def measured(table: SpectraTable, report: Report) -> SpectraTable:
    """Leave out rows that were simulated themselves, with a warning.

    Raises
    ------
    OptionError
        When all were.
    """
    simulated = synthetic_rows(table)
    if not simulated.any():
        return table
    if simulated.all():
        raise OptionError(
            f"All spectra of {table.name} were simulated (column synthetic); give measured ones."
        )
    report(
        Warned(
            f"{table.name}: {int(simulated.sum())} of {counted(len(table), 'spectrum')} left out, as they were simulated "
            f"(column synthetic)."
        )
    )
    return table.rows(~simulated)


def _fitting(table: SpectraTable, request: Request, report: Report) -> SpectraTable:
    bands = request.bands
    if bands is None:
        return table
    largest = typical_largest(table)
    if request.quantity in (None, REFLECTANCE) and not 0 <= largest <= _BRIGHTEST:
        raise OptionError(
            f"{table.name} has values around {largest:.4g} at most, but {bands.name} measures reflectances of 0 to 1; if they "
            f"are reflectances times 10,000, give `scale=0.0001`, and otherwise say with `quantity=` what both hold."
        )
    made = on_bands(table, bands)
    for repair in made.repairs[len(table.repairs) :]:
        report(Warned(repair))
    return made


def _below_one_another(tables: Sequence[SpectraTable]) -> SpectraTable:
    """One table of all rows, at the wavelengths that all have."""
    first, *others = tables
    if not others:
        return first
    common = [nm for nm in first.wavelengths_nm if all(nm in t.wavelengths_nm for t in others)]
    for other in others:
        if len(common) < min(len(first.wavelengths_nm), len(other.wavelengths_nm)) / 2:
            raise OptionError(
                f"{other.name} has other wavelengths than {first.name}, so they are no library together; bring both to the "
                f"bands of a scene with `for_=`."
            )
    chosen = [t.bands(np.isin(t.wavelengths_nm, common)) for t in tables]
    return replace(
        chosen[0],
        spectra=np.concatenate([t.spectra for t in chosen]),
        columns=pd.concat([t.columns for t in chosen], ignore_index=True),
        places=None,
        read_digests=np.concatenate([t.digests for t in tables]),
    )
