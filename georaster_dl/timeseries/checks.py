"""Numbers of dates that can be asked for, and columns that predictions may make."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import listed

__all__ = ["check_columns", "check_minimum_dates"]


def check_minimum_dates(value: Any) -> None:
    """Check a number of dates that is asked for; None leaves it to the model.

    Raises
    ------
    OptionError
        When it is no whole number of 1 or more.
    """
    if value is None:
        return
    try:
        fits = not isinstance(value, bool) and operator.index(value) >= 1
    except TypeError:
        fits = False
    if not fits:
        raise OptionError(
            f"`minimum_dates={value!r}` is no number of clear dates; give a whole number of 1 or more."
        )


def check_columns(title: str, present: Iterable[Any], made: Iterable[str]) -> None:
    """Check that no column has the name of a prediction, in upper or lower case.

    Parameters
    ----------
    title : what a message calls their source.

    Raises
    ------
    OptionError
        Naming these columns.
    """
    names = {name.casefold() for name in made}  # SQLite knows no upper and lower case
    taken = [str(name) for name in present if str(name).casefold() in names]
    if taken:
        raise OptionError(
            f"{title} has columns already that predictions would get ({listed(taken)}); rename them."
        )
