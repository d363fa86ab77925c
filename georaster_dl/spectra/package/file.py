"""Model packages of fitted spectral networks, which predict tables and map scenes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import MapClass
from georaster_dl.core.text import slug
from georaster_dl.core.wording import counted
from georaster_dl.models.package.card import Architecture, Card, CardPreprocessing, ModelHalo
from georaster_dl.models.package.values import InputBand, Target
from georaster_dl.models.registry import describe_model, spectral_models
from georaster_dl.render.palette import choose_colors
from georaster_dl.spectra.network.networks import SpectraNetwork, new_estimator
from georaster_dl.spectra.preprocess.chain import Preprocessing

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Metadata", "load_network", "save_network"]

_ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Metadata:
    """Metadata for the model card, beside those of the fitted estimator.

    Attributes
    ----------
    targets : name, unit and interval of each, in the order of the estimator's; empty for classes.
    quantity : that the spectra are: ``reflectance``, ``absorbance``, ...
    """

    targets: tuple[Target, ...] = ()
    quantity: str = "reflectance"
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: Mapping[str, str] = field(default_factory=dict)
    limitations: str = ""
    licence: str = ""


def save_network(path: Path, estimator: Any, metadata: Metadata) -> Card:
    """Write a fitted network, with its preprocessing, as a model package.

    Parameters
    ----------
    path : ends in ``.safetensors``.
    estimator : one of ``networks``, fitted with ``wavelengths_nm``.

    Returns
    -------
    The card as it was written.

    Raises
    ------
    OptionError
        When it is another estimator, its wavelengths are not known, or the targets are not its own.
    OutputError
        When the file cannot be written.
    """
    from georaster_dl.models.package.file import save_model
    from georaster_dl.models.runtime.cost import measure_cost

    if not isinstance(estimator, SpectraNetwork):
        raise OptionError(
            f"Only networks are kept as model packages ({', '.join(spectral_models())}), but got a "
            f"{type(estimator).__name__}; train a network, or fit the other methods anew."
        )
    if estimator.wavelengths_nm is None:
        raise OptionError(
            "A model package names its bands by wavelength; fit the network with wavelengths_nm."
        )
    targets = _targets(estimator, metadata)
    architecture = _architecture(estimator, spread=bool(targets))
    network = _one_network(estimator, spread=bool(targets))
    bands = len(estimator.mean_)
    steps = estimator.preprocessing_.to_json()
    card = Card(
        name=slug(path.stem),
        version="1",
        description=_description(estimator, metadata),
        task="regression" if targets else "segmentation",
        architecture=architecture,
        bands=_bands(estimator),
        preprocessing=CardPreprocessing(**steps) if steps["learnt"] else None,
        quantity=metadata.quantity,
        classes=() if targets else _classes(estimator),
        targets=targets,
        stride=1,
        halo=ModelHalo(default=0, exact=0, changed=0),
        cost=measure_cost(network, in_bands=bands, stride=1),
        licence=metadata.licence,
        training={key: value[:500] for key, value in metadata.training.items()},
        configuration=_configuration(estimator),
        metrics=dict(metadata.metrics),
        limitations=metadata.limitations,
    )
    return save_model(path, card, network)


def load_network(path: Path) -> tuple[Card, Any]:
    """Read a package of ``save_network``: the card, and the estimator ready to predict.

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
    if name not in spectral_models() or not known or not (card.targets or card.classes):
        raise OptionError(
            f"{path} holds a model of the architecture {card.architecture.name}, which is none of tables "
            f"of spectra; give a model that `geodl spectra train` made."
        )
    card, network = load_model(path)
    estimator = _estimator(card, str(name))
    members = network.members if card.architecture.name == _ENSEMBLE else [network]
    estimator.networks_ = list(members)  # type: ignore[arg-type]
    return card, estimator.set_params(members=len(estimator.networks_))


def _estimator(card: Card, name: str) -> Any:
    """The estimator as it was fitted, but for its networks."""
    preprocessing = card.preprocessing
    steps = "none" if preprocessing is None else preprocessing.steps
    estimator: Any = new_estimator(
        name,
        "regression" if card.targets else "classification",
        preprocessing=steps,
        wavelengths_nm=tuple(band.wavelength_nm or 0.0 for band in card.bands),
    )
    blank = {"steps": "none", "bands": len(card.bands), "learnt": []}
    estimator.preprocessing_ = Preprocessing.from_json(
        preprocessing.model_dump() if preprocessing else blank
    )
    estimator.n_features_in_ = len(card.bands)
    estimator.mean_ = np.array([band.mean for band in card.bands])
    estimator.std_ = np.array([band.std for band in card.bands])
    if card.targets:
        estimator.single_ = len(card.targets) == 1
        estimator.target_mean_ = np.array([target.mean for target in card.targets])
        estimator.target_std_ = np.array([target.std for target in card.targets])
    else:
        estimator.classes_ = np.array([entry.name for entry in card.classes], object)
    return estimator


def _architecture(estimator: SpectraNetwork, *, spread: bool) -> Architecture:
    options = describe_model(estimator.architecture)[1]
    if len(estimator.networks_) == 1:
        return Architecture(name=estimator.architecture, options=options)
    several: dict[str, Any] = {
        "member": estimator.architecture,
        "members": len(estimator.networks_),
    }
    return Architecture(name=_ENSEMBLE, options={**several, "spread": spread, **options})


def _one_network(estimator: SpectraNetwork, *, spread: bool) -> nn.Module:
    from georaster_dl.models.zoo.ensemble import Ensemble

    members = estimator.networks_
    return members[0] if len(members) == 1 else Ensemble(members, spread=spread)


def _bands(estimator: SpectraNetwork) -> tuple[InputBand, ...]:
    rows = zip(estimator.wavelengths_nm or (), estimator.mean_, estimator.std_, strict=True)
    return tuple(
        InputBand(name=f"{nm:.8g} nm", wavelength_nm=nm, mean=mean, std=std)
        for nm, mean, std in rows
    )


def _targets(estimator: Any, metadata: Metadata) -> tuple[Target, ...]:
    means = getattr(estimator, "target_mean_", ())
    if len(means) != len(metadata.targets):
        raise OptionError(
            f"The network gives {counted(len(means), 'quantity')}, but {len(metadata.targets)} got a name; name each."
        )
    deviations = getattr(estimator, "target_std_", ())
    return tuple(
        replace(target, mean=mean, std=std)
        for target, mean, std in zip(metadata.targets, means, deviations, strict=True)
    )


def _classes(estimator: Any) -> tuple[MapClass, ...]:
    names = [str(name) for name in estimator.classes_]
    return tuple(
        MapClass(i, name, color)
        for i, (name, color) in enumerate(zip(names, choose_colors(names), strict=True), 1)
    )


def _configuration(estimator: SpectraNetwork) -> dict[str, str]:
    parameters = estimator.get_params()
    return {
        key: str(parameters[key])[:500] for key in sorted(parameters) if key != "wavelengths_nm"
    }


def _description(estimator: SpectraNetwork, metadata: Metadata) -> str:
    names = ", ".join(target.name for target in metadata.targets)
    outputs = names or f"{counted(len(getattr(estimator, 'classes_', ())), 'class')}"
    low, high = min(estimator.wavelengths_nm or (0,)), max(estimator.wavelengths_nm or (0,))
    return f"{outputs} from {counted(len(estimator.mean_), 'band')} from {low:g} to {high:g} nm, learnt from a table of spectra"
