"""Model packages of spectra: networks and fitted methods, which predict tables and map scenes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import MapClass
from georaster_dl.core.text import slug
from georaster_dl.core.wording import counted
from georaster_dl.models.package.card import Architecture, Card, CardPreprocessing, Cost, ModelHalo
from georaster_dl.models.package.class_limits import ClassLimits
from georaster_dl.models.package.domain import CalibrationDomain
from georaster_dl.models.package.values import InputBand, Target
from georaster_dl.models.registry import describe_model, fitted_models, spectral_models
from georaster_dl.render.palette import choose_colors
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.network.networks import SpectraNetwork
from georaster_dl.spectra.package.fitted_network import FittedNetwork
from georaster_dl.spectra.package.model import SpectralModel
from georaster_dl.spectra.preprocess.chain import Preprocessing

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Metadata", "load_spectral_model", "save_spectral_model"]

_ENSEMBLE = "ensemble"
_TILE = 256  # rows and cols for which memory is stated

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Metadata:
    """Metadata for the model card, beside those of the fitted model.

    Attributes
    ----------
    targets : name, unit and interval of each, in the order of the model's; empty for classes.
    quantity : that the spectra are: ``reflectance``, ``absorbance``, ...
    domain : of the preprocessed training spectra, as ``methods.domain.fit_domain`` gives it; without it no spectrum
        is told that is unlike them.
    class_limits : by the name of the class, as ``methods.class_limits.fit_class_limits`` gives them.
    """

    targets: tuple[Target, ...] = ()
    quantity: str = "reflectance"
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, str] = field(default_factory=dict)
    limitations: str = ""
    licence: str = ""
    domain: CalibrationDomain | None = None
    class_limits: Mapping[str, ClassLimits] = field(default_factory=dict)


def save_spectral_model(
    path: Path, fitted: FittedMethod | SpectraNetwork | FittedNetwork, metadata: Metadata
) -> Card:
    """Write a fitted method or network, with its preprocessing, as a model package.

    Parameters
    ----------
    path : ends in ``.safetensors``.
    fitted : a method, one of ``networks`` that was fitted with ``wavelengths_nm``, or any network with what belongs to it.

    Returns
    -------
    The card as it was written.

    Raises
    ------
    OptionError
        When its wavelengths are not known, or the targets are not its own.
    OutputError
        When the file cannot be written.
    """
    from georaster_dl.models.package.file import save_model

    model = _model_of(fitted)
    targets = _targets(model, metadata)
    classes = _classes(model)
    steps = model.preprocessing.to_json()
    card = Card(
        name=slug(path.stem),
        version="1",
        description=_description(model, metadata),
        task=model.task,
        architecture=model.architecture,
        bands=_bands(model),
        preprocessing=CardPreprocessing(**steps) if steps["learnt"] else None,
        quantity=metadata.quantity,
        classes=classes,
        targets=targets,
        stride=1,
        halo=ModelHalo(default=0, exact=0, changed=0),
        cost=_cost(model),
        licence=metadata.licence,
        training={
            key: value[:500] for key, value in {**metadata.training, **model.training}.items()
        },
        configuration={key: value[:500] for key, value in model.configuration.items()},
        metrics=dict(metadata.metrics),
        limitations=metadata.limitations,
        domain=metadata.domain,
        class_limits=_class_limits(classes, metadata),
    )
    return save_model(path, card, model.network)


def load_spectral_model(path: Path) -> SpectralModel:
    """Read a package of ``save_spectral_model``, ready to predict tables.

    Raises
    ------
    ModelPackageError
        When the file is damaged or no model package.
    OptionError
        When it holds another model than one of spectra.
    """
    from georaster_dl.models.package.file import load_model, read_card

    card = read_card(path)
    options = card.architecture.options
    name = options.get("member") if card.architecture.name == _ENSEMBLE else card.architecture.name
    known = all(band.wavelength_nm is not None for band in card.bands)
    of_spectra = name in spectral_models() or card.architecture.name in fitted_models()
    if not of_spectra or not known or not (card.targets or card.classes):
        raise OptionError(
            f"{path} holds a model of the architecture {card.architecture.name}, which is none of tables "
            f"of spectra; give a model that `geodl spectra train` made."
        )
    card, network = load_model(path)
    blank = {"steps": "none", "bands": len(card.bands), "learnt": []}
    saved = blank if card.preprocessing is None else card.preprocessing.model_dump()
    return SpectralModel(card, network.double(), Preprocessing.from_json(saved))


def _model_of(fitted: FittedMethod | SpectraNetwork | FittedNetwork) -> FittedNetwork:
    if isinstance(fitted, FittedNetwork):
        return fitted
    return _of_method(fitted) if isinstance(fitted, FittedMethod) else _of_network(fitted)


def _of_method(fitted: FittedMethod) -> FittedNetwork:
    from georaster_dl.spectra.package.networks import network_of_method

    made = network_of_method(fitted)
    settings = [
        ", ".join(
            f"{key} {value if isinstance(value, str) else f'{value:.6g}'}"
            for key, value in chosen.items()
        )
        or "none searched"
        for chosen in fitted.settings
    ]
    numbered = {f"settings, target {i}": text for i, text in enumerate(settings, 1)}
    return FittedNetwork(
        made.architecture,
        made.network,
        fitted.wavelengths_nm,
        fitted.preprocessing,
        fitted.mean,
        fitted.std,
        fitted.target_mean,
        fitted.target_std,
        fitted.classes,
        {
            "method": fitted.method,
            "preprocessing": fitted.preprocessing.steps,
            **({"settings": settings[0]} if len(settings) == 1 else numbered),
        },
        made.notes,
        fitted.fractions,
    )


def _of_network(estimator: SpectraNetwork) -> FittedNetwork:
    if estimator.wavelengths_nm is None:
        raise OptionError(
            "A model package names its bands by wavelength; fit the network with wavelengths_nm."
        )
    parameters = estimator.get_params()
    classes = getattr(estimator, "classes_", None)
    members = estimator.networks_
    return FittedNetwork(
        _architecture(estimator, spread=classes is None),
        members[0] if len(members) == 1 else _ensemble(members, spread=classes is None),
        tuple(estimator.wavelengths_nm),
        estimator.preprocessing_,
        estimator.mean_,
        estimator.std_,
        getattr(estimator, "target_mean_", np.empty(0)),
        getattr(estimator, "target_std_", np.empty(0)),
        classes,
        {key: str(parameters[key]) for key in sorted(parameters) if key != "wavelengths_nm"},
        fractions=estimator.head == "fractions",
    )


def _architecture(estimator: SpectraNetwork, *, spread: bool) -> Architecture:
    options = describe_model(estimator.architecture)[1] | {"head": estimator.head}
    if len(estimator.networks_) == 1:
        return Architecture(name=estimator.architecture, options=options)
    several: dict[str, Any] = {
        "member": estimator.architecture,
        "members": len(estimator.networks_),
    }
    return Architecture(name=_ENSEMBLE, options={**several, "spread": spread, **options})


def _ensemble(members: list[nn.Module], *, spread: bool) -> nn.Module:
    from georaster_dl.models.zoo.ensemble import Ensemble

    return Ensemble(members, spread=spread)


def _cost(model: FittedNetwork) -> Cost:
    from georaster_dl.models.runtime.cost import measure_cost

    bands = len(model.mean)
    at_once = getattr(model.network, "pixels_at_once", None)
    if at_once is None:
        return measure_cost(model.network, in_bands=bands, stride=1)
    # One block is measured: a tile takes many, one after the other, which would take minutes to follow.
    side = min(max(math.isqrt(at_once), 1), _TILE)
    of_block = measure_cost(model.network, in_bands=bands, stride=1, side=side)
    share = min(at_once / _TILE**2, 1.0)
    own = 4 * (bands + model.outputs)
    return Cost(
        macs_per_pixel=of_block.macs_per_pixel,
        bytes_per_pixel=own + of_block.bytes_per_pixel * share,
    )


def _bands(model: FittedNetwork) -> tuple[InputBand, ...]:
    return tuple(
        InputBand(name=f"{nm:.8g} nm", wavelength_nm=nm, mean=mean, std=std)
        for nm, mean, std in zip(model.wavelengths_nm, model.mean, model.std, strict=True)
    )


def _targets(model: FittedNetwork, metadata: Metadata) -> tuple[Target, ...]:
    if len(model.target_mean) != len(metadata.targets):
        raise OptionError(
            f"The model gives {counted(len(model.target_mean), 'quantity')}, but {len(metadata.targets)} got a name; "
            f"name each."
        )
    return tuple(
        replace(target, mean=mean, std=std)
        for target, mean, std in zip(
            metadata.targets, model.target_mean, model.target_std, strict=True
        )
    )


def _classes(model: FittedNetwork) -> tuple[MapClass, ...]:
    names = [str(name) for name in (() if model.classes is None else model.classes)]
    return tuple(
        MapClass(i, name, color)
        for i, (name, color) in enumerate(zip(names, choose_colors(names), strict=True), 1)
    )


def _class_limits(
    classes: tuple[MapClass, ...], metadata: Metadata
) -> tuple[ClassLimits | None, ...]:
    found = metadata.class_limits
    return tuple(found.get(entry.name) for entry in classes) if found else ()


def _description(model: FittedNetwork, metadata: Metadata) -> str:
    names = ", ".join(target.name for target in metadata.targets)
    outputs = names or f"{counted(len(_classes(model)), 'class')}"
    low, high = min(model.wavelengths_nm), max(model.wavelengths_nm)
    return f"{outputs} from {counted(len(model.mean), 'band')} from {low:g} to {high:g} nm, learnt from a table of spectra"
