"""Options of cleaning a map; no heavy import, as the command line reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from georaster_dl.core.errors import OptionError
from georaster_dl.tiling.area_text import parse_area

__all__ = ["LARGEST_SIDE", "STRENGTH", "CleaningOptions"]

STRENGTH = 20.0
LARGEST_SIDE = 101


@dataclass(frozen=True)
class CleaningOptions:
    """How a map of classes is cleaned: first smoothed, then filtered, then sieved.

    Attributes
    ----------
    smooth : choose the classes anew, by probabilities that their neighbours' have smoothed.
    smooth_strength : variance of the log-odds within a class, above 0; larger ones smooth more. A number, or a
        text of numbers and of numbers of classes: ``20``, ``20,water=40``.
    smooth_window : side of the square of neighbours in pixels, odd.
    smooth_share : of the neighbours, those with the highest log-odds.
    majority : side in pixels, odd, of the square whose most frequent class a pixel takes.
    sieve : smallest area that stays, with its unit: ``0.5ha``, ``50m2``, ``9px``.
    """

    smooth: bool = False
    smooth_strength: str | float = STRENGTH
    smooth_window: int = 9
    smooth_share: float = 0.5
    majority: int | None = None
    sieve: str | None = None

    def __post_init__(self) -> None:
        """Check the options by themselves."""
        _check_side("smooth_window", self.smooth_window)
        if self.majority is not None:
            _check_side("majority", self.majority)
        if not 0 < self.smooth_share <= 1:
            raise OptionError(
                f"`smooth_share={self.smooth_share:g}` is a share of the neighbours; give a number above 0, up to 1."
            )
        _strengths(self.smooth_strength)
        if self.sieve is not None:
            parse_area(self.sieve, "sieve")

    @property
    def asked(self) -> tuple[str, ...]:
        """Names of the steps that are asked for."""
        return tuple(name for name in ("smooth", "majority", "sieve") if getattr(self, name))

    @property
    def cleans(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.asked)

    def strengths_of(self, names: list[str]) -> list[float]:
        """Look up the strength of each class.

        Raises
        ------
        OptionError
            When another class is named.
        """
        usual, of_class = _strengths(self.smooth_strength)
        for name in of_class:
            if name not in names:
                raise OptionError(
                    f"`smooth_strength=` names the class {name!r}, but the map has {', '.join(names)}; name one of these."
                )
        return [of_class.get(name, usual) for name in names]

    @property
    def text(self) -> str:
        """Steps with their settings, as a map's tags name them."""
        said = []
        if self.smooth:
            said.append(
                f"smooth={self.smooth_strength} window={self.smooth_window} share={self.smooth_share:g}"
            )
        if self.majority is not None:
            said.append(f"majority={self.majority}")
        if self.sieve is not None:
            said.append(f"sieve={self.sieve}")
        return " ".join(said)


def _check_side(name: str, side: int) -> None:
    if side % 2 == 0 or not 3 <= side <= LARGEST_SIDE:
        raise OptionError(
            f"`{name}={side}` is the side of a square around a pixel; give an odd number, 3 to {LARGEST_SIDE}."
        )


def _strengths(stated: str | float) -> tuple[float, Mapping[str, float]]:
    """Read the usual strength and that of single classes."""
    usual, of_class = STRENGTH, {}
    for part in str(stated).split(","):
        name, _, number = part.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = 0.0
        if not 0 < value < float("inf"):
            raise OptionError(
                f"`smooth_strength={stated}` is a number above 0, and may name classes: 20 or 20,water=40; got {part!r}."
            )
        if name.strip():
            of_class[name.strip()] = value
        else:
            usual = value
    return usual, of_class
