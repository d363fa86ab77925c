"""Charts as SVG inside a page: lines, bands, points with names on hover, and rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
import numpy.typing as npt

from georaster_dl.core.legend import Color, color_hex
from georaster_dl.core.text import visible
from georaster_dl.spectra.report.axis import Axis

__all__ = ["Chart", "Style"]

_Floats = npt.NDArray[np.float64]

_WIDTH, _HEIGHT = 540, 380
_TOP, _RIGHT, _BOTTOM = 12, 16, 50
_LETTER = 7.2  # mean width of a letter at the size of ticks
_RADIUS = 3.2
_GAP = 7  # from a point to its label
_MARKS = {  # outlines about (0, 0), in units of a point's radius
    "square": "M-1-1H1V1H-1Z",
    "triangle": "M0-1.25L1.15.9H-1.15Z",
    "diamond": "M0-1.35L1.35 0L0 1.35L-1.35 0Z",
}


@dataclass(frozen=True)
class Style:
    """Colour and mark of a series of points or lines.

    Attributes
    ----------
    mark : ``circle``, ``square``, ``triangle`` or ``diamond``.
    dashes : of lines, in pixels; unbroken when empty.
    """

    color: Color
    mark: str = "circle"
    dashes: str = ""
    width: float = 1.6
    opacity: float = 1.0

    @property
    def css(self) -> str:
        """Its colour as ``#rrggbb``."""
        return color_hex(self.color)


@dataclass(eq=False)
class Chart:
    """A chart of two axes, drawn in the order of its calls.

    Attributes
    ----------
    title : what it shows, also read out.
    caption : a line or two below, may be empty.
    square : whether both axes have one length, so that equal ranges have one scale.
    legend : swatch and name of each series that has a name.
    """

    title: str
    x: Axis
    y: Axis
    caption: str = ""
    square: bool = False
    legend: list[tuple[str, str]] = field(default_factory=list)
    _drawn: list[str] = field(default_factory=list, repr=False)
    _labels: list[str] = field(default_factory=list, repr=False)
    _taken: list[tuple[float, float, float]] = field(default_factory=list, repr=False)

    def line(self, x: npt.ArrayLike, y: npt.ArrayLike, style: Style, name: str = "") -> None:
        """Draw a line through points (n,), interrupted at those that are not finite."""
        across, down = self._places(x, y)
        path, begun = [], False
        for i in range(len(across)):
            known = bool(np.isfinite(across[i]) and np.isfinite(down[i]))
            if known:
                path.append(f"{'L' if begun else 'M'}{across[i]:.1f} {down[i]:.1f}")
            begun = known
        self._drawn.append(f'<path d="{"".join(path)}" {_stroke(style)}/>')
        self._entry(name, f'<path d="M1 8H27" {_stroke(style)}/>')

    def band(self, x: _Floats, low: _Floats, high: _Floats, style: Style, name: str = "") -> None:
        """Fill between two curves (n,) over x (n,)."""
        across, below = self._places(x, low)
        above = self._places(x, high)[1]
        outline = [*zip(across, below, strict=True), *zip(across[::-1], above[::-1], strict=True)]
        points = " ".join(f"{right:.1f},{down:.1f}" for right, down in outline)
        fill = f'fill="{style.css}" fill-opacity="{style.opacity:g}"'
        self._drawn.append(f'<polygon points="{points}" {fill}/>')
        self._entry(name, f'<rect x="1" y="2" width="26" height="12" {fill}/>')

    def segments(
        self,
        begins: tuple[npt.ArrayLike, npt.ArrayLike],
        ends: tuple[npt.ArrayLike, npt.ArrayLike],
        style: Style,
        name: str = "",
    ) -> None:
        """Draw a line from each begin to its end; both are x (n,) and y (n,)."""
        places = np.stack([*self._places(*begins), *self._places(*ends)], axis=1)
        path = "".join(
            f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"
            for x1, y1, x2, y2 in places[np.isfinite(places).all(axis=1)]
        )
        self._drawn.append(f'<path d="{path}" {_stroke(style)}/>')
        self._entry(name, f'<path d="M1 8H27" {_stroke(style)}/>')

    def points(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        style: Style,
        name: str = "",
        *,
        tips: Sequence[str] = (),
    ) -> None:
        """Draw points (n,); ``tips`` (n,) are shown on hover."""
        across, down = self._places(x, y)
        tips = tips or [""] * len(across)
        marks = [
            _mark(style.mark, a, d, tip)
            for a, d, tip in zip(across, down, tips, strict=True)
            if np.isfinite(a) and np.isfinite(d)
        ]
        fill = (
            f'fill="{style.css}" fill-opacity="{style.opacity:g}" stroke="#fff" stroke-width=".6"'
        )
        self._drawn.append(f"<g {fill}>{''.join(marks)}</g>")
        self._entry(name, f"<g {fill}>{_mark(style.mark, 14, 8, '')}</g>")

    def rule(self, style: Style, name: str = "", *, x: float | None = None, y: float | None = None) -> None:  # fmt: skip
        """Draw a line across the whole chart at ``x``, or at ``y``."""
        if x is not None:
            self.line([x, x], [self.y.low, self.y.high], style, name)
        if y is not None:
            self.line([self.x.low, self.x.high], [y, y], style, name)

    def label(self, x: float, y: float, text: str) -> None:
        """Write a text beside a point, unless it would cover another label."""
        across, down = (float(place[0]) for place in self._places([x], [y]))
        shown = _short(text, 22)
        right_half = across > self._plot[0] / 2
        left = across - _GAP - _LETTER * len(shown) if right_half else across + _GAP
        right = left + _LETTER * len(shown)
        if any(left < b and a < right and abs(down - d) < 2 * _GAP for a, b, d in self._taken):
            return
        self._taken.append((left, right, down))
        place = f'x="{across + (-_GAP if right_half else _GAP):.1f}" y="{down + 4:.1f}"'
        side = "end" if right_half else "start"
        self._labels.append(
            f'<text class="name" {place} text-anchor="{side}">{_escaped(shown)}</text>'
        )

    @property
    def svg(self) -> str:
        """The chart as an ``svg`` element that needs no other."""
        width, height = self._plot
        ticks = "".join([*self._ticks_across(), *self._ticks_up()])
        inner = (
            f'<svg x="{self._left}" y="{_TOP}" width="{width}" height="{height}">'
            f"{''.join(self._drawn)}{''.join(self._labels)}</svg>"
        )
        frame = (
            f'<rect class="frame" x="{self._left}" y="{_TOP}" width="{width}" height="{height}"/>'
        )
        middle_x, middle_y = self._left + width / 2, _TOP + height / 2
        named = (
            f'<text class="axis" x="{middle_x:.0f}" y="{_TOP + height + 42}" text-anchor="middle">'
            f"{_escaped(_short(self.x.label, 70))}</text>"
            f'<text class="axis" transform="translate(14 {middle_y:.0f}) rotate(-90)" text-anchor="middle">'
            f"{_escaped(_short(self.y.label, 48))}</text>"
        )
        across = self._left + width + _RIGHT
        size = f'viewBox="0 0 {across} {_TOP + height + _BOTTOM}" style="max-width: {across}px"'
        told = f"<title>{_escaped(self.title)}</title><desc>{_escaped(self.caption)}</desc>"
        return f'<svg role="img" {size}>{told}{ticks}{inner}{frame}{named}</svg>'

    @property
    def _left(self) -> int:
        longest = max((len(_short(text)) for _, text in self.y.ticks()), default=1)
        return round(34 + _LETTER * longest)

    @property
    def _plot(self) -> tuple[int, int]:
        """Width and height of the plot in pixels."""
        height = _HEIGHT - _TOP - _BOTTOM
        if self.y.names:
            height = max(120, 34 * len(self.y.names))
        if self.square:
            return height + 70, height + 70
        return _WIDTH - self._left - _RIGHT, height

    def _places(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[_Floats, _Floats]:
        """Pixels from the left and from the top of the plot."""
        width, height = self._plot
        return self.x.share(x) * width, (1 - self.y.share(y)) * height

    def _ticks_across(self) -> list[str]:
        width, height = self._plot
        found = self.x.ticks()
        return [
            _grid(right, _TOP, right, _TOP + height)
            + f'<text x="{right:.1f}" y="{_TOP + height + 18}" text-anchor="middle">{_escaped(_short(text))}</text>'
            for right, text in (
                (self._left + float(self.x.share(value)) * width, text) for value, text in found
            )
        ]

    def _ticks_up(self) -> list[str]:
        width, height = self._plot
        drawn = []
        for value, text in self.y.ticks():
            down = _TOP + (1 - float(self.y.share(value))) * height
            drawn.append(_grid(self._left, down, self._left + width, down))
            drawn.append(
                f'<text x="{self._left - 7}" y="{down + 4.5:.1f}" text-anchor="end">{_escaped(_short(text))}</text>'
            )
        return drawn

    def _entry(self, name: str, swatch: str) -> None:
        if name:
            self.legend.append((f'<svg class="key" viewBox="0 0 28 16">{swatch}</svg>', name))


def _grid(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path class="grid" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def _stroke(style: Style) -> str:
    dashes = f' stroke-dasharray="{style.dashes}"' if style.dashes else ""
    return (
        f'fill="none" stroke="{style.css}" stroke-width="{style.width:g}" '
        f'stroke-opacity="{style.opacity:g}" stroke-linejoin="round"{dashes}'
    )


def _mark(mark: str, x: float, y: float, tip: str) -> str:
    told = f"<title>{_escaped(tip)}</title>" if tip else ""
    if mark == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}">{told}</circle>'
    place = f"translate({x:.1f} {y:.1f}) scale({_RADIUS * 0.95:g})"
    return f'<path transform="{place}" vector-effect="non-scaling-stroke" d="{_MARKS[mark]}">{told}</path>'


def _short(text: str, most: int = 26) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _escaped(text: str) -> str:
    return escape(visible(text))
