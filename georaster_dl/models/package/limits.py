"""Limits for the contents of files: texts, numbers, and the fields of value objects.

Model files and classifiers come from strangers, so every number has a limit and every text a length.
The value objects of the library have none; :class:`Limits` sets those of a file on them.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    create_model,
)
from pydantic_core import CoreSchema, core_schema

from georaster_dl.core.legend import color_hex, parse_color
from georaster_dl.core.text import first_unseen

__all__ = [
    "LARGEST_METRIC",
    "ClassColor",
    "FilePart",
    "Limits",
    "Line",
    "Lonlat",
    "Metres",
    "Name",
    "Nanometres",
    "OptionName",
    "OptionValue",
    "Pixels",
    "Share",
    "Text",
    "Unit",
    "Value",
    "Version",
    "Word",
]

LARGEST_METRIC = 1e12
"""Largest accuracy or error, of either sign, that a card holds."""


def _visible(text: str) -> str:
    """Refuse characters that could forge a terminal's, a log's or a legend's lines."""
    bad = first_unseen(text)
    if bad is not None:
        raise ValueError(
            f"holds the control character U+{ord(bad):04X}; use visible text in one line"
        )
    return text


def _bounded(value: object) -> object:
    """Refuse an architecture option that is no plain value or is large enough to explode a network."""
    if isinstance(value, list | tuple):
        # Of fitted models they are sizes of arrays, which the file must hold.
        fits = len(value) <= 64 and all(type(v) is int and abs(v) <= 1_000_000 for v in value)
        value = list(value)
    elif isinstance(value, str):
        fits = len(_visible(value)) <= 64
    elif isinstance(value, int | float):
        fits = abs(value) <= (1e6 if isinstance(value, float) else 4096)  # False for NaN
    else:
        fits = value is None
    if not fits:
        raise ValueError(
            "must be true, false, null, a text of up to 64 characters, a whole number within 4096, "
            "a number within 1e6, or a list of up to 64 whole numbers within 1e6"
        )
    return value


def _parsed_color(value: object) -> object:
    return parse_color(value) if isinstance(value, str) else value


_Byte = Annotated[int, Field(ge=0, le=255)]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Word = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_visible)]
Unit = Annotated[str, Field(max_length=32), AfterValidator(_visible)]
Version = Annotated[str, Field(min_length=1, max_length=32), AfterValidator(_visible)]
Line = Annotated[str, Field(max_length=500), AfterValidator(_visible)]
Text = Annotated[str, Field(max_length=4000), AfterValidator(_visible)]
Nanometres = Annotated[float, Field(gt=0, le=1e6)]
Metres = Annotated[float, Field(gt=0, le=1e6)]
Pixels = Annotated[int, Field(ge=0, le=4096)]
Lonlat = tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]]
Share = Annotated[float, Field(ge=0, le=1)]
Value = Annotated[float, Field(ge=-1e9, le=1e9)]
OptionValue = Annotated[bool | int | float | str | list[int] | None, PlainValidator(_bounded)]
OptionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
ClassColor = Annotated[
    tuple[_Byte, _Byte, _Byte], BeforeValidator(_parsed_color), PlainSerializer(color_hex)
]


class FilePart(BaseModel):
    """Base of the parts of a file's card: frozen, without unknown fields or infinite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Limits:
    """The fields of a value object that a file holds, each with the type that limits it.

    Used as ``Annotated[MapClass, Limits(value=..., name=..., color=...)]``. Fields that are not listed
    keep their defaults and are not written.
    """

    def __init__(self, **types: Any) -> None:
        self._types = types

    def __get_pydantic_core_schema__(self, kind: Any, handler: Any) -> CoreSchema:
        """Validate through a model of these fields, and build the value object from it."""
        defaults = {field.name: field.default for field in dataclasses.fields(kind)}
        types: dict[str, Any] = {
            name: of if defaults[name] is dataclasses.MISSING else (of, defaults[name])
            for name, of in self._types.items()
        }
        form = create_model(kind.__name__, __base__=FilePart, **types)

        def validated(value: object) -> Any:
            fields = form.model_validate(value, from_attributes=True)
            return kind(**{name: getattr(fields, name) for name in self._types})

        def written(value: object) -> dict[str, Any]:
            return form.model_validate(value, from_attributes=True).model_dump(mode="json")

        return core_schema.no_info_plain_validator_function(
            validated, serialization=core_schema.plain_serializer_function_ser_schema(written)
        )
