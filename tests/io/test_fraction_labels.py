"""Labels that are fractions of a whole, on a scene's grid."""

import geopandas
import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from shapely.geometry import Point, box

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import FractionOptions
from georaster_dl.io.labels.fractions.checks import FractionScale
from georaster_dl.io.labels.fractions.read import open_fraction_labels, read_fractions
from georaster_dl.io.labels.read import labels_digest

ROWS, COLS = 20, 30
X, Y = 500_000, 5_000_000
GRID = GeoBox((ROWS, COLS), from_origin(X, Y, 10, 10), "EPSG:32631")
FIELDS = ("tree", "grass", "soil")


def middle(row, col):
    return Point(X + 10 * col + 5, Y - 10 * row - 5)


@pytest.fixture
def plots(tmp_path):
    """Factory of vector files with fields of fractions."""

    def make(shapes, name="plots.gpkg", **fields):
        frame = geopandas.GeoDataFrame(fields, geometry=shapes, crs="EPSG:32631")
        frame.to_file(tmp_path / name)
        return tmp_path / name

    return make


def read(path, *, where=None, rows=slice(0, ROWS), cols=slice(0, COLS), **options):
    """Names, planes of the window, and warnings."""
    told = []
    asked = FractionOptions(**options)
    found = read_fractions([path], asked, told.append)
    with open_fraction_labels(path, GRID, found, asked, where=where) as labels:
        planes = labels.read(rows, cols)
    assert planes.dtype == np.float32
    return found.names, planes, told


def refused(path, *parts, **options):
    with pytest.raises(OptionError) as caught:
        read(path, **options)
    for part in parts:
        assert part in str(caught.value)


def three(values):
    return dict(zip(FIELDS, np.transpose(values).tolist(), strict=True))


# --- fields


def test_points_give_their_fields_to_the_pixel_that_they_lie_in(plots):
    path = plots([middle(2, 3), middle(7, 8)], **three([[0.5, 0.25, 0.25], [0, 0, 1]]))
    names, planes, told = read(path, fraction_fields=FIELDS)
    assert names == FIELDS
    assert not told
    assert planes[:, 2, 3].tolist() == [0.5, 0.25, 0.25]
    assert planes[:, 7, 8].tolist() == [0, 0, 1]
    assert np.isfinite(planes).sum() == 6


def test_fields_come_in_the_order_asked_for(plots):
    path = plots([middle(2, 3)], **three([[0.5, 0.3, 0.2]]))
    names, planes, _ = read(path, fraction_fields=("soil", "tree", "grass"))
    assert names == ("soil", "tree", "grass")
    assert np.allclose(planes[:, 2, 3], [0.2, 0.5, 0.3])


def test_of_one_field_the_rest_is_other(plots):
    path = plots([middle(2, 3), middle(4, 4)], cover=[0.75, 0.0])
    names, planes, told = read(path, fraction_fields=("cover",))
    assert names == ("cover", "other")
    assert not told
    assert planes[:, 2, 3].tolist() == [0.75, 0.25]
    path = plots([middle(2, 3)], "b.gpkg", other=[0.75])
    assert read(path, fraction_fields=("other",))[0] == ("other", "rest")


def test_percents_are_told_by_their_sums_and_said(plots):
    path = plots([middle(2, 3), middle(4, 4)], **three([[0.5, 0.5, 99], [20, 30, 50]]))
    _, planes, told = read(path, fraction_fields=FIELDS)
    assert np.allclose(planes[:, 4, 4], [0.2, 0.3, 0.5])
    (said,) = told
    assert "taken for percents" in said
    assert "reach 99" in said
    assert "divided by 100" in said


def test_percents_of_one_field_are_told_by_its_largest_value(plots):
    path = plots([middle(2, 3), middle(4, 4)], cover=[0, 80])
    _, planes, told = read(path, fraction_fields=("cover",))
    assert np.allclose(planes[:, 4, 4], [0.8, 0.2])
    assert "percents" in told[0]


def test_scales_are_not_mixed(plots):
    path = plots([middle(2, 3), middle(4, 4)], **three([[0.5, 0.3, 0.2], [20, 30, 50]]))
    refused(path, "two scales", "fid 1", "fid 2", fraction_fields=FIELDS)
    path = plots([middle(0, i) for i in range(4)], "b.gpkg", cover=[0.1, 0.7, 0.2, 30])
    refused(path, "two scales", "fid 4", fraction_fields=("cover",))


def test_files_of_two_scales_are_refused(plots):
    paths = [
        plots([middle(2, 3)], "a.gpkg", **three([[0.5, 0.3, 0.2]])),
        plots([middle(2, 3)], "b.gpkg", **three([[50, 30, 20]])),
    ]
    with pytest.raises(OptionError, match=r"two scales: 0 to 1 in .*a\.gpkg.*percent in .*b\.gpkg"):
        read_fractions(paths, FractionOptions(fraction_fields=FIELDS), print)


def test_sums_that_are_nearly_one_are_divided_out_with_a_warning(plots):
    path = plots([middle(2, 3), middle(4, 4)], **three([[0.33, 0.33, 0.33], [0.2, 0.3, 0.5]]))
    _, planes, told = read(path, fraction_fields=FIELDS)
    assert np.allclose(planes[:, 2, 3], 1 / 3)
    assert "1 of 2 rows do not sum to 1 (up to 1 % off)" in told[0]


def test_sums_that_are_not_one_are_refused_by_row(plots):
    path = plots([middle(2, 3), middle(4, 4)], **three([[0.2, 0.3, 0.5], [0.4, 0.2, 0.03]]))
    refused(
        path, "fid 2", "sum to 0.63", "tree 0.4, grass 0.2, soil 0.03", "fraction_fields=",
        fraction_fields=FIELDS,
    )  # fmt: skip


@pytest.mark.parametrize("wrong", [-0.2, 150, -9999])
def test_values_that_are_no_fractions_are_refused(plots, wrong):
    path = plots([middle(2, 3), middle(4, 4)], cover=[0.5, wrong])
    refused(path, "fid 2", f"{wrong:g}", "'cover'", f"ignore={wrong:g}", fraction_fields=("cover",))


def test_what_is_ignored_or_missing_is_unlabelled(plots):
    path = plots([middle(2, i) for i in range(3)], cover=[0.5, -9999, None])
    _, planes, _ = read(path, fraction_fields=("cover",), ignore=(-9999.0,))
    assert np.isfinite(planes[0]).sum() == 1


def test_fields_that_do_not_exist_are_refused_with_those_that_do(plots):
    path = plots([middle(2, 3)], tree=[0.5], grass=[0.5], name_of=["x"])
    refused(
        path, "no field 'gras'", "tree, grass, name_of", "'grass'", fraction_fields=("tree", "gras")
    )
    refused(path, "no numbers in the field 'name_of'", "'x'", fraction_fields=("name_of",))
    refused(path, "a field twice", fraction_fields=("tree", "tree"))


def test_no_labelled_feature_is_refused(plots):
    path = plots([middle(2, 3), middle(4, 4)], tree=[np.nan, 0.2], grass=[0.5, np.nan])
    refused(path, "no label", "tree, grass", "2 features", fraction_fields=("tree", "grass"))


def test_features_of_one_part(plots):
    path = plots([middle(2, 3), middle(4, 4)], cover=[0.5, 0.7], part=["train", "test"])
    _, planes, _ = read(path, fraction_fields=("cover",), where=("part", "test"))
    assert np.isfinite(planes[0]).sum() == 1
    assert np.isfinite(planes[0, 4, 4])


def test_polygons_carry_their_number_with_per_polygon(plots):
    shapes = [box(X, Y - 50, X + 50, Y), box(X + 100, Y - 40, X + 140, Y)]
    path = plots(shapes, cover=[0.5, 0.7])
    _, planes, _ = read(path, fraction_fields=("cover",), per_polygon=True)
    assert len(planes) == 3
    assert set(planes[2][np.isfinite(planes[2])]) == {0, 1}
    assert np.allclose(planes[0][planes[2] == 1], 0.7)
    assert (planes[2] == 1).sum() == 16


# --- rasters


def test_bands_of_a_raster_by_their_names(make_tif):
    stored = np.random.default_rng(0).dirichlet([1, 1, 1], (ROWS, COLS)).transpose(2, 0, 1)
    path = make_tif(stored.astype("float32"), descriptions=FIELDS, transform=GRID.transform)
    names, planes, told = read(path)
    assert names == FIELDS
    assert not told
    assert np.allclose(planes, stored, atol=1e-6)
    names, planes, _ = read(path, fraction_fields=("soil",))
    assert names == ("soil", "other")
    assert np.allclose(planes[0], stored[2], atol=1e-6)


def test_maps_of_fractions_in_steps_of_a_250th(make_tif):
    fractions = np.random.default_rng(0).dirichlet([1] * 10, (ROWS, COLS)).transpose(2, 0, 1)
    stored = np.round(fractions * 250).astype("uint8")
    stored[:, 3, 4] = 255
    path = make_tif(
        stored, descriptions=list("abcdefghij"), scales=[1 / 250] * 10, offsets=[0] * 10, nodata=255,
        transform=GRID.transform,
    )  # fmt: skip
    names, planes, told = read(path)
    assert names == tuple("abcdefghij")
    assert not told
    known = np.isfinite(planes[0])
    assert not known[3, 4]
    assert known.sum() == ROWS * COLS - 1
    assert np.allclose(planes[:, known], fractions[:, known], atol=0.02)
    assert np.allclose(planes[:, known].sum(axis=0), 1, atol=1e-6)


def test_percents_in_the_bands_of_a_finer_raster_are_averaged(make_tif):
    fine = np.tile(np.array([[10, 20], [30, 40]], "uint8"), (ROWS, COLS))
    path = make_tif(
        np.stack([fine, 100 - fine]),
        descriptions=["tree", "soil"],
        transform=from_origin(X, Y, 5, 5),
    )
    _, planes, told = read(path)
    assert np.allclose(planes[0], 0.25)
    assert "percents" in told[0]


def test_a_pixel_whose_bands_do_not_sum_to_one_is_named(make_tif):
    stored = np.full((2, ROWS, COLS), 0.5, "float32")
    stored[0, 7, 9] = 0.3
    path = make_tif(stored, descriptions=["tree", "soil"], transform=GRID.transform)
    refused(path, "row 7, col 9", "sum to 0.8")


def test_whole_numbers_stored_as_floats_are_classes(make_tif):
    stored = np.tile(np.arange(COLS) % 3, (ROWS, 1)).astype("float32")
    names, planes, _ = read(make_tif(stored, transform=GRID.transform))
    assert len(names) == 3
    np.testing.assert_array_equal(planes.argmax(axis=0), stored)


def test_a_single_fraction_in_a_raster_is_refused_unless_it_is_named(make_tif):
    cover = np.full((ROWS, COLS), 0.4, "float32")
    path = make_tif(cover, transform=GRID.transform)
    refused(path, "one band of numbers", "fraction_fields=NAME")
    names, planes, _ = read(path, fraction_fields=("tree",))
    assert names == ("tree", "other")
    assert np.allclose(planes[1], 0.6)


def test_bands_without_names_are_named_in_their_order(make_tif):
    stored = np.stack([np.full((ROWS, COLS), v, "float32") for v in (0.2, 0.8)])
    path = make_tif(stored, transform=GRID.transform)
    refused(path, "2 bands", "no names", "fraction_fields=")
    names, planes, _ = read(path, fraction_fields=("tree", "soil"))
    assert names == ("tree", "soil")
    assert np.allclose(planes[1], 0.8)


def test_bands_that_a_raster_lacks_are_refused_with_those_it_has(make_tif):
    stored = np.full((2, ROWS, COLS), 0.5, "float32")
    path = make_tif(stored, descriptions=["tree", "soil"], transform=GRID.transform)
    refused(path, "no band 'grass'", "tree, soil", fraction_fields=("tree", "grass"))
    refused(path, "needs polygons", per_polygon=True)


# --- classes finer than the scene


def test_classes_of_a_finer_raster_become_their_shares_of_a_pixel(make_tif):
    # Three by three pixels of the raster in one of the scene: a mean over 8 x 8 would not do.
    fine = np.tile(np.array([[1, 1, 2], [1, 2, 2], [7, 7, 7]], "uint8"), (ROWS, COLS))
    path = make_tif(fine, transform=from_origin(X, Y, 10 / 3, 10 / 3))
    names, planes, _ = read(path)
    assert names == ("1", "2", "7")
    inside = planes[:, 1:-1, 1:-1]
    assert np.allclose(inside, 1 / 3, atol=1e-4)


def test_unlabelled_parts_leave_a_pixel_unlabelled_or_are_background(make_tif):
    fine = np.tile(np.array([[1, 2], [2, 0]], "uint8"), (ROWS, COLS))
    fine[:2, :2] = 1
    path = make_tif(fine, transform=from_origin(X, Y, 5, 5))
    _, planes, _ = read(path, ignore=(0.0,))
    assert np.isfinite(planes[0]).sum() == 1
    assert planes[:, 0, 0].tolist() == [1, 0]
    names, planes, _ = read(path, ignore=(0.0,), background="rest")
    assert np.allclose(
        planes[:, 5, 5][[names.index(n) for n in ("1", "2", "rest")]], [0.25, 0.5, 0.25]
    )


def test_classes_of_polygons_become_their_shares_of_a_pixel(plots):
    shapes = [box(X, Y - 200, X + 102.5, Y), box(X + 102.5, Y - 200, X + 300, Y)]
    path = plots(shapes, kind=["wood", "soil"])
    names, planes, _ = read(path)
    assert names == ("soil", "wood")
    assert planes[:, 5, 5].tolist() == [0, 1]
    assert planes[:, 5, 10].tolist() == [0.75, 0.25]
    window, cut = read(path, rows=slice(3, 9), cols=slice(8, 12)), planes[:, 3:9, 8:12]
    assert np.array_equal(window[1], cut)


def test_points_of_classes_have_no_share(plots):
    path = plots([middle(2, 3), middle(3, 3)], kind=["wood", "soil"])
    refused(path, "no polygons but Point", "width_m=", "fraction_fields=")


def test_classes_are_not_read_per_polygon(plots):
    path = plots([box(X, Y - 50, X + 50, Y)], kind=["wood"])
    refused(path, "per_polygon=True", "classes", "fraction_fields=", per_polygon=True)
    refused(path, "only one class, 'wood'", "background=")


def test_labels_of_two_kinds_are_refused(plots, make_tif):
    stored = np.full((2, ROWS, COLS), 0.5, "float32")
    raster = make_tif(stored, descriptions=["tree", "other"], transform=GRID.transform)
    path = plots([middle(2, 3)], tree=[0.5])
    with pytest.raises(OptionError, match="one kind"):
        read_fractions([raster, path], FractionOptions(fraction_fields=("tree",)), print)


def test_names_that_a_model_cannot_have_are_refused(make_tif):
    stored = np.full((65, ROWS, COLS), 1 / 65, "float32")
    many = [f"band {i}" for i in range(65)]
    path = make_tif(stored, "many.tif", descriptions=many, transform=GRID.transform)
    refused(path, "65 fractions", "64", "fraction_fields=")
    path = make_tif(stored[:2], "long.tif", descriptions=["a" * 70, "b"], transform=GRID.transform)
    refused(path, "aaaa", "64 visible characters")


def test_the_digest_follows_the_fractions(plots):
    paths = [
        plots([middle(2, 3)], f"{i}.gpkg", tree=[0.5], soil=[soil])
        for i, soil in enumerate([0.5, 0.5, 0.4])
    ]
    options = FractionOptions(fraction_fields=("tree", "soil"))
    first, same, other = (labels_digest(path, options, numbers=True) for path in paths)
    assert first == same != other


def test_rounding_of_sums_is_within_two_percent():
    scale = FractionScale(["a", "b"])
    scale.add(np.array([[0.51, 0.51]]), str)
    with pytest.raises(OptionError, match="sum to"):
        scale.add(np.array([[0.511, 0.51]]), str)
