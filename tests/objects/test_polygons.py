"""Polygons of objects: no gaps, no overlaps, the same for any size of the strips that a map is read in."""

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import georaster_dl as gdl
from georaster_dl.cleaning.sieve import sieve
from georaster_dl.core.errors import OptionError, OutputError
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.run import write_objects
from georaster_dl.objects.splitting import split

UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
CLASSES = [MapClass(v, n, (80 * v, 0, 99)) for v, n in enumerate(["water", "grass", "wood"])]


def write(path, data, *, nodata=255, crs="EPSG:32633", transform=UTM):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=data.shape[0],
        width=data.shape[1],
        count=1,
        dtype=data.dtype,
        nodata=nodata,
        crs=crs,
        transform=transform,
        blockysize=1,
    ) as dataset:
        dataset.write(data, 1)
    return path


def blobs(rows, cols, seed, smooth):
    random = np.random.default_rng(seed)
    fields = [
        ndimage.gaussian_filter(random.standard_normal((rows, cols)), smooth) for _ in range(3)
    ]
    return np.argmax(fields, axis=0).astype("uint8")


def made(folder, path, *, strip_pixels=2**22, classes=CLASSES, told=None, **options):
    out = folder / f"map{strip_pixels}.gpkg"
    out.unlink(missing_ok=True)
    count = write_objects(
        path,
        out,
        PolygonOptions.of(options),
        stated=classes,
        strip_pixels=strip_pixels,
        warn=[].append if told is None else told.append,
    )
    frame = geopandas.read_file(out, layer=out.stem)
    assert len(frame) == count
    return frame


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("polygons")


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    rows=st.integers(6, 40),
    cols=st.integers(6, 40),
    seed=st.integers(0, 2**20),
    blur=st.sampled_from([0, 0.7, 2]),
    options=st.fixed_dictionaries(
        {},
        optional={
            "min_area": st.sampled_from(["2px", "5px", "20px", "0.3ha"]),
            "fill_holes": st.sampled_from(["4px", "0.5ha"]),
            "simplify": st.sampled_from([0.8, 1.5, 4.0]),
            "round_corners": st.booleans(),
            "split_touching": st.booleans(),
        },
    ),
)
def test_polygons_cover_the_map_without_gaps_and_overlaps_in_any_strips(
    folder, rows, cols, seed, blur, options
):
    path = write(folder / "map.tif", blobs(rows, cols, seed, blur))
    frame = made(folder, path, **options)
    area = rows * cols * 100
    assert frame.geometry.is_valid.all()
    assert frame.area.sum() == pytest.approx(area, rel=1e-9)
    assert frame.union_all().area == pytest.approx(area, rel=1e-9)
    assert frame.area_m2.sum() == pytest.approx(area, rel=1e-9)
    assert sorted(frame.id) == list(range(1, len(frame) + 1))
    in_strips = made(folder, path, strip_pixels=cols * 2, **options)
    assert in_strips.equals(frame)
    if "min_area" in options:
        smallest = {"2px": 2, "5px": 5, "20px": 20, "0.3ha": 30}[options["min_area"]]
        assert len(frame) == 1 or frame.area.min() >= smallest * 100


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**20), blur=st.sampled_from([0, 0.7]), least=st.integers(2, 30))
def test_small_areas_go_to_the_class_that_a_sieve_gives_them(folder, seed, blur, least):
    data = blobs(20, 25, seed, blur)
    data[seed % 20, : seed % 25] = 255
    frame = made(folder, write(folder / "map.tif", data), min_area=f"{least}px")
    frame = frame[frame.area_m2 >= least * 100]
    sieve(data, least, 255)
    polygons = [
        (box, int(value))
        for box, value in rasterio.features.shapes(data, mask=data != 255)
        if shapely.geometry.shape(box).area >= least
    ]
    assert len(polygons) == len(frame)
    for value in range(3):
        pixels = sum(shapely.geometry.shape(box).area for box, v in polygons if v == value)
        assert frame[frame.class_id == value].area_m2.sum() == pytest.approx(100 * pixels)


def test_small_areas_in_degrees_are_measured_where_they_are(tmp_path):
    data = np.zeros((120, 10), "uint8")
    data[2, 2:4] = data[116, 2:4] = 1  # at 59 and 2 degrees north
    place = Affine(0.5, 0, 10, 0, -0.5, 60)
    path = write(tmp_path / "map.tif", data, crs="EPSG:4326", transform=place)
    frame = made(tmp_path, path, min_area="4000km2")
    (grass,) = frame[frame.class_name == "grass"].area_m2
    assert grass == pytest.approx(2 * 3077e6, rel=0.01)


def test_classes_are_kept_dropped_and_their_holes_filled(tmp_path):
    data = np.zeros((20, 20), "uint8")
    data[2:12, 2:12] = 2
    data[4:6, 4:6] = 0  # a hole of 4 pixels
    data[8:11, 8:11] = 0  # of 9
    path = write(tmp_path / "map.tif", data)
    for options in ({"keep": "wood"}, {"drop": ["water", "grass"]}):
        assert made(tmp_path, path, **options).area_m2.tolist() == [8700]
    filled = made(tmp_path, path, keep="wood", fill_holes="400m2")
    assert filled.area_m2.tolist() == [9100]
    assert filled.perimeter_m.tolist() == [400 + 120]
    with pytest.raises(OptionError, match=r"`keep=woods` is no class.*did you mean 'wood'"):
        made(tmp_path, path, keep="woods")
    with pytest.raises(OptionError, match="both given"):
        PolygonOptions(keep=("wood",), drop=("water",))


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(
    rows=st.integers(6, 40),
    cols=st.integers(6, 40),
    seed=st.integers(0, 2**20),
    blur=st.sampled_from([0, 0.7, 2]),
    options=st.fixed_dictionaries(
        {"drop": st.sampled_from([["grass"], ["grass", "water"]])},
        optional={
            "min_area": st.sampled_from(["2px", "5px"]),
            "fill_holes": st.sampled_from(["4px"]),
            "simplify": st.sampled_from([0.8, 1.5, 4.0]),
            "round_corners": st.booleans(),
            "split_touching": st.booleans(),
        },
    ),
)
def test_polygons_without_all_classes_do_not_overlap_in_any_strips(
    folder, rows, cols, seed, blur, options
):
    path = write(folder / "map.tif", blobs(rows, cols, seed, blur))
    frame = made(folder, path, **options)
    assert frame.geometry.is_valid.all()
    assert frame.union_all().area == pytest.approx(frame.area.sum(), rel=1e-9, abs=1e-6)
    for strip_pixels in (1, cols * 3):
        assert made(folder, path, strip_pixels=strip_pixels, **options).equals(frame)
    if "simplify" not in options and not options.get("round_corners"):
        whole = made(folder, path, **{**options, "drop": []})
        classes = set(frame.class_name)
        areas = whole[whole.class_name.isin(classes)].area.sum()
        assert "fill_holes" in options or frame.area.sum() == pytest.approx(areas)


def test_a_small_area_of_the_only_class_is_no_object(tmp_path):
    data = np.full((9, 9), 255, "uint8")
    data[0, 0] = data[4:7, 4:7] = 1
    frame = made(tmp_path, write(tmp_path / "map.tif", data), min_area="2px")
    assert frame.area_m2.tolist() == [900]


def test_confidence_is_the_mean_over_the_object(tmp_path):
    data = np.zeros((4, 6), "uint8")
    data[:, 3:] = 1
    path = write(tmp_path / "map.tif", data)
    shares = np.where(data == 0, 0.5, 0.75).astype("float32")
    shares[0, 0], shares[1, 0] = 1.0, np.nan
    sure = write(tmp_path / "sure.tif", shares, nodata=np.nan)
    frame = made(tmp_path, path, confidence=sure)
    assert frame.confidence.tolist() == [round((10 * 0.5 + 1) / 11, 6), 0.75]
    other = write(tmp_path / "other.tif", shares[:2], nodata=np.nan)
    with pytest.raises(OptionError, match=r"2 x 6 pixels and is not on the grid of .*4 x 6"):
        made(tmp_path, path, confidence=other)


def test_a_map_in_feet_has_areas_in_both_units_and_degrees_have_lengths_on_the_ellipsoid(tmp_path):
    square = np.zeros((10, 10), "uint8")
    feet = write(
        tmp_path / "f.tif", square, crs="EPSG:2263", transform=Affine(100, 0, 1e6, 0, -100, 2e5)
    )
    frame = made(tmp_path, feet)
    assert frame.area_map.tolist() == [1e6]
    assert frame.perimeter_m[0] == pytest.approx(4000 * 0.3048006096, rel=1e-6)
    degrees = write(
        tmp_path / "d.tif", square, crs="EPSG:4326", transform=Affine(0.1, 0, 10, 0, -0.1, 0)
    )
    frame = made(tmp_path, degrees)
    # One degree of the equator, one of a meridian from it, twice; and the parallel at one degree south.
    assert frame.perimeter_m[0] == pytest.approx(111319.49 * 1.99985 + 2 * 110574.39, rel=1e-5)


def test_python_writes_them_with_the_names_of_values_where_a_map_names_none(tmp_path):
    path = write(tmp_path / "map.tif", np.array([[7, 7, 9]], "int16"), nodata=None)
    result = gdl.polygons(path, out=tmp_path / "map.gpkg", drop=9)
    assert (result.polygons, result.files) == (1, (tmp_path / "map.gpkg",))
    assert geopandas.read_file(tmp_path / "map.gpkg", layer="map").class_name.tolist() == ["7"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["map.gpkg", "map.tif"]
    with pytest.raises(OutputError, match="exists already"):
        gdl.polygons(path, out=tmp_path / "map.gpkg")


def test_classes_are_kept_and_dropped_by_name_or_by_value_and_a_name_goes_first():
    legend = Legend(
        (MapClass(1, "water", (0, 0, 1)), MapClass(2, "3", (0, 0, 2)), MapClass(3, "b", (0, 0, 3)))
    )
    for options, dropped in (
        ({"keep": ["water"]}, [2, 3]),
        ({"keep": 1}, [2, 3]),
        ({"drop": ("1", "b")}, [1, 3]),
        ({"drop": "3"}, [2]),
    ):
        assert PolygonOptions.of(options).dropped_values(legend) == dropped
    with pytest.raises(OptionError, match=r"`keep=9` is no class of the map; it has water, 3, b"):
        PolygonOptions.of({"keep": "9"}).dropped_values(legend)


def test_rasters_that_are_no_class_maps_are_refused(tmp_path):
    heights = write(tmp_path / "h.tif", np.zeros((3, 3), "float32"), nodata=None)
    with pytest.raises(OptionError, match=r"1 band of float32.*whole numbers"):
        gdl.polygons(heights, out=tmp_path / "h.gpkg")
    negative = write(tmp_path / "n.tif", np.full((3, 3), -9999, "int16"), nodata=None)
    with pytest.raises(OptionError, match=r"-9999.*nodata"):
        gdl.polygons(negative, out=tmp_path / "n.gpkg")
    assert not list(tmp_path.glob("*.gpkg"))


def test_right_angles_follow_the_directions_of_a_turned_building(tmp_path):
    rows, cols = np.mgrid[:60, :80] + 0.5
    angle = np.deg2rad(25)
    along = (cols - 40) * np.cos(angle) + (rows - 30) * np.sin(angle)
    across = -(cols - 40) * np.sin(angle) + (rows - 30) * np.cos(angle)
    shape = (np.abs(along) < 25) & (np.abs(across) < 12) & ~((along > 0) & (across > 0))  # an L
    path = write(tmp_path / "map.tif", np.where(shape, 2, 0).astype("uint8"))
    (outline,) = made(tmp_path, path, keep="wood", right_angles=True).geometry
    steps = np.diff(np.array(outline.exterior.coords), axis=0)
    directions = np.rad2deg(np.arctan2(steps[:, 1], steps[:, 0])) % 90
    assert len(steps) == 6
    assert directions == pytest.approx([90 - 25] * 6, abs=2)
    assert outline.area == pytest.approx(100 * (50 * 24 - 25 * 12), rel=0.03)
    with pytest.raises(OptionError, match=r"name that class with `keep=`"):
        PolygonOptions(right_angles=True)


def test_objects_of_few_pixels_keep_their_outlines_where_a_change_would_make_others_of_them(
    tmp_path,
):
    data = np.zeros((30, 60), "uint8")
    data[3, 3] = data[3, 10:12] = data[8:10, 3] = data[8:10, 10:12] = 2  # areas of 1, 2, 2 and 4
    data[14, 4:6] = data[15, 4] = 2  # a corner of 3
    data[10:25, 30:50] = 2
    data[0, 20:22] = 2  # at the edge of the map
    path = write(tmp_path / "map.tif", data)
    pixels = made(tmp_path, path, keep="wood")
    for options in ({"simplify": 2}, {"simplify": 50}, {"simplify": 1, "round_corners": True}):
        kept = made(tmp_path, path, keep="wood", min_area="2px", **options)
        assert len(kept) == len(pixels) - 1
        assert kept.area_m2.min() >= 200
        both = made(tmp_path, path, **options)
        assert both.area.sum() == pytest.approx(both.union_all().area, rel=1e-12)
        assert (both[both.class_name == "wood"].area_m2 >= 0.8 * pixels.area_m2.to_numpy()).all()
    told = []
    for angled in (
        made(tmp_path, path, keep="wood", right_angles=True, told=told),
        made(tmp_path, path, keep="wood", right_angles=True, simplify=9),
    ):
        of = pixels.geometry.apply(lambda one, angled=angled: iou(angled.geometry, one).max())
        assert len(angled) == len(pixels)
        assert of.min() >= 0.8
    assert told == [
        "`right_angles=True` did not fit 1 of 7 objects, which kept other outlines: right-angled ones would have an "
        "intersection over union below 0.8 with the pixels, overlap others or be smaller than `min_area=`."
    ]


def iou(frame, one):
    return frame.intersection(one).area / frame.union(one).area


def test_no_outline_falls_below_the_smallest_area_in_degrees(tmp_path):
    data = blobs(60, 60, 3, 1)
    place = Affine(0.01, 0, 10, 0, -0.01, 60)
    path = write(tmp_path / "map.tif", data, crs="EPSG:4326", transform=place)
    for options in ({}, {"simplify": 4}, {"simplify": 1, "round_corners": True}):
        frame = made(tmp_path, path, min_area="12km2", **options)
        assert len(frame) > 20
        assert frame.area_m2.min() >= 12e6


def test_right_angles_do_not_leave_the_map(tmp_path):
    rows, cols = np.mgrid[:60, :60] + 0.5
    shape = np.abs(cols * 0.9 - rows * 0.5 - 8) < 12  # a slanted strip, cut off by the map's edge
    path = write(tmp_path / "map.tif", np.where(shape, 2, 0).astype("uint8"))
    told = []
    (outline,) = made(tmp_path, path, keep="wood", right_angles=True, told=told).geometry
    assert shapely.box(500_000, 5_000_000 - 600, 500_600, 5_000_000).covers(outline)


def test_a_layer_without_polygons_is_told_of_and_why(tmp_path):
    data = np.full((9, 9), 255, "uint8")
    empty = write(tmp_path / "empty.tif", data)
    data[4:7, 4:7] = 1
    path = write(tmp_path / "map.tif", data)
    for source, options, why in (
        (path, {"min_area": "1ha"}, "no area is as large as `min_area=1ha`"),
        (path, {"keep": "wood"}, "no pixel of the classes to keep"),
        (empty, {}, "every pixel of the map is nodata"),
    ):
        told = []
        assert len(made(tmp_path, source, told=told, **options)) == 0
        assert len(told) == 1
        assert why in told[0]
    with pytest.raises(OptionError, match="has no pixel of a class: every pixel is nodata"):
        made(tmp_path, empty, classes=[])


def discs(rows, cols, *places):
    at = np.mgrid[:rows, :cols] + 0.5
    inside = [np.hypot(at[0] - row, at[1] - col) < radius for row, col, radius in places]
    return np.where(np.any(inside, axis=0), 2, 0).astype("uint8")


def test_touching_objects_are_separated_where_they_are_narrow_in_any_strips(tmp_path):
    # Two crowns and a third that stands alone, between them a house and a small bump at a crown.
    data = discs(60, 70, (20, 15, 12), (24, 36, 11.5), (45, 55, 10), (31, 9, 3))
    path = write(tmp_path / "map.tif", data)
    assert len(made(tmp_path, path, keep="wood")) == 2
    frame = made(tmp_path, path, keep="wood", split_touching=True)
    expected = [np.pi * radius**2 for radius in (10, 11.5, 12)]
    assert sorted(frame.area_m2 / 100) == pytest.approx(expected, rel=0.07)
    assert frame.area_m2.sum() == 100 * (data == 2).sum()
    for strip_pixels in (70, 70 * 9):
        in_strips = made(
            tmp_path, path, keep="wood", split_touching=True, strip_pixels=strip_pixels
        )
        assert in_strips.equals(frame)


def test_parts_share_borders_and_bear_the_class_and_confidence_of_their_own(tmp_path):
    data = discs(40, 70, (20, 18, 14), (20, 44, 14))
    path = write(tmp_path / "map.tif", data)
    sure = write(tmp_path / "sure.tif", (np.arange(70) > 30) * np.ones((40, 1), "float32"))
    frame = made(tmp_path, path, keep="wood", split_touching=True, simplify=1.0, confidence=sure)
    assert frame.class_name.tolist() == ["wood", "wood"]
    assert sorted(frame.confidence.round(1)) == [0, 1]
    one, other = frame.geometry
    assert one.intersection(other).length > 50
    assert one.intersection(other).area == 0


def test_boundaries_separate_objects_that_share_a_wall(tmp_path):
    data = np.zeros((30, 60), "uint8")
    data[5:25, 5:55] = 2  # a row of two houses without any narrow place
    path = write(tmp_path / "map.tif", data)
    wall = np.zeros((30, 60), "float32")
    wall[:, 24:26] = 0.9
    walls = write(tmp_path / "walls.tif", wall, nodata=np.nan)
    assert len(made(tmp_path, path, keep="wood", split_touching=True)) == 1
    frame = made(tmp_path, path, keep="wood", split_touching=True, boundaries=walls)
    assert sorted(frame.area_m2 / 100) == pytest.approx([400, 600], abs=10)
    with pytest.raises(OptionError, match=r"give `split_touching=True` with it"):
        PolygonOptions(boundaries=walls)


def test_an_object_too_large_to_be_separated_stays_whole_and_is_told_of(tmp_path, monkeypatch):
    path = write(tmp_path / "map.tif", discs(60, 70, (20, 15, 12), (24, 36, 11.5), (45, 55, 10)))
    monkeypatch.setattr("georaster_dl.objects.touching.LARGEST", 500)
    told = []
    options = PolygonOptions(keep=("wood",), split_touching=True)
    count = write_objects(
        path, tmp_path / "b.gpkg", options, stated=CLASSES, strip_pixels=70 * 8, warn=told.append
    )
    assert count == 2
    assert "1 object of more than" in told[0]


def test_the_pixels_of_a_wide_boundary_belong_to_the_nearer_side():
    numbers = np.ones((20, 40), np.int32)
    ridge = np.abs(np.arange(40) - 19.5)  # the boundary is between the columns 19 and 20
    boundaries = np.broadcast_to((1 - ridge / 8).clip(min=0), numbers.shape)
    parts = split(numbers, boundaries)
    assert len(np.unique(parts)) == 2
    assert (parts[:, :20] == parts[0, 0]).all()
    assert (parts[:, 20:] == parts[0, 39]).all()
