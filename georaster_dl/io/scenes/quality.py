"""Quality bands that say which pixels of a scene are cloud, shadow or fill: SCL, QA_PIXEL, Fmask, UDM2.

The option ``mask`` names such a band and, where its kind is not known or other pixels are meant, which of its
numbers mask a pixel: ``SCL``, ``T31_SCL_20m.jp2``, ``qa.tif=bits:1,3``, ``clouds.tif=1,4-6``, ``clear.tif=keep:1``.
Classes and bits of the known kinds have names too: ``SCL=cloud_high,snow``, ``QA_PIXEL=bits:cloud,cloud_shadow``.
A comparison masks by the physical values of a band, which stays one: ``B02>0.2``.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError

__all__ = [
    "Comparison",
    "MaskRule",
    "QualityBand",
    "has_own_bands",
    "is_quality_name",
    "parse_mask",
]

_RANGE = re.compile(r"(-?\d+)(?:-(-?\d+))?")
_RULE = re.compile(rf"(bits:|keep:)?{_RANGE.pattern}(,{_RANGE.pattern})*")
_COMPARISON = re.compile(r"(.+?)\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
_COMPARED = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_HIGHEST_BIT = 62


@dataclass(frozen=True)
class MaskRule:
    """Which numbers of a quality band mask a pixel.

    Attributes
    ----------
    kind : ``mask`` these numbers, mask where one of these ``bits`` is set, or ``keep`` only these.
    ranges : first and last of values, or of bits counted from 0.
    """

    kind: Literal["mask", "bits", "keep"]
    ranges: tuple[tuple[int, int], ...]

    def usable(self, quality: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return a mask of the usable pixels, of the shape of ``quality``."""
        if self.kind == "bits":
            bits = {bit for first, last in self.ranges for bit in range(first, last + 1)}
            whole = np.where(np.isfinite(quality), quality, -1).astype(np.int64)  # -1: every bit
            return np.asarray((whole & sum(1 << bit for bit in bits)) == 0)
        listed = np.zeros(quality.shape, bool)
        for first, last in self.ranges:
            listed |= (quality >= first) & (quality <= last)
        return listed if self.kind == "keep" else ~listed


@dataclass(frozen=True)
class Comparison:
    """Mask of the pixels whose physical value is above or below a number.

    Attributes
    ----------
    sign : ``>``, ``>=``, ``<`` or ``<=``.
    """

    sign: str
    number: float

    def usable(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return a mask of the usable pixels, of the shape of ``values``; one without a value is none."""
        return np.asarray(~_COMPARED[self.sign](values, self.number) & np.isfinite(values))


@dataclass(frozen=True)
class QualityBand:
    """Band of a scene that masks its pixels.

    Attributes
    ----------
    path, index : GDAL's name of the file, and the band in it, counted from 1.
    rule : which stored numbers mask, or which physical values.
    scale, offset : physical value = stored value * scale + offset.
    """

    path: str
    index: int
    rule: MaskRule | Comparison
    scale: float = 1.0
    offset: float = 0.0

    def usable(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return a mask of the usable pixels, of the shape of ``stored``."""
        if isinstance(self.rule, MaskRule):
            return self.rule.usable(stored)
        return self.rule.usable(stored.astype(np.float32) * self.scale + self.offset)


# By a word of the band's or file's name. Snow, water and thin haze are left to the user.
_KNOWN = (
    # Sentinel-2 L2A scene classification: fill, saturated, shadow, cloud (medium, high), cirrus.
    ("SCL", MaskRule("mask", ((0, 1), (3, 3), (8, 10)))),
    # Landsat Collection 2: fill, dilated cloud, cirrus, cloud, shadow.
    ("QA_PIXEL", MaskRule("bits", ((0, 4),))),
    # HLS: cloud, beside cloud or shadow, shadow; fill is 255.
    ("FMASK", MaskRule("bits", ((1, 3),))),
    # PlanetScope: the first band is 1 where clear.
    ("UDM2", MaskRule("keep", ((1, 1),))),
)


# Names of classes and bits, as the products' handbooks have them.
_SCL_NAMES = (
    *("no_data", "saturated", "dark", "cloud_shadow", "vegetation", "bare", "water"),
    *("unclassified", "cloud_medium", "cloud_high", "cirrus", "snow"),
)
_QA_PIXEL_NAMES = (
    *("fill", "dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow", "clear", "water"),
)
_FMASK_NAMES = ("cirrus", "cloud", "adjacent", "cloud_shadow", "snow", "water")
_NUMBERS: Mapping[str, Mapping[str, int]] = {
    word: {name: number for number, name in enumerate(names)}
    for word, names in (
        ("SCL", _SCL_NAMES),
        ("QA_PIXEL", _QA_PIXEL_NAMES),
        ("FMASK", _FMASK_NAMES),
    )
}


def parse_mask(text: str) -> tuple[str, MaskRule | Comparison]:
    """Split the option ``mask`` into the quality band's name or path, and its rule.

    Raises
    ------
    OptionError
        When the rule is none, or the band's kind is not known and no rule is given.
    """
    compared = _COMPARISON.fullmatch(text.strip())
    if compared is not None:
        return compared[1], Comparison(compared[2], float(compared[3]))
    name, equals, stated = text.rpartition("=")
    numbers = _numbered(stated.replace(" ", ""), name)
    if equals and _RULE.fullmatch(numbers):
        return name.strip(), _stated(text, numbers)
    known = next((rule for word, rule in _KNOWN if _names(word, text)), None)
    if known is not None and not equals:
        return text, known
    raise _no_rule(text, name, stated if equals else None)


def _numbered(rule: str, name: str) -> str:
    """Put numbers in place of the names of classes and bits of a known kind of band."""
    numbers = next((own for word, own in _NUMBERS.items() if _names(word, name)), {})
    prefix, colon, listed = rule.rpartition(":")
    each = (str(numbers.get(part.casefold(), part)) for part in listed.split(","))
    return f"{prefix}{colon}{','.join(each)}"


def _no_rule(text: str, name: str, stated: str | None) -> OptionError:
    named = next((list(own) for word, own in _NUMBERS.items() if _names(word, name)), [])
    problem = (
        "it is not known which of its numbers mask a pixel"
        if stated is None
        else f"{stated!r} is no rule"
    )
    known = ", ".join(word for word, _ in _KNOWN)
    names = f"; names of its numbers are {', '.join(named)}" if named else ""
    return OptionError(
        f"`mask='{text}'`: {problem} (known without one are bands and files named {known}); say it behind the name: "
        f"NAME=3,8-10 masks these values, NAME=bits:1,3 these bits, NAME=keep:1 all other values, NAME>0.2 what is "
        f"above it{names}."
    )


def _names(word: str, text: str) -> bool:
    return bool(re.search(rf"(?<![A-Z0-9]){word}(?![A-Z0-9])", text.upper()))


def is_quality_name(name: str) -> bool:
    """Return whether a band of this name is known to hold classes or bits that mask."""
    return any(_names(word, name) for word, _ in _KNOWN)


def has_own_bands(name: str) -> bool:
    """Return whether a quality file of this name has further bands, of which the first counts."""
    return _names("UDM2", name)


def _stated(text: str, rule: str) -> MaskRule:
    kind, _, listed = rule.rpartition(":")
    ranges = tuple((int(first), int(last or first)) for first, last in _RANGE.findall(listed))
    wrong = next((f"{first}-{last}" for first, last in ranges if last < first), None)
    if wrong is not None:
        raise OptionError(
            f"`mask='{text}'`: the range {wrong} is empty; give the smaller number first."
        )
    if (
        kind == "bits"
        and not 0 <= min(ranges)[0] <= max(last for _, last in ranges) <= _HIGHEST_BIT
    ):
        raise OptionError(f"`mask='{text}'`: bits are 0 to {_HIGHEST_BIT}; give such numbers.")
    kinds: dict[str, Literal["mask", "bits", "keep"]] = {"bits": "bits", "keep": "keep"}
    return MaskRule(kinds.get(kind, "mask"), ranges)
