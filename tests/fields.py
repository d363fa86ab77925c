"""Square fields of three kinds: a raster of features, its labels, and parcels. Made for tests."""

import geopandas
import numpy as np
import rasterio
from rasterio.transform import from_origin
from shapely.geometry import box

KINDS = ("forest", "meadow", "water")
FIELD = 8  # pixels along a side
LEFT, TOP, SIZE = 500_000, 5_000_000, 10
SHAPE = (96, 80)
BANDS = ("feat_01", "feat_02", "feat_03")


def kinds(shape=SHAPE, seed=0):
    """(field rows, field cols) index of each field's kind."""
    generator = np.random.default_rng(seed)
    return generator.integers(0, len(KINDS), (shape[0] // FIELD, shape[1] // FIELD))


def per_pixel(fields):
    return np.kron(fields, np.ones((FIELD, FIELD), int))


def values(fields, noise=0.3, seed=0):
    """(3, rows, cols) float32: every kind is bright in one band."""
    pixels = per_pixel(fields)
    generator = np.random.default_rng(seed)
    bright = np.stack([pixels == kind for kind in range(len(KINDS))]).astype(np.float32)
    return bright + generator.normal(0, noise, bright.shape).astype(np.float32)


def write_features(path, array, *, bands=BANDS, **profile):
    """Raster as ``geodl features`` writes it: float32, NaN for nodata."""
    count, rows, cols = array.shape
    profile = {"nodata": np.nan if array.dtype.kind == "f" else None, **profile}
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=rows, width=cols, dtype=array.dtype,
        crs="EPSG:32631", transform=from_origin(LEFT, TOP, SIZE, SIZE), **profile,
    ) as dataset:  # fmt: skip
        dataset.write(array)
        dataset.descriptions = bands
    return path


def outline(row, col, margin=0.0):
    """Outline of a field, ``margin`` pixels narrower on every side."""
    west, north = LEFT + col * FIELD * SIZE, TOP - row * FIELD * SIZE
    inner, outer = margin * SIZE, (FIELD - margin) * SIZE
    return box(west + inner, north - outer, west + outer, north - inner)


def write_zones(path, fields, *, unlabelled=0.0, crs="EPSG:32631", seed=0):
    """GeoPackage of all fields with a class in most of them, and attributes of other types."""
    generator = np.random.default_rng(seed)
    places = [(row, col) for row in range(fields.shape[0]) for col in range(fields.shape[1])]
    names = [KINDS[fields[place]] for place in places]
    known = generator.random(len(places)) >= unlabelled
    frame = geopandas.GeoDataFrame(
        {
            "kind": [name if keep else None for name, keep in zip(names, known, strict=True)],
            "owner": [f"owner {i}" for i in range(len(places))],
            "parcel": np.arange(len(places)) + 1000,
        },
        geometry=[outline(*place, margin=1) for place in places],
        crs="EPSG:32631",
    )
    frame["parcel"] = frame["parcel"].astype("Int64").mask(frame["parcel"] % 10 == 3)
    frame.to_crs(crs).to_file(path, index=False)
    return path
