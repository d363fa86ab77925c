"""Pictures encoded as PNG, and embedded in pages."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from georaster_dl.render.colors import Colors, on_hatching

__all__ = ["as_image", "data_address", "encoded", "points_png", "raster_png"]

_LONGEST = 1200  # pixels of a side: what a page shows small stays sharp on any screen
_RIM = (38, 42, 46)
_RADII = 0.004, 0.013  # of a point, in sides of the picture: of thousands, and of a few

_Mask = npt.NDArray[np.bool_]


def raster_png(colors: Colors, known: _Mask) -> str:
    """Draw colours (rows, cols, 3), hatched where not known, as a ``data:`` address.

    Small pictures are enlarged by whole pixels.
    """
    return data_address(encoded(_enlarged(colors, known, _LONGEST // max(known.shape))))


def points_png(background: Colors, known: _Mask, places: Colors, colors: Colors) -> str:
    """Draw points as discs with a dark rim, the fewer the larger, as a ``data:`` address.

    Parameters
    ----------
    background, known : as ``raster_png`` has them.
    places : (2, points) rows and cols in pixels of the background.
    colors : (points, 3).
    """
    zoom = -(-_LONGEST // max(known.shape))
    image = _enlarged(background, known, zoom)
    share = np.clip(0.3 / math.sqrt(max(len(colors), 1)), *_RADII)
    radius = float(share * max(image.size))
    rim, fill = _disc(radius, radius), _disc(radius, 0.72 * radius)
    corners = np.round(places.T[:, ::-1] * zoom - rim.width / 2).astype(int)
    for corner, color in zip(corners.tolist(), np.round(colors * 255).astype(int), strict=True):
        image.paste(_RIM, tuple(corner), rim)
        image.paste(tuple(color.tolist()), tuple(corner), fill)
    return data_address(encoded(image))


def data_address(png: bytes) -> str:
    """Write a PNG as an address that holds all of it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def encoded(image: Image.Image, **options: Any) -> bytes:
    """Encode a picture as PNG; the options are those of Pillow."""
    file = io.BytesIO()
    image.save(file, format="PNG", **options)
    return file.getvalue()


def as_image(colors: Colors) -> Image.Image:
    """Make a picture of colours (rows, cols, 3 or 4) in 0..1."""
    return Image.fromarray(np.round(colors * 255).astype(np.uint8))


def _enlarged(colors: Colors, known: _Mask, zoom: int) -> Image.Image:
    along = [np.arange(length * max(zoom, 1)) // max(zoom, 1) for length in known.shape]
    pixels = np.ix_(*along)
    there = known[pixels]
    return as_image(on_hatching(colors[pixels], there))


def _disc(half: float, radius: float) -> Image.Image:
    """Mask of a disc with soft edges, in a square of that half side."""
    side = 2 * math.ceil(half) + 1
    along = np.arange(side) - side // 2
    inside = np.clip(radius - np.hypot(along[:, None], along) + 0.5, 0, 1)
    return Image.fromarray(np.round(inside * 255).astype(np.uint8))
