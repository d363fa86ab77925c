"""What a batch's page says of its scenes, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Share", "duration", "mix", "value_lines"]


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
