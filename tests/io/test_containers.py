"""Containers: which variables are the scene, which axis holds its bands, and at which wavelengths."""

import netCDF4
import numpy as np
import pytest

from georaster_dl.core.errors import SceneError
from georaster_dl.io.scenes.reader import open_scene

NM = np.linspace(400, 1000, 7)


@pytest.fixture
def container(tmp_path):
    """Factory of NetCDF-4 files (which are HDF5) from {name: (dimensions, array)}."""

    def make(variables, name="file.nc"):
        path = tmp_path / name
        with netCDF4.Dataset(path, "w") as file:
            for variable, (dimensions, array, *unit) in variables.items():
                for dimension, length in zip(dimensions, np.shape(array), strict=True):
                    if dimension not in file.dimensions:
                        file.createDimension(dimension, length)
                made = file.createVariable(variable, np.asarray(array).dtype, dimensions)
                made[:] = array
                if unit:
                    made.units = unit[0]
        return path

    return make


def cube(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


def emit(container, **more):
    """Bands last, a larger look-up table, coordinates and heights on the image's own grid."""
    return container(
        {
            "reflectance": (("downtrack", "crosstrack", "bands"), cube(24, 20, 7)),
            "sensor_band_parameters/wavelengths": (("bands",), NM),
            "location/lat": (("downtrack", "crosstrack"), cube(24, 20)),
            "location/elev": (("downtrack", "crosstrack"), cube(24, 20)),
            "location/glt_x": (("ortho_y", "ortho_x"), np.ones((90, 80), "int32")),
            **more,
        },
        "EMIT_L2A_RFL_001.nc",
    )


def test_the_image_is_the_cube_and_not_the_largest_array(container):
    scene = open_scene(emit(container))
    assert scene.shape == (24, 20)
    assert [band.name for band in scene.bands] == [f"reflectance_{i}" for i in range(1, 8)]
    assert [band.wavelength_nm for band in scene.bands] == pytest.approx(NM)
    # GDAL takes an array without coordinates to begin in the south
    assert np.array_equal(scene.read().array, cube(24, 20, 7).transpose(2, 0, 1)[:, ::-1])


def test_what_is_left_out_is_named(container):
    mask = {"quality": (("ortho_y", "ortho_x"), np.ones((90, 80), "int32"))}
    (remark,) = open_scene(emit(container, **mask)).remarks
    assert "reflectance (7 x 24 x 20)" in remark
    assert "left out: quality (90 x 80)" in remark


def test_planes_of_one_grid_are_bands_together(container):
    planes = {name: (("y", "x"), cube(20, 30)) for name in ("B02", "B03", "SCL")}
    scene = open_scene(container({**planes, "lat": (("y", "x"), cube(20, 30))}))
    assert [band.name for band in scene.bands] == ["B02", "B03", "SCL"]
    assert not scene.remarks


def test_bands_along_an_axis_of_wavelengths(container):
    path = container(
        {
            "wavelength": (("wavelength",), NM / 1000, "um"),
            "r": (("wavelength", "y", "x"), cube(7, 20, 30)),
        }
    )
    assert [band.wavelength_nm for band in open_scene(path).bands] == pytest.approx(NM)


@pytest.mark.parametrize("name", ["file.nc", "file.h5"])
def test_bands_in_another_axis_are_refused_with_what_to_do(container, name):
    path = container(
        {
            "wavelength": (("wavelength",), NM, "nm"),
            "cube": (("y", "x", "wavelength"), cube(20, 30, 7)),
            "flags": (("y", "x"), np.ones((20, 30), "int16")),
        },
        name,
    )
    with pytest.raises(SceneError, match=r"cube of .* 20 bands of 30 x 7 .*transpose=\[2,0,1\]"):
        open_scene(path)


def test_axes_that_nothing_tells_apart_are_a_doubt(container):
    path = container(
        {"cube": (("a", "b", "c"), cube(40, 30, 7)), "n": (("a", "b"), np.ones((40, 30), "int16"))},
        "file.h5",
    )
    (remark, *_) = open_scene(path).remarks
    assert "40 bands of 30 x 7 pixels" in remark
    assert "if its bands are the last axis" in remark


def test_a_container_of_coordinates_alone_is_no_scene(container):
    path = container({"lat": (("y", "x"), cube(20, 30)), "lon": (("y", "x"), cube(20, 30))})
    with pytest.raises(SceneError, match="no image among its variables"):
        open_scene(path)


def test_the_axes_of_a_lone_array_are_looked_at_too(container):
    path = container({"cube": (("a", "b", "c"), cube(40, 30, 7))}, "file.h5")
    (remark,) = open_scene(path).remarks
    assert "is read as 40 bands of 30 x 7 pixels" in remark


@pytest.mark.parametrize("name", ["file.nc", "file.h5"])
def test_wavelengths_beside_a_lone_cube(container, name):
    path = container(
        {"wavelength": (("band",), NM), "cube": (("band", "y", "x"), cube(7, 20, 30))}, name
    )
    assert [band.wavelength_nm for band in open_scene(path).bands] == pytest.approx(NM)


@pytest.mark.parametrize("name", ["file.nc", "file.h5"])
@pytest.mark.parametrize(
    ("axes", "shape", "order"),
    [(("y", "x", "w"), (20, 30, 7), "2,0,1"), (("y", "w", "x"), (20, 7, 30), "1,0,2")],
)
def test_a_lone_cube_is_turned_by_its_wavelengths(container, name, axes, shape, order):
    path = container({"wavelength": (("w",), NM), "cube": (axes, cube(*shape))}, name)
    with pytest.raises(SceneError, match=rf"another axis; turn it .*transpose=\[{order}\]"):
        open_scene(path)


def test_rows_and_columns_that_are_exchanged_are_refused(container):
    path = container(
        {
            "x": (("x",), 500_005.0 + 10 * np.arange(30), "m"),
            "y": (("y",), 4_999_995.0 - 10 * np.arange(20), "m"),
            "cube": (("band", "x", "y"), cube(7, 30, 20)),
        }
    )
    import netCDF4

    with netCDF4.Dataset(path, "a") as file:
        for axis in "xy":
            file[axis].standard_name = f"projection_{axis}_coordinate"
    with pytest.raises(SceneError, match=r"exchanged; turn it first: .*transpose=\[0,2,1\]"):
        open_scene(path)


def test_reflectance_goes_before_radiance_and_tables_are_none(container):
    path = container(
        {
            "radiance": (("band", "y", "x"), cube(7, 20, 30)),
            "reflectance": (("band", "y", "x"), cube(7, 20, 30)),
            "radiance_lut": (("a", "b"), cube(500, 500)),
        }
    )
    scene = open_scene(path)
    assert {band.name.rpartition("_")[0] for band in scene.bands} == {"reflectance"}
    assert "left out: radiance (7 x 20 x 30)" in scene.remarks[0]
