"""Spectra at points and in polygons are those of their pixels, with the features' fields beside them."""

import geopandas
import numpy as np
import pytest
import rasterio
from shapely.geometry import LineString, MultiPoint, Point, box

import georaster_dl as gdl
from georaster_dl.core.errors import GeoRasterWarning, OptionError
from georaster_dl.testing import write_raster

NM = np.arange(500.0, 1000.0, 50)
LEFT, TOP, SIZE = 500_000, 5_000_000, 10
CRS = "EPSG:32631"


def write_cube(path, array, *, left=0, nm=NM, fwhm=8.0, **profile):
    """Scene of 10 m pixels, ``left`` pixels east of the others, with wavelengths and widths as EnMAP states them."""
    transform = rasterio.transform.from_origin(LEFT + left * SIZE, TOP, SIZE, SIZE)
    profile = {"transform": transform, "crs": CRS, "scale": 1e-4, "offset": 0.1, **profile}
    names = [f"band {i}" for i in range(len(array))]
    write_raster(path, array, bands=names, **profile)
    with rasterio.open(path, "r+") as dataset:
        for band, wavelength in enumerate(nm, 1):
            dataset.update_tags(
                band, wavelength=wavelength, wavelength_units="Nanometers", fwhm=fwhm
            )
    return path


def numbers(shape=(12, 10), seed=0):
    random = np.random.default_rng(seed)
    return random.integers(100, 6000, (len(NM), *shape)).astype(np.int16)


def physical(array):
    return array.astype(np.float64) * 1e-4 + 0.1


def centre(row, col):
    return Point(LEFT + (col + 0.5) * SIZE, TOP - (row + 0.5) * SIZE)


def pixel_box(top, left, bottom, right):
    return box(LEFT + left * SIZE, TOP - bottom * SIZE, LEFT + right * SIZE, TOP - top * SIZE)


def frame(shapes, **fields):
    return geopandas.GeoDataFrame(fields, geometry=shapes, crs=CRS)


def extracted(scenes, features, **options):
    """Table, and the warnings as texts."""
    said = []
    table = gdl.extract_spectra(scenes, features, report=said.append, **options)
    return table, [event.message for event in said if event.kind == "warning"]


@pytest.fixture
def west_and_east(tmp_path):
    """Two scenes side by side, of 12 x 10 pixels each."""
    west, east = numbers(seed=1), numbers(seed=2)
    write_cube(tmp_path / "west.tif", west, nodata=-1)
    write_cube(tmp_path / "east.tif", east, left=10, nodata=-1)
    return tmp_path, west, east


def test_points_have_the_physical_values_of_their_pixels(west_and_east):
    folder, west, east = west_and_east
    points = frame(
        [centre(3, 4), centre(11, 19), centre(0, 0)], cover=[0.1, 0.5, 0.9], kind=["a", "b", None]
    )
    points.to_file(folder / "plots.gpkg")
    table, said = extracted(str(folder / "*.tif"), folder / "plots.gpkg")
    expected = physical(np.stack([west[:, 3, 4], east[:, 11, 9], west[:, 0, 0]]))
    np.testing.assert_allclose(table.spectra, expected, atol=1e-6)
    np.testing.assert_allclose(table.wavelengths_nm, NM)
    np.testing.assert_allclose(table.fwhm_nm, 8)
    assert list(table.columns["scene"]) == ["west", "east", "west"]
    assert table.columns[["row", "col", "pixels"]].to_numpy().tolist() == [
        [3, 4, 1],
        [11, 9, 1],
        [0, 0, 1],
    ]
    assert list(table.columns["block"]) == ["west 0 0", "east 0 0", "west 0 0"]
    assert table.target("cover").tolist() == [0.1, 0.5, 0.9]
    assert list(table.columns["kind"])[:2] == ["a", "b"]
    assert said == []


def test_points_outside_and_on_nodata_are_left_out_and_counted(tmp_path):
    array = numbers()
    array[2, 5, 5] = -1
    write_cube(tmp_path / "cube.tif", array, nodata=-1)
    far = geopandas.GeoSeries([Point(-170, -40)], crs="EPSG:4326").to_crs(CRS).iloc[0]
    shapes = [
        centre(5, 5),
        centre(5, 6),
        centre(30, 5),
        far,
        Point(LEFT + 10 * SIZE, TOP - 5),  # on the far edge
    ]
    table, said = extracted(tmp_path / "cube.tif", frame(shapes))
    assert list(table.columns["fid"]) == [1]
    assert said == ["4 of 5 points of the features left out: 3 outside every scene, 1 on nodata"]


def test_points_of_another_crs_find_the_same_pixels(west_and_east):
    folder, west, _ = west_and_east
    points = frame([centre(r, c) for r in range(12) for c in range(10)])
    table, said = extracted([folder / "west.tif"], points.to_crs("EPSG:4326"))
    np.testing.assert_allclose(table.spectra, physical(west).reshape(len(NM), -1).T, atol=1e-6)
    assert said == []


def test_polygons_have_the_mean_of_their_valid_pixels(tmp_path):
    array = numbers()
    array[:, 2, 2] = -1
    write_cube(tmp_path / "cube.tif", array, nodata=-1)
    shapes = [pixel_box(1, 1, 4, 5), pixel_box(7.2, 7.2, 7.4, 7.4), pixel_box(2, 2, 3, 3)]
    table, said = extracted(tmp_path / "cube.tif", frame([*shapes[:2], pixel_box(40, 40, 50, 50)]))
    inside = np.ma.masked_equal(array[:, 1:4, 1:5], -1).reshape(len(NM), -1).mean(axis=1)
    expected = physical(np.stack([inside.data, array[:, 7, 7]]))
    np.testing.assert_allclose(table.spectra, expected, atol=1e-6)
    assert list(table.columns["pixels"]) == [11, 1]
    assert said == ["1 of 3 polygons of the features left out: 1 outside every scene, 0 on nodata"]
    with pytest.raises(OptionError, match="0 lie outside every scene and 1 on nodata"):
        extracted(tmp_path / "cube.tif", frame(shapes[2:]))


def test_a_polygon_across_scenes_is_that_of_most_of_its_pixels(west_and_east):
    folder, _, east = west_and_east
    scenes = [folder / "west.tif", folder / "east.tif"]
    table, said = extracted(scenes, frame([pixel_box(0, 8, 2, 15)]))
    expected = physical(east[:, :2, :5]).reshape(len(NM), -1).mean(axis=1)
    np.testing.assert_allclose(table.spectra, expected[None], atol=1e-6)
    assert table.columns[["scene", "pixels"]].to_numpy().tolist() == [["east", 10]]
    assert said == [
        "1 of 1 polygons of the features lie on several scenes; each taken from the one with most of its pixels, the "
        "first of equals"
    ]


def test_points_in_one_pixel_are_told(west_and_east):
    folder, *_ = west_and_east
    table, said = extracted(folder / "west.tif", frame([centre(1, 1), centre(1, 1), centre(2, 2)]))
    assert len(table) == 3
    (message,) = said
    assert "1 point of the features in the pixel of another" in message


def test_bands_without_data_in_any_scene_are_left_out_of_all(west_and_east):
    folder, west, east = west_and_east
    east = east.copy()
    east[4] = -1
    write_cube(folder / "east.tif", east, left=10, nodata=-1)
    scenes = [folder / "west.tif", folder / "east.tif"]
    table, said = extracted(scenes, frame([centre(1, 1), centre(1, 12)]))
    np.testing.assert_allclose(table.wavelengths_nm, np.delete(NM, 4))
    expected = np.delete(physical(np.stack([west[:, 1, 1], east[:, 1, 2]])), 4, axis=1)
    np.testing.assert_allclose(table.spectra, expected, atol=1e-6)
    assert "because they hold no data at all: band 4" in said[0]
    assert said[1] == "1 band left out, as not every scene holds data in them: band 4"


def test_bands_come_by_increasing_wavelength(tmp_path):
    array, nm = numbers(), NM.copy()
    nm[[4, 5]] = nm[[5, 4]]
    write_cube(tmp_path / "cube.tif", array, nm=nm)
    table, _ = extracted(tmp_path / "cube.tif", frame([centre(1, 1)]))
    np.testing.assert_allclose(table.wavelengths_nm, NM)
    np.testing.assert_allclose(table.spectra[0], physical(array[np.argsort(nm), 1, 1]), atol=1e-6)


def test_fields_that_would_be_read_as_wavelengths_get_other_names(west_and_east):
    folder, *_ = west_and_east
    points = frame([centre(1, 1)], **{"2020": [3.0], "row": [7], "cover": [0.5]})
    table, said = extracted(folder / "west.tif", points)
    assert table.columns["field_2020"].tolist() == [3.0]
    assert table.columns["field_row"].tolist() == [7]
    assert table.columns["row"].tolist() == [1]
    assert len(said) == 1
    assert "field_ stands before 2020, row" in said[0]


def test_scenes_of_other_sensors_are_refused(west_and_east):
    folder, _, east = west_and_east
    write_cube(folder / "east.tif", east, left=10, nm=NM + 60)
    scenes = [folder / "west.tif", folder / "east.tif"]
    with pytest.raises(OptionError, match="each sensor into a table of its own"):
        extracted(scenes, frame([centre(1, 1), centre(1, 12)]))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([LineString([(LEFT, TOP), (LEFT + 50, TOP - 50)])], "holds LineString"),
        ([Point(LEFT, TOP), pixel_box(1, 1, 2, 2)], "holds Point and Polygon"),
        ([MultiPoint([(LEFT, TOP), (LEFT + 50, TOP - 50)])], "1 feature of several points"),
        ([None], "no geometry"),
        ([], "no features"),
        ([centre(100, 100)], "does not touch the scene"),
    ],
)
def test_what_has_no_pixels_is_refused(west_and_east, shapes, message):
    with pytest.raises(OptionError, match=message):
        extracted(west_and_east[0] / "west.tif", frame(shapes))


def test_scenes_without_wavelengths_are_refused(tmp_path):
    write_raster(tmp_path / "plain.tif", numbers())
    points = geopandas.GeoDataFrame(geometry=[Point(0, 0)], crs=CRS)
    with rasterio.open(tmp_path / "plain.tif") as dataset:
        points.geometry = [Point(*dataset.xy(2, 2))]
    with pytest.raises(OptionError, match="`wavelengths=`"):
        extracted(tmp_path / "plain.tif", points)
    table, _ = extracted(tmp_path / "plain.tif", points, wavelengths=NM)
    np.testing.assert_allclose(table.wavelengths_nm, NM)
    assert table.fwhm_nm is None


def test_the_written_table_is_the_one_returned(west_and_east):
    folder, *_ = west_and_east
    points = frame([centre(1, 1), centre(2, 2)], cover=[0.2, 0.4])
    for ending in ("csv", "xlsx"):
        out = folder / f"plots.{ending}"
        table = gdl.extract_spectra(folder / "west.tif", points, out=out)
        read = gdl.read_spectra(out)
        np.testing.assert_allclose(read.spectra, table.spectra, rtol=1e-6)
        np.testing.assert_allclose(read.fwhm_nm, table.fwhm_nm)
        assert list(read.columns) == list(table.columns)
    with pytest.warns(GeoRasterWarning, match="left out"):
        gdl.extract_spectra(folder / "west.tif", frame([centre(1, 1), centre(90, 90)]))
