"""Stacks of cubes: NetCDF, Zarr and xarray, their times, bands, fill values, grids and masks."""

import pickle
from datetime import date

import numpy as np
import pytest
from pyproj import Transformer

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.scene_options import SceneOptions, StackOptions
from georaster_dl.io.stacks.open import open_stack
from georaster_dl.testing import write_raster

xarray = pytest.importorskip("xarray")

DAYS = ("2023-05-14", "2023-05-20", "2023-06-01")
LEFT, TOP = 500_000.0, 5_000_000.0


def cube(
    bands=("B04", "B08"),
    days=DAYS,
    *,
    size=(20, 30),
    step=10.0,
    dtype="uint16",
    time="time",
    **attrs,
):
    """A Dataset of images whose pixels are 100 * band + date, both from 1."""
    rows, cols = size
    shape = (len(days), rows, cols)
    variables = {}
    for number, name in enumerate(bands, 1):
        values = np.broadcast_to(np.arange(1, len(days) + 1)[:, None, None] + 100 * number, shape)
        variables[name] = ((time, "y", "x"), values.astype(dtype), attrs)
    coordinates = {
        time: np.array(days, "datetime64[ns]"),
        "y": TOP - step * (np.arange(rows) + 0.5),
        "x": LEFT + step * (np.arange(cols) + 0.5),
    }
    dataset = xarray.Dataset(variables, coordinates)
    import odc.geo.xr  # noqa: F401

    return dataset.odc.assign_crs("EPSG:32631")


def write(dataset, path, **encoding):
    pytest.importorskip("netCDF4")
    dataset.to_netcdf(path, encoding=dict.fromkeys(dataset.data_vars, encoding))
    return path


def first_pixels(stack):
    return stack.read()[0][:, :, 0, 0].tolist()


@pytest.mark.parametrize("kind", ["file", "dataset", "array", "dask", "sensor"])
def test_cubes_of_files_and_of_memory(tmp_path, kind):
    made = cube(("B04",))
    given = {
        "file": lambda: write(made, tmp_path / "cube.nc"),
        "dataset": lambda: made,
        "array": lambda: made["B04"],
        "dask": lambda: made.chunk({"time": 1, "y": 10}),
        "sensor": lambda: {"s2": made},
    }[kind]()
    stack = open_stack(given)
    (sensor,) = stack.sensors
    assert sensor.dates == tuple(date.fromisoformat(day) for day in DAYS)
    assert [(band.name, band.wavelength_nm) for band in sensor.bands] == [("B04", 664.6)]
    assert (stack.shape, stack.resolution_m, stack.geobox.crs.epsg) == ((20, 30), 10, 32631)
    assert first_pixels(stack) == [[101], [102], [103]]


def test_a_lazy_array_is_computed_by_windows():
    dask_array = pytest.importorskip("dask.array")
    read = []

    def block(part, block_info=None):
        read.append(block_info[0]["array-location"])
        return part

    made = cube(("B04",))
    lazy = dask_array.from_array(made["B04"].to_numpy(), chunks=(3, 10, 15)).map_blocks(
        block, dtype="uint16"
    )
    made = made.assign(B04=(("time", "y", "x"), lazy))
    stack = open_stack(made)
    read.clear()
    assert (stack.block_rows, stack.block_cols) == (10, 15)
    (values,) = stack.read(slice(0, 5), slice(0, 5))
    assert values.shape == (3, 1, 5, 5)
    assert len(read) == 1


def test_a_time_axis_of_another_name_and_bands_on_an_axis():
    made = (
        cube(("B02", "B03"), time="timestamp")
        .to_dataarray("band")
        .transpose("timestamp", "band", "y", "x")
    )
    stack = open_stack(made.rename("reflectance"))
    assert [band.name for band in stack.sensors[0].bands] == ["B02", "B03"]
    assert first_pixels(stack) == [[101, 201], [102, 202], [103, 203]]


def test_dates_out_of_order_and_two_of_a_day():
    made = cube(
        ("B04",), ("2023-06-01T10:00", "2023-05-14T10:10", "2023-05-14T10:00"), _FillValue=3
    )
    made["B04"][2, :5] = 3  # nodata of the earlier image of that day, whose other pixels are 103
    stack = open_stack(made)
    assert stack.sensors[0].dates == (date(2023, 5, 14), date(2023, 6, 1))
    (values,) = stack.read()
    assert values[:, 0, (0, 10), 0].tolist() == [[102, 103], [101, 101]]
    assert "1 day (2023-05-14) have several images" in " ".join(stack.remarks)


def test_scale_offset_and_nodata_are_of_each_variable():
    made = cube(_FillValue=0)
    made["B04"].attrs |= {"scale_factor": 0.01, "add_offset": -1}
    made["B08"][0, :3] = 0
    stack = open_stack(made)
    assert not stack.calibrated
    (values,) = stack.read()
    assert np.isnan(values[0, :, :3]).all()
    assert values[1, :, 0, 0] == pytest.approx([0.02, 202])
    stated = open_stack(made, StackOptions(SceneOptions(scale=0.1, nodata=102)))
    assert stated.calibrated
    assert np.isnan(stated.read()[0][1]).all()
    assert stated.read()[0][2, :, 0, 0] == pytest.approx([10.3, 20.3])


def test_a_fill_value_that_the_type_cannot_hold_marks_nothing():
    made = cube(("B04",))
    made["B04"].attrs["_FillValue"] = np.nan
    assert first_pixels(open_stack(made)) == [[101], [102], [103]]


def test_signed_numbers_that_stand_for_unsigned(tmp_path):
    made = cube(("B04",), dtype="int16", _Unsigned="true")
    made["B04"][1] = -1
    made["B04"][2] = -2
    made.attrs["_FillValue"] = 65535
    (values,) = open_stack(write(made, tmp_path / "cube.nc")).read()
    assert values[0, 0, 0, 0] == 101
    assert np.isnan(values[1]).all()
    assert values[2, 0, 0, 0] == 65534


def test_rows_from_south_to_north_are_turned():
    made = cube(("B04",))
    made["B04"][:, 0] = 7  # the northern row
    turned = made.isel(y=slice(None, None, -1))
    stack = open_stack(turned)
    assert stack.geobox == open_stack(made).geobox
    assert np.array_equal(stack.read()[0], open_stack(made).read()[0])


def test_cubes_of_other_bands_are_resampled_to_the_finest(tmp_path):
    fine = cube(("B04",))
    coarse = cube(("B11", "SCL"), size=(10, 15), step=20.0)
    coarse["SCL"][:] = 4
    coarse["SCL"][0, :2] = 9
    write(coarse, tmp_path / "b_20m.nc")
    write(fine, tmp_path / "a_10m.nc")
    stack = open_stack(tmp_path, StackOptions(SceneOptions(mask="SCL")))
    assert (stack.shape, stack.resolution_m) == ((20, 30), 10)
    assert [band.name for band in stack.sensors[0].bands] == ["B04", "B11"]
    (values,) = stack.read()
    assert np.isnan(values[0, :, :4]).all()
    assert (values[0, 0, 4:] == 101).all()
    assert (values[2, 1] == 103).all()
    (window,) = stack.read(slice(3, 9), slice(5, 7))
    assert np.array_equal(window, values[..., 3:9, 5:7], equal_nan=True)
    assert len(stack.source_files()) == 2


def test_resampling_takes_the_values_between(tmp_path):
    coarse = cube(("B11",), size=(10, 15), step=20.0, dtype="float32")
    coarse["B11"][:] = np.arange(15, dtype="float32") * 20 + 10  # metres from the left side
    (values,) = open_stack(
        {"a": [write(cube(("B04",)), tmp_path / "a.nc"), write(coarse, tmp_path / "b.nc")]}
    ).read()
    metres = np.arange(30) * 10 + 5
    assert values[0, 1, 5, 1:-1] == pytest.approx(metres[1:-1], abs=1e-3)


@pytest.fixture
def other_crs():
    """A cube of 23 m pixels in the next zone, over all of ``cube``'s and 500 m around it."""
    x, y = Transformer.from_crs(32631, 32632, always_xy=True).transform(LEFT, TOP)
    made = cube(("B11",), size=(80, 80), step=23.0, dtype="float32").drop_vars("spatial_ref")
    made = made.assign_coords(x=x - 500 + 23 * np.arange(80), y=y + 500 - 23 * np.arange(80))
    made["B11"][:] = made["x"].to_numpy() - x
    return made.odc.assign_crs("EPSG:32632")


def test_another_crs_is_interpolated_at_each_pixel(other_crs):
    _, far = open_stack({"a": cube(("B04",)), "b": other_crs}).read()
    xs, ys = np.meshgrid(LEFT + 10 * (np.arange(30) + 0.5), TOP - 10 * (np.arange(20) + 0.5))
    to_other = Transformer.from_crs(32631, 32632, always_xy=True)
    expected = to_other.transform(xs, ys)[0] - to_other.transform(LEFT, TOP)[0]
    assert far[0, 0] == pytest.approx(expected, abs=0.01)  # metres


def test_windows_of_another_crs_are_the_bits_of_the_whole(other_crs):
    generator = np.random.default_rng(0)
    noise = generator.random(other_crs["B11"].shape).astype("float32")
    noise[generator.random(noise.shape) < 0.1] = np.nan
    other_crs["B11"][:] = noise
    stack = open_stack({"a": cube(("B04",)), "b": other_crs})
    whole = stack.read()[1]
    assert 0.05 < np.isnan(whole).mean() < 0.15
    for rows in (slice(0, 7), slice(7, 20)):
        for cols in (slice(0, 1), slice(1, 18), slice(18, 30)):
            part = stack.read(rows, cols)[1]
            assert np.array_equal(part, whole[..., rows, cols], equal_nan=True)


def test_what_is_masked_does_not_shrink_when_it_is_resampled():
    coarse = cube(("B11",), size=(10, 15), step=20.0, dtype="float32")
    coarse["B11"][:, 3, 4] = np.nan
    values = open_stack({"a": cube(("B04",)), "b": coarse}).read()[1]
    assert np.argwhere(np.isnan(values[0, 0])).tolist() == [[6, 8], [6, 9], [7, 8], [7, 9]]


def test_a_cube_without_a_crs_cannot_be_laid_over_another():
    coarse = cube(("B11",), size=(10, 15), step=20.0).drop_vars("spatial_ref")
    coarse["B11"].encoding.clear()
    with pytest.raises(SceneError, match="Grids of 10 x 15 and 20 x 30 pixels cannot be laid over"):
        open_stack({"a": cube(("B04",)), "b": coarse}).read()


def test_cubes_of_the_same_bands_follow_each_other(tmp_path):
    later, earlier = cube(days=("2023-07-01", "2023-07-11")), cube(days=DAYS)
    stack = open_stack([write(later, tmp_path / "a.nc"), write(earlier, tmp_path / "b.nc")])
    assert len(stack.sensors[0].dates) == 5
    assert first_pixels(stack) == [[101, 201], [102, 202], [103, 203], [101, 201], [102, 202]]
    cut = stack.between(date(2023, 5, 20), date(2023, 7, 1))
    assert first_pixels(cut) == [[102, 202], [103, 203], [101, 201]]


def test_dates_that_lack_bands_are_left_out(tmp_path):
    paths = [
        write(cube(("B04",)), tmp_path / "a.nc"),
        write(cube(("B08",), days=("2023-05-20", "2023-06-01", "2023-07-01")), tmp_path / "b.nc"),
    ]
    stack = open_stack(paths)
    assert first_pixels(stack) == [[102, 101], [103, 102]]
    assert "2 dates without all bands are left out" in stack.remarks


def test_cubes_without_a_common_date(tmp_path):
    paths = [
        write(cube(("B04",)), tmp_path / "a.nc"),
        write(cube(("B08",), ("2020-01-01",)), tmp_path / "b.nc"),
    ]
    with pytest.raises(SceneError, match="have no date in common"):
        open_stack(paths)


def test_masks_of_variables():
    made = cube(("B04", "QA"))
    made["QA"][:] = 0
    made["QA"][1] = 0b100
    made["QA"][2] = 0b010
    stack = open_stack(made, StackOptions(SceneOptions(mask="QA=bits:2")))
    assert [band.name for band in stack.sensors[0].bands] == ["B04"]
    assert np.isnan(stack.read()[0]).all(axis=(1, 2, 3)).tolist() == [False, True, False]
    compared = open_stack(made, StackOptions(SceneOptions(scale=0.01, mask="B04>=1.03")))
    assert len(compared.sensors[0].bands) == 2
    assert np.isnan(compared.read()[0]).all(axis=(1, 2, 3)).tolist() == [False, False, True]
    with pytest.raises(OptionError, match=r"mask='SCL'` is no variable of .* which has B04, QA"):
        open_stack(made, StackOptions(SceneOptions(mask="SCL")))


def test_of_several_sensors_a_mask_is_for_those_that_have_it():
    optical, radar = cube(("B04", "SCL")), cube(("VV",), ("2023-05-01",))
    optical["SCL"][:] = 9
    options = StackOptions(SceneOptions(mask="SCL"))
    first, second = open_stack({"s1": radar, "s2": optical}, options).read()
    assert (first == 101).all()
    assert np.isnan(second).all()
    with pytest.raises(OptionError, match="of none of the sensors s1, s2"):
        open_stack({"s1": radar, "s2": optical}, StackOptions(SceneOptions(mask="QA_PIXEL")))


def test_bands_are_chosen_and_named():
    assert first_pixels(open_stack(cube(), StackOptions(SceneOptions(bands=("B08",))))) == [
        [201],
        [202],
        [203],
    ]
    nameless = cube(("B04", "B08")).to_dataarray("band").drop_vars("band")
    stack = open_stack(nameless, StackOptions(SceneOptions(bands=("B03", "B11"))))
    assert [band.wavelength_nm for band in stack.sensors[0].bands] == [559.8, 1613.7]
    with pytest.raises(
        OptionError, match=r"`bands=` names B11, but Dataset in memory has B04, B08"
    ):
        open_stack(cube(), StackOptions(SceneOptions(bands=("B11",))))


def test_wavelengths_of_a_cube_are_stated():
    stack = open_stack(cube(), StackOptions(SceneOptions(wavelengths=(660.0, 830.0))))
    assert [band.wavelength_nm for band in stack.sensors[0].bands] == [660, 830]
    with pytest.raises(OptionError, match="states 3 wavelengths, but .* has 2 bands"):
        open_stack(cube(), StackOptions(SceneOptions(wavelengths=(1.0, 2.0, 3.0))))


def test_a_long_name_says_which_band_a_variable_is():
    made = cube(("B2",))
    made["B2"].attrs["long_name"] = "S2-L2A-B02"
    assert open_stack(made).sensors[0].bands[0].wavelength_nm == 492.4


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: cube().isel(time=0), "has no variable with axes of time, rows and cols"),
        (lambda: cube().drop_vars("time"), "has no variable with axes of time"),
        (lambda: cube().assign_coords(time=[1, 2, 3]), "numbers without a unit of time"),
        (lambda: cube().assign_coords(x=np.arange(30.0) ** 2), "do not go on in equal steps"),
    ],
)
def test_arrays_that_are_no_cube(made, said):
    with pytest.raises(SceneError, match=said):
        open_stack(made())


def test_images_of_one_date_beside_a_cube_are_another_sensor(tmp_path):
    write(cube(), tmp_path / "cube.nc")
    write_raster(tmp_path / "a_20230514.tif", np.ones((1, 20, 30), "uint8"))
    with pytest.raises(
        SceneError, match=r"cube.nc has a time axis, but .*a_20230514.tif is one date"
    ):
        open_stack(tmp_path)


def test_a_container_without_a_time_axis_is_left_out_beside_cubes(tmp_path):
    write(cube(), tmp_path / "cube.nc")
    write(cube(("LC",)).isel(time=0, drop=True), tmp_path / "labels_2018-01-01.nc")
    stack = open_stack(tmp_path)
    assert len(stack.sensors[0].dates) == 3
    assert "labels_2018-01-01.nc has no variable with axes of time" in " ".join(stack.remarks)


def test_containers_without_a_time_axis_are_dated_by_their_names(tmp_path):
    for day in ("20230514", "20230520"):
        write(cube(("B04", "B08")).isel(time=0, drop=True), tmp_path / f"s_{day}.nc")
    assert open_stack(tmp_path).sensors[0].dates == (date(2023, 5, 14), date(2023, 5, 20))


def test_cubes_that_cannot_be_read(tmp_path):
    (tmp_path / "a.nc").write_bytes(b"CDF nothing")
    with pytest.raises(SceneError, match=r"a\.nc cannot be"):
        open_stack(tmp_path)


def test_a_cube_of_a_file_is_the_same_after_pickling_and_in_threads(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    stack = pickle.loads(
        pickle.dumps(open_stack(write(cube(), tmp_path / "a.nc", chunksizes=(1, 10, 10))))
    )
    assert (stack.block_rows, stack.block_cols) == (10, 10)
    (whole,) = stack.read()
    places = [(slice(r, r + 5), slice(c, c + 6)) for r in range(0, 20, 5) for c in range(0, 30, 6)]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda place: stack.read(*place)[0], places))
    for (rows, cols), part in zip(places, parts, strict=True):
        assert np.array_equal(part, whole[..., rows, cols])


def test_a_zarr_store(tmp_path):
    pytest.importorskip("zarr")
    cube().to_zarr(tmp_path / "cube.zarr", consolidated=False)
    for given in (tmp_path / "cube.zarr", f"{tmp_path}/*.zarr"):
        assert first_pixels(open_stack(given)) == [[101, 201], [102, 202], [103, 203]]


@pytest.mark.realdata
def test_worldcereal_bands_of_10_and_20_m_are_one_stack(real_data):
    folder = real_data / "s2_worldcereal" / "00002806639B424A"
    stack = open_stack(folder, StackOptions(SceneOptions(mask="SCL")))
    (sensor,) = stack.sensors
    assert (len(sensor.dates), len(sensor.bands), stack.shape) == (118, 10, (64, 64))
    assert stack.calibrated
    (values,) = stack.read()
    fine, coarse = (
        xarray.open_dataset(
            folder / f"S2_L2A_{side}m_00002806639B424A_32631_2017-08-01_2018-11-30.nc",
            mask_and_scale=False,
            decode_coords=False,
        )
        for side in (10, 20)
    )
    scl = np.kron(coarse["SCL"].to_numpy(), np.ones((2, 2), "uint8"))
    clear = ~np.isin(scl, (0, 1, 3, 8, 9, 10)) & (fine["B02"].to_numpy() > 0)
    names = [band.name for band in sensor.bands]
    assert np.array_equal(np.isfinite(values[:, 0]), clear)
    expected = fine["B02"].to_numpy()[clear].astype("float32") * np.float32(1e-4)
    assert values[:, names.index("B02")][clear] == pytest.approx(expected)


@pytest.mark.realdata
def test_worldcereal_numbers_of_65535_are_nodata(real_data):
    (path,) = (real_data / "multimodal_worldcereal").glob("*.nc")
    stack = open_stack(path)
    names = [band.name for band in stack.sensors[0].bands]
    assert {"B02", "B12", "VV", "VH"} <= set(names)
    (values,) = stack.read()
    assert np.nanmax(values) < 65535
    assert 0 < np.isnan(values[:, 0]).mean() < 0.2
