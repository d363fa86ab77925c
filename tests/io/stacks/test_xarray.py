"""Stacks as DataArrays: lazy, placed, dated, and read back as stacks."""

import numpy as np
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.io.stacks.images import ImageReader
from georaster_dl.io.stacks.open import open_stack
from georaster_dl.testing import write_raster

xarray = pytest.importorskip("xarray")


@pytest.fixture
def stack(tmp_path):
    """Three dates of two bands of noise, with nodata in one of them."""
    generator = np.random.default_rng(0)
    for day in (14, 20, 26):
        array = generator.integers(1, 9000, (2, 20, 30)).astype("uint16")
        array[1, :3, day - 14 :] = 0
        path = tmp_path / f"a_202305{day}.tif"
        write_raster(path, array, bands=("B04", "B08"), scale=1e-4, nodata=0)
    return open_stack(tmp_path)


@pytest.fixture
def windows(monkeypatch):
    """Windows that are read from files."""
    read = []
    original = ImageReader.read

    def counted(self, rows, cols):
        read.append((len(self._images), rows, cols))
        return original(self, rows, cols)

    monkeypatch.setattr(ImageReader, "read", counted)
    return read


def test_an_array_is_lazy_and_says_where_and_when(stack, windows):
    array = stack.to_xarray()
    assert array.dims == ("time", "band", "y", "x")
    assert array.odc.geobox == stack.geobox
    assert array["time"].dt.strftime("%Y-%m-%d").to_numpy().tolist() == [
        "2023-05-14",
        "2023-05-20",
        "2023-05-26",
    ]
    assert array["band"].to_numpy().tolist() == ["B04", "B08"]
    assert array["wavelength"].to_numpy().tolist() == [664.6, 832.8]
    assert windows == []
    assert np.array_equal(array.to_numpy(), stack.read()[0], equal_nan=True)


@pytest.mark.parametrize(
    "places",
    [
        {"time": 1},
        {"time": slice(None, None, -1), "band": 1},
        {"time": [2, 0], "y": slice(3, 11, 3), "x": slice(25, 2, -4)},
        {"band": [], "x": 3},
    ],
)
def test_parts_are_those_of_the_whole(stack, places):
    (whole,) = stack.read()
    expected = xarray.DataArray(whole, dims=("time", "band", "y", "x")).isel(places)
    assert np.array_equal(stack.to_xarray().isel(places).to_numpy(), expected, equal_nan=True)


def test_only_the_dates_and_pixels_asked_for_are_read(stack, windows):
    stack.to_xarray().isel(time=slice(1, 3), y=slice(2, 5), x=4).load()
    assert windows == [(2, slice(2, 5), slice(4, 5))]


def test_chunks_are_computed_one_by_one(stack, windows):
    pytest.importorskip("dask")
    array = stack.to_xarray().chunk({"time": 1, "y": 10})
    assert windows == []
    with np.errstate(all="ignore"):
        mean = array.mean("time").compute(scheduler="synchronous")
    assert len(windows) == 6
    expected = xarray.DataArray(stack.read()[0], dims=array.dims).mean("time")
    assert mean.to_numpy() == pytest.approx(expected.to_numpy(), nan_ok=True)


def test_an_array_is_a_stack_again(stack):
    again = open_stack(stack.to_xarray())
    assert again.sensors[0].dates == stack.sensors[0].dates
    assert again.sensors[0].bands == stack.sensors[0].bands
    assert again.geobox == stack.geobox
    assert np.array_equal(again.read()[0], stack.read()[0], equal_nan=True)


def test_of_several_sensors_the_one_that_is_named(stack, tmp_path):
    both = open_stack({"a": str(tmp_path), "b": f"{tmp_path}/*14.tif"})
    assert both.to_xarray("B").sizes["time"] == 1
    with pytest.raises(OptionError, match="has the sensors a, b"):
        both.to_xarray()
