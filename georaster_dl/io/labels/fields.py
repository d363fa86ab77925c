"""Labels in the attributes of features: found, and checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import numpy.typing as npt
import pandas as pd

from georaster_dl.core.errors import OptionError
from georaster_dl.core.text import visible
from georaster_dl.core.wording import counted, listed
from georaster_dl.io.labels.class_list import LARGEST_CLASS

__all__ = [
    "check_one_class",
    "class_field_of",
    "class_labels",
    "codes_as_names",
    "is_other",
    "number_labels",
    "stated_fractions",
]

_IDS = {"fid", "gml_id"}  # fields that GDAL makes up, which hold no class
_EXACT = 2**53  # whole numbers beyond are rounded where pandas must take them for floats


def is_other(
    frame: geopandas.GeoDataFrame, path: Path, where: tuple[str, str] | None
) -> npt.NDArray[np.bool_]:
    """(features,) True where a column does not hold a value (as text); nowhere without ``where``.

    Raises
    ------
    OptionError
        When there is no such column.
    """
    if where is None:
        return np.zeros(len(frame), bool)
    other: npt.NDArray[np.bool_] = (
        column_of(frame, path, where[0]).astype(str) != where[1]
    ).to_numpy()
    return other


def class_field_of(frame: geopandas.GeoDataFrame, path: Path, field: str | None) -> str:
    """Find the field with the labels: the one named, else the only one, else the one called ``class``.

    Raises
    ------
    OptionError
        When there is no such field, or several may be meant.
    """
    if field is not None:
        column_of(frame, path, field)
        return field
    fields = _fields(frame)
    if not fields:
        raise OptionError(
            f"{path} has no attributes, so its features have no class; where all are one class, name it with "
            f"`class_name=`, else add a field."
        )
    likely = fields if len(fields) == 1 else [f for f in fields if f.casefold() == "class"]
    if len(likely) != 1:
        raise OptionError(
            f"{path} has several fields ({', '.join(fields)}); say with `class_field=` which holds the "
            f"labels; where all features are one class, name it with `class_name=`."
        )
    return likely[0]


def check_one_class(frame: geopandas.GeoDataFrame, path: Path, name: str) -> None:
    """Check that no field says of some features that they are of a class and of others that they are not.

    Parameters
    ----------
    name : class that all features are taken for.

    Raises
    ------
    OptionError
        When a field holds the class and others.
    """
    for field in _fields(frame):
        column = frame[field]
        if pd.api.types.is_numeric_dtype(column):
            continue
        known = [str(each) for each in column.dropna().unique()]
        others = [each for each in known if each.casefold() != name.casefold()]
        if len(others) < len(known) and others:
            raise OptionError(
                f"`class_name={name}` takes all {len(frame):,} features of {path} for {name}, but its field {field!r} "
                f"holds other classes, too ({listed(others, 5)}); leave it out and name the field "
                f"(`class_field={field}`), or give a file of the features that are meant."
            )


def _fields(frame: geopandas.GeoDataFrame) -> list[str]:
    return [str(name) for name in frame.columns if name not in {frame.geometry.name, *_IDS}]


def column_of(frame: geopandas.GeoDataFrame, path: Path, field: str) -> pd.Series[Any]:
    fields = _fields(frame)
    if field not in {*fields, *_IDS.intersection(frame.columns)}:
        near = difflib.get_close_matches(field, fields, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "; choose one of them."
        raise OptionError(
            f"{path} has no field {field!r}; it has {', '.join(fields) or 'none'}{hint}"
        )
    return frame[field]


def stated_fractions(
    frame: geopandas.GeoDataFrame, path: Path, fields: Sequence[str], ignore: tuple[float, ...]
) -> pd.Series[Any]:
    """Make tuples of the numbers in the fields of fractions, None where any is missing or ignored.

    Raises
    ------
    OptionError
        When a field is missing or holds no numbers, or no feature has all.
    """
    columns = [column_of(frame, path, name) for name in fields]
    for column in columns:
        if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
            example = next(iter(column.dropna()), None)
            raise OptionError(
                f"{path} has no numbers in the field {column.name!r} but, for example, {example!r}; name fields of "
                f"fractions in `fraction_fields=`."
            )
    numbers = np.stack([column.astype("float64").to_numpy() for column in columns], axis=1)
    numbers[~np.isfinite(numbers) | np.isin(numbers, ignore)] = np.nan
    known = np.isfinite(numbers).all(axis=1)
    if not known.any():
        raise OptionError(
            f"{path} has no label: one of the fields {', '.join(fields)} is empty or ignored in each "
            f"of {counted(len(frame), 'feature')}; fill them in, or name others in `fraction_fields=`."
        )
    labels = [tuple(row) if some else None for row, some in zip(numbers, known, strict=True)]
    return pd.Series(labels, index=frame.index, dtype=object)


def number_labels(column: pd.Series[Any], path: Path) -> pd.Series[Any]:
    """Take the numbers of a field, NaN where there is none.

    Raises
    ------
    OptionError
        When it holds anything else.
    """
    if not pd.api.types.is_numeric_dtype(column):
        example = next(iter(column.dropna()), None)
        raise OptionError(
            f"{path} has no numbers in the field {column.name!r} but, for example, {example!r}; choose a "
            f"numeric one with `class_field=`; classes are learnt with `task='segmentation'`."
        )
    numbers = column.astype("float64")
    return numbers.where(np.isfinite(numbers))


def class_labels(column: pd.Series[Any], path: Path, info: Mapping[str, Any]) -> pd.Series[Any]:
    """Take the classes of a field: text or whole numbers, null where there is none.

    Parameters
    ----------
    info : of the layer, as pyogrio describes it.

    Raises
    ------
    OptionError
        When it holds anything else, or both.
    """
    known = column.dropna()
    if known.map(lambda value: isinstance(value, bool | np.bool_)).all():
        column = column.astype("boolean").astype("Int64")  # an empty column, too
    if pd.api.types.is_integer_dtype(column):
        return column.astype("Int64")
    if pd.api.types.is_numeric_dtype(column):
        return _whole(column.astype("float64"), path)
    if not known.map(lambda value: isinstance(value, str)).all():
        raise OptionError(
            f"{path} holds neither text nor whole numbers in the field {column.name!r} but, for example, "
            f"{known.iloc[0]!r}; choose another with `class_field=`."
        )
    _check_mixed(known, path, info)
    stripped = column.str.strip().map(visible, na_action="ignore")
    return stripped.where(stripped != "").astype(object)


def _whole(numbers: pd.Series[Any], path: Path) -> pd.Series[Any]:
    broken = numbers[numbers % 1 != 0].dropna()
    if len(broken):
        raise OptionError(
            f"{path} holds {broken.iloc[0]:g} (fid {broken.index[0]}) in the field {numbers.name!r}, but "
            f"classes are text or whole numbers; use `task='regression'` for numbers."
        )
    if (numbers.abs() > _EXACT).any():
        raise OptionError(
            f"{path} holds codes of more than 15 digits in the field {numbers.name!r}, which are rounded; make "
            f"it a text field."
        )
    return numbers.astype("Int64")


def codes_as_names(label: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers that no map can hold are names: EuroCrops' 3301010101, for example."""
    if not pd.api.types.is_integer_dtype(label):
        return label
    if not (label > LARGEST_CLASS).any() or (label < 0).any():  # what is below 0 means unlabelled
        return label
    return label.astype("string").astype(object).where(label.notna())


def _check_mixed(text: pd.Series[Any], path: Path, info: Mapping[str, Any]) -> None:
    """GeoJSON may hold text and numbers in one field; OGR makes text of all, but marks the field."""
    subtypes = dict(zip(info["fields"], info.get("ogr_subtypes", []), strict=False))
    if subtypes.get(text.name) != "OFSTJSON":
        return
    number = pd.to_numeric(text, errors="coerce").notna()
    if number.any() and not number.all():
        raise OptionError(
            f"{path} mixes text ({text[~number].iloc[0]!r}, fid {text[~number].index[0]}) and numbers "
            f"({text[number].iloc[0]}, fid {text[number].index[0]}) in the field {text.name!r}; make them "
            f"all text or all whole numbers."
        )
