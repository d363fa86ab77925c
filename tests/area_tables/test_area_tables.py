"""Tables per area, against independent computations."""

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from pyproj import Geod
from rasterio.transform import from_origin

import georaster_dl as gdl
from georaster_dl.core.errors import OptionError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.evaluation.inputs.points import SampleOptions, sample_points
from georaster_dl.render.qml import class_names_tag
from georaster_dl.testing import write_raster

LEGEND = Legend(
    (
        MapClass(1, "water", (0, 0, 255)),
        MapClass(2, "forest", (0, 99, 0)),
        MapClass(5, "field", (255, 255, 0)),
    )
)


def write_map(path, shape=(60, 50), crs="EPSG:32633", transform=None, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.choice(np.array([1, 2, 5, 255], np.uint8), shape, p=[0.2, 0.4, 0.3, 0.1])
    place = transform or from_origin(500_000, 5_000_000, 20, 20)
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": shape[0],
        "width": shape[1],
        "dtype": "uint8",
    }
    with rasterio.open(path, "w", crs=crs, transform=place, nodata=255, **profile) as dataset:
        dataset.write(pixels, 1)
        dataset.update_tags(CLASS_NAMES=class_names_tag(LEGEND))
    return pixels, place


def cells(shape, place):
    rows, cols = np.indices(shape)
    ends = [place * (cols + dx, rows + dy) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))]
    return shapely.polygons(np.stack([np.stack(e, axis=-1) for e in ends], axis=-2))


@pytest.fixture
def areas(tmp_path):
    """Two odd districts that meet, one of which leaves the map, and a third far away."""
    one = shapely.Polygon(
        [(500_033, 4_999_990), (500_500, 4_999_950), (500_480, 4_999_100), (500_100, 4_999_300)]
    )
    other = shapely.Polygon(
        [(500_500, 4_999_950), (501_300, 4_999_900), (501_200, 4_999_000), (500_480, 4_999_100)]
    )
    far = shapely.box(600_000, 4_000_000, 600_100, 4_000_100)
    names = ["A", "B", "C"]
    frame = geopandas.GeoDataFrame(
        {"n": [7, 8, 9], "district": names}, geometry=[one, other, far], crs="EPSG:32633"
    )
    frame.to_file(tmp_path / "areas.gpkg")
    return frame


def test_areas_and_shares_are_those_of_pixels_cut_by_the_polygons(tmp_path, areas):
    pixels, place = write_map(tmp_path / "m.tif")
    made = gdl.zonal(tmp_path / "m.tif", tmp_path / "areas.gpkg", out=tmp_path / "t.csv")
    squares = cells(pixels.shape, place)
    geod = Geod(ellps="WGS84")
    wgs = geopandas.GeoSeries(squares[::59, ::49].ravel(), crs="EPSG:32633").to_crs(4326)
    true = np.mean([abs(geod.geometry_area_perimeter(c)[0]) for c in wgs]) / 400
    for name, shape in zip("AB", areas.geometry, strict=False):
        cut = shapely.area(shapely.intersection(squares, shape))
        rows = made.frame[made.frame.area == name].set_index("class_name")
        for entry in LEGEND.classes:
            expected = cut[pixels == entry.value].sum() * true / 1e4
            assert rows.mapped_ha[entry.name] == pytest.approx(expected, rel=1e-4)
        assert rows.share.sum() == pytest.approx(1)
        share = 1 - cut[pixels != 255].sum() / shape.area
        assert rows.nodata_share.iloc[0] == pytest.approx(share, abs=1e-4)
    far = made.frame[made.frame.area == "C"]
    assert (far.mapped_ha == 0).all()
    assert (far.nodata_share == 1).all()
    assert pd.read_csv(tmp_path / "t.csv").shape == made.frame.shape


def test_a_name_that_would_be_a_formula_is_text_in_a_spreadsheet(tmp_path, areas):
    write_map(tmp_path / "m.tif")
    areas.assign(district="=1+1").to_file(tmp_path / "areas.gpkg")
    gdl.zonal(tmp_path / "m.tif", tmp_path / "areas.gpkg", out=tmp_path / "t.csv")
    assert set(pd.read_csv(tmp_path / "t.csv").area) == {"'=1+1"}


def test_areas_are_ellipsoidal_in_degrees_and_in_another_crs(tmp_path):
    place = from_origin(10, 60, 0.5, 0.5)
    pixels, _ = write_map(tmp_path / "m.tif", (40, 20), "EPSG:4326", place)
    box = shapely.box(11.25, 45.5, 18, 58.25)
    geopandas.GeoDataFrame({"name": ["x"]}, geometry=[box], crs=4326).to_file(tmp_path / "a.gpkg")
    made = gdl.zonal(tmp_path / "m.tif", tmp_path / "a.gpkg")
    geod = Geod(ellps="WGS84")
    total = 0.0
    for row, col in np.argwhere(pixels == 2):
        cut = shapely.box(10 + col / 2, 59.5 - row / 2, 10.5 + col / 2, 60 - row / 2).intersection(
            box
        )
        if cut.area > 0:
            # Its sides along parallels in short steps, as a geodesic is none.
            total += abs(geod.geometry_area_perimeter(shapely.segmentize(cut, 0.01))[0])
    found = made.frame.set_index("class_name").mapped_ha["forest"] * 1e4
    assert found == pytest.approx(total, rel=1e-4)


def test_a_geopackage_has_a_feature_for_each_area_with_its_own_fields(tmp_path, areas):
    write_map(tmp_path / "m.tif")
    made = gdl.zonal(
        tmp_path / "m.tif", tmp_path / "areas.gpkg", out=tmp_path / "t.gpkg", name_field="n"
    )
    frame = geopandas.read_file(tmp_path / "t.gpkg")
    assert list(frame.district) == ["A", "B", "C"]
    rows = made.frame[made.frame.class_name == "field"]
    assert np.allclose(frame["field mapped_ha"], rows.mapped_ha)
    assert list(rows.area) == ["7", "8", "9"]


def test_quantities_have_means_and_deviations_weighted_by_area(tmp_path, areas):
    rng = np.random.default_rng(1)
    values = rng.normal(1e4, 2, (60, 50)).astype(np.float32)
    values[:5] = np.nan
    place = from_origin(500_000, 5_000_000, 20, 20)
    write_raster(tmp_path / "v.tif", values[None], nodata=np.nan, transform=place, crs="EPSG:32633")
    made = gdl.zonal(tmp_path / "v.tif", tmp_path / "areas.gpkg")
    cut = shapely.area(shapely.intersection(cells(values.shape, place), areas.geometry[0]))
    known = ~np.isnan(values) & (cut > 0)
    mean = np.average(values[known].astype(float), weights=cut[known])
    sd = np.sqrt(np.average((values[known] - mean) ** 2, weights=cut[known]))
    row = made.frame.iloc[0]
    assert (row["mean"], row.sd) == (pytest.approx(mean, rel=1e-6), pytest.approx(sd, rel=1e-3))
    assert (row["min"], row["max"]) == (values[known].min(), values[known].max())


def test_estimates_are_those_of_the_points_in_the_district(tmp_path, areas):
    write_map(tmp_path / "m.tif")
    sample_points(
        tmp_path / "m.tif", tmp_path / "p.gpkg", SampleOptions(n=240, minimum_per_class=50)
    )
    points = geopandas.read_file(tmp_path / "p.gpkg", layer="p")
    rng = np.random.default_rng(5)
    wrong = rng.random(len(points)) < 0.2
    points["class"] = np.where(wrong, "forest", points.map_class)
    points.to_file(tmp_path / "labelled.gpkg")
    made = gdl.zonal(tmp_path / "m.tif", tmp_path / "areas.gpkg", points=tmp_path / "labelled.gpkg")
    rows = made.frame[made.frame.area == "A"].set_index("class_name")
    inside = points[points.to_crs(areas.crs).within(areas.geometry[0])]
    assert (rows.points == len(inside)).all()
    shares, total = rows.share, rows.mapped_ha.sum()
    expected = variance = 0.0
    for name in ("water", "forest", "field"):  # strata
        of = inside[inside.map_class == name]
        p = (of["class"] == "forest").mean()
        expected += shares[name] * p
        variance += shares[name] ** 2 * p * (1 - p) / (len(of) - 1)
    assert rows.estimated_ha["forest"] == pytest.approx(expected * total)
    assert rows.plus_minus_ha["forest"] == pytest.approx(1.96 * np.sqrt(variance) * total)
    far = made.frame[made.frame.area == "C"]
    assert far.estimated_ha.isna().all()
    assert "nothing is mapped" in far.note.iloc[0]
    few = points.groupby("map_class").head(2)
    few.to_file(tmp_path / "few.gpkg")
    made = gdl.zonal(tmp_path / "m.tif", tmp_path / "areas.gpkg", points=tmp_path / "few.gpkg")
    assert made.frame.note[0].startswith("too few points")
    assert made.frame.estimated_ha.isna().all()


def test_points_of_another_map_and_areas_elsewhere_are_refused(tmp_path, areas):
    write_map(tmp_path / "m.tif")
    sample_points(tmp_path / "m.tif", tmp_path / "p.gpkg", SampleOptions(n=60, minimum_per_class=5))
    points = geopandas.read_file(tmp_path / "p.gpkg", layer="p")
    with pytest.raises(OptionError, match="no label yet"):
        gdl.zonal(tmp_path / "m.tif", tmp_path / "areas.gpkg", points=tmp_path / "p.gpkg")
    points["class"] = points.map_class
    points.to_file(tmp_path / "labelled.gpkg")
    write_map(tmp_path / "other.tif", seed=9)
    with pytest.raises(OptionError, match="another map"):
        gdl.zonal(
            tmp_path / "other.tif", tmp_path / "areas.gpkg", points=tmp_path / "labelled.gpkg"
        )
    areas.iloc[2:].to_file(tmp_path / "far.gpkg")
    with pytest.raises(OptionError, match="do not touch"):
        gdl.zonal(tmp_path / "m.tif", tmp_path / "far.gpkg")


def test_shares_of_nothing_are_zero_and_an_image_is_refused_in_words_of_this_command(tmp_path):
    place = from_origin(500_000, 5_000_000, 20, 20)
    profile = {"transform": place, "crs": "EPSG:32633"}
    write_raster(tmp_path / "full.tif", np.ones((1, 60, 50), np.uint8), **profile)
    rng = np.random.default_rng(3)
    around = rng.uniform((500_100, 4_999_000), (500_800, 4_999_900), (40, 5, 2))
    shapes = [shapely.MultiPoint(points).convex_hull for points in around]
    frame = geopandas.GeoDataFrame({"n": range(40)}, geometry=shapes, crs="EPSG:32633")
    frame.to_file(tmp_path / "areas.gpkg")
    made = gdl.zonal(tmp_path / "full.tif", tmp_path / "areas.gpkg").frame
    assert set(made.nodata_share) == {0.0}
    assert set(made.share) == {1.0}
    write_raster(tmp_path / "rgb.tif", np.ones((3, 60, 50), np.uint8), **profile)
    with pytest.raises(OptionError, match=r"has 3 bands, but a map has one.*probabilities\.$"):
        gdl.zonal(tmp_path / "rgb.tif", tmp_path / "areas.gpkg")


def test_the_command_writes_the_table(geodl, tmp_path, areas):
    write_map(tmp_path / "m.tif")
    ended = geodl("zonal", "m.tif", "areas.gpkg", "-o", "t.csv")
    assert (ended.code, ended.out.splitlines()) == (0, ["3 areas, 9 rows", "t.csv"])
    assert geodl("zonal", "m.tif", "areas.gpkg", "-o", "t.xlsx").code == 1
