"""Codes of ASPRS for the classes of a map, by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import listed

__all__ = ["CODES", "codes_of"]

CODES = {
    2: (
        "ground",
        "terrain",
        "bare",
        "soil",
        "sand",
        "rock",
        "floor",
        "impervious",
        "paved",
        "pavement",
        "asphalt",
    ),
    3: ("low", "grass", "lawn", "meadow", "crop", "crops", "cropland", "herbaceous", "field"),
    4: ("medium", "shrub", "shrubs", "bush", "bushes", "hedge", "hedges", "scrub"),
    5: ("high", "tree", "trees", "forest", "woodland", "wood", "vegetation", "canopy"),
    6: ("building", "buildings", "roof", "roofs", "house", "houses"),
    9: ("water", "river", "lake", "pond"),
    10: ("rail", "railway", "track"),
    11: ("road", "roads", "street"),
    17: ("bridge", "bridges"),
}
"""Words of names by code; where a name has several, the first of this order counts: low vegetation is 3."""
_LARGEST = 255


def codes_of(legend: Legend, given: Mapping[str, int]) -> dict[int, int]:
    """Find the code of each class of a map.

    Parameters
    ----------
    given : codes by name of the class, which take precedence.

    Returns
    -------
    Codes by value of the class.

    Raises
    ------
    OptionError
        Where a name that is given is no class, a code is none, or a class has no code.
    """
    names = [each.name for each in legend.classes]
    unknown = [name for name in given if name not in names]
    if unknown:
        raise OptionError(
            f"`codes=` names {unknown[0]!r}, but the model's classes are {listed(names, 20)}."
        )
    wrong = [code for code in given.values() if not 0 <= code <= _LARGEST]
    if wrong:
        raise OptionError(f"`codes=` gives {wrong[0]}, but codes of points are 0 to {_LARGEST}.")
    codes = {each.value: given.get(each.name, _by_name(each.name)) for each in legend.classes}
    without = [each.name for each in legend.classes if codes[each.value] is None]
    if without:
        raise OptionError(
            f"No code of points is known for {listed(without, 5)}; give it with `codes=`, as {without[0]}=1."
        )
    return {value: code for value, code in codes.items() if code is not None}


def _by_name(name: str) -> int | None:
    words = set(re.findall(r"[a-z]+", name.casefold()))
    return next((code for code, known in CODES.items() if words & set(known)), None)
