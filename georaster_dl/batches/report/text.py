"""Texts of a batch's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from georaster_dl.core.wording import counted

__all__ = [
    "Share",
    "colours",
    "duration",
    "mix",
    "moment",
    "options_line",
    "pixel_count",
    "value_lines",
]


@dataclass(frozen=True)
class Share:
    """A class's part of a map.

    Attributes
    ----------
    place : of the class in the legend.
    percent : 0..100.
    text : the same for people.
    """

    name: str
    place: int
    percent: float
    text: str


def mix(counts: Mapping[str, int], places: Mapping[str, int]) -> list[Share]:
    """Shares of the classes that a map holds, largest first.

    Parameters
    ----------
    counts : pixels of each class by name.
    places : of the classes in the legend.
    """
    total = sum(counts.values())
    shares = [
        Share(name, places[name], 100 * n / total, _percent(100 * n / total))
        for name, n in counts.items()
        if n
    ]
    return sorted(shares, key=lambda share: -share.percent)


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 0.05 else f"{share:.1f} %"


def value_lines(values: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each quantity of a map."""
    return [
        f"{name}: mean {of_one['mean']:.4g}, from {of_one['min']:.4g} to {of_one['max']:.4g}"
        for name, of_one in values.items()
    ]


def duration(seconds: float) -> str:
    """``2 h 05 min``, ``3 min 20 s`` or ``4.1 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def moment(text: str) -> str:
    """``2026-11-21 22:31 UTC`` for a time in ISO 8601; other text as it is."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return text
    if time.tzinfo is None:
        return f"{time:%Y-%m-%d %H:%M}"
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def pixel_count(pixels: int) -> str:
    """``10,100 pixels``, ``3.40 Mpx`` or ``121 Gpx``."""
    for factor, unit in ((1e9, "Gpx"), (1e6, "Mpx")):
        if pixels >= factor:
            figure = pixels / factor
            return f"{figure:,.{2 if figure < 10 else 1 if figure < 100 else 0}f} {unit}"
    return counted(pixels, "pixel")


def options_line(parameters: Mapping[str, Any]) -> str:
    """Format options with their values: ``halo 32, bands B02,B03, resample``."""
    return ", ".join(_option(name, value) for name, value in parameters.items())


def _option(name: str, value: Any) -> str:
    if value is True:
        return name
    if isinstance(value, Mapping):
        return options_line(value)
    return f"{name} {','.join(map(str, value)) if isinstance(value, list | tuple) else value}"


def colours(bands: Sequence[str]) -> str:
    """Describe the bands that a picture shows; empty for a map."""
    if len(set(bands)) == 1:
        return f"{bands[0]} in grey"
    return ", ".join(
        f"{colour} {band}" for colour, band in zip(("red", "green", "blue"), bands, strict=False)
    )
