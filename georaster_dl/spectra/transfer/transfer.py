"""Transfer of a model to another instrument, by samples measured there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.text import slug
from georaster_dl.core.wording import counted
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.values import Target
from georaster_dl.spectra.package.file import load_spectral_model
from georaster_dl.spectra.package.model import SpectralModel
from georaster_dl.spectra.table.resample import aligned, resampled
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.spectra.transfer.pairs import FEWEST, paired
from georaster_dl.spectra.transfer.standardise import fit_direct, fit_piecewise

__all__ = ["METHODS", "Method", "Transfer", "transfer_model"]

Method = Literal["slope-bias", "ds", "pds"]
METHODS: tuple[Method, ...] = ("slope-bias", "ds", "pds")

_Floats = npt.NDArray[np.float64]
_FOLDS = 5
_MOST_WINDOW = 25


@dataclass(frozen=True)
class Transfer:
    """A model that was transferred, and by how much it is better on samples that taught nothing.

    Attributes
    ----------
    card : of the new model.
    samples : that it was transferred by.
    measure : of ``errors``, in words.
    errors : before and after, by target.
    """

    card: Card
    samples: int
    measure: str
    errors: Mapping[str, tuple[float, float]]


def transfer_model(
    model: Path,
    output: Path,
    method: Method,
    secondary: SpectraTable,
    primary: SpectraTable | None = None,
    *,
    id_column: str | None = None,
    window: int = 5,
    resample: bool = False,
) -> Transfer:
    """Transfer a model of a primary instrument to a secondary one.

    ``slope-bias`` corrects predictions by a line through the measured values of the secondary's samples; it needs no
    spectra of the primary. ``ds`` (direct) and ``pds`` (piecewise direct standardisation; Wang, Veltkamp & Kowalski 1991)
    learn the primary's spectra from those of the same samples on the secondary, and need no measured values. The
    new model has no intervals, as its errors were not measured.

    Parameters
    ----------
    model, output : packages, of which the second is written.
    secondary : with measured values in columns of the model's targets for ``slope-bias``.
    primary : the same samples on the primary instrument, for ``ds`` and ``pds``.
    id_column : that tells which rows of both are one sample; None takes them in order.
    window : of ``pds``, bands on each side.
    resample : bring spectra to the model's wavelengths where they have others.

    Raises
    ------
    OptionError
        When a table or column is missing, or there are too few samples.
    """
    from georaster_dl.models.package.file import load_model, save_model

    loaded = load_spectral_model(model)
    if method == "slope-bias":
        if primary is not None:
            raise OptionError(
                "slope-bias compares predictions with measured values, not with `primary=`; leave that out, or choose "
                "ds or pds."
            )
        card, found = _by_values(loaded, _fitting(secondary, loaded, resample))
    else:
        if primary is None:
            raise OptionError(
                f"{method} needs the same samples on both instruments; give those of the model's own with `primary=`, or "
                f"choose slope-bias."
            )
        first, second = (_fitting(table, loaded, resample) for table in (primary, secondary))
        card, found = _by_spectra(loaded, method, *paired(first, second, id_column), window)
    _, network = load_model(model)
    fields = card.model_dump() | {"name": slug(output.stem), "weights_sha256": ""}
    return replace(found, card=save_model(output, Card.from_fields(fields), network))


def _fitting(table: SpectraTable, model: SpectralModel, resample: bool) -> SpectraTable:
    return (resampled if resample else aligned)(table, model.wavelengths_nm)


def _by_values(model: SpectralModel, table: SpectraTable) -> tuple[Card, Transfer]:
    card = model.card
    if not card.targets:
        raise OptionError(
            f"slope-bias corrects values, but {card.name} predicts {card.predicts}; use ds or pds."
        )
    predicted = model.predict(table.spectra)
    targets, errors, used = [], {}, []
    for i, target in enumerate(card.targets):
        measured = table.target(target.name)
        known = np.isfinite(measured)
        slope, bias, errors[target.name] = _line(
            target.name, predicted[known, i], measured[known], table.name
        )
        # value = output * std + mean, so that the line through values is a line through outputs.
        mean, std = slope * target.mean + bias, slope * target.std
        targets.append(Target(target.name, target.unit, mean=mean, std=std))
        line = f"{target.name}: slope {slope:.4g}, bias {bias:.4g}"
        used.append(", ".join(filter(None, [line, table.censored(target.name)])))
    samples = len(table)
    text = f"slope and bias by {counted(samples, 'spectrum')} of {table.name} ({'; '.join(used)})"
    made = _transferred(card, text, targets=tuple(targets))
    return made, Transfer(made, samples, "RMSEP, leaving one out", errors)


def _line(
    name: str, predicted: _Floats, measured: _Floats, table: str
) -> tuple[float, float, tuple[float, float]]:
    """Slope and bias of measured on predicted values, and RMSEP before and, leaving one out, after."""
    if len(measured) < FEWEST:
        raise OptionError(
            f"{table} has {counted(len(measured), 'measured value')} of {name!r}, but at least {FEWEST} are needed."
        )
    centred = predicted - predicted.mean()
    slope = float(centred @ (measured - measured.mean()) / max(centred @ centred, 1e-300))
    if not slope > 0:
        raise OptionError(
            f"Predictions of {name!r} in {table} do not follow its measured values (slope {slope:.3g}), so that no line "
            f"can correct them; use ds or pds, or train on spectra of both instruments, with the step epo."
        )
    bias = float(measured.mean() - slope * predicted.mean())
    leverage = 1 / len(measured) + centred**2 / (centred @ centred)
    left = (measured - slope * predicted - bias) / (1 - leverage)
    return slope, bias, (_rms(predicted - measured), _rms(left))


def _by_spectra(
    model: SpectralModel, method: Method, primary: _Floats, secondary: _Floats, window: int
) -> tuple[Card, Transfer]:
    if not 1 <= window <= _MOST_WINDOW or 2 * window >= primary.shape[1]:
        raise OptionError(
            f"`window=` is 1 to {_MOST_WINDOW} bands on each side, and less than half of the spectrum, but is {window}."
        )

    def fit(rows: npt.NDArray[Any]) -> Any:
        if method == "ds":
            return fit_direct(secondary[rows], primary[rows])
        return fit_piecewise(secondary[rows], primary[rows], window)

    step = fit(np.arange(len(primary)))
    errors = _differences(model, _out_of_fold(fit, secondary), secondary, primary)
    chain = model.preprocessing.after((method, tuple(step.get_params().values())), step)
    text = f"{method} by {counted(len(primary), 'sample')} on both instruments"
    card = _transferred(model.card, text, preprocessing=chain.to_json())
    measure = (
        "root mean square difference to the predictions of the primary, out of fold"
        if model.card.targets
        else "share of classes other than on the primary, out of fold"
    )
    return card, Transfer(card, len(primary), measure, errors)


def _out_of_fold(fit: Callable[[npt.NDArray[Any]], Any], secondary: _Floats) -> _Floats:
    """Standardised spectra (n, bands), each by samples without it."""
    standardised = np.empty_like(secondary)
    fold = np.arange(len(secondary)) % _FOLDS
    for number in range(_FOLDS):
        rest = fold == number
        standardised[rest] = fit(np.flatnonzero(~rest)).transform(secondary[rest])
    return standardised


def _differences(
    model: SpectralModel, standardised: _Floats, secondary: _Floats, primary: _Floats
) -> dict[str, tuple[float, float]]:
    before, after, wanted = (
        model.predict(spectra) for spectra in (secondary, standardised, primary)
    )
    if not model.card.targets:
        return {"class": (float(np.mean(before != wanted)), float(np.mean(after != wanted)))}
    return {
        target.name: (_rms((before - wanted)[:, i]), _rms((after - wanted)[:, i]))
        for i, target in enumerate(model.card.targets)
    }


def _rms(differences: _Floats) -> float:
    return float(np.sqrt(np.mean(differences**2)))


def _transferred(card: Card, text: str, **changes: Any) -> Card:
    """The card of the transferred model, which says so and has no intervals."""
    targets = tuple(
        replace(target, interval=None) for target in changes.pop("targets", card.targets)
    )
    said = f"Transferred to another instrument ({text}); its scores are those of the first."
    return Card.from_fields(
        card.model_dump()
        | {
            "targets": targets,
            "limitations": f"{said} {card.limitations}".strip()[:4000],
            "training": {**card.training, "transfer": text[:500]},
            **changes,
        }
    )
