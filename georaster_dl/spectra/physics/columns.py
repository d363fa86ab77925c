"""Columns of measured traits, and the outputs of traits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from georaster_dl.core.errors import OptionError

__all__ = ["OUTPUTS", "Output", "trait_of"]

_NAMED = {
    "cm": "lma|slw|cm|dry matter|dry mass|leaf mass",
    "cw": "ewt|cw|h2o|h20|water",
    "cab": "cab|chl|chlorophyll",
    "car": "car|carotenoids?",
    "ant": "ant|anthocyanins?",
}


@dataclass(frozen=True)
class Output:
    """A trait as a model gives it: name and unit, in which one unit of the physical model are ``scale``."""

    name: str
    unit: str
    scale: float


OUTPUTS = {
    "n": Output("n", "", 1.0),
    "cab": Output("cab", "ug/cm2", 1.0),
    "car": Output("car", "ug/cm2", 1.0),
    "ant": Output("ant", "ug/cm2", 1.0),
    "brown": Output("brown", "", 1.0),
    "cw": Output("ewt", "g/m2", 1e4),
    "cm": Output("lma", "g/m2", 1e4),
}
"""Outputs of the traits of a leaf, those of the measuring head excepted."""


def trait_of(column: str, traits: Sequence[str]) -> str:
    """Find the trait of a model that a column of measured values holds, by its name.

    Raises
    ------
    OptionError
        When the name is of no trait, or of one that the wavelengths tell nothing of.
    """
    words = re.sub(r"[\W_]+", " ", column.lower())
    found = [t for t, names in _NAMED.items() if re.search(rf"\b(?:{names})\b", words)]
    if len(found) != 1:
        known = ", ".join(f"{OUTPUTS[trait].name} ({trait})" for trait in _NAMED)
        raise OptionError(
            f"The column {column!r} names {'no trait' if not found else 'several traits'} of a leaf; name it for one of "
            f"{known}, such as LMA_g_m2."
        )
    if found[0] not in traits:
        raise OptionError(
            f"The column {column!r} holds {OUTPUTS[found[0]].name}, of which these wavelengths tell nothing; take others "
            f"with `range=`, such as 400-2400."
        )
    return found[0]
