"""Small maps as ``geodl segment`` writes them, at places of their own."""

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.output.writer import RasterSpec, RasterWriter
from georaster_dl.render.qml import write_class_style

LEFT, TOP, SIZE = 500_000, 5_000_000, 10
ZONE_31, ZONE_32 = "EPSG:32631", "EPSG:32632"
LEGEND = Legend(
    (
        MapClass(1, "water", (0, 0, 255)),
        MapClass(3, "grass & low", (0, 200, 10)),
        MapClass(4, "built-up", (200, 0, 10)),
    )
)
NODATA = LEGEND.nodata


def grid(shape, row=0, col=0, *, size=SIZE, crs=ZONE_31, left=LEFT, top=TOP):
    """A grid whose first pixel lies so many pixels below and right of the corner."""
    return GeoBox(shape, Affine(size, 0, left + size * col, 0, -size, top - size * row), crs)


def write_classes(path, array, geobox, *, legend=LEGEND, name="land cover", **tags):
    """A map of classes, (rows, cols)."""
    spec = RasterSpec([name], legend.dtype, legend.nodata, "mode", legend=legend, tags=tags)
    with RasterWriter(path, geobox, spec=spec) as writer:
        writer.write(*whole(array), array[None].astype(legend.dtype))
    write_class_style(path, legend)
    return path


def write_values(path, array, geobox, *, names=("biomass",), unit="t/ha", **tags):
    """A map of quantities, (bands, rows, cols)."""
    spec = RasterSpec(names, "float32", float("nan"), "average", unit=unit, tags=tags)
    with RasterWriter(path, geobox, spec=spec) as writer:
        writer.write(*whole(array), array.astype(np.float32))
    return path


def write_confidence(path, array, geobox, **tags):
    """The confidence that belongs to the map ``path``, (rows, cols) in 250ths; 255 is unknown."""
    spec = RasterSpec(["confidence"], "uint8", 255, "average", scale=1 / 250, tags=tags)
    path = path.with_name(f"{path.stem}_confidence.tif")
    with RasterWriter(path, geobox, spec=spec) as writer:
        writer.write(*whole(array), array[None].astype(np.uint8))
    return path


def whole(array):
    """Rows and cols of all of an array."""
    return tuple(slice(0, side) for side in array.shape[-2:])


def random_classes(shape, seed=0):
    """Pixels of all classes, and a tenth of them nodata."""
    values = [*LEGEND.values, NODATA]
    return np.random.default_rng(seed).choice(values, shape, p=[0.3, 0.3, 0.3, 0.1]).astype("uint8")
