"""A turn coloured by class, as a PNG with its legend."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from georaster_dl.core.legend import Legend
from georaster_dl.render.colors import Colors, class_colors
from georaster_dl.render.quicklook import write_class_page
from georaster_dl.render.turns.views import seen_from_above, seen_from_sensor

__all__ = ["write_turn_picture"]

_REACH_M, _CELL_M, _COLUMNS = 45.0, 0.2, 720


def write_turn_picture(
    out_png: Path,
    *,
    xyz: npt.NDArray[np.floating[Any]],
    fiber: npt.NDArray[np.integer[Any]] | None,
    labels: Mapping[str, npt.NDArray[np.integer[Any]]],
    legend: Legend,
    view: Literal["above", "sensor"],
    title: str,
) -> None:
    """Write a PNG of the points of a turn, coloured by class.

    Parameters
    ----------
    xyz : (n, 3) metres, in the sensor's frame.
    fiber : (n,) number of the laser; None where it is not known.
    labels : (n,) classes by the name of a picture: one beside the other, such as truth and map.
    view : ``above`` within 45 m, or ``sensor``: a range image.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    if view == "above":
        image = seen_from_above(xyz, reach_m=_REACH_M, cell_m=_CELL_M)
    else:
        image = seen_from_sensor(xyz, fiber, columns=_COLUMNS)
    last = list(labels.values())[-1]
    counts = {entry.name: int((last == entry.value).sum()) for entry in legend.classes}
    pictures = [(name, _colored(image, of_points, legend)) for name, of_points in labels.items()]
    resolution_m = _CELL_M if view == "above" else None
    write_class_page(out_png, pictures, legend, counts, False, resolution_m, title)


def _colored(
    image: npt.NDArray[np.int64], of_points: npt.NDArray[np.integer[Any]], legend: Legend
) -> Colors:
    """Color an image of point numbers, white where there is no point of a class."""
    values = np.where(image >= 0, np.append(of_points.astype(np.int64), -1)[image], -1)
    colors, known = class_colors(values, legend.classes)
    return np.where(known[..., None], colors, 1.0)
