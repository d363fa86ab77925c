"""The choice of a bundled encoder whose bands fit the scenes."""

from __future__ import annotations

from collections.abc import Sequence

from georaster_dl.core.bands import Band, find_band
from georaster_dl.core.wording import counted
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import builtin_models, read_card
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import quantity_of
from georaster_dl.training.settings.config import TrainConfig

__all__ = ["choose_start"]

_SUFFIX = "-encoder"
_LEAST_SHARE = 0.5  # of the scenes' bands


def choose_start(
    config: TrainConfig, pairs: Sequence[SceneWithLabels], begun: TrainConfig | None = None
) -> tuple[TrainConfig, str]:
    """Replace the start ``auto`` by the bundled encoder that reads the scenes' bands, or by random weights.

    Parameters
    ----------
    begun : settings of the run that is resumed, which keeps its choice.

    Returns
    -------
    The settings, and a line that says what was chosen and why; empty where the start is stated.

    Raises
    ------
    GeoRasterError
        When the first scene cannot be opened.
    """
    if config.start.weights != "auto":
        return config, ""
    if begun is not None:
        return config.updated({"start.weights": begun.start.weights}), ""
    scene = open_scene(pairs[0].scene, config.scene)
    bands = [band for band in scene.bands if band.good]
    chosen, why = _best(bands, quantity_of(scene), config)
    what = "random weights" if chosen == "random" else chosen
    return config.updated({"start.weights": chosen}), f"starts from {what}: {why}"


def _best(bands: Sequence[Band], quantity: str, config: TrainConfig) -> tuple[str, str]:
    """Name of the encoder with the most of the bands, and why it was chosen."""
    encoders = _encoders()
    if not encoders:
        return "random", "no encoder is bundled"
    shares = {
        name: _share(card, bands) for name, card in encoders.items() if card.quantity == quantity
    }
    if not shares:
        return "random", f"no bundled encoder reads {quantity}"
    name = max(shares, key=shares.__getitem__)
    if shares[name] < _LEAST_SHARE:
        return "random", f"{name} reads only {_counted(encoders[name], bands)}"
    model = config.model
    stated = model.model_fields_set & {"architecture", "encoder"}
    wanted = {
        "architecture": encoders[name].architecture.name,
        "encoder": encoders[name].architecture.encoder,
    }
    other = [
        f"{key} {getattr(model, key)}"
        for key in sorted(stated)
        if getattr(model, key) != wanted[key]
    ]
    if other:
        return "random", f"{name} is no network of {' and '.join(other)}"
    return name, f"it reads {_counted(encoders[name], bands)}"


def _encoders() -> dict[str, Card]:
    """Read the cards of the bundled encoders of images, by name."""
    models = builtin_models().items()
    return {name: read_card(path) for name, path in models if name.endswith(_SUFFIX)}


def _found(card: Card, bands: Sequence[Band]) -> int:
    return sum(find_band(band, card.bands) is not None for band in bands)


def _share(card: Card, bands: Sequence[Band]) -> float:
    return _found(card, bands) / len(bands)


def _counted(card: Card, bands: Sequence[Band]) -> str:
    return f"{_found(card, bands)} of {counted(len(bands), 'band')}"
