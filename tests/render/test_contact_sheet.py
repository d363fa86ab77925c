"""Contact sheet: each picture in its place, with its outline."""

import io

import numpy as np
from PIL import Image

from georaster_dl.render.contact_sheet import Tile, contact_sheet_png


def test_pictures_stand_in_rows_of_ten_with_their_outlines():
    square = np.array([[20, 20], [60, 20], [60, 60], [20, 60], [20, 20]], float)
    tiles = [Tile(np.full((80, 80, 3), i / 20), [square], f"{i} $ 5") for i in range(12)]
    with Image.open(io.BytesIO(contact_sheet_png(tiles, "12 areas"))) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    outline = np.abs(pixels - [255, 212, 0]).sum(axis=2) < 60
    rows, cols = outline.shape
    seen = [
        [outline[row, col * cols // 10 : (col + 1) * cols // 10].any() for col in range(10)]
        for row in (slice(0, rows // 2), slice(rows // 2, rows))
    ]
    assert np.array(seen).tolist() == [[True] * 10, [True] * 2 + [False] * 8]
