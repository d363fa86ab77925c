"""A model of optional bands or modalities, narrowed to those of a scene: from then on a plain model.

A run never fills in a band that a scene lacks. Card and network are cut down to the bands present,
which for a network of optional bands changes nothing but rounding, and all that follows sees an
ordinary model. Of networks that weigh modalities, whole modalities may be absent; one that lacks a band is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from georaster_dl.core.bands import Band, find_band
from georaster_dl.core.errors import OptionError
from georaster_dl.core.modalities import modality_places
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, network_of
from georaster_dl.models.package.series import refuse_points

if TYPE_CHECKING:
    from torch import Tensor, nn

    from georaster_dl.models.contract import ModalityNetwork
    from georaster_dl.models.zoo.spectral_unet import SpectralUNet

__all__ = [
    "band_places",
    "broken_modalities",
    "load_narrowed",
    "missing_required_bands",
    "narrowed_card",
    "narrowed_model",
]


def band_places(card: Card, bands: Sequence[Band]) -> dict[str, int]:
    """Where among a scene's bands each band of a model is.

    Each is looked up by the rule of ``find_band``. A band of the scene serves one of the model's:
    that of its name, else the nearest in wavelength.

    Returns
    -------
    Index into ``bands`` by the name of the model's band, in the model's order; what is absent is
    left out.
    """
    server: dict[int, Band] = {}
    for wanted in card.bands:
        place = find_band(wanted, bands)
        if place is None:
            continue
        rival = server.get(place)
        if rival is None or _distance(wanted, bands[place]) < _distance(rival, bands[place]):
            server[place] = wanted
    places = {wanted.name: place for place, wanted in server.items()}
    return {band.name: places[band.name] for band in card.bands if band.name in places}


def _distance(wanted: Band, band: Band) -> float:
    """How far two bands that match are apart, in nanometres; less than nothing for the same name."""
    if wanted.name.casefold() == band.name.casefold():
        return -1.0
    if wanted.wavelength_nm is None or band.wavelength_nm is None:
        return 0.0
    return abs(wanted.wavelength_nm - band.wavelength_nm)


def broken_modalities(card: Card, present: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """List the modalities of which a scene has some bands and lacks others.

    Parameters
    ----------
    present : names of the card's bands that the scene has.

    Returns
    -------
    Names of the bands that are missing, by modality; empty for models that can do without single bands.
    """
    if not card.weighs_modalities:
        return {}
    broken = {}
    for modality, places in modality_places([band.modality for band in card.bands]).items():
        names = [card.bands[place].name for place in places]
        missing = tuple(name for name in names if name not in present)
        if 0 < len(missing) < len(names):
            broken[modality] = missing
    return broken


def missing_required_bands(card: Card, present: Sequence[str]) -> list[tuple[str, ...]]:
    """List the groups of required bands of which none is present."""
    return [group for group in card.required_bands if not set(group) & set(present)]


def narrowed_card(card: Card, present: Sequence[str]) -> Card:
    """The card of the plain model that reads only these bands.

    Whether they are all that the model needs is not asked. Everything but the bands stays, the
    digest too, which is that of the file.

    Parameters
    ----------
    present : names of bands of the card, in any order; the card's order is kept.

    Raises
    ------
    OptionError
        When a name is none of the card's bands, its bands are not optional and one is left out, a modality
        is left out in part, or the model reads time series.
    """
    refuse_points(card)
    if card.series is not None:
        raise OptionError(
            f"{card.name} reads time series and no single image; run it with `geodl timeseries classify`."
        )
    names = [band.name for band in card.bands]
    unknown = [name for name in present if name not in names]
    if unknown or not present:
        raise OptionError(
            f"{card.name} has no band {unknown[0]!r}; choose from {', '.join(names)}."
            if unknown
            else f"{card.name} was given no band at all; choose from {', '.join(names)}."
        )
    if not card.does_without:
        absent = [name for name in names if name not in present]
        if absent:
            raise OptionError(
                f"{card.name} needs all of its bands, but {', '.join(absent)} would be left out; only "
                f"a model of optional bands does without."
            )
        return card
    for modality, missing in broken_modalities(card, present).items():
        raise OptionError(
            f"{card.name} reads {modality or 'the bands without a modality'} whole or not at all, but {', '.join(missing)} "
            f"would be left out; leave out all of its bands, or none."
        )
    bands = tuple(band for band in card.bands if band.name in present)
    update: dict[str, object] = {"bands": bands, "required_bands": ()}
    architecture = card.architecture
    if card.optional_bands:
        options = {**architecture.options, "optional_bands": False}
        update["architecture"] = architecture.model_copy(update={"options": options})
    return card.model_copy(update=update)


def narrowed_model(
    card: Card, network: nn.Module, present: Sequence[str]
) -> tuple[Card, nn.Module]:
    """Card and network of the plain model that reads only these bands, the network in eval mode.

    Parameters
    ----------
    card, network : the model that reads all bands, as a file holds it.
    present : as ``narrowed_card`` takes them; same errors.
    """
    narrow = narrowed_card(card, present)
    if narrow is card:
        return card, network
    plain = network_of(narrow)
    plain.load_state_dict(_weights(card, network, narrow))
    return narrow, plain.eval()


def _weights(card: Card, network: nn.Module, narrow: Card) -> dict[str, Tensor]:
    """Return the weights of the network of the narrow card."""
    if card.weighs_modalities:
        return cast("ModalityNetwork", network).narrowed_weights(narrow.modalities)
    from georaster_dl.models.zoo.spectral_unet import narrowed_weights

    kept = {band.name for band in narrow.bands}
    places = [i for i, band in enumerate(card.bands) if band.name in kept]
    return narrowed_weights(cast("SpectralUNet", network), places)


def load_narrowed(path: str | Path, present: Sequence[str]) -> tuple[Card, nn.Module]:
    """Load a model and narrow it to these bands; a model that needs all of its bands stays as it is.

    Raises
    ------
    ModelPackageError
        As ``load_model``.
    OptionError
        As ``narrowed_card``.
    """
    return narrowed_model(*load_model(path), present)
