"""Which class of a reference is which class of the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.core.wording import listed
from georaster_dl.render.palette import choose_colors

__all__ = ["Matching", "match_classes"]

_MOST_LISTED = 12


@dataclass(frozen=True, eq=False)
class Matching:
    """The classes of map and reference as one list: the map's in its order, then the others.

    Attributes
    ----------
    classes : of the map, then those that only the reference has, with the reference's own values.
    n_mapped : how many are the map's.
    lookup : (reference classes,) index into ``classes`` of each class of the reference's legend.
    by : ``name`` or ``value``: how they were matched.
    one_has_names : whether one side names its classes and the other only numbers them.
    background : index of the class of all pixels without a label, where the user named one.
    """

    classes: tuple[MapClass, ...]
    n_mapped: int
    lookup: npt.NDArray[np.int16]
    by: str
    one_has_names: bool = False
    background: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each class."""
        return tuple(c.name for c in self.classes)

    @property
    def reference_only(self) -> tuple[str, ...]:
        """Classes that the map lacks."""
        return self.names[self.n_mapped :]


def match_classes(
    mapped: Legend,
    reference: Legend,
    *,
    text: bool,
    unseen: Sequence[MapClass] = (),
    background: str | None = None,
) -> Matching:
    """Match by name (in either case) where both have names, else by value.

    Parameters
    ----------
    mapped, reference : the two legends.
    text : whether the reference's labels are text: their values need not mean anything.
    unseen : classes that the map names but does not have; they name the reference's.
    background : class of the reference that has no label of its own, so that its name counts, not its value.

    Raises
    ------
    OptionError
        When there is no class in common, or the map has none of the background's name.
    """
    labels = [entry for entry in reference.classes if entry.name != background]
    by_name = text or not (_bare(mapped.classes) or _bare(labels))
    free = _background_of((*mapped.classes, *unseen), background)

    def key(entry: MapClass) -> str | int:
        if free is not None and entry.name == background:
            entry = free
        return entry.name.casefold() if by_name else entry.value

    index = {key(entry): i for i, entry in enumerate(mapped.classes)}
    common = [entry for entry in reference.classes if key(entry) in index]
    if not common:
        what = "name" if by_name else "value"
        raise OptionError(
            f"Map and reference have no class {what} in common: the map has {_listed(mapped, what)}, "
            f"the reference {_listed(reference, what)}; choose another `class_field=`, or name the "
            f"classes of both in a CSV with the columns value and name (`classes=`)."
        )
    classes = list(mapped.classes)
    for entry in reference.classes:
        if key(entry) not in index:
            index[key(entry)] = len(classes)
            named = next((c for c in unseen if not by_name and c.value == entry.value), entry)
            classes.append(named)
    ours = [entry.color if entry in mapped.classes + tuple(unseen) else None for entry in classes]
    colors = choose_colors([entry.name for entry in classes], ours)
    classes = [replace(entry, color=color) for entry, color in zip(classes, colors, strict=True)]
    lookup = np.array([index[key(entry)] for entry in reference.classes], np.int16)
    by = "name" if by_name else "value"
    one = not by_name and _bare(mapped.classes) != _bare(labels)
    unlabelled = None
    if background in reference.names:
        unlabelled = int(lookup[reference.names.index(background)])
    return Matching(tuple(classes), len(mapped.classes), lookup, by, one, unlabelled)


def _background_of(classes: Sequence[MapClass], name: str | None) -> MapClass | None:
    """The map's class of the background's name, which may also be a bare value."""
    if name is None:
        return None
    for entry in classes:
        if entry.name.casefold() == name.casefold():
            return entry
    raise OptionError(
        f"`background={name!r}` is none of the map's classes ({listed([c.name for c in classes], _MOST_LISTED)}); "
        f"choose one of them, or name them in a CSV with the columns value and name (`classes=`)."
    )


def _bare(classes: Sequence[MapClass]) -> bool:
    """Whether the names only repeat the values."""
    return all(
        str(entry.value) in (entry.name, entry.name.removeprefix("class ")) for entry in classes
    )


def _listed(legend: Legend, what: str) -> str:
    return listed([getattr(entry, what) for entry in legend.classes], _MOST_LISTED)
