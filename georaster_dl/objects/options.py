"""Options of polygons, the same for every command and function that makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend
from georaster_dl.core.wording import nearest_names
from georaster_dl.tiling.area_text import MinimumArea, parse_area

__all__ = ["PolygonOptions"]


@dataclass(frozen=True)
class PolygonOptions:
    """How the areas of a class map become polygons; by default as they are, pixel by pixel.

    Attributes
    ----------
    keep : names, or pixel values, of the classes to make polygons of; all where empty.
    drop : names, or pixel values, of classes to leave out.
    min_area : smallest area, with its unit (``50m2``, ``0.5ha``, ``9px``); smaller ones join the class with the longest
        shared border, as in a sieve.
    fill_holes : largest area of holes to fill, with its unit.
    split_touching : whether objects of one class that touch are separated where they are narrow.
    boundaries : raster of the probability of a boundary (0 to 1), which separates them in place of narrow places.
    simplify : tolerance in pixels; borders that two polygons share stay shared.
    round_corners : whether corners are rounded, those of shared borders for both.
    right_angles : whether outlines follow the two main directions of each object, as those of buildings do; for one
        class, named by ``keep``.
    confidence : raster whose mean over each polygon becomes a field; ``geodl segment --confidence`` makes one.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    min_area: str | None = None
    fill_holes: str | None = None
    split_touching: bool = False
    boundaries: Path | None = None
    simplify: float | None = None
    round_corners: bool = False
    right_angles: bool = False
    confidence: Path | None = None

    def __post_init__(self) -> None:
        """Check the options as far as they need no map."""
        _ = self.smallest, self.largest_hole
        if self.keep and self.drop:
            raise OptionError("`keep=` and `drop=` are both given; give one of them.")
        if self.simplify is not None and not 0 < self.simplify < float("inf"):
            raise OptionError(
                f"`simplify={self.simplify:g}` is no tolerance; give pixels above 0, as 1."
            )

        if self.boundaries is not None and not self.split_touching:
            raise OptionError(
                "`boundaries=` says where touching objects are separated; give `split_touching=True` with it."
            )
        if self.right_angles and len(self.keep) != 1:
            raise OptionError(
                "`right_angles=True` gives objects of one class outlines that share no borders with others; name that "
                "class with `keep=`."
            )
        if self.right_angles and self.round_corners:
            raise OptionError(
                "`round_corners=True` would take off the corners of `right_angles=True`; give one of them."
            )

    @property
    def changes_outlines(self) -> bool:
        """Whether outlines are not those of the pixels."""
        return self.simplify is not None or self.round_corners or self.right_angles

    @property
    def smallest(self) -> MinimumArea | None:
        """Smallest area of an object."""
        return None if self.min_area is None else parse_area(self.min_area, "min_area")

    @property
    def largest_hole(self) -> MinimumArea | None:
        """Largest area of a hole that is filled."""
        return None if self.fill_holes is None else parse_area(self.fill_holes, "fill_holes")

    def dropped_values(self, legend: Legend) -> list[int]:
        """Values of the classes of which no polygons are made.

        Raises
        ------
        OptionError
            When a class is named that is not of the map.
        """
        by_name = dict(zip(legend.names, legend.values, strict=True))
        known = {str(value): value for value in legend.values} | by_name
        for setting, names in (("keep", self.keep), ("drop", self.drop)):
            for name in names:
                if name not in known:
                    raise OptionError(
                        f"`{setting}={name}` is no class of the map{nearest_names(name, by_name)}; it has "
                        f"{', '.join(by_name)}."
                    )
        named = {known[name] for name in self.keep or self.drop}
        return [value for value in legend.values if (value in named) != bool(self.keep)]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> PolygonOptions:
        """Make options of keyword arguments.

        Raises
        ------
        OptionError
            When there is no such option, or a value cannot work.
        """
        known = {one.name for one in fields(cls)}
        unknown = settings.keys() - known
        if unknown:
            raise OptionError(
                f"Polygons have no option {min(unknown)!r}; there are {', '.join(sorted(known))}."
            )
        lists = {name: _names(settings[name]) for name in ("keep", "drop") if name in settings}
        paths = {
            name: Path(settings[name])
            for name in ("boundaries", "confidence")
            if settings.get(name) is not None
        }
        return cls(**{**settings, **lists, **paths})


def _names(value: Any) -> tuple[str, ...]:
    return (str(value),) if isinstance(value, str | int) else tuple(map(str, value))
