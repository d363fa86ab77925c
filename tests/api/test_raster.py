"""Rasters in memory: parts, pictures, DataArrays, files."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

import georaster_dl as gdl

GRID = GeoBox((20, 30), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32631")


def class_map():
    classes = (gdl.MapClass(1, "water", (0, 0, 255)), gdl.MapClass(2, "dry land", (0, 200, 0)))
    array = np.ones((1, 20, 30), np.uint8)
    array[:, :, 10:] = 2
    valid = np.ones((20, 30), bool)
    valid[:5] = False
    return gdl.Raster(array, valid, GRID, (gdl.Band("land cover"),), gdl.Legend(classes))


def image(n_bands=3):
    rng = np.random.default_rng(0)
    names = ["B02", "B03", "B04", "B08"][:n_bands]
    wavelengths = [490, 560, 665, 840]
    bands = tuple(gdl.Band(n, w) for n, w in zip(names, wavelengths, strict=False))
    array = rng.random((n_bands, 20, 30)).astype("float32")
    valid = np.ones((20, 30), bool)
    valid[3, 4] = False
    return gdl.Raster(array, valid, GRID, bands, unit="m" if n_bands == 1 else "")


def test_masked_where_invalid():
    raster = image()
    assert raster.masked.shape == (3, 20, 30)
    assert raster.masked.mask[:, 3, 4].all()
    assert raster.masked.mask.sum() == 3


def test_parts_that_do_not_fit_are_refused():
    raster = image()
    with pytest.raises(gdl.OptionError, match="needs an array of"):
        gdl.Raster(raster.array[:2], raster.valid, GRID, raster.bands)


def test_repr_tells_the_essential():
    assert "dry land 66.7 %, water 33.3 %" in repr(class_map())
    assert "EPSG:32631" in repr(class_map())
    assert "3 bands (B02, B03, B04)" in repr(image())
    assert len(repr(image())) < 200


@pytest.mark.parametrize("make", [class_map, image, lambda: image(1)])
def test_notebooks_show_a_picture(make):
    page = make()._repr_html_()
    assert "data:image/png;base64," in page
    assert "20 x 30 pixels" in page


def test_a_map_is_drawn_with_its_legend_on_its_coordinates():
    axes = class_map().plot()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["water", "dry land"]
    assert axes.get_xlim() == (500_000, 500_300)
    assert axes.get_ylim() == (4_999_800, 5_000_000)


def test_a_quantity_is_drawn_with_a_colour_bar():
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots()
    assert image(1).plot(axes) is axes
    assert figure.axes[-1].get_ylabel() == "B02 [m]"
    plt.close("all")


def test_one_band_is_drawn_by_its_name():
    axes = image().plot(band="B03")
    assert axes.get_figure().axes[-1].get_ylabel() == "B03"
    with pytest.raises(gdl.OptionError, match="B99"):
        image().plot(band="B99")


def test_dataarrays_carry_place_names_and_nodata():
    made = image().to_xarray()
    assert made.dims == ("band", "y", "x")
    assert made.odc.geobox == GRID
    assert made.sel(band="B03").shape == (20, 30)
    assert made.wavelength.to_numpy().tolist() == [490, 560, 665]
    assert np.isnan(made.to_numpy()[:, 3, 4]).all()


def test_dataarrays_of_maps_carry_classes():
    made = class_map().to_xarray()
    assert made.dtype == np.uint8
    assert made.attrs["_FillValue"] == 255
    assert (made.to_numpy()[0, :5] == 255).all()
    assert made.attrs["flag_values"].tolist() == [1, 2]
    assert made.attrs["flag_meanings"] == "water dry_land"
    assert made.attrs["class_names"] == ["water", "dry land"]


def test_a_dataarray_leads_back_to_the_raster():
    raster = image()
    again = gdl.open_scene(raster.to_xarray()).read()
    np.testing.assert_array_equal(again.valid, raster.valid)
    np.testing.assert_array_equal(again.array[:, again.valid], raster.array[:, raster.valid])
    assert [band.name for band in again.bands] == ["B02", "B03", "B04"]
    assert [band.wavelength_nm for band in again.bands] == [492.4, 559.8, 664.6]  # by their names
    assert again.geobox == GRID


def test_rasters_are_written_and_read_again(tmp_path):
    raster = image()
    path = gdl.write_cog(raster, tmp_path / "image.tif")
    again = gdl.open_scene(path).read()
    np.testing.assert_array_equal(again.valid, raster.valid)
    np.testing.assert_array_equal(again.array[:, again.valid], raster.array[:, raster.valid])
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("B02", "B03", "B04")
        assert dataset.crs.to_epsg() == 32631
    with pytest.raises(gdl.OutputError, match="overwrite=True"):
        gdl.write_cog(raster, path)
    gdl.write_cog(raster, path, overwrite=True)


def test_maps_are_written_and_read_again(tmp_path):
    raster = class_map()
    again = gdl.read_map(gdl.write_cog(raster, tmp_path / "map.tif"))
    np.testing.assert_array_equal(again.array[0][raster.valid], raster.array[0][raster.valid])
    np.testing.assert_array_equal(again.valid, raster.valid)
    assert again.legend == raster.legend
    assert (tmp_path / "map.qml").is_file()


@pytest.fixture
def scene(tmp_path):
    return gdl.open_scene(gdl.write_cog(image(), tmp_path / "image.tif"))


def test_scenes_tell_the_essential(scene):
    assert repr(scene).endswith(
        "image.tif: 20 x 30 pixels, 3 bands (B02, B03, B04), EPSG:32631, 10 m>"
    )


@pytest.mark.parametrize(
    "window",
    [
        {},
        {"band": 1},
        {"band": [2, 0], "y": slice(3, 9)},
        {"y": slice(None, None, -3), "x": slice(5, 20, 2)},
        {"y": 4, "x": 5},
        {"x": [1, 17, 3]},
        {"y": slice(7, 7)},
    ],
)
def test_windows_of_a_lazy_dataarray_are_those_of_the_loaded_one(scene, window):
    lazy, loaded = scene.to_xarray(), image().to_xarray()
    np.testing.assert_array_equal(lazy.isel(window).to_numpy(), loaded.isel(window).to_numpy())
    assert lazy.odc.geobox == GRID
    assert lazy.band.to_numpy().tolist() == ["B02", "B03", "B04"]


def test_a_lazy_dataarray_reads_what_is_asked_for(scene, monkeypatch):
    read = []
    whole = type(scene).read
    monkeypatch.setattr(
        type(scene),
        "read",
        lambda self, rows, cols: read.append((rows, cols)) or whole(self, rows, cols),
    )
    array = scene.to_xarray()
    assert not read
    part = array.isel(band=0, y=slice(2, 6), x=slice(8, 16)).load()
    assert part.shape == (4, 8)
    assert read == [(slice(2, 6), slice(8, 16))]
    chunked = scene.to_xarray().chunk(y=10, x=10)
    assert np.isnan(chunked.mean("band").compute()[3, 4])
