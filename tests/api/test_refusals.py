"""What is no scene, no raster or no range is refused in one line instead of giving a wrong map."""

import copy
import multiprocessing
import pickle
import re

import numpy as np
import pytest

import georaster_dl as gdl
from georaster_dl.testing import noise, write_model, write_scene
from tests.api.test_in_memory import as_array, as_dataarray, as_dataset
from tests.api.test_raster import GRID, class_map

SHAPE = (300, 260)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refusals")
    write_scene(folder / "scene.tif", noise(SHAPE))
    write_model(folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    "rows",
    [slice(0, 301), slice(250, 400), slice(400, 500), slice(10, 5), slice(0, 10, 2), 5, [1, 2]],
)
def test_ranges_outside_of_the_scene(home, rows):
    scene = gdl.open_scene(home / "scene.tif")
    with pytest.raises(gdl.OptionError, match=r"`rows="):
        scene.read(rows)


def test_ranges_as_slices_have_them(home):
    scene = gdl.open_scene(home / "scene.tif")
    whole = scene.read().array
    np.testing.assert_array_equal(
        scene.read(slice(-20, None), slice(None, 7)).array, whole[:, -20:, :7]
    )


@pytest.mark.parametrize(
    "places",
    [np.r_[0:100, 150:300], np.r_[0:50, 20:200], np.r_[100:0:-1, 100:200]],
    ids=["a gap", "rows twice", "half reversed"],
)
def test_coordinates_with_unequal_steps(home, places):
    array, _ = as_dataarray(home)
    with pytest.raises(gdl.SceneError, match="equal steps"):
        gdl.open_scene(array.isel(y=places))
    assert gdl.open_scene(array.isel(y=slice(None, None, -1))).shape == SHAPE  # south up


def test_arrays_without_coordinates(home):
    import xarray

    array = as_dataarray(home)[0]
    bare = xarray.DataArray(array.to_numpy(), {"band": list(array.band.values)}, array.dims)
    with pytest.raises(gdl.SceneError, match="no coordinates along"):
        gdl.open_scene(bare)


def test_datasets_of_two_grids_are_not_repeated_to_fit(home):
    import xarray

    dataset, _ = as_dataset(home)
    dataset["B11"] = xarray.DataArray(np.zeros((30, 40), "u2"), dims=("y20", "x20"))
    with pytest.raises(gdl.SceneError, match="'B11' has the dimensions"):
        gdl.open_scene(dataset)
    with pytest.raises(gdl.SceneError, match="no variable"):
        gdl.open_scene(xarray.Dataset())


def test_a_single_date_is_dropped_whatever_it_is_called(home):
    array, _ = as_dataarray(home)
    assert gdl.open_scene(array.expand_dims("timestamp")).shape == SHAPE


@pytest.mark.parametrize(("columns", "warned"), [(60, True), (2, False)])
@pytest.mark.parametrize("stored", ["uint16", "float32"])
def test_zeros_in_all_bands_that_count_as_measured(home, columns, warned, stored):
    array = noise((100, 100), seed=3).clip(1).astype(stored)
    array[:, :, :columns] = 0
    options = {"bands": ["B02", "B03", "B04"], "scale": 1e-4}
    model, caught = gdl.load_model(home / "model.safetensors"), []
    model.predict(array, report=caught.append, **options)
    said = [
        e.message for e in caught if getattr(e, "kind", "") == "warning" and "0 in all" in e.message
    ]
    assert bool(said) == warned
    if warned:
        assert re.search(r"[56]\d % of the pixels", said[0])
    del caught[:]
    model.predict(array, report=caught.append, nodata=0, **options)
    assert not [
        e for e in caught if getattr(e, "kind", "") == "warning" and "0 in all" in e.message
    ]


@pytest.mark.parametrize(
    "source", [None, 5, b"scene.tif", [np.zeros((3, 4, 4))], {"a": 1}, memoryview(b"x")]
)
@pytest.mark.parametrize("function", ["open_scene", "predict", "segment"])
def test_other_types(home, tmp_path, source, function):
    call = {
        "open_scene": gdl.open_scene,
        "predict": gdl.load_model(home / "model.safetensors").predict,
        "segment": lambda s: gdl.segment(s, home / "model.safetensors", out=tmp_path / "m.tif"),
    }[function]
    with pytest.raises(gdl.SceneError, match="is no scene; give a path") as caught:
        call(source)
    assert len(str(caught.value)) < 300


def test_arrays_of_dask_are_wrapped_by_the_user():
    import dask.array

    with pytest.raises(gdl.SceneError, match="as one"):
        gdl.open_scene(dask.array.zeros((3, 10, 10)))


@pytest.mark.parametrize("value", [0, 9, 300, -7])
def test_values_that_the_legend_lacks(value):
    raster = class_map()
    array = raster.array.astype("int32")
    array[0, 10, 10] = value
    with pytest.raises(gdl.OptionError, match=f"hold {value}, which the legend does not name"):
        gdl.Raster(array, raster.valid, GRID, raster.bands, raster.legend)
    valid = raster.valid.copy()
    valid[10, 10] = False
    assert gdl.Raster(array, valid, GRID, raster.bands, raster.legend).class_counts["water"] == 150


def test_maps_of_floats_and_masks_of_numbers():
    raster = class_map()
    with pytest.raises(gdl.OptionError, match="whole numbers"):
        gdl.Raster(raster.array.astype("f4"), raster.valid, GRID, raster.bands, raster.legend)
    with pytest.raises(gdl.OptionError, match="True and False"):
        gdl.Raster(raster.array, raster.valid.astype("u1"), GRID, raster.bands)
    with pytest.raises(gdl.OptionError, match="array of NumPy"):
        gdl.Raster([[1]], raster.valid, GRID, raster.bands)


def test_whole_numbers_of_any_type_are_written_as_the_legend_has_them(tmp_path):
    raster = class_map()
    wide = gdl.Raster(raster.array.astype("i8"), raster.valid, GRID, raster.bands, raster.legend)
    again = gdl.read_map(gdl.write_cog(wide, tmp_path / "map.tif"))
    assert again.array.dtype == np.uint8
    assert again.class_counts == raster.class_counts


def test_a_loaded_model_is_a_model(home, tmp_path):
    model = gdl.load_model(home / "model.safetensors")
    gdl.segment(home / "scene.tif", model, out=tmp_path / "map.tif")
    assert gdl.load_model(model).path == model.path


def test_predictions_warn_as_files_do(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise((64, 80)))
    model = gdl.load_model(write_model(tmp_path / "m.safetensors", limitations="Only for tests."))
    with pytest.warns(gdl.GeoRasterWarning, match=r"m: Only for tests\."):
        model.predict(scene)


def test_models_and_scenes_are_pickled(home):
    model = pickle.loads(pickle.dumps(gdl.load_model(home / "model.safetensors")))
    array, options = as_array(home)
    scene = pickle.loads(pickle.dumps(gdl.open_scene(array, **options)))
    np.testing.assert_array_equal(scene.read().array, gdl.open_scene(array, **options).read().array)
    assert copy.deepcopy(model).card == model.card


def predicted(path, scene, results):
    try:
        results.put(gdl.load_model(path).predict(scene).class_counts)
    except gdl.GeoRasterError as error:
        results.put(str(error))


@pytest.mark.slow
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_after_a_prediction_says_that_it_would_wait_for_ever(home):
    scene, path = home / "scene.tif", home / "model.safetensors"
    gdl.load_model(path).predict(scene)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    process = context.Process(target=predicted, args=(path, scene, results))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert "get_context('spawn')" in results.get()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda out: gdl.cluster(np.zeros((3, 20, 20)), out=out, method="dbscan"), "kmeans or gmm"),
        (lambda out: gdl.cluster(np.zeros((3, 20, 20)), out=out, k=2.5), "whole number"),
        (lambda out: gdl.classify("a.tif", "b.gpkg", out=out, method="knn"), "svm or rf"),
        (lambda out: gdl.mosaic([], out=out), "list of the paths"),
        (lambda out: gdl.mosaic("a.tif", out=out), "list of the paths"),
        (lambda _: gdl.read_map("a.tif", longest=0), "does not exist|leaves nothing"),
    ],
)
def test_values_of_options(tmp_path, call, said):
    with pytest.raises(gdl.GeoRasterError, match=said):
        call(tmp_path / "out.tif")
