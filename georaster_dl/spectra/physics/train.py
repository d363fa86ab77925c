"""Training of a model package through a radiative transfer model: without labels, or calibrated by a few."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Report
from georaster_dl.core.wording import counted
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.values import Target
from georaster_dl.spectra.methods.domain import fit_domain
from georaster_dl.spectra.package.file import Metadata, save_spectral_model
from georaster_dl.spectra.physics.calibrate import calibrated
from georaster_dl.spectra.physics.columns import OUTPUTS
from georaster_dl.spectra.physics.model import EPOCHS, OF_LEAVES, TraitModel, reflectance_unit
from georaster_dl.spectra.registry import Settings
from georaster_dl.spectra.table.axis import FEWEST_BANDS
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.train import progress_log
from georaster_dl.spectra.training.columns import TableOptions
from georaster_dl.spectra.training.result import TrainedTable

__all__ = ["PHYSICS", "TrainedTraits", "check_given", "train_physics"]

PHYSICS = ("prospect",)
"""Radiative transfer models by which traits are learnt."""

_WINDOW = (1300.0, 2400.0)
_COMPONENTS = 5
_OF_METHODS = ["method", "add", "task", "components", "select", "members", "quantity"]
_OF_LABELS = [
    "split",
    "split_column",
    "group_column",
    "date_column",
    "cv",
    "folds",
    "repeats",
    "html",
]
_LIMITS = (
    "Traits were inverted without any label: what PROSPECT leaves out biases them, dry matter (lma) by half or more of "
    "itself, so trust differences between leaves before values, and calibrate by ten labels or more."
)


@dataclass(frozen=True, eq=False)
class TrainedTraits:
    """A model of traits that no label was given for.

    Attributes
    ----------
    card : of the package.
    values : of the table's spectra, by the name of the trait.
    misfit : root mean square of what PROSPECT leaves of the spectra, as reflectance.
    seconds : of the training.
    """

    card: Card
    values: Mapping[str, npt.NDArray[np.float64]] = field(repr=False)
    misfit: float
    seconds: float


def check_given(given: Collection[str], targets: Sequence[str]) -> None:
    """Refuse options that would do nothing in a training through a radiative transfer model.

    Parameters
    ----------
    given : names of the options of a training that were given.
    targets : columns of measured traits.

    Raises
    ------
    OptionError
        When there is one.
    """
    for name in _OF_METHODS:
        if name in given:
            raise OptionError(f"`{name}=` says nothing to a training by `physics=`; leave it out.")
    for name in _OF_LABELS:
        if name in given and not targets:
            raise OptionError(
                f"`{name}=` is for labels, but no column of measured traits is named; name it with `target=`, or leave "
                f"`{name}=` out."
            )


def train_physics(
    table: SpectraTable,
    path: Path,
    physics: str,
    options: TableOptions,
    settings: Settings,
    report: Report,
    *,
    ranges: Sequence[tuple[float, float]] = (),
) -> TrainedTable | TrainedTraits:
    """Train an encoder through a radiative transfer model, and write it as a model package.

    Without targets the package gives the traits of the model. With targets, columns of measured traits, it gives these:
    a straight line through the labels calibrates each, PLS is measured on the same rows, and the gain of the measuring
    head is sought, too, whose errors the line takes up.

    Parameters
    ----------
    ranges : wavelengths to learn from, in nm; where there are none, 1300 to 2400 of tables that reach there, as PROSPECT
        fits leaves best where no pigment absorbs.

    Raises
    ------
    OptionError
        When the spectra are no reflectances, a column is of no trait, or settings do not suit.
    """
    begun = time.monotonic()
    _check(physics, options, settings)
    unit = reflectance_unit(table, report)
    table = table.within(ranges or _window(table))
    epochs = EPOCHS if settings.epochs is None else settings.epochs
    fitting: dict[str, Any] = {
        "unit": unit,
        "epochs": epochs,
        "seed": settings.seed,
        "log": progress_log(report),
    }
    if options.targets:
        return calibrated(table, path, options, settings, fitting, report)
    model = TraitModel.fit(table.spectra, table.wavelengths_nm, gain=False, **fitting)
    return _uncalibrated(model, table, path, begun)


def _uncalibrated(
    model: TraitModel, table: SpectraTable, path: Path, begun: float
) -> TrainedTraits:
    traits = model.values(table.spectra)
    places = [i for i, trait in enumerate(model.traits) if trait in OUTPUTS]
    outputs = [OUTPUTS[model.traits[i]] for i in places]
    slopes = np.zeros((len(places), len(model.traits)))
    slopes[range(len(places)), places] = [output.scale for output in outputs]
    values = traits @ slopes.T
    misfit = model.misfit(table.spectra)
    training = {
        "table": table.name,
        "spectra": f"{counted(len(table), 'spectrum')}, without labels",
        "misfit": f"{misfit:.4f} reflectance, root mean square",
    }
    metadata = Metadata(
        targets=tuple(Target(output.name, output.unit) for output in outputs),
        metrics={"misfit": round(misfit, 6)},
        limitations=f"{_LIMITS} {OF_LEAVES}",
        domain=fit_domain(table.spectra, values, _COMPONENTS, None),
    )
    packaged = model.packaged(slopes, np.zeros(len(places)), values, training)
    card = save_spectral_model(path, packaged, metadata)
    names = [output.name for output in outputs]
    return TrainedTraits(
        card, dict(zip(names, values.T, strict=True)), misfit, time.monotonic() - begun
    )


def _check(physics: str, options: TableOptions, settings: Settings) -> None:
    if physics not in PHYSICS:
        raise OptionError(f"`physics={physics!r}` is no model; known is {', '.join(PHYSICS)}.")
    if options.class_column is not None:
        raise OptionError(
            "`physics=` gives traits, but `class_column=` asks for classes; leave one out."
        )
    if settings.preprocessing != "none":
        raise OptionError(
            f"`physics=` explains reflectances as they were measured, but `preprocess={settings.preprocessing}` changes "
            f"them; leave it out."
        )
    if settings.device not in ("auto", "cpu"):
        raise OptionError(
            f"`physics=` trains on the processor in a minute, not on `device={settings.device}`; leave it out."
        )


def _window(table: SpectraTable) -> tuple[tuple[float, float], ...]:
    low, high = _WINDOW
    inside = (table.wavelengths_nm >= low) & (table.wavelengths_nm <= high)
    return (_WINDOW,) if inside.sum() >= FEWEST_BANDS else ()
