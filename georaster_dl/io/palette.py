"""Colours that tell classes apart where nobody chose any."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["palette"]

_Floats = npt.NDArray[np.float64]

# The ten of Tableau, which people know; every further colour is the one farthest from all before.
_FIRST = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd"),
    *("#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
)
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


def palette(n: int) -> list[tuple[int, int, int]]:
    """Red, green, blue of ``n`` classes, always the same; beyond some 400 they repeat."""
    steps = np.linspace(0, 255, 8).round()
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lightness = _oklab(cube)[:, 0]
    # Near black and near white look like a map's frame and its empty places.
    cube = cube[(lightness > 0.3) & (lightness < 0.95)]
    seen = _oklab(cube)
    first = np.array([list(bytes.fromhex(text[1:])) for text in _FIRST], np.float64)
    chosen = list(first)
    apart = np.linalg.norm(seen[:, None] - _oklab(first), axis=2).min(axis=1)
    while len(chosen) < n and apart.max() > 0:
        farthest = int(apart.argmax())
        chosen.append(cube[farthest])
        apart = np.minimum(apart, np.linalg.norm(seen - seen[farthest], axis=1))
    colors = [(int(red), int(green), int(blue)) for red, green, blue in chosen]
    return [colors[i % len(colors)] for i in range(n)]


def _oklab(color: _Floats) -> _Floats:
    unit = color / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    lab: _Floats = np.cbrt(linear @ _TO_CONES.T) @ _TO_OKLAB.T
    return lab
