"""Networks that learn to do without whole modalities."""

from __future__ import annotations

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import describe_model, weighs_modalities
from georaster_dl.training.settings.config import TrainConfig

__all__ = ["with_modalities"]

_FUSION, _OPTIONAL = "fusion_unet", "optional_bands"


def with_modalities(config: TrainConfig) -> TrainConfig:
    """Choose a network that can do without modalities, where these are left out in training.

    Raises
    ------
    OptionError
        When task, method or network cannot do without bands.
    """
    dropout, model = config.augment.modality_dropout, config.model
    if not dropout:
        if config.augment.needed_modalities:
            raise OptionError(
                "augment.needed_modalities says what is never left out, but `modality_dropout=` leaves out nothing; set it, or "
                "leave both out."
            )
        return config
    stated = f"`modality_dropout={dropout:g}` teaches a network to do without a sensor, but"
    if config.task == "autoencoder":
        raise OptionError(f"{stated} an autoencoder gives all bands back; leave it out.")
    if config.method not in (None, "network"):
        raise OptionError(
            f"{stated} `method='{config.method}'` may give a model that needs all bands; leave one of them out."
        )
    if model.ensemble > 1:
        raise OptionError(
            f"{stated} the networks of `ensemble={model.ensemble}` need all bands; leave one of them out."
        )
    if "architecture" not in model.model_fields_set and config.start.weights == "random":
        return config.updated({"model.architecture": _FUSION})
    if weighs_modalities(model.architecture):
        return config
    if _OPTIONAL not in describe_model(model.architecture)[1]:
        raise OptionError(
            f"{stated} {model.architecture} needs all of its bands; use `architecture='{_FUSION}'` or "
            f"`architecture='spectral_unet'`."
        )
    return config.updated({"model.options": {**_own(config), _OPTIONAL: True}})


def _own(config: TrainConfig) -> dict[str, object]:
    return config.model.options if "options" in config.model.model_fields_set else {}
