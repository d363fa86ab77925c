"""Defaults that suit the scenes: networks of the spectrum for many bands, deeper networks for fine pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from georaster_dl.training.settings.config import TrainConfig

__all__ = ["FINE_M", "with_recipe"]

FINE_M = 2.0  # metres; where pixels are finer, a small patch shows a piece of a roof
_MANY_BANDS = 50

# Each labelled pixel alike, and varied in brightness only: a forest of bands tells more than its surroundings.
_SPECTRUM: dict[str, Any] = {
    "model.architecture": "cnn1d",
    "patches.size": 1,
    "patches.sampling": "random",
    "patches.per_epoch": 3840,
    "training.batch": 64,
    "augment.band_gain": 0.0,
    "augment.haze": 0.0,
    "augment.offset": 0.0,
    "augment.noise": 0.02,
    "augment.scale": 0.0,
}
_FINE: dict[str, Any] = {
    "model.options": {"encoder_depth": 4, "decoder_channels": [128, 64, 32, 16]},
    "training.batch": 8,
    "patches.sampling": "random",
    "augment.gain": 0.15,
    "augment.band_gain": 0.05,
    "augment.scale": 0.3,
}


def with_recipe(
    config: TrainConfig, bands: int, resolution_m: float | None
) -> tuple[TrainConfig, str | None]:
    """Add the defaults that suit the scenes, where the settings state neither network nor weights.

    Parameters
    ----------
    bands : of the scenes.
    resolution_m : side of a pixel in metres, None where unknown.

    Returns
    -------
    Settings, and the line that says what was chosen; None where nothing was.
    """
    stated = config.model.model_fields_set & {"architecture", "encoder", "options"}
    if config.task != "segmentation" or stated or config.start.weights != "random":
        return config, None
    pixelwise = config.patches.size in (None, 1) and not config.labels.instances
    if bands >= _MANY_BANDS and pixelwise:
        return _filled(config, _SPECTRUM), (
            f"the scenes have {bands} bands, so a network of single spectra is trained (`architecture='cnn1d'`); name "
            f"another with `architecture=`"
        )
    if resolution_m is not None and resolution_m < FINE_M:
        return _filled(config, _FINE), None
    return config, None


def _filled(config: TrainConfig, recipe: Mapping[str, Any]) -> TrainConfig:
    """Set the values that the settings do not state."""
    stated, usual = config.model_dump(exclude_unset=True), TrainConfig().model_dump()
    free = {}
    for key, value in recipe.items():
        section, _, name = key.partition(".")
        # A section that is a dataclass does not tell what was stated but by its value.
        kept = stated.get(section, {}).get(name, usual[section][name])
        if kept == usual[section][name] and (
            section == "augment" or name not in stated.get(section, {})
        ):
            free[key] = value
    return config.updated(free)
