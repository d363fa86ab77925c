"""Checks of the options of the library's own networks."""

from __future__ import annotations

from typing import Any

from georaster_dl.core.errors import OptionError, UnknownModelError
from georaster_dl.models.registry import NetworkSpec, describe_model

__all__ = ["checked_options"]

_MOST_LEVELS = 10  # a card's stride goes up to 512
_MOST_CHANNELS = 4096
_MOST_SHARE = 0.9  # of what is dropped, or of the input's spread that is noise


def checked_options(spec: NetworkSpec, **choices: tuple[str, ...] | range) -> dict[str, Any]:
    """Check the options of a network of the library; limits follow from the kinds of the defaults.

    A card may come from a stranger, so nothing is taken for a number that might be none.

    Parameters
    ----------
    choices : what an option of text may be, or the range of a whole number that may be other than 1 to
        4096. An option that is None by default may be a whole number, too.

    Raises
    ------
    UnknownModelError
        When pretrained weights are wanted: the library's own networks have none.
    OptionError
        When a value is of another kind than the default, or outside the limits.
    """
    if spec.encoder_weights is not None:
        raise UnknownModelError(
            f"The architecture {spec.architecture!r} has no pretrained weights {spec.encoder_weights!r}; "
            f"start from random ones (`start.weights='random'`) or from a model file."
        )
    defaults = describe_model(spec.architecture)[1]
    for name, value in spec.options.items():
        default = defaults[name]
        if not _fits(value, default, choices.get(name, ())):
            raise OptionError(
                f"The architecture {spec.architecture!r} takes {_wanted(default, choices.get(name, ()))} as "
                f"{name}, but got {value!r}."
            )
    return dict(spec.options)


def _fits(value: object, default: object, choices: tuple[str, ...] | range) -> bool:
    if default is None:
        return value is None or _fits(value, 1, choices)
    if isinstance(value, tuple):
        least = 1 if default else 0
        return (
            isinstance(default, tuple)
            and least <= len(value) <= _MOST_LEVELS
            and all(_fits(number, 1, ()) for number in value)
        )
    if isinstance(default, float):
        return type(value) in (int, float) and 0 <= value <= _MOST_SHARE  # type: ignore[operator]
    if type(value) is not type(default):
        return False
    if isinstance(value, str) or (choices and not isinstance(value, bool)):
        return value in choices
    return not isinstance(value, int) or isinstance(value, bool) or 1 <= value <= _MOST_CHANNELS


def _wanted(default: object, choices: tuple[str, ...] | range) -> str:
    if default is None:
        return f"none or {_wanted(1, choices)}"
    if isinstance(default, tuple):
        few = f"{1 if default else 0} to {_MOST_LEVELS}"
        return f"{few} whole numbers from 1 to {_MOST_CHANNELS}"
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, float):
        return f"a number from 0 to {_MOST_SHARE}"
    if isinstance(choices, range):
        return f"a whole number from {choices[0]} to {choices[-1]}"
    return " or ".join(choices) or f"a whole number from 1 to {_MOST_CHANNELS}"
