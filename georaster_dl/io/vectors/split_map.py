"""Map of a split into training, validation and test areas, as a GeoPackage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import shapely.geometry
from affine import Affine
from odc.geo.gcp import GCPGeoBox
from rasterio.features import shapes

from georaster_dl.core.geography import Georeference, has_longitude
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.vectors.geopackage import store_style, write_geopackage
from georaster_dl.io.vectors.placing import in_degrees
from georaster_dl.tiling.split_blocks import ALL_PARTS, NO_PART, SplitMask

__all__ = ["write_split_map"]

_COLORS = ((27, 120, 55), (33, 102, 172), (178, 24, 43), (146, 197, 222))
_LEGEND = Legend(
    (
        *(MapClass(i, name, _COLORS[i]) for i, name in enumerate(ALL_PARTS)),
        MapClass(len(ALL_PARTS), "none (gap)", (190, 190, 190)),
    )
)


def write_split_map(out: Path, masks: Mapping[str, tuple[Georeference, SplitMask]]) -> None:
    """Write the area of every part as polygons, with their colours.

    The layer has the fields ``part`` and ``scene``. It is in the scenes' CRS, or in longitude and
    latitude where they have several. A scene with ground control points is drawn by the straight
    grid nearest to it; scenes without a CRS are left out where others have one, and so are those in
    local coordinates (``LOCAL_CS``) where others have other ones.

    Parameters
    ----------
    out : the GeoPackage, replaced if it exists.
    masks : grid and mask of each scene by its name.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    frames = [_frame(name, *entry) for name, entry in masks.items()]
    placed = [frame for frame in frames if frame.crs is not None]
    kept = placed or frames
    if len({frame.crs for frame in kept}) > 1:
        on_earth = [in_degrees(frame) for frame in kept if has_longitude(frame.crs)]
        kept = on_earth or [frame for frame in kept if frame.crs == kept[0].crs]
    write_geopackage(out, pd.concat(kept, ignore_index=True))
    store_style(out, _LEGEND, field="part")


def _frame(name: str, geobox: Georeference, mask: SplitMask) -> geopandas.GeoDataFrame:
    linear = geobox.approx if isinstance(geobox, GCPGeoBox) else geobox
    numbers = np.where(mask.parts == NO_PART, len(ALL_PARTS), mask.parts).astype(np.uint8)
    cell = linear.affine * Affine.scale(mask.cell)
    found = list(shapes(numbers, transform=cell))
    scene = shapely.geometry.box(0, 0, *mask.shape[::-1])
    outline = shapely.affinity.affine_transform(scene, linear.affine.to_shapely())
    polygons = shapely.intersection([shapely.geometry.shape(s) for s, _ in found], outline)
    return geopandas.GeoDataFrame(
        {"part": [_LEGEND.names[int(value)] for _, value in found], "scene": name},
        geometry=polygons,
        crs=None if linear.crs is None else linear.crs.to_wkt(),
    )
