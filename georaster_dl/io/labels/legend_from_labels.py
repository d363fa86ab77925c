"""From what label files hold to a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.io.labels.class_list import (
    CLASS_COLUMNS,
    LARGEST_CLASS,
    ClassList,
    ListedClass,
    read_class_list,
)
from georaster_dl.render.palette import Color, choose_colors

__all__ = ["FoundClasses", "legend_of"]

_MOST_NAMED = 12


@dataclass(frozen=True)
class FoundClasses:
    """What one label file holds.

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
    listed = None if options.classes is None else read_class_list(options.classes)
    classes = _stated(found) if listed is None else _listed(found, listed)
    if options.background is not None and options.background not in {c.name for c in classes}:
        classes.append(_background(options.background, classes, listed))
    _check(classes, found)
    styled = [c.color or _styled(c, found) for c in classes]
    colors = choose_colors([c.name for c in classes], styled)
    return Legend(
        tuple(MapClass(c.value, c.name, color) for c, color in zip(classes, colors, strict=True))
    )


def _styled(entry: ListedClass, found: Sequence[FoundClasses]) -> Color | None:
    """The colour that the first file has for a class."""
    for file in found:
        color = file.text_colors.get(entry.name)
        if color is None and entry.value in file.values:
            color = file.colors.get(entry.value)
        if color is not None:
            return color
    return None


def _stated(found: Sequence[FoundClasses]) -> list[ListedClass]:
    """Numbers with the names that their files give; texts by name, counted from 1."""
    texts = sorted({text for file in found for text in file.texts})
    values = sorted({value for file in found for value in file.values})
    if texts and values:
        named = next(file.path for file in found if file.texts)
        numbered = next(file.path for file in found if file.values)
        raise OptionError(
            f"{named} names its classes ({texts[0]!r}) but {numbered} numbers them ({values[0]}); say "
            f"which is which with --classes, a CSV with the columns {CLASS_COLUMNS}."
        )
    if texts:
        return [ListedClass(value, text) for value, text in enumerate(texts, 1)]
    return [_stated_number(value, found) for value in values]


def _stated_number(value: int, found: Sequence[FoundClasses]) -> ListedClass:
    holders = [file for file in found if value in file.values]
    names = {file.names[value]: file.path for file in holders if value in file.names}
    if len(names) > 1:
        (one, first), (other, second) = list(names.items())[:2]
        raise OptionError(
            f"The class {value} is {one!r} in {first} but {other!r} in {second}; say what it is "
            f"with --classes, a CSV with the columns {CLASS_COLUMNS}."
        )
    return ListedClass(value, next(iter(names), str(value)))


def _listed(found: Sequence[FoundClasses], listed: ClassList) -> list[ListedClass]:
    """The classes of the CSV that occur; each that occurs has to be there."""
    by_value = {entry.value: entry for entry in listed.classes}
    by_name = {entry.name: entry for entry in listed.classes}
    kept: set[ListedClass] = set()
    missing: dict[str, None] = {}
    for file in found:
        if file.values and listed.counted:
            raise OptionError(
                f"--classes {listed.path} has no values, but the labels {file.path} are numbers (such as "
                f"{min(file.values)}); add a column value."
            )
        entries = {str(value): by_value.get(value) for value in sorted(file.values)}
        entries |= {repr(text): by_name.get(text) for text in sorted(file.texts)}
        missing |= dict.fromkeys(label for label, entry in entries.items() if entry is None)
        kept |= {entry for entry in entries.values() if entry is not None}
    if missing:
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        raise OptionError(
            f"--classes {listed.path} lacks {', '.join(list(missing)[:_MOST_NAMED])}{more}, which "
            f"{found[0].path if len(found) == 1 else 'the labels'} hold; add a line for each, or mark "
            f"numbers that mean unlabelled with --ignore."
        )
    return sorted(kept, key=lambda entry: entry.value)


def _background(name: str, classes: Sequence[ListedClass], listed: ClassList | None) -> ListedClass:
    known = () if listed is None else listed.classes
    for entry in known:
        if entry.name == name:
            return entry
    taken = {entry.value for entry in (*classes, *known)}
    return ListedClass(next(value for value in range(LARGEST_CLASS) if value not in taken), name)


def _check(classes: Sequence[ListedClass], found: Sequence[FoundClasses]) -> None:
    seen: dict[str, int] = {}
    for entry in classes:
        if not 0 <= entry.value <= LARGEST_CLASS:
            raise OptionError(
                f"{_files(found)} the class {entry.value}, but classes are 0..{LARGEST_CLASS}; if it "
                f"means unlabelled give --ignore {entry.value}, else renumber it."
            )
        if entry.name in seen:
            raise OptionError(
                f"{_files(found)} two classes of the name {entry.name!r}, {seen[entry.name]} and "
                f"{entry.value}; tell them apart with --classes, a CSV with the columns {CLASS_COLUMNS}."
            )
        seen[entry.name] = entry.value


def _files(found: Sequence[FoundClasses]) -> str:
    more = f" and {len(found) - 1} more hold" if len(found) > 1 else " holds"
    return f"{found[0].path}{more}"
