"""Legends made from the classes that occur in label files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Color, Legend, MapClass
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.core.wording import listed
from georaster_dl.io.labels.class_list import (
    CLASS_COLUMNS,
    LARGEST_CLASS,
    ClassList,
    read_class_list,
)
from georaster_dl.render.palette import choose_colors

__all__ = ["FoundClasses", "legend_of"]

_MOST_NAMED = 12


@dataclass(frozen=True)
class FoundClasses:
    """Classes found in a label file.

    Attributes
    ----------
    path : the file.
    values : class numbers that occur; none in a file of text labels.
    texts : class names that occur in text labels.
    names, colors : of numbers, as far as the file states them.
    text_colors : of names, as far as the file's style states them.
    """

    path: Path
    values: frozenset[int] = frozenset()
    texts: frozenset[str] = frozenset()
    names: Mapping[int, str] = field(default_factory=dict)
    colors: Mapping[int, Color] = field(default_factory=dict)
    text_colors: Mapping[str, Color] = field(default_factory=dict)


def legend_of(found: Sequence[FoundClasses], options: LabelOptions) -> Legend:
    """The classes of all files together, by value, and the background after them.

    Raises
    ------
    OptionError
        When the files do not fit together, the CSV is wrong or lacks a class, a value lies outside
        0..65534.
    """
    class_list = None if options.classes is None else read_class_list(options.classes)
    classes = _stated(found) if class_list is None else _listed(found, class_list)
    if options.background is not None and options.background not in classes.values():
        classes |= _background(options.background, classes, class_list)
    _check(classes, found)
    stated = {} if class_list is None else class_list.colors
    styled = [stated.get(value) or _styled(value, name, found) for value, name in classes.items()]
    colors = choose_colors(list(classes.values()), styled)
    return Legend(
        tuple(MapClass(*entry) for entry in zip(classes, classes.values(), colors, strict=True))
    )


def _styled(value: int, name: str, found: Sequence[FoundClasses]) -> Color | None:
    """The colour that the first file has for a class."""
    for file in found:
        color = file.text_colors.get(name)
        if color is None and value in file.values:
            color = file.colors.get(value)
        if color is not None:
            return color
    return None


def _stated(found: Sequence[FoundClasses]) -> dict[int, str]:
    """Numbers with the names that their files give; texts by name, counted from 1."""
    texts = sorted({text for file in found for text in file.texts})
    values = sorted({value for file in found for value in file.values})
    if texts and values:
        named = next(file.path for file in found if file.texts)
        numbered = next(file.path for file in found if file.values)
        raise OptionError(
            f"{named} names its classes ({texts[0]!r}) but {numbered} numbers them ({values[0]}); say "
            f"which is which with `classes=`, a CSV with the columns {CLASS_COLUMNS}."
        )
    if texts:
        return dict(enumerate(texts, 1))
    return {value: _name_of(value, found) for value in values}


def _name_of(value: int, found: Sequence[FoundClasses]) -> str:
    holders = [file for file in found if value in file.values]
    names = {file.names[value]: file.path for file in holders if value in file.names}
    if len(names) > 1:
        (one, first), (other, second) = list(names.items())[:2]
        raise OptionError(
            f"The class {value} is {one!r} in {first} but {other!r} in {second}; say what it is "
            f"with `classes=`, a CSV with the columns {CLASS_COLUMNS}."
        )
    return next(iter(names), str(value))


def _listed(found: Sequence[FoundClasses], class_list: ClassList) -> dict[int, str]:
    """The classes of the CSV that occur; each that occurs has to be there."""
    values = {name: value for value, name in class_list.names.items()}
    occurring: set[int] = set()
    missing: dict[str, None] = {}
    for file in found:
        if file.values and class_list.counted:
            raise OptionError(
                f"`classes='{class_list.path}'` has no values, but the labels {file.path} are numbers (such as "
                f"{min(file.values)}); add a column value."
            )
        missing |= {
            str(value): None for value in sorted(file.values) if value not in class_list.names
        }
        missing |= {repr(text): None for text in sorted(file.texts) if text not in values}
        occurring |= file.values | {values[text] for text in file.texts if text in values}
    if missing:
        raise OptionError(
            f"`classes='{class_list.path}'` lacks {listed(missing, _MOST_NAMED)}, which "
            f"{found[0].path if len(found) == 1 else 'the labels'} hold; add a line for each, or mark "
            f"numbers that mean unlabelled with `ignore=`."
        )
    return {value: class_list.names[value] for value in sorted(occurring)}


def _background(
    name: str, classes: Mapping[int, str], class_list: ClassList | None
) -> dict[int, str]:
    """The class of unlabelled pixels, as the CSV has it or under the first free number."""
    taken = {**classes, **({} if class_list is None else class_list.names)}
    values = (value for value in taken if taken[value] == name)
    free = (value for value in range(LARGEST_CLASS) if value not in taken)
    return {next(chain(values, free)): name}


def _check(classes: Mapping[int, str], found: Sequence[FoundClasses]) -> None:
    seen: dict[str, int] = {}
    for value, name in classes.items():
        if not 0 <= value <= LARGEST_CLASS:
            raise OptionError(
                f"{_files(found)} the class {value}, but classes are 0..{LARGEST_CLASS}; if it "
                f"means unlabelled give `ignore={value}`, else renumber it."
            )
        if name in seen:
            raise OptionError(
                f"{_files(found)} two classes of the name {name!r}, {seen[name]} and "
                f"{value}; tell them apart with `classes=`, a CSV with the columns {CLASS_COLUMNS}."
            )
        seen[name] = value


def _files(found: Sequence[FoundClasses]) -> str:
    more = f" and {len(found) - 1} more hold" if len(found) > 1 else " holds"
    return f"{found[0].path}{more}"
