"""Options for how the probabilities of a pixel are made, and the settings of a map that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.predict.outputs.kinds import settings_of

from .groups import option_group
from .shared import SHARE, seed_option

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["map_settings", "models_of", "passes_option", "predictor_options", "reject_option"]

_RANDOM = ("mc-dropout", "bayesian")


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


passes_option = click.option(
    "--passes",
    type=click.IntRange(min=1),
    help="Passes with random numbers, of mc-dropout and bayesian; 20 by default.",
)
_REJECT = click.option(
    "--reject",
    type=SHARE,
    metavar="SHARE",
    help="Make the least certain pixels a class of their own, 'uncertain': as many as leave this share of "
    "the ground of the model's calibration its class.",
)
reject_option = option_group("predicting", _given, _REJECT)
"""Option for the classes of uncertain pixels, of commands that make one pass; gives ``predicting``."""
predictor_options = option_group(
    "predicting",
    _given,
    click.option(
        "--tta",
        type=click.Choice(["flip", "d4"]),
        help="Average over mirror images of each tile: flip takes 4 passes, d4 (also transposed) 8.",
    ),
    passes_option,
    seed_option(default=None),
    _REJECT,
    click.option(
        "--float32",
        is_flag=True,
        default=None,
        help="Store fractions, probabilities and the like as float32, not as scaled whole numbers.",
    ),
)
"""Options for the probabilities of a pixel; gives ``predicting``, those that were given."""


def models_of(models: Sequence[str]) -> tuple[Path | None, tuple[Path, ...]]:
    """Find the packages of -m: the first, None where none is named, and the others of an ensemble."""
    from georaster_dl.models.package.file import find_model

    found = [find_model(model).absolute() for model in models]
    return (found[0] if found else None), tuple(found[1:])


def map_settings(
    extras: Mapping[str, Any], predicting: Mapping[str, Any], members: Sequence[Path]
) -> dict[str, Any]:
    """Collect the keyword arguments of ``SegmentOptions`` that the options of a map ask for.

    Parameters
    ----------
    extras : values of the options of ``extra_outputs``.
    predicting : values of ``predictor_options``.

    Raises
    ------
    OptionError
        When options contradict each other.
    """
    rest = dict(predicting)
    symmetries, of_outputs = rest.pop("tta", None), settings_of(extras)
    predictor = of_outputs.pop("predictor", "auto")
    if symmetries is not None:
        if predictor not in ("auto", "tta") or members:
            other = "several models" if members else f"--uncertainty {predictor}"
            raise OptionError(
                f"--tta and {other} are two ways to make several passes; leave one of them out."
            )
        predictor, rest["symmetries"] = "tta", symmetries
    unused = [name for name in ("passes", "seed") if name in rest and predictor not in _RANDOM]
    if unused:
        raise OptionError(
            f"--{unused[0]} is for passes with random numbers; add --uncertainty {' or '.join(_RANDOM)}, or "
            f"leave it out."
        )
    return {"predictor": predictor, "members": tuple(members), **of_outputs, **rest}
