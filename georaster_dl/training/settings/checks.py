"""Checks of a training's settings: the extras that they need are installed, a search is possible."""

from __future__ import annotations

from importlib.util import find_spec

from georaster_dl.core.errors import OptionError
from georaster_dl.training.settings.config import TrainConfig, TrainingSection

__all__ = ["check_search", "check_trackers", "tracker_names"]


def tracker_names(training: TrainingSection) -> list[str]:
    """List the trackers that the settings name."""
    wanted = ["tensorboard"] if training.tensorboard else []
    return list(dict.fromkeys([*wanted, *filter(None, [training.tracker])]))


def check_trackers(config: TrainConfig) -> None:
    """Check that the trackers of the settings are installed.

    Raises
    ------
    OptionError
        When one is not.
    """
    for name in tracker_names(config.training):
        if find_spec(name) is None:
            asked = name == config.training.tracker
            stated = f"tracker='{name}'" if asked else "tensorboard=True"
            raise OptionError(
                f"`{stated}` needs {name}, which is not installed; pip install 'georaster_dl[{name}]', or leave it out."
            )


def check_search(config: TrainConfig) -> None:
    """Check that the settings can be searched, where a search is wanted.

    Raises
    ------
    OptionError
        When Optuna is not installed, or the training is none of a single network with labels on one device.
    """
    trials = config.search.trials
    if not trials:
        return
    if find_spec("optuna") is None:
        raise OptionError(
            f"`search={trials}` needs Optuna, which is not installed; pip install 'georaster_dl[search]', or leave it "
            f"out."
        )
    if config.task == "autoencoder":
        raise OptionError(
            f"`search={trials}` compares how well labels are predicted, but an autoencoder has none: the wider its code, "
            f"the better it would seem; leave it out."
        )
    if config.model.ensemble > 1:
        raise OptionError(
            f"`search={trials}` looks for the settings of one network, but `ensemble={config.model.ensemble}` makes "
            f"several; search first, then train the ensemble with `config=` and the search/config.toml that was found."
        )
    if config.training.devices not in (None, 1):
        raise OptionError(
            f"The trials of `search={trials}` are trained on one device, one after the other, but training.devices is "
            f"{config.training.devices}; leave it out."
        )
