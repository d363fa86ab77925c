"""Classes whose objects are compared: those of the reference, found in the map by name or value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import listed
from georaster_dl.evaluation.objects.inputs import ObjectFile, class_key
from georaster_dl.render.palette import is_background

__all__ = ["ScoredClass", "scored_classes"]


@dataclass(frozen=True, eq=False)
class ScoredClass:
    """Objects of one class.

    Attributes
    ----------
    mapped, reference : places of its objects in the two files.
    """

    name: str
    mapped: npt.NDArray[np.intp]
    reference: npt.NDArray[np.intp]


def scored_classes(
    mapped: ObjectFile, reference: ObjectFile, options: LabelOptions
) -> list[ScoredClass]:
    """Pair the classes of a reference, but a background, with those of a map: by name, else by value.

    Raises
    ------
    OptionError
        When no class is common to both, or objects have no class and none was named.
    """
    if options.class_name is not None:
        name = options.class_name
        one, other = (file.of_class(name) for file in (mapped, reference))
        if mapped.names is None and mapped.values is not None:
            # Of a map that only numbers its classes, one of them may be meant.
            named = mapped.values.astype(str) == class_key(name)
            one = named if named.any() else one
        return [ScoredClass(name, np.flatnonzero(one), np.flatnonzero(other))]
    by_name = mapped.names is not None and reference.names is not None
    ours, theirs = (_keys(file, by_name=by_name) for file in (mapped, reference))
    names = _names(reference, mapped, by_name=by_name)
    found = [
        ScoredClass(name, np.flatnonzero(ours == key), np.flatnonzero(theirs == key))
        for key, name in names.items()
        if not _is_nothing(name, options)
    ]
    known = set(ours.tolist())
    if by_name:
        known |= set(map(class_key, mapped.stated))
    if found and (not len(mapped.shapes) or known & set(names)):
        return found
    what = "name" if by_name else "value"
    raise OptionError(
        f"Map and reference have no class {what} in common whose objects can be compared: the map has "
        f"{listed(sorted(map(str, known)), 12) or 'none'}, the reference {listed(sorted(map(str, names)), 12) or 'none'}; "
        f"where all features of the reference are one class, give its name in the map as `class_name=`."
    )


def _keys(file: ObjectFile, *, by_name: bool) -> npt.NDArray[np.object_]:
    """(n,) names as they are compared, or values."""
    if by_name and file.names is not None:
        return np.array([class_key(name) for name in file.names], object)
    if file.values is None and len(file.shapes):
        what = (
            "no classes"
            if file.names is None
            else "names of classes, but the other file numbers them,"
        )
        raise OptionError(
            f"{file.path} has {what} so that it is not known which objects to compare; where all are one class, name "
            f"it with `class_name=`."
        )
    return np.array([] if file.values is None else file.values.tolist(), object)


def _names(reference: ObjectFile, mapped: ObjectFile, *, by_name: bool) -> dict[str | int, str]:
    """Names of the reference's classes by their key, in its order."""
    if by_name and reference.names is not None:
        return {class_key(name): name for name in dict.fromkeys(reference.names)}
    named: dict[int, str] = {}
    for file in (reference, mapped):
        if file.names is not None and file.values is not None:
            named |= dict(zip(file.values.tolist(), file.names, strict=True))
    values = [] if reference.values is None else np.unique(reference.values).tolist()
    return {value: named.get(value, str(value)) for value in values}


def _is_nothing(name: str, options: LabelOptions) -> bool:
    """Recognize a class of background."""
    if options.background is not None:
        return name.casefold() == options.background.casefold()
    return class_key(name) == "0" or is_background(name)
