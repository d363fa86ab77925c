"""Maps of places on every continent that the networks behind them never saw, as one picture."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch
from PIL import Image
from recipe import restore
from sets import BANDS, CLASSES
from world import Chip, chips

from accuracy.maps import Mapper, fold_weights, mapper_of
from georaster_dl.core.legend import MapClass, parse_color
from georaster_dl.render.colors import class_colors
from georaster_dl.render.stretch import stretched

# One of each continent, chosen before any map of them was drawn.
_SHOWN = {
    "saxony_20170527_11_L1C": "Saxony, Europe (L1C)",
    "shanxi_L2A": "Shanxi, Asia (L2A)",
    "tunisia_L2A": "Tunisia, Africa (L2A)",
    "roads_L2A": "Suburb, North America (L2A)",
    "tierra_del_fuego_L2A": "Tierra del Fuego, South America (L2A)",
    "new_zealand_20201002_L1C": "New Zealand, Oceania (L1C)",
}
_LEGEND = [MapClass(i, name, parse_color(color)) for i, (name, color) in enumerate(CLASSES)]


def draw(data: Path, runs: Path, output: Path) -> None:
    """Draw image and map of one place of each continent, by networks of the first seed."""
    paths = fold_weights(runs)[0]
    shown = {chip.name: chip for chip in chips(data) if chip.name in _SHOWN}
    figure, axes = plt.subplots(3, 4, figsize=(12, 10.2), layout="constrained")
    for place, (name, title) in enumerate(_SHOWN.items()):
        row, col = divmod(place, 2)
        mapper = mapper_of(restore(paths[shown[name].fold]))
        _pair(axes[row, 2 * col : 2 * col + 2], shown[name], mapper, title)
    handles = [Patch(facecolor=color, edgecolor="0.4", label=name) for name, color in CLASSES]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(output, dpi=100)
    with Image.open(output) as drawn:  # a palette takes a third of the space
        drawn.convert("RGB").quantize(256).save(output, optimize=True)


def _pair(axes: np.ndarray, chip: Chip, mapper: Mapper, title: str) -> None:
    visible = [BANDS.index(name) for name in ("B04", "B03", "B02")]
    colors, _ = class_colors(mapper(chip), _LEGEND)
    image = stretched(chip.piece.image[visible], chip.piece.valid)
    for each, picture in zip(axes, (image, colors), strict=True):
        each.imshow(picture)
        each.set_axis_off()
    axes[0].set_title(title, fontsize=10, loc="left")
