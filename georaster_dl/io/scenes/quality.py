"""Quality bands that say which pixels of a scene are cloud, shadow or fill: SCL, QA_PIXEL, Fmask, UDM2.

The option ``mask`` names such a band and, where its kind is not known, which of its numbers mask a pixel:
``SCL``, ``T31_SCL_20m.jp2``, ``qa.tif=bits:1,3``, ``clouds.tif=1,4-6``, ``clear.tif=keep:1``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.errors import OptionError

__all__ = ["MaskRule", "QualityBand", "has_own_bands", "parse_mask"]

_RANGE = re.compile(r"(-?\d+)(?:-(-?\d+))?")
_RULE = re.compile(rf"(bits:|keep:)?{_RANGE.pattern}(,{_RANGE.pattern})*")
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
class QualityBand:
    """Quality band of a scene: GDAL's name of the file, band index from 1, and mask rule."""

    path: str
    index: int
    rule: MaskRule


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


def parse_mask(text: str) -> tuple[str, MaskRule]:
    """Split the option ``mask`` into the quality band's name or path, and its rule.

    Raises
    ------
    OptionError
        When the rule is none, or the band's kind is not known and no rule is given.
    """
    name, equals, stated = text.rpartition("=")
    if equals and _RULE.fullmatch(stated.replace(" ", "")):
        return name.strip(), _stated(text, stated.replace(" ", ""))
    known = next((rule for word, rule in _KNOWN if _names(word, text)), None)
    if known is not None and not equals:
        return text, known
    problem = (
        f"{stated!r} is no rule" if equals else "it is not known which of its numbers mask a pixel"
    )
    names = ", ".join(word for word, _ in _KNOWN)
    raise OptionError(
        f"`mask='{text}'`: {problem} (known without one are bands and files named {names}); say it behind the name: "
        f"NAME=3,8-10 masks these values, NAME=bits:1,3 these bits, NAME=keep:1 all other values."
    )


def _names(word: str, text: str) -> bool:
    return bool(re.search(rf"(?<![A-Z0-9]){word}(?![A-Z0-9])", text.upper()))


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
