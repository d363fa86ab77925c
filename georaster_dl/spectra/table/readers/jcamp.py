"""JCAMP-DX files of spectra, with numbers as text or packed as differences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from georaster_dl.core.errors import OptionError
from georaster_dl.core.wording import counted
from georaster_dl.io.files.text_file import read_text
from georaster_dl.spectra.table.readers.grid import Grid
from georaster_dl.spectra.table.readers.single import Spectrum, of_spectra

__all__ = ["read_jcamp"]

_LABEL = re.compile(r"^##([^=]*)=", re.MULTILINE)
_COMMENT = re.compile(r"\$\$.*")
_PLAIN = re.compile(r"(?:[\d.+\-\s,;?]|[eE][+-]?\d)*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|\?")
_ITEM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)|\?)|([@A-Ia-i%J-Rj-rS-Zs])(\d*)|[\s,;]+|(.)")
_SQUEEZED = dict(zip("@ABCDEFGHIabcdefghi", [*range(10), *range(-1, -10, -1)], strict=True))
_DIFFERENCE = dict(zip("%JKLMNOPQRjklmnopqr", [*range(10), *range(-1, -10, -1)], strict=True))
_TIMES = dict(zip("STUVWXYZs", range(1, 10), strict=True))
_UNITS = {
    "NANOMETERS": "nm",
    "NM": "nm",
    "MICROMETERS": "um",
    "UM": "um",
    "1/CM": "cm-1",
    "CM-1": "cm-1",
}

_Labels = Mapping[str, str]


def read_jcamp(path: Path) -> Grid:
    """Read the spectra of a JCAMP-DX file: one, or several in a compound file, on one axis.

    Of the forms ``XYDATA=(X++(Y..Y))``, in AFFN, PAC, SQZ, DIF and DIFDUP (McDonald and Wilks 1988, Applied
    Spectroscopy 42, 151-162), and ``(XY..XY)``. What the file carries for checking is checked: NPOINTS, and the value
    that a line repeats after differences.

    Returns
    -------
    Columns name (of the file), title (of the spectrum) and a column for each band.

    Raises
    ------
    OptionError
        When there is no spectrum of these forms, a number cannot be read, a check fails, or axes differ.
    """
    try:
        spectra = [_spectrum(labels, path.stem) for labels in _blocks(read_text(path))]
    except (ValueError, KeyError) as error:
        raise OptionError(
            f"{path} is no JCAMP-DX file that can be read ({error}); export the spectrum again, as numbers (AFFN) "
            f"or as CSV."
        ) from error
    if not spectra:
        raise OptionError(
            f"{path} holds no spectrum; data of the form XYDATA=(X++(Y..Y)) or (XY..XY) is needed: export it so, or as "
            f"CSV."
        )
    return of_spectra(spectra, path)


def _blocks(text: str) -> Iterator[_Labels]:
    """Yield the labels of each block that holds data; a block begins with its title."""
    parts = _LABEL.split(_COMMENT.sub("", text))[1:]
    block: dict[str, str] = {}
    for name, value in [*zip(parts[::2], parts[1::2], strict=True), ("TITLE", "")]:
        label = re.sub(r"[\s/_-]", "", name).upper()
        if label == "TITLE":
            if {"XYDATA", "XYPOINTS"} & block.keys():
                yield block
            block = {}
        block[label] = value.strip()


def _spectrum(labels: _Labels, name: str) -> Spectrum:
    form, *lines = labels.get("XYDATA", labels.get("XYPOINTS", "")).splitlines()
    factor = _number(labels.get("YFACTOR", "1"))
    form = form.replace(" ", "").upper()
    if form.startswith("(X++(Y..Y))"):
        values = np.array(_ordinates(lines))
        n = int(_number(labels["NPOINTS"]))
        if len(values) != n:
            raise ValueError(f"NPOINTS states {counted(n, 'value')}, but {len(values)} were found")
        axis = np.linspace(_number(labels["FIRSTX"]), _number(labels["LASTX"]), n)
    elif form.startswith("(XY..XY)"):
        pairs = np.array(_numbers(" ".join(lines)))
        axis, values = pairs.reshape(-1, 2).T
        axis = axis * _number(labels.get("XFACTOR", "1"))
    else:
        raise ValueError(f"its data have the form {form or 'of none'}")
    unit = _UNITS.get(labels.get("XUNITS", "").upper(), "")
    return Spectrum(name, axis, values * factor, unit, labels.get("TITLE", ""))


def _number(text: str) -> float:
    return float(text.split(maxsplit=1)[0].replace(",", ".")) if text else 1.0


def _numbers(text: str) -> list[float]:
    return [float("nan") if item == "?" else float(item) for item in _NUMBER.findall(text)]


def _ordinates(lines: Sequence[str]) -> list[float]:
    """Values of all lines, each of which begins with its abscissa."""
    if all(map(_PLAIN.fullmatch, lines)):
        return [value for line in lines for value in _numbers(line)[1:]]
    values: list[float] = []
    repeated = False  # the next line repeats the last value, for a check
    for line in filter(str.strip, lines):
        found = _Line()
        for item in _ITEM.finditer(line):
            found.add(*item.groups())
        if repeated and found.values[:1] != values[-1:]:
            raise ValueError(f"the line {line[:30]!r} does not begin with the last value before it")
        values += found.values[1:] if repeated else found.values
        repeated = found.by_difference
    return values


@dataclass
class _Line:
    """Decoder of a packed line."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.by_difference = False
        self._begun = False
        self._last = 0.0

    def add(self, number: str | None, code: str | None, digits: str, wrong: str | None) -> None:
        """Add an item: a number, or a code and the digits behind it."""
        if wrong:
            raise ValueError(f"it holds {wrong!r} among its numbers")
        if number is not None and not self._begun:
            self._begun = True  # the abscissa
        elif number is not None:
            self._put(float("nan") if number == "?" else float(number), by_difference=False)
        elif code is not None and code in _TIMES:
            self._repeat(int(f"{_TIMES[code]}{digits}") - 1)
        elif code is not None:
            known = _SQUEEZED if code in _SQUEEZED else _DIFFERENCE
            self._put(float(f"{known[code]}{digits}"), by_difference=code not in _SQUEEZED)

    def _put(self, number: float, *, by_difference: bool) -> None:
        if by_difference and not self.values:
            raise ValueError("a line begins with a difference")
        self.values.append(self.values[-1] + number if by_difference else number)
        self._last, self.by_difference = number, by_difference

    def _repeat(self, times: int) -> None:
        for _ in range(times):
            self._put(self._last, by_difference=self.by_difference)
