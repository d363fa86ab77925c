"""Colours of classes: those expected by the class's name, else clearly different colours."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from georaster_dl.core.legend import Color, parse_color

__all__ = ["apart_from", "choose_colors", "is_background", "meaning", "palette"]

_Floats = npt.NDArray[np.float64]

# Okabe and Ito 2008, for all kinds of colour vision, and three of Paul Tol's; every further colour is the
# one farthest from all before.
_FIRST = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"),
    *("#d55e00", "#f0e442", "#332288", "#882255", "#999933"),
)
_APART = 0.07  # in OKLab: two colours nearer than that are taken for one
_VIVID = 0.12  # chroma that stands out on grey
# Shades of one colour: what is added to its lightness, and the turn of its hue in degrees.
_SHADES = tuple((light, turn) for turn in (0, 40, -40) for light in (0, -0.1, 0.1, -0.2, 0.2))
_DARKEST, _BRIGHTEST = 0.3, 0.95  # beyond they look like a map's frame and its empty places
_ENDS_WORD, _BEGINS_WORD = 4, 5  # letters of a word that may be part of a longer one
_MOST_WORDS = 3
_BACKGROUND = "background"

# From linear red, green, blue to cone responses, and from their cube roots to OKLab, in which
# distances are as seen (B. Ottosson 2020, https://bottosson.github.io/posts/oklab).
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def palette(n: int) -> list[Color]:
    """Colours of ``n`` classes without a meaning, always the same; beyond some 400 they repeat."""
    colors = choose_colors([""] * min(n, len(_cube()[0])))
    return [colors[i % len(colors)] for i in range(n)]


def choose_colors(names: Sequence[str], given: Sequence[Color | None] | None = None) -> list[Color]:
    """Choose distinct colours for classes: those given, else by the meaning of the names, else neutral.

    Parameters
    ----------
    names : of the classes, in any of eight languages.
    given : colours that are kept as they are, None for those to be chosen; none where omitted.
    """
    kept = list(given or [None] * len(names))
    spread = _Spread([color for color in kept if color is not None])
    meanings = [meaning(name) for name in names]
    # What has a meaning chooses first, so that nothing else takes its colour.
    for i in sorted(range(len(names)), key=lambda i: meanings[i] is None):
        if kept[i] is None:
            found = meanings[i]
            wanted = _neutral() if found is None else _shades(_meanings()[found].color)
            kept[i] = spread.take(wanted)
    return [color for color in kept if color is not None]


def apart_from(colors: Sequence[Color], n: int) -> list[Color]:
    """``n`` vivid colours, none of them green, far from all these and from each other."""
    spread = _Spread(list(colors), vivid=True)
    return [spread.take(()) for _ in range(n)]


class _Spread:
    """Colours so far, and those farthest from all of them."""

    def __init__(self, taken: Sequence[Color], *, vivid: bool = False) -> None:
        self._cube, self._seen = _cube()
        if vivid:
            redness, yellowness = self._seen[:, 1:].T
            # Green looks right to people, whatever it stands for.
            strong = (np.hypot(redness, yellowness) > _VIVID) & ((redness > 0) | (yellowness < 0))
            self._cube, self._seen = self._cube[strong], self._seen[strong]
        self._distance = np.full(len(self._cube), np.inf)
        self._taken = np.empty((0, 3))
        for color in taken:
            self._add(color)

    def _add(self, color: Color) -> None:
        here = _oklab(np.array(color, np.float64))
        self._taken = np.vstack([self._taken, here])
        self._distance = np.minimum(self._distance, np.linalg.norm(self._seen - here, axis=1))

    def take(self, wanted: Sequence[Color]) -> Color:
        """The first of the wanted colours that is apart from all taken, else the farthest there is."""
        for color in wanted:
            here = _oklab(np.array(color, np.float64))
            if np.linalg.norm(self._taken - here, axis=1).min(initial=np.inf) >= _APART:
                break
        else:
            red, green, blue = self._cube[int(self._distance.argmax())]
            color = int(red), int(green), int(blue)
        self._add(color)
        return color


@cache
def _cube() -> tuple[_Floats, _Floats]:
    """(n, 3) colours to choose from, and the same in OKLab."""
    steps = np.linspace(0, 255, 8).round()
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    seen = _oklab(cube)
    kept = (seen[:, 0] > _DARKEST) & (seen[:, 0] < _BRIGHTEST)
    return cube[kept], seen[kept]


@cache
def _neutral() -> tuple[Color, ...]:
    return tuple(parse_color(text) for text in _FIRST)


@cache
def _shades(color: Color) -> tuple[Color, ...]:
    """Give the colour, then darker, lighter and hue-shifted variants."""
    light, a, b = _oklab(np.array(color, np.float64))
    made = [color]
    for lighter, turn in _SHADES[1:]:
        cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        lab = np.array([light + lighter, a * cos - b * sin, a * sin + b * cos])
        linear = (lab @ np.linalg.inv(_TO_OKLAB.T)) ** 3 @ np.linalg.inv(_TO_CONES.T)
        unit = np.where(
            linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055
        )
        red, green, blue = np.round(np.clip(unit, 0, 1) * 255).astype(int).tolist()
        if _DARKEST < lab[0] < _BRIGHTEST:
            made.append((red, green, blue))
    return tuple(made)


def _oklab(color: _Floats) -> _Floats:
    unit = color / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    lab: _Floats = np.cbrt(linear @ _TO_CONES.T) @ _TO_OKLAB.T
    return lab


class _Meaning(NamedTuple):
    """Meaning of a class name: its colour and its rank in the choice."""

    color: Color
    rank: int


@cache
def _table() -> dict[str, dict[str, object]]:
    return tomllib.loads(
        files("georaster_dl.render").joinpath("class_colors.toml").read_text("utf-8")
    )


@cache
def _meanings() -> dict[str, _Meaning]:
    return {
        name: _Meaning(parse_color(str(entry["color"])), rank)
        for rank, (name, entry) in enumerate(_table().items())
    }


@cache
def _words(key: str = "words") -> dict[str, str]:
    """Meaning by word, those that are taken first in front."""
    return {
        word: name
        for name, entry in reversed(_table().items())
        for word in entry.get(key, ())  # type: ignore[attr-defined]
    }


def is_background(name: str) -> bool:
    """Whether a class's name says that it is nothing in particular: 'other', 'kein Wald'."""
    return meaning(name) == _BACKGROUND


@lru_cache(maxsize=4096)
def meaning(name: str) -> str | None:
    """Return the entry of the colour table that a class's name means; None without any."""
    found = {_meanings()[one].rank: one for one in _meant(_tokens(name))}
    return found[min(found)] if found else None


def _meant(tokens: Sequence[str]) -> Iterator[str]:
    """Meanings of the words of a name, of several in a row where these are one."""
    start = 0
    while start < len(tokens):
        for n in range(_MOST_WORDS, 0, -1):
            word = " ".join(tokens[start : start + n])
            one = _words().get(word) or (_part(word) if n == 1 else None)
            if one is not None:
                around = tokens[max(start - 1, 0) : start], tokens[start + n : start + n + 1]
                yield _BACKGROUND if _negated(*around) else one
                start += n - 1
                break
        start += 1


def _negated(before: Sequence[str], behind: Sequence[str]) -> bool:
    return bool(_words("negations").keys() & set(before) or _words("endings").keys() & set(behind))


def _part(word: str) -> str | None:
    """Meaning of the longest word that ends, or else begins, a longer one."""
    for first in range(1, len(word) - _ENDS_WORD + 1):
        if word[first:] in _words():
            return _BACKGROUND if word[:first] in _words("negations") else _words()[word[first:]]
    for last in range(len(word) - 1, _BEGINS_WORD - 1, -1):
        if word[:last] in _words():
            return _BACKGROUND if word[last:] in _words("endings") else _words()[word[:last]]
    return None


def _tokens(name: str) -> list[str]:
    """The words of a name without case, accents and digits; 'CloudShadow' has two."""
    apart = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", name)
    plain = unicodedata.normalize("NFKD", apart.casefold().replace("ł", "l"))
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return [_without_digraphs(word) for word in re.findall(r"[^\W\d_]+", letters)]


def _without_digraphs(word: str) -> str:
    """Return a word with 'ae', 'oe' or 'ue' as the table spells it, where the table has it."""
    if word in _words() or _part(word):
        return word
    plain = re.sub(r"([aou])e", r"\1", word)
    return plain if plain in _words() or _part(plain) else word
