"""Public names, their signatures and their lazy import are promises."""

import dataclasses
import doctest
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import georaster_dl as gdl
from georaster_dl.calibration.run import CalibrateOptions
from georaster_dl.cleaning.options import CleaningOptions
from georaster_dl.core import errors
from georaster_dl.core.scene_options import LabelOptions, SceneOptions
from georaster_dl.lidar.sequences.options import SequenceTraining
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.predict.options import FeatureOptions, RunOptions, SegmentOptions
from georaster_dl.predict.outputs.kinds import EXTRA_OUTPUTS
from georaster_dl.proposals.options import ProposeOptions
from georaster_dl.spectra.simulate.methods import METHODS as METHODS_OF_SIMULATION
from georaster_dl.spectra.table.samples import SpectraOptions
from georaster_dl.timeseries.learning.options import SeriesTrainOptions, SplitOptions
from georaster_dl.timeseries.sources import SampleReading
from georaster_dl.timeseries.tables.options import SeriesTableOptions
from georaster_dl.training.settings.keywords import SETTINGS

SIGNATURES = {
    "batch": "(scenes, model=None, *, folder, extras=(), float32=False, features=False, layer=None, workers=1, "
    "retries=1, on_error='continue', report=None, **options)",
    "bundle": "(map, *, out, add=(), overwrite=False, report=None)",
    "calibrate": "(model, scenes, labels=None, *, out, html=None, png=None, report=None, progress=False, **options)",
    "change": "(before, after, model=None, *, out, confidence=False, csv=None, quicklook=None, minimum_confidence=None, "
    "reference=None, class_field=None, report=None, progress=False, **options)",
    "classify": "(features, labels=None, *, out, classifier=None, method='svm', save=None, per_polygon=False, "
    "overwrite=False, report=None, progress=False, **settings)",
    "classify_parcels": "(stack, parcels, model, *, out, layer=None, minimum_dates=None, device='auto', overwrite=False, report=None, "
    "progress=False)",
    "classify_points": "(tables, model, *, out, until=None, minimum_dates=None, device='auto', overwrite=False, report=None, "
    "progress=False, **table)",
    "clean": "(map, *, out, probabilities=None, overwrite=False, report=None, progress=False, **options)",
    "zonal": "(map, areas, *, out=None, name_field=None, areas_layer=None, points=None, classes=None, overwrite=False, "
    "report=None, progress=False)",
    "cluster": "(scene, *, out, k='auto', method='kmeans', distance=None, quicklook=None, seed=0, overwrite=False, "
    "report=None, progress=False, **options)",
    "compare_spectra": "(data, *, target=None, class_column=None, methods=None, seeds=5, report=None, progress=False, **settings)",
    "create_model": "(name, *, in_bands, n_classes, encoder='resnet18', encoder_weights=None, wavelengths_nm=None, sensors=(), modalities=(), **options)",
    "denoise": "(scene, model, *, out, report=None, progress=False, **options)",
    "evaluate": "(mapped, reference, *, fraction_fields=(), block=None, seed=0, html=None, overwrite=False, report=None, **labels)",
    "evaluate_objects": "(mapped, reference, *, aoi=None, tolerance=None, block=None, seed=0, matches=None, html=None, image=None, "
    "overwrite=False, report=None, **labels)",
    "extract_spectra": "(scenes, features, *, out=None, overwrite=False, report=None, progress=False, **options)",
    "features": "(scene, model, *, out, error=None, report=None, progress=False, **options)",
    "lidar_classify": "(tile, model, *, out, codes=None, ground='filter', crs=None, device='auto', overwrite=False, report=None, "
    "progress=False)",
    "lidar_raster": "(tiles, *, out, cell=None, like=None, ground='auto', fill=0, crs=None, overwrite=False, report=None, "
    "progress=False)",
    "list_models": "(pattern='*')",
    "load_model": "(model)",
    "mosaic": "(maps, *, out=None, stac=None, models=(), order_by='order', fill_class=(), crs=None, polygons=None, "
    "overwrite=False, report=None, progress=False, **options)",
    "open_scene": "(source, **options)",
    "open_stack": "(source, *, date_pattern=None, indices=(), since=None, until=None, **reading)",
    "predict_spectra": "(data, model, *, resample=False, report=None)",
    "pretrain_spectra": "(libraries, *, out, steps=10000, device='auto', seed=0, overwrite=False, report=None, progress=False)",
    "check_labels": "(scenes, labels=None, *, out, method='rf', minutes=None, clean=None, html=None, overwrite=False, "
    "report=None, progress=False, **settings)",
    "check_rows": "(values, labels, groups=None, *, method='rf', seed=0)",
    "find_suspects": "(probabilities, labels, groups=None)",
    "polygons": "(map, *, out, overwrite=False, report=None, **options)",
    "propose": "(scenes, model, *, out, n=50, labels=None, report=None, progress=False, **options)",
    "read_map": "(path, *, longest=None)",
    "read_spectra": "(source, *, report=None, **reading)",
    "register_model": "(*, options, encoders=False, spectral=False, series=None, fitted=None, modalities=False, points=False)",
    "save_model": "(path, card, network, *, half=False)",
    "segment_lidar": "(sequence, model, *, out, slices=None, device='auto', overwrite=False, report=None, progress=False)",
    "segment": "(scene, model=None, *, out, report=None, progress=False, **options)",
    "series_models": "(kind=None, pattern='*')",
    "simulate_spectra": "(library=None, *, method, n=5000, out=None, add=(), for_=None, scale=None, quantity=None, seed=0, "
    "overwrite=False, report=None, **options)",
    "train": "(scenes, labels=None, *, out, config=None, suspects=None, resume=False, overwrite=False, report=None, progress=False, "
    "**settings)",
    "train_lidar": "(sequences, *, out, resume=False, overwrite=False, report=None, progress=False, **settings)",
    "train_points": "(tiles, *, out, classes=None, crs=None, seed=0, overwrite=False, report=None, progress=False)",
    "train_series": "(source, labels=None, *, out, by_date=(), attention=(), overwrite=False, report=None, progress=False, **settings)",
    "train_spectra": "(data, *, out, target=(), class_column=None, method='auto', physics=None, add=(), html=None, overwrite=False, report=None, progress=False, **settings)",
    "unmix": "(scene, *, out, k=None, members=None, class_field=None, members_scale=None, search='nfindr', method='fcls', "
    "shade=False, smoothness=0.0, bilinear=False, error=None, save_model=None, quicklook=None, float32=False, seed=0, "
    "overwrite=False, report=None, progress=False, **options)",
    "write_cog": "(raster, path, *, overwrite=False)",
}
METHODS = {
    "Model": {"predict": "(self, source, output='map', *, report=None, progress=False, **options)"},
    "Raster": {
        "plot": "(self, ax=None, *, band=None)",
        "select": "(self, *names)",
        "to_xarray": "(self)",
    },
    "Scene": {"read": "(self, rows=None, cols=None)", "to_xarray": "(self)"},
}
CLASSES = {
    "Band", "CalibrateKeywords", "Card", "CleaningKeywords", "FeatureKeywords", "GroundKeywords", "LabelKeywords", "Legend", "LidarTrainKeywords", "MapClass", "MapKeywords", "Model", "LWPLSRegressor", "NetworkSpec", "OneHotClassifier", "PLSRegressor",
    "ObjectKeywords", "PolygonKeywords", "Preprocessing", "ProposeKeywords", "Raster", "RunKeywords",
    "Scene", "SceneKeywords", "SegmentKeywords", "SegmentationNetwork", "SeriesTrainKeywords", "SimulateKeywords", "SpectraClassifier",
    "SpectraKeywords", "SpectraRegressor", "SpectraTableKeywords", "SpectraTrainKeywords", "TimeStack", "TrainConfig", "TrainKeywords",
}  # fmt: skip


def plain(function):
    """Signature without annotations."""
    signature = inspect.signature(function)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


def of_errors():
    return {name for name, value in vars(errors).items() if isinstance(value, type)}


def test_the_names_are_these():
    assert set(gdl.__all__) == {*SIGNATURES, *CLASSES, *of_errors()}
    assert dir(gdl) == sorted(gdl.__all__)


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_signatures_are_these(name):
    assert plain(getattr(gdl, name)) == SIGNATURES[name]


@pytest.mark.parametrize("name", METHODS)
def test_the_methods_are_these(name):
    of_class = getattr(gdl, name)
    assert {m: plain(getattr(of_class, m)) for m in METHODS[name]} == METHODS[name]


def fields(*kinds):
    return {field.name for kind in kinds for field in dataclasses.fields(kind)}


def test_keywords_are_the_options_of_the_runs():
    scene = fields(SceneOptions)
    assert set(gdl.SceneKeywords.__annotations__) == scene
    assert set(gdl.RunKeywords.__annotations__) == scene | fields(RunOptions) - {"scene"}
    run = set(gdl.RunKeywords.__annotations__)
    own = fields(SegmentOptions) - {"scene", "cleaning", "polygon_options"}
    cleaning = fields(CleaningOptions)
    assert set(gdl.CleaningKeywords.__annotations__) == cleaning
    of_map = set(gdl.MapKeywords.__annotations__)
    assert of_map == run | own - {"float32"}
    outlines = fields(PolygonOptions) - {"boundaries", "confidence"}
    assert set(gdl.ObjectKeywords.__annotations__) == outlines
    assert set(gdl.PolygonKeywords.__annotations__) == fields(PolygonOptions)
    beside = cleaning | outlines | set(EXTRA_OUTPUTS)
    assert set(gdl.SegmentKeywords.__annotations__) == run | own | beside
    assert set(gdl.FeatureKeywords.__annotations__) == run | fields(FeatureOptions) - {"scene"}
    assert set(gdl.CalibrateKeywords.__annotations__) <= scene | fields(
        LabelOptions, SegmentOptions, CalibrateOptions
    )
    assert set(gdl.ProposeKeywords.__annotations__) == run | fields(ProposeOptions) - {
        "scene",
        "n",
        "labels",
    }
    assert set(gdl.LabelKeywords.__annotations__) == fields(LabelOptions)
    assert set(gdl.TrainKeywords.__annotations__) == set(SETTINGS)
    of_training = fields(
        SeriesTrainOptions, SeriesTableOptions, SampleReading, SplitOptions, LabelOptions
    )
    assert set(gdl.SpectraTableKeywords.__annotations__) == fields(SpectraOptions)
    of_methods = {name for method in METHODS_OF_SIMULATION.values() for name in method.options}
    assert set(gdl.SimulateKeywords.__annotations__) == of_methods - {"bands", "quantity"}
    assert set(gdl.LidarTrainKeywords.__annotations__) == fields(SequenceTraining) - {
        "resume",
        "overwrite",
    }
    nested = {"split", "table", "labels", "column"}
    assert set(gdl.SeriesTrainKeywords.__annotations__) == of_training - nested | {"split_column"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="segmentt"):
        gdl.segmentt  # noqa: B018


@pytest.mark.filterwarnings("ignore::georaster_dl.GeoRasterWarning")
@pytest.mark.parametrize("module", ["scenes", "model", "simulation", "spectra"])
def test_examples_of_docstrings_give_what_stands_there(module, tmp_path, monkeypatch):
    (tmp_path / "sample_tiles").symlink_to(Path(__file__).parents[1] / "sample_tiles")
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(f"georaster_dl.api.{module}"))
    assert (found.failed, found.attempted > 2) == (0, True)


@pytest.mark.slow
def test_functions_stay_functions_when_modules_are_imported():
    code = (
        "import georaster_dl as gdl, georaster_dl.training.train, georaster_dl.batches.run, "
        "georaster_dl.evaluation.compare, georaster_dl.mosaics.build\n"
        "print([callable(f) for f in (gdl.train, gdl.batch, gdl.evaluate, gdl.mosaic)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([True] * 4)


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, georaster_dl\n"
        "heavy = {'numpy', 'rasterio', 'torch', 'pandas', 'geopandas', 'matplotlib', 'pydantic', 'xarray'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_scene_is_opened_without_torch():
    scene = Path(__file__).parents[1] / "sample_tiles" / "s2_west.tif"
    code = (
        f"import sys, georaster_dl as gdl\ngdl.open_scene({str(scene)!r}).read(); gdl.load_model('s2-landcover')\n"
        "print(sorted({'torch', 'geopandas', 'lightning', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


SCRIPT = """
from pathlib import Path

import numpy as np

import georaster_dl as gdl


def map_all(scenes: list[Path]) -> dict[str, int]:
    model: gdl.Model = gdl.load_model("s2-landcover")
    counts: dict[str, int] = {}
    for path in scenes:
        raster = model.predict(path, tile=512, nodata=0)
        counts |= raster.class_counts
        raster.plot()
        gdl.write_cog(raster, path.with_suffix(".map.tif"), overwrite=True)
    values = model.predict(np.zeros((10, 64, 64)), "probabilities", bands=["B02", "B03"])
    assert values.array.ndim == 3 and not values.valid.all()
    summary = gdl.segment("scene.tif", out="map.tif", uncertainty=True, halo="exact")
    print(summary.files, gdl.open_scene("scene.tif", bands="B02,B03").read().to_xarray())
    try:
        trained = gdl.train("scene.tif", "labels.gpkg", out="m.safetensors", epochs=3, config=gdl.TrainConfig())
    except gdl.GeoRasterError as error:
        print(error)
    else:
        print(trained)
    print(gdl.evaluate("map.tif", "truth.tif", classes="classes.csv").to_dict())
    return counts
"""
WRONG = {
    'gdl.segment("a.tif", out="b.tif", uncertaint=True)': "uncertaint",
    'gdl.segment("a.tif", out="b.tif", halo="none")': "halo",
    'gdl.load_model("x").predict("a.tif", "classes")': "predict",
    "gdl.segmentt": "segmentt",
}


@pytest.mark.slow
def test_a_users_script_is_checked_by_mypy(tmp_path):
    """The right script passes in strict mode; each mistake is found on its line."""
    wrong = "import georaster_dl as gdl\n\n" + "\n".join(WRONG)
    (tmp_path / "right.py").write_text(SCRIPT)
    (tmp_path / "wrong.py").write_text(wrong)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "right.py", "wrong.py"],
        env=os.environ | {"MYPYPATH": str(Path(__file__).parents[1])},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [line for line in found if not line.startswith("wrong.py")] == []
    for number, said in enumerate(WRONG.values(), 3):
        assert any(line.startswith(f"wrong.py:{number}:") and said in line for line in found), found
