"""Quality bands that say which pixels of a scene are cloud, shadow or fill: SCL, QA_PIXEL, Fmask, UDM2.

``--mask`` names such a band and, where its kind is not known, which of its numbers mask a pixel:
``SCL``, ``T31_SCL_20m.jp2``, ``qa.tif=bits:1,3``, ``clouds.tif=1,4-6``, ``clear.tif=keep:1``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.errors import OptionError

__all__ = ["MaskRule", "QualityBand", "parse_mask"]

_RULE = re.compile(r"(bits:|keep:)?\d+(-\d+)?(,\d+(-\d+)?)*")


@dataclass(frozen=True)
class MaskRule:
    """Which numbers of a quality band mask a pixel.

    Attributes
    ----------
    kind : ``mask`` these numbers, mask where one of these ``bits`` is set, or ``keep`` only these.
    numbers : values, or bits counted from 0.
    """

    kind: Literal["mask", "bits", "keep"]
    numbers: tuple[int, ...]

    def usable(self, quality: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Tell which pixels are not masked; of the shape of ``quality``."""
        if self.kind == "bits":
            whole = np.where(np.isfinite(quality), quality, -1).astype(np.int64)  # -1: every bit
            return np.asarray((whole & sum(1 << bit for bit in self.numbers)) == 0)
        listed = np.isin(quality, self.numbers)
        return listed if self.kind == "keep" else ~listed


@dataclass(frozen=True)
class QualityBand:
    """A quality band as a scene's reader opens it: GDAL's name, band from 1, and what it masks."""

    path: str
    index: int
    rule: MaskRule


# By a word of the band's or file's name. Snow, water and thin haze are left to the user.
_KNOWN = (
    # Sentinel-2 L2A scene classification: fill, saturated, shadow, cloud (medium, high), cirrus.
    ("SCL", MaskRule("mask", (0, 1, 3, 8, 9, 10))),
    # Landsat Collection 2: fill, dilated cloud, cirrus, cloud, shadow.
    ("QA_PIXEL", MaskRule("bits", (0, 1, 2, 3, 4))),
    # HLS: cloud, beside cloud or shadow, shadow; fill is 255.
    ("FMASK", MaskRule("bits", (1, 2, 3))),
    # PlanetScope: the first band is 1 where clear.
    ("UDM2", MaskRule("keep", (1,))),
)


def parse_mask(text: str) -> tuple[str, MaskRule]:
    """Split ``--mask`` into the quality band's name or path, and its rule.

    Raises
    ------
    OptionError
        When the rule is none, or the band's kind is not known and no rule is given.
    """
    name, equals, stated = text.rpartition("=")
    if equals and _RULE.fullmatch(stated.replace(" ", "")):
        return name.strip(), _stated(stated.replace(" ", ""))
    known = next(
        (
            rule
            for word, rule in _KNOWN
            if re.search(rf"(?<![A-Z0-9]){word}(?![A-Z0-9])", text.upper())
        ),
        None,
    )
    if known is None or equals:
        names = ", ".join(word for word, _ in _KNOWN)
        raise OptionError(
            f"--mask {text}: it is not known which of its numbers mask a pixel (known are bands and files named "
            f"{names}); say so behind it: NAME=3,8-10 masks these values, NAME=bits:1,3 these bits, NAME=keep:1 all "
            f"other values."
        )
    return text, known


def _stated(rule: str) -> MaskRule:
    kind, _, listed = rule.rpartition(":")
    numbers: set[int] = set()
    for part in listed.split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    if len(numbers) > 65536 or (kind == "bits" and max(numbers) > 62):
        raise OptionError(
            f"--mask ...={rule} lists {'a bit above 62' if kind == 'bits' else 'more than 65536 values'}; a quality "
            f"band has fewer."
        )
    kinds: dict[str, Literal["mask", "bits", "keep"]] = {"bits": "bits", "keep": "keep"}
    return MaskRule(kinds.get(kind, "mask"), tuple(sorted(numbers)))
