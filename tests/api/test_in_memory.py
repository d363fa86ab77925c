"""Predictions in memory equal the files of the same pixels, whatever holds the pixels."""

import threading
import warnings

import numpy as np
import pytest
import rasterio

import georaster_dl as gdl
from georaster_dl.testing import BANDS, noise, write_model, write_scene

SHAPE = (300, 260)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    write_scene(folder / "scene.tif", noise(SHAPE))
    write_model(folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def mapped(home):
    """Pixels of the map and the probabilities that ``segment`` writes, in small tiles."""
    options = {"tile": 128, "precision": "fp32", "probabilities": True, "float32": True}
    gdl.segment(home / "scene.tif", home / "model.safetensors", out=home / "map.tif", **options)
    with (
        rasterio.open(home / "map.tif") as classes,
        rasterio.open(home / "map_probabilities.tif") as p,
    ):
        return {"map": classes.read(), "probabilities": p.read()}


def stored(home):
    with rasterio.open(home / "scene.tif") as dataset:
        return dataset.read()


def as_array(home):
    return stored(home), {"bands": BANDS, "scale": 1e-4, "nodata": 0}


def as_dataarray(home, chunks=None):
    import xarray
    from odc.geo.geobox import GeoBox
    from odc.geo.xr import wrap_xr

    with rasterio.open(home / "scene.tif") as dataset:
        geobox = GeoBox.from_rio(dataset)
    array = wrap_xr(stored(home), geobox, nodata=0, dims=("band", "y", "x"), axis=1)
    array = array.assign_coords(band=list(BANDS))
    array.attrs["scale_factor"] = 1e-4
    assert isinstance(array, xarray.DataArray)
    return (array if chunks is None else array.chunk(chunks)), {}


def as_dataset(home):
    array, options = as_dataarray(home)
    dataset = array.to_dataset("band")
    for variable in dataset.data_vars.values():
        variable.attrs |= {"scale_factor": 1e-4, "_FillValue": 0}
    return dataset, options


SOURCES = {
    "path": lambda home: (home / "scene.tif", {}),
    "text": lambda home: (str(home / "scene.tif"), {}),
    "scene": lambda home: (gdl.open_scene(home / "scene.tif"), {}),
    "array": as_array,
    "xarray": as_dataarray,
    "xarray dataset": as_dataset,
    "dask": lambda home: as_dataarray(home, {"band": 1, "y": 70, "x": 90}),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("output", ["map", "probabilities"])
def test_equals_the_file_pixel_by_pixel(home, mapped, kind, output):
    source, options = SOURCES[kind](home)
    model = gdl.load_model(home / "model.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", gdl.GeoRasterWarning)  # an array has no CRS
        raster = model.predict(source, output, tile=128, precision="fp32", **options)
    expected = mapped[output]
    assert raster.array.dtype == expected.dtype
    np.testing.assert_array_equal(raster.array[:, raster.valid], expected[:, raster.valid])
    invalid = (stored(home) == 0).any(axis=0)
    np.testing.assert_array_equal(raster.valid, ~invalid)


def test_a_raster_gives_the_map_of_its_file(home, tmp_path):
    raster = gdl.open_scene(home / "scene.tif").read()
    model = gdl.load_model(home / "model.safetensors")
    gdl.write_cog(raster, tmp_path / "floats.tif")
    gdl.segment(tmp_path / "floats.tif", model.path, out=tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as dataset:
        np.testing.assert_array_equal(model.predict(raster).array, dataset.read())


def test_a_lazy_array_is_never_loaded_whole(home):
    import dask.array
    import xarray

    loaded = []

    def block(block_info):
        (rows, cols) = block_info[None]["array-location"][1:]
        loaded.append((rows[1] - rows[0]) * (cols[1] - cols[0]))
        return stored(home)[:, slice(*rows), slice(*cols)]

    array, _ = as_dataarray(home)
    lazy = dask.array.map_blocks(
        block, dtype="uint16", chunks=((3,), (100, 100, 100), (130, 130)), meta=np.empty((0, 0, 0))
    )
    lazy = xarray.DataArray(lazy, array.coords, array.dims, attrs=array.attrs)
    raster = gdl.load_model(home / "model.safetensors").predict(lazy, tile=128)
    assert raster.valid.any()
    assert max(loaded) == 100 * 130
    assert isinstance(lazy.data, dask.array.Array)


def test_features_and_denoised_scenes_stay_in_memory(home, tmp_path):
    card_model = gdl.load_model(home / "model.safetensors")
    features = card_model.predict(home / "scene.tif", "features")
    made = gdl.features(home / "scene.tif", card_model.path, out=tmp_path / "features.tif")
    with rasterio.open(tmp_path / "features.tif") as dataset:
        np.testing.assert_allclose(features.array, dataset.read(), rtol=0, atol=1e-6)
    assert made.findings.bands == len(features.bands)


def test_the_network_is_loaded_once(home, monkeypatch):
    from georaster_dl.predict.outputs import rasters

    loads, load = [], rasters.load_narrowed
    monkeypatch.setattr(rasters, "load_narrowed", lambda *args: loads.append(1) or load(*args))
    model = gdl.load_model(home / "model.safetensors")
    for _ in range(3):
        model.predict(home / "scene.tif")
    assert len(loads) == 1


@pytest.mark.parametrize("name", ["record", "journal", "overwrite"])
def test_options_of_files_are_refused(home, name):
    model = gdl.load_model(home / "model.safetensors")
    with pytest.raises(gdl.OptionError, match=rf"`{name}=` is of files"):
        model.predict(home / "scene.tif", **{name: "x"})


def test_records_of_arrays_are_refused(home, tmp_path):
    array, options = as_array(home)
    scene = gdl.open_scene(array, **options)
    with pytest.raises(gdl.OptionError, match=r"`record=` tells by the scene's files"):
        gdl.segment(
            scene, home / "model.safetensors", out=tmp_path / "m.tif", record=tmp_path / "m.json"
        )
    assert not list(tmp_path.iterdir())


def test_an_unknown_prediction_names_the_others(home):
    with pytest.raises(gdl.OptionError, match="probabilities"):
        gdl.load_model(home / "model.safetensors").predict(home / "scene.tif", "classes")


def test_an_array_without_band_names_is_refused(home):
    array, options = as_array(home)
    del options["bands"]
    with pytest.raises(gdl.BandMismatchError, match="bands="):
        gdl.load_model(home / "model.safetensors").predict(array, **options)


def test_whole_numbers_without_a_scale_are_refused(home):
    array, options = as_array(home)
    del options["scale"]
    with pytest.raises(gdl.BandMismatchError, match="scale="):
        gdl.load_model(home / "model.safetensors").predict(array, **options)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 3, 4, 5)), "is no scene"),
        (np.zeros((3, 0, 4)), "is no scene"),
        (np.zeros((3, 4, 4), complex), "complex"),
        (np.zeros((3, 4, 4), bool), "bool"),
    ],
)
def test_arrays_that_are_no_scenes(array, said):
    with pytest.raises(gdl.SceneError, match=said):
        gdl.open_scene(array)


def test_several_dates_are_refused(home):
    array, _ = as_dataarray(home)
    with pytest.raises(gdl.SceneError, match="isel"):
        gdl.open_scene(array.expand_dims(time=2))
    assert gdl.open_scene(array.expand_dims(time=1)).shape == SHAPE


def test_masked_pixels_are_invalid(home):
    array, options = as_array(home)
    masked = np.ma.MaskedArray(array, np.zeros(array.shape, bool))
    masked[1, 200:210, 50:60] = np.ma.masked
    scene = gdl.open_scene(masked, **options)
    valid = scene.read().valid
    assert not valid[200:210, 50:60].any()
    assert valid[210:220, 50:60].all()


@pytest.mark.slow
def test_two_threads_predict_at_once(home, tmp_path):
    """Different scenes with different models give the bytes that they give one after the other."""
    write_model(tmp_path / "other.safetensors", n_classes=3)
    write_scene(tmp_path / "other.tif", noise(SHAPE, seed=7))
    tasks = [
        (gdl.load_model(home / "model.safetensors"), home / "scene.tif"),
        (gdl.load_model(tmp_path / "other.safetensors"), tmp_path / "other.tif"),
    ]
    alone = [model.predict(scene, tile=96).array for model, scene in tasks]
    found = {}
    start = threading.Barrier(4)

    def predict(number):
        model, scene = tasks[number % 2]
        start.wait()
        found[number] = [model.predict(scene, tile=96).array for _ in range(3)]

    threads = [threading.Thread(target=predict, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, arrays in found.items():
        assert all(np.array_equal(array, alone[number % 2]) for array in arrays)
    assert len(found) == 4
