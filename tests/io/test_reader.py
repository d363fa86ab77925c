"""Scenes of every kind: what their planes are, what their numbers mean, what is valid."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin

from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.io.scenes import dataset
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.testing import write_raster


def numbers(bands=3, rows=20, cols=30, dtype="uint16"):
    return np.random.default_rng(0).integers(1, 200, (bands, rows, cols)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("nodata", [None, 7])
def test_values_and_mask_of_a_plain_file(make_tif, dtype, nodata):
    array = numbers(dtype=dtype)
    scene = open_scene(make_tif(array, nodata=nodata))
    raster = scene.read()
    assert np.array_equal(raster.array, array.astype("float32"))
    expected = np.ones((20, 30), bool) if nodata is None else (array != 7).all(0)
    assert np.array_equal(raster.valid, expected)
    assert scene.resolution_m == 10
    # GDAL itself takes three bytes a pixel for colours
    names = ["red", "green", "blue"] if dtype == "uint8" else ["band_1", "band_2", "band_3"]
    assert [band.name for band in scene.bands] == names


def test_a_pixel_is_valid_only_where_every_band_is(make_tif):
    array = numbers(bands=2)
    array[0, 0, 0] = array[1, 1, 1] = 0
    valid = open_scene(make_tif(array, nodata=0)).read().valid
    assert not valid[0, 0]
    assert not valid[1, 1]
    assert valid.sum() == valid.size - 2


def test_nan_is_never_valid_declared_or_not(make_tif):
    array = numbers(dtype="float32")
    array[1, 2, 3] = np.nan
    array[1, 2, 4] = np.inf
    assert (~open_scene(make_tif(array)).read().valid).sum() == 2
    assert (~open_scene(make_tif(array, nodata=np.nan)).read().valid).sum() == 2


def test_nodata_that_the_type_cannot_hold_marks_nothing(make_tif):
    path = make_tif(numbers())
    assert open_scene(path, SceneOptions(nodata=-9999)).read().valid.all()


def test_user_nodata_overrides_the_file(make_tif):
    array = numbers()
    path = make_tif(array, nodata=3)
    valid = open_scene(path, SceneOptions(nodata=5)).read().valid
    assert np.array_equal(valid, (array != 5).all(0))


def test_mask_band_and_alpha_mark_invalid_pixels(make_tif):
    array = numbers(bands=4, dtype="uint8")
    array[3] = 255
    array[3, :5] = 0
    path = make_tif(array, photometric="RGB", alpha="YES")
    scene = open_scene(path)
    assert [band.name for band in scene.bands] == ["red", "green", "blue"]
    assert np.array_equal(scene.read().valid, array[3] > 0)
    mask = np.full((20, 30), 255, "uint8")
    mask[:, :4] = 0
    masked = make_tif(array[:3], "masked.tif", mask=mask)
    assert np.array_equal(open_scene(masked).read().valid, mask > 0)


def test_scale_and_offset_tags_give_physical_values(make_tif):
    array = numbers()
    path = make_tif(array, scales=[1e-4] * 3, offsets=[-0.1] * 3)
    scene = open_scene(path)
    assert np.allclose(scene.read().array, array * 1e-4 - 0.1)
    assert all(plane.calibrated for plane in scene.planes)
    assert not any(plane.calibrated for plane in open_scene(make_tif(array, "raw.tif")).planes)
    told = open_scene(path, SceneOptions(scale=2.0, offset=1.0))
    assert np.allclose(told.read().array, array * 2 + 1)


def test_sentinel2_names_bring_wavelengths(make_tif):
    scene = open_scene(make_tif(numbers(2), descriptions=["B04", "B8A"]))
    assert [band.wavelength_nm for band in scene.bands] == [664.6, 864.7]
    # B04 beside a band of another sensor is not Sentinel-2's
    other = open_scene(make_tif(numbers(2), "other.tif", descriptions=["B04", "panchromatic"]))
    assert other.bands[0].wavelength_nm is None


def test_bands_option_names_a_plain_file_and_selects_from_a_longer_one(make_tif):
    path = make_tif(numbers())
    named = open_scene(path, SceneOptions(bands=("B04", "B03", "B02")))
    assert [band.wavelength_nm for band in named.bands] == [664.6, 559.8, 492.4]
    chosen = open_scene(path, SceneOptions(bands=("band_3", "band_1")))
    assert np.array_equal(chosen.read().array, numbers()[[2, 0]])
    with pytest.raises(OptionError, match="gives 2 names .* has 3"):
        open_scene(path, SceneOptions(bands=("B04", "B03")))
    with pytest.raises(OptionError, match="twice"):
        open_scene(path, SceneOptions(bands=("B04", "B04", "B02")))


def test_wavelength_tags_of_band_and_imagery_domain(make_tif):
    path = make_tif(numbers(3))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, wavelength="418.2", fwhm="7", wavelength_units="Nanometers", bbl="1")
        dataset.update_tags(
            2, wavelength="0.55", fwhm="0.01", wavelength_units="Micrometers", bbl="0"
        )
        dataset.update_tags(3, ns="IMAGERY", CENTRAL_WAVELENGTH_UM="0.8", FWHM_UM="0.02")
    bands = open_scene(path).bands
    assert [band.wavelength_nm for band in bands] == pytest.approx([418.2, 550, 800])
    assert [band.fwhm_nm for band in bands] == pytest.approx([7, 10, 20])
    assert [band.good for band in bands] == [True, False, True]


def test_envi_header_is_understood(tmp_path):
    array = numbers(3, dtype="int16")
    path = tmp_path / "cube.img"
    with rasterio.open(
        path,
        "w",
        driver="ENVI",
        count=3,
        height=20,
        width=30,
        dtype="int16",
        crs="EPSG:32631",
        transform=from_origin(0, 0, 10, 10),
    ) as d:
        d.write(array)
    with (tmp_path / "cube.hdr").open("a") as header:
        header.write(
            "wavelength = {0.45, 0.55, 0.65}\nfwhm = {0.01, 0.01, 0.02}\nbbl = {1, 1, 0}\n"
        )
        header.write("wavelength units = Micrometers\nreflectance scale factor = 10000\n")
        header.write("data ignore value = 9\n")
    scene = open_scene(path)
    assert [band.wavelength_nm for band in scene.bands] == pytest.approx([450, 550, 650])
    assert [band.good for band in scene.bands] == [True, True, False]
    raster = scene.read()
    assert np.allclose(raster.array, array / 10000)
    assert np.array_equal(raster.valid, (array != 9).all(0))
    assert open_scene(tmp_path / "cube.hdr").planes == scene.planes


def test_netcdf_variables_are_bands(tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    path = tmp_path / "two.nc"
    with netcdf.Dataset(path, "w") as file:
        file.createDimension("y", 6)
        file.createDimension("x", 5)
        for name, value in (("red", 3), ("nir", 9)):
            variable = file.createVariable(name, "i2", ("y", "x"), fill_value=-1)
            variable[:] = value
            variable.scale_factor = 0.5
            variable[0, 0] = np.ma.masked
    scene = open_scene(path)
    assert [band.name for band in scene.bands] == ["red", "nir"]
    assert scene.shape == (6, 5)
    assert (~scene.read().valid).sum() == 1


def test_files_of_different_resolution_are_stacked_on_the_finest_grid(make_tif):
    fine = make_tif(numbers(1, 40, 40), "T31_B04_10m.tif")
    coarse_array = numbers(1, 20, 20)
    coarse = make_tif(
        coarse_array, "T31_B11_20m.tif", transform=from_origin(500_000, 5_000_000, 20, 20)
    )
    scene = open_scene([coarse, fine])
    assert scene.shape == (40, 40)
    assert [band.name for band in scene.bands] == ["B11", "B04"]
    raster = scene.read()
    assert raster.valid.all()
    assert np.array_equal(raster.array[1], numbers(1, 40, 40)[0])
    # bilinear: the mean survives, and 2 x 2 blocks are near their source pixel
    assert raster.array[0].mean() == pytest.approx(coarse_array.mean(), rel=0.02)
    window = scene.read(slice(3, 17), slice(5, 33))
    assert np.array_equal(window.array, raster.array[:, 3:17, 5:33])


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint16", 0), ("int16", -9999), ("float32", -9999), ("float32", np.nan)]
)
def test_nodata_of_one_band_stays_nodata_in_a_stack(make_tif, dtype, nodata):
    fine = make_tif(numbers(1, 40, 40), "fine.tif")
    array = numbers(2, 20, 20, "float32") + 500
    array[0, 5:15, 5:15] = nodata
    coarse = make_tif(
        array.astype(dtype),
        "coarse.tif",
        nodata=nodata,
        transform=from_origin(500_000, 5_000_000, 20, 20),
    )
    raster = open_scene([fine, coarse]).read()
    inside = np.zeros((40, 40), bool)
    inside[11:29, 11:29] = True  # but for the border, which valid neighbours reach
    assert not raster.valid[inside].any()
    assert raster.valid[:9].all()
    assert raster.array[1:, raster.valid].min() >= 500


def test_planes_of_one_file_keep_their_own_nodata_in_a_stack(make_tif, tmp_path):
    array = numbers(2, 20, 20, "int16")
    array[0, :5] = -1
    array[1, -5:] = -2
    make_tif(array, "two.tif", transform=from_origin(500_000, 5_000_000, 20, 20))
    with rasterio.open(tmp_path / "two.tif") as dataset:
        wkt = dataset.crs.to_wkt()
    bands = "".join(
        f"<VRTRasterBand dataType='Int16' band='{i}'><NoDataValue>-{i}</NoDataValue><SimpleSource>"
        f"<SourceFilename relativeToVRT='1'>two.tif</SourceFilename><SourceBand>{i}</SourceBand>"
        f"</SimpleSource></VRTRasterBand>"
        for i in (1, 2)
    )
    (tmp_path / "two.vrt").write_text(
        f"<VRTDataset rasterXSize='20' rasterYSize='20'><SRS>{wkt.replace('<', '&lt;')}</SRS>"
        f"<GeoTransform>500000, 20, 0, 5000000, 0, -20</GeoTransform>{bands}</VRTDataset>"
    )
    fine = make_tif(numbers(1, 40, 40), "fine.tif")
    raster = open_scene([fine, tmp_path / "two.vrt"]).read()
    assert not raster.valid[:8].any()
    assert not raster.valid[-8:].any()
    assert raster.valid[12:-12].all()
    assert raster.array[:, raster.valid].min() > 0


@pytest.mark.parametrize("nodata", [None, 7])
@pytest.mark.parametrize("kind", ["mask", "alpha"])
def test_a_mask_is_the_same_alone_and_in_a_stack(make_tif, kind, nodata):
    fine = make_tif(numbers(1, 40, 40), "fine.tif")
    array = numbers(4, 20, 20, "uint8") + 10
    array[3] = 255
    array[3, :6] = 0
    place = {"transform": from_origin(500_000, 5_000_000, 20, 20), "nodata": nodata}
    if kind == "alpha":
        coarse = make_tif(array, "coarse.tif", photometric="RGB", alpha="YES", **place)
    else:
        coarse = make_tif(array[:3], "coarse.tif", mask=array[3], **place)
    alone = open_scene(coarse).read().valid.repeat(2, axis=0).repeat(2, axis=1)
    stacked = open_scene([fine, coarse]).read().valid
    assert np.array_equal(alone, stacked)


def test_a_band_marked_as_transparency_is_data_where_it_is_named(make_tif):
    array = numbers(4, dtype="uint8")
    array[3, :5] = 0  # near infrared of water
    path = make_tif(array, photometric="RGB", alpha="YES")
    named = open_scene(path, SceneOptions(bands=("red", "green", "blue", "nir")))
    raster = named.read()
    assert np.array_equal(raster.array, array)
    assert raster.valid.all()
    assert named.select([0, 1]).read().valid.all()
    with pytest.raises(
        OptionError, match=r"has 3 bands .*band 4 beside them is marked as transparency"
    ):
        open_scene(path, SceneOptions(bands=("red", "nir")))


def test_a_stack_is_invalid_where_one_file_ends(make_tif):
    full = make_tif(numbers(1, 40, 40), "a.tif")
    half = make_tif(numbers(1, 10, 20), "b.tif", transform=from_origin(500_000, 5_000_000, 20, 20))
    valid = open_scene([full, half]).read().valid
    assert valid[:19].all()
    assert not valid[21:].any()


def test_stacking_without_a_crs_is_refused(make_tif):
    a = make_tif(numbers(1, 40, 40), "a.tif")
    b = make_tif(numbers(1, 20, 20), "b.tif", crs=None)
    with pytest.raises(SceneError, match="no CRS"):
        open_scene([a, b]).read()


def test_georeferencing_of_every_kind_is_kept(make_tif):
    rotated = Affine(10, 3, 500_000, 3, -10, 5_000_000)
    assert open_scene(make_tif(numbers(), transform=rotated)).geobox.affine == rotated
    points = [
        GroundControlPoint(r, c, 10 + c * 1e-4, 50 - r * 1e-4, 0) for r in (0, 20) for c in (0, 30)
    ]
    path = make_tif(numbers(), "gcp.tif", crs=None, transform=None)
    with rasterio.open(path, "r+") as dataset:
        dataset.gcps = (points, rasterio.crs.CRS.from_epsg(4326))
    box = open_scene(path).geobox
    assert len(box.gcps()) == 4
    assert box.crs.epsg == 4326
    nowhere = open_scene(make_tif(numbers(), "no.tif", crs=None, transform=None))
    assert nowhere.geobox.crs is None
    assert nowhere.resolution_m is None


def test_a_thumbnail_is_thinned_out_or_comes_from_overviews(make_tif):
    path = make_tif(numbers(1, 40, 60))
    small = open_scene(path).thumbnail(20)
    assert np.array_equal(small.array[0], numbers(1, 40, 60)[0, ::3, ::3])
    assert small.geobox.resolution.x == pytest.approx(30)
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4])
    assert open_scene(path).thumbnail(20).array.shape == (1, 10, 15)


@pytest.fixture
def server(tmp_path):
    """A server of byte ranges in a process of its own: GDAL keeps the GIL while it waits."""
    script = Path(__file__).parent / "range_server.py"
    with subprocess.Popen(
        [sys.executable, script, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.kill()


def test_an_address_is_read_by_ranges(make_tif, server, tmp_path):
    array = np.random.default_rng(0).integers(1, 60_000, (1, 1024, 1024)).astype("uint16")
    make_tif(array, tiled=True, blockxsize=256, blockysize=256)
    scene = open_scene(f"{server}/scene.tif")
    window = scene.read(slice(0, 100), slice(0, 100))
    assert np.array_equal(window.array[0], array[0, :100, :100])
    sent = sum(int(line) for line in (tmp_path / "sent.txt").read_text().split())
    assert sent < array.nbytes / 2


def stac_item(**changes):
    def asset(name, file, wavelength):
        return {
            "href": f"./{file}",
            "roles": ["data"],
            "eo:bands": [{"name": name, "center_wavelength": wavelength}],
            "raster:bands": [{"nodata": 0, "scale": 1e-4, "offset": -0.1}],
        }

    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "x",
        "properties": {},
        "assets": {
            "thumbnail": {"href": "./t.png", "roles": ["thumbnail"]},
            "red": asset("red", "red.tif", 0.665),
            "nir": asset("nir", "nir.tif", 0.842),
        },
        **changes,
    }


def test_stac_item_by_path_and_by_address(make_tif, tmp_path, server):
    red, nir = numbers(1), numbers(1) + 7
    make_tif(red, "red.tif")
    make_tif(nir, "nir.tif")
    (tmp_path / "item.json").write_text(json.dumps(stac_item()))
    for source in (tmp_path / "item.json", f"{server}/item.json"):
        scene = open_scene(source)
        assert [band.name for band in scene.bands] == ["red", "nir"]
        assert [band.wavelength_nm for band in scene.bands] == pytest.approx([665, 842])
        assert np.allclose(scene.read().array, np.concatenate([red, nir]) * 1e-4 - 0.1)


def test_bands_of_a_sentinel2_item_carry_the_missions_names(make_tif, tmp_path):
    for name in ("red", "nir"):
        make_tif(numbers(1), f"{name}.tif")
    item = stac_item(properties={"platform": "sentinel-2b"})
    item["assets"]["scl"] = item["assets"]["red"] | {"eo:bands": [{"name": "scl"}]}
    (tmp_path / "item.json").write_text(json.dumps(item))
    scene = open_scene(tmp_path / "item.json")
    assert [band.name for band in scene.bands] == ["B04", "B08", "scl"]
    assert [band.wavelength_nm for band in scene.bands[:2]] == pytest.approx([665, 842])


def test_stac_1_1_bands_and_an_offset_already_applied(make_tif, tmp_path):
    red = numbers(1)
    make_tif(red, "red.tif")
    band = {
        "name": "B04",
        "eo:center_wavelength": 0.665,
        "raster:scale": 1e-4,
        "raster:offset": -0.1,
    }
    item = stac_item(assets={"red": {"href": "red.tif", "roles": ["data"], "bands": [band]}})
    item["properties"]["earthsearch:boa_offset_applied"] = True
    (tmp_path / "item.json").write_text(json.dumps(item))
    scene = open_scene(tmp_path / "item.json")
    assert scene.bands[0].wavelength_nm == pytest.approx(665)
    assert np.allclose(scene.read().array, red * 1e-4)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"href": None}, "assets.red.href"),
        ({"href": "http://[::1"}, "http://[::1"),
        ({"href": "red\0.tif"}, "not UTF-8 text"),
        ({"eo:bands": ["red"]}, "assets.red.eo:bands.0"),
        ({"eo:bands": {"name": "red"}}, "assets.red.eo:bands"),
        ({"eo:bands": [{"name": "red", "center_wavelength": "red"}]}, "center_wavelength"),
        ({"eo:bands": [{"name": "red", "center_wavelength": float("inf")}]}, "center_wavelength"),
        ({"eo:bands": [{"name": ["red"]}]}, "assets.red.eo:bands.0.name"),
        ({"raster:bands": [{"nodata": "none"}]}, "nodata"),
        ({"raster:bands": [{"scale": "x"}]}, "scale"),
        ({"raster:bands": [{"offset": float("nan")}]}, "offset"),
        ({"raster:bands": [{"nodata": 10**400}]}, "nodata"),
        ({"raster:bands": 7}, "raster:bands"),
    ],
)
def test_a_wrong_field_of_an_item_is_named(make_tif, tmp_path, changes, place):
    make_tif(numbers(1), name="red.tif")
    item = stac_item()
    item["assets"] = {"red": item["assets"]["red"] | changes}
    (tmp_path / "item.json").write_text(json.dumps(item))
    with pytest.raises(SceneError, match=re.escape(place)) as caught:
        open_scene(tmp_path / "item.json")
    assert "\n" not in str(caught.value)


def test_null_is_not_stated(make_tif, tmp_path):
    make_tif(numbers(1), name="red.tif")
    item = stac_item(properties=None)
    nulls = {"roles": None, "raster:bands": [{"scale": None, "nodata": None}], "bands": None}
    item["assets"] = {"red": item["assets"]["red"] | nulls}
    (tmp_path / "item.json").write_text(json.dumps(item))
    assert len(open_scene(tmp_path / "item.json").planes) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_what_gdal_would_wait_for_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.tif")
    for source in (str(tmp_path / "pipe.tif"), "/vsistdin/", "/dev/zero"):
        with pytest.raises(SceneError, match="pipe or a device"):
            open_scene(source)


@pytest.mark.parametrize("name", ["M\udcfcnster.tif", "x" * 300, "x\0.tif"])
def test_names_that_cannot_be_opened(tmp_path, name):
    with pytest.raises(SceneError):
        open_scene(str(tmp_path / name))


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{}", "not a STAC item"), ("[1]", "not a STAC item"), ("{", "cannot be read")],
)
def test_json_that_is_no_item(tmp_path, text, problem):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(SceneError, match=problem):
        open_scene(tmp_path / "x.json")


def test_missing_empty_foreign_and_truncated_files(tmp_path, make_tif):
    with pytest.raises(SceneError, match="does not exist"):
        open_scene(tmp_path / "absent.tif")
    (tmp_path / "text.tif").write_text("hello")
    with pytest.raises(SceneError, match="cannot be opened as a raster"):
        open_scene(tmp_path / "text.tif")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SceneError, match="empty folder"):
        open_scene(tmp_path / "folder")
    path = make_tif(numbers(1, 500, 500), compress="deflate")
    path.write_bytes(path.read_bytes()[:-2000] if path.stat().st_size > 4000 else b"")
    with pytest.raises(SceneError):
        open_scene(path).read()


def test_complex_numbers_are_refused(make_tif):
    with pytest.raises(SceneError, match="complex"):
        open_scene(make_tif(np.ones((1, 4, 4), "complex64")))


def test_the_input_is_never_changed(make_tif, tmp_path):
    path = make_tif(numbers(), descriptions=["B02", "B03", "B04"])
    before = (path.read_bytes(), sorted(p.name for p in tmp_path.iterdir()))
    open_scene(path).read()
    assert (path.read_bytes(), sorted(p.name for p in tmp_path.iterdir())) == before


@pytest.mark.realdata
def test_enmap_tile(real_data):
    path = next((real_data / "enmap_potsdam" / "images").glob("*.tif"))
    scene = open_scene(path)
    assert len(scene.bands) == 224
    assert scene.bands[0].wavelength_nm == pytest.approx(418.24)
    good = [i for i, band in enumerate(scene.bands) if band.good]
    raster = scene.select(good).read()
    assert raster.valid.any()
    assert 0 < np.median(raster.array[:, raster.valid]) < 1


@pytest.mark.realdata
def test_netcdf_of_rasterio(real_data, tmp_path):
    shutil.copy(real_data / "odd_rasters" / "RGB.nc", tmp_path)
    scene = open_scene(tmp_path / "RGB.nc")
    assert len(scene.bands) == 3
    with rasterio.open(real_data / "odd_rasters" / "RGB.byte.tif") as dataset:
        expected = dataset.read()
    raster = scene.read()
    assert np.array_equal(raster.array[:, raster.valid], expected[:, raster.valid])


def test_color_interpretation_names_bands(make_tif):
    path = make_tif(numbers(3, dtype="uint8"), photometric="RGB")
    with rasterio.open(path) as dataset:
        assert dataset.colorinterp[0] == ColorInterp.red
    assert [band.name for band in open_scene(path).bands] == ["red", "green", "blue"]


def test_an_undeclared_fill_value_is_no_measurement(make_tif):
    array = numbers(dtype="float32")
    array[0, :2] = -3.4e38
    valid = open_scene(make_tif(array)).read().valid
    assert not valid[:2].any()
    assert valid[2:].all()


def test_a_renamed_band_keeps_a_stated_wavelength_but_not_the_old_names(make_tif):
    path = make_tif(numbers(2), descriptions=["B02", "B03"])
    renamed = open_scene(path, SceneOptions(bands=("B02", "B99")))
    assert [band.wavelength_nm for band in renamed.bands] == [492.4, None]
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(2, wavelength="551", wavelength_units="Nanometers")
    renamed = open_scene(path, SceneOptions(bands=("B02", "B99")))
    assert renamed.bands[1].wavelength_nm == 551


def _claiming(path, cols, rows, bands=1):
    band = "<VRTRasterBand dataType='Byte' band='{}'/>"
    made = "".join(band.format(i + 1) for i in range(bands))
    path.write_text(f"<VRTDataset rasterXSize='{cols}' rasterYSize='{rows}'>{made}</VRTDataset>")
    return path


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ((2_000_000_000, 2_000_000_000), "2000000000 x 2000000000 pixels"),
        ((2_000_000_000, 1), "1 x 2000000000 pixels"),
        ((1, 1, 20_000), "20000 bands"),
    ],
)
def test_a_header_that_claims_too_much_is_refused_at_once(tmp_path, claim, told):
    with pytest.raises(SceneError, match=told):
        open_scene(_claiming(tmp_path / "claim.vrt", *claim))


def test_blocks_that_no_memory_holds(make_tif, monkeypatch):
    monkeypatch.setattr(dataset, "available_memory", lambda: 100)
    with pytest.raises(SceneError, match="stored in blocks"):
        open_scene(make_tif(numbers(1)))


def test_files_of_different_places_are_no_scene(make_tif):
    here = make_tif(numbers(1), "here.tif")
    there = make_tif(numbers(1), "there.tif", transform=from_origin(900_000, 5_000_000, 10, 10))
    with pytest.raises(SceneError, match=r"there.tif does not overlap .*here.tif"):
        open_scene([here, there])


def test_physical_values_and_stored_ones(make_tif):
    stored = np.array([[[2, 4]], [[6, 8]]], np.uint16)
    path = make_tif(stored, scales=(0.5, 0.25), offsets=(1.0, -1.0))
    scene = open_scene(path)
    by_band = scene.to_physical(stored)
    assert by_band.dtype == np.float32
    np.testing.assert_array_equal(by_band, [[[2, 3]], [[0.5, 1]]])
    by_pixel = scene.to_physical(stored.reshape(2, -1).T, axis=1)
    np.testing.assert_array_equal(by_pixel, [[2, 0.5], [3, 1]])
    assert by_pixel.flags.c_contiguous
    np.testing.assert_array_equal(scene.as_stored().read().array, stored)


def test_what_the_user_states_holds_for_stored_values_too(make_tif):
    stored = np.array([[[2, 4]]], np.uint16)
    scene = open_scene(make_tif(stored), SceneOptions(scale=0.5))
    np.testing.assert_array_equal(scene.as_stored().read().array, stored / 2)


def test_the_grid_of_several_files_is_one_that_has_a_crs(tmp_path):
    array = np.ones((1, 8, 8), "uint16")
    write_raster(tmp_path / "b.tif", array, bands=("b",))
    write_raster(tmp_path / "a.tif", array, bands=("a",), crs=None)
    scene = open_scene([tmp_path / "a.tif", tmp_path / "b.tif"])
    assert scene.geobox.crs is not None
    assert [band.name for band in scene.bands] == ["a", "b"]
