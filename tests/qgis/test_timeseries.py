"""Time series and changes, each algorithm once with the real geodl."""

import json
import math
import sqlite3
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("qgis.core")

import numpy as np
from osgeo import gdal, osr
from qgis.core import (
    QgsFeature,
    QgsGeometry,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingOutputLayerDefinition,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)

SAMPLES = Path(__file__).parents[2] / "sample_tiles"
SCENE = str(SAMPLES / "s2_east.tif")
OF_SCENES = str(SAMPLES.parent / "georaster_dl/models/builtin/landcover-sample.safetensors")
DAYS = ("2023-03-05", "2023-04-20", "2023-06-10", "2023-08-15")
SIZE, PIXEL, WEST, NORTH = 32, 10.0, 600000.0, 5000000.0
EARLY, LATE = (0.1, 0.6, 0.3, 0.1), (0.1, 0.2, 0.5, 0.6)  # how green a crop is on each day


def write(path, bands, names=("B04", "B08")):
    """Write bands (2, rows, cols) as a GeoTIFF of reflectance."""
    made = gdal.GetDriverByName("GTiff").Create(str(path), SIZE, SIZE, 2, gdal.GDT_Float32)
    made.SetGeoTransform((WEST, PIXEL, 0, NORTH, 0, -PIXEL))
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(32631)
    made.SetProjection(crs.ExportToWkt())
    for number, name in enumerate(names, 1):
        made.GetRasterBand(number).SetDescription(name)
        made.GetRasterBand(number).SetNoDataValue(-1)
        made.GetRasterBand(number).WriteArray(bands[number - 1])
    made.FlushCache()


@pytest.fixture(scope="module")
def stack(qgis, tmp_path_factory):
    """Four scenes: an early crop in the west, a late one in the east; a corner that nobody saw."""
    folder = tmp_path_factory.mktemp("stack") / "season"
    folder.mkdir()
    rows, cols = np.mgrid[:SIZE, :SIZE]
    for number, day in enumerate(DAYS):
        green = np.where(cols < SIZE // 2, EARLY[number], LATE[number])
        noise = 0.02 * np.sin(7 * rows + 3 * cols)
        bands = np.stack([0.15 - 0.1 * green + noise, 0.1 + 0.6 * green + noise])
        bands[:, :2, :2] = -1
        write(folder / f"S2_{day}.tif", bands)
    return folder


def square(row, col, size):
    west, north = WEST + col * PIXEL, NORTH - row * PIXEL
    return QgsGeometry.fromRect(
        QgsRectangle(west, north - size * PIXEL, west + size * PIXEL, north)
    )


@pytest.fixture
def fields(project):
    """A layer in memory: sixteen parcels with their crop."""
    layer = QgsVectorLayer("Polygon?crs=EPSG:32631&field=crop:string", "my fields", "memory")
    features = []
    for row in range(0, SIZE, 8):
        for col in range(0, SIZE, 8):
            feature = QgsFeature(layer.fields())
            feature.setGeometry(square(row + 1, col + 1, 6))
            feature.setAttributes(["rape" if col < SIZE // 2 else "maize"])
            features.append(feature)
    layer.dataProvider().addFeatures(features)
    project.addMapLayer(layer)
    return layer


@pytest.fixture
def model(run, stack, fields, tmp_path_factory, request):
    """A model that was trained once for the tests of this module, by the algorithm."""
    cached = request.config.stash.get(_MODEL, None)
    if cached is None:
        out = tmp_path_factory.mktemp("models") / "crops.safetensors"
        made = run(
            "timeseries_train",
            FOLDER=str(stack),
            LABELS=fields,
            CLASS_FIELD="crop",
            ARCHITECTURE="ltae",
            GROUP="parcel",
            EPOCHS=12,
            OUTPUT=str(out),
        )
        cached = request.config.stash[_MODEL] = made["OUTPUT"]
    return cached


_MODEL = pytest.StashKey()


def loaded(path, project):
    """A file to make and to load, as a window asks for it."""
    return QgsProcessingOutputLayerDefinition(str(path), project)


def pixels(path):
    return gdal.Open(str(path)).ReadAsArray()


def names(layer):
    return {category.label() for category in layer.renderer().categories()}


def test_training_tells_the_accuracy_beside_the_forests(run, stack, fields, feedback, project, tmp_path):  # fmt: skip
    project.setFileName(str(tmp_path / "project.qgs"))
    made = run(
        "timeseries_train",
        SCENES=[str(path) for path in sorted(stack.glob("*.tif"))],
        LABELS=fields,
        CLASS_FIELD="crop",
        ARCHITECTURE="pse-ltae",
        INDICES="NDVI",
        EPOCHS=2,
        OUTPUT="TEMPORARY_OUTPUT",  # QGIS would delete it
    )
    assert made["OUTPUT"] == str(tmp_path / "geodl_models" / "model.safetensors")
    assert Path(made["OUTPUT"]).is_file()
    told = "\n".join(feedback.infos)
    assert ", network: overall accuracy " in told
    assert ", random forest: overall accuracy " in told


def test_models_of_series_and_of_scenes_are_listed_apart(model, qgis):
    from qgis.core import QgsApplication

    provider = QgsApplication.processingRegistry().providerById("georaster_dl")
    provider.refreshAlgorithms()

    def listed(name):
        return provider.algorithm(name).parameterDefinition("MODEL").options()

    for name in ("timeseries", "timeseries_parcels"):
        assert model in listed(name)
        assert "s2-landcover" not in listed(name)
    for name in ("segment", "features", "batch", "change"):
        assert model not in listed(name)
        assert "s2-landcover" in listed(name)


def test_networks_are_those_of_geodl(geodl, qgis):
    from qgis.core import QgsApplication

    command = [geodl, "models", "list", "--architectures", "--json"]
    rows = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    known = {row["name"].replace("_", "-") for row in rows if row["input"] == "time series"}
    algorithm = QgsApplication.processingRegistry().algorithmById("georaster_dl:timeseries_train")
    offered = set(algorithm.parameterDefinition("ARCHITECTURE").options())
    # It needs weights that are not here.
    assert known - offered == {"presto"}
    assert offered < known


def test_a_series_is_mapped_with_what_is_asked_for(run, stack, model, project, tmp_path):
    out = tmp_path / "crops.tif"
    made = run(
        "timeseries",
        FOLDER=str(stack),
        MODEL_FILE=model,
        CONFIDENCE=True,
        POLYGONS=loaded(tmp_path / "crops.gpkg", project),
        OUTPUT=loaded(out, project),
    )
    layer = QgsRasterLayer(str(out))
    assert [c.label for c in layer.renderer().classes()] == ["maize", "rape"]
    values = pixels(out)
    assert (values[:2, :2] == 255).all()
    maize, rape = (int(c.value) for c in layer.renderer().classes())
    assert (values[4:, :15] == rape).mean() > 0.9
    assert (values[4:, 17:] == maize).mean() > 0.9
    assert made["CONFIDENCE_RASTER"] == str(tmp_path / "crops_confidence.tif")
    assert 0 < pixels(made["CONFIDENCE_RASTER"])[8, 8] <= 250
    loads = run.context.layersToLoadOnCompletion()
    assert {details.name for details in loads.values()} == {
        "Map: season",
        "Confidence: season",
        "Polygons: season",
    }


def test_a_season_so_far_and_a_mask(run, stack, model, feedback, tmp_path):
    layers = [QgsRasterLayer(str(path), path.stem) for path in sorted(stack.glob("*.tif"))]
    run(
        "timeseries",
        SCENES=layers,
        MODEL=model,
        UNTIL="2023-03-31",
        MASK="B08>0.15",
        OUTPUT=str(tmp_path / "so_far.tif"),
    )
    assert "--until=2023-03-31" in feedback.commands[-1]
    values = pixels(tmp_path / "so_far.tif")
    near_infrared = gdal.Open(layers[0].source()).ReadAsArray()[1]
    hidden = (near_infrared > 0.15) | (near_infrared == -1)  # at the only date before the last
    np.testing.assert_array_equal(values == 255, hidden)
    assert 0 < hidden.mean() < 1


def test_parcels_that_are_edited_are_classified_as_they_are(
    run, stack, model, fields, project, tmp_path
):
    fields.startEditing()
    beside = QgsFeature(fields.fields())
    beside.setGeometry(square(100, 100, 6))
    beside.setAttributes(["elsewhere"])
    fields.addFeature(beside)  # which is not saved
    out = tmp_path / "parcels.gpkg"
    given = {"FOLDER": str(stack), "MODEL": model}
    run("timeseries_parcels", **given, PARCELS=fields, OUTPUT=loaded(out, project))
    layer = QgsVectorLayer(str(out), "parcels")
    found = [(f["crop"], f["class_predicted"]) for f in layer.getFeatures()]
    assert len(found) == 17
    assert sum(crop == predicted for crop, predicted in found) >= 14
    assert not dict(found)["elsewhere"]
    layer.loadDefaultStyle()
    assert {"maize", "rape"} <= names(layer)
    (details,) = run.context.layersToLoadOnCompletion().values()
    assert details.name == "Parcels: season"

    fields.selectByIds(fields.allFeatureIds()[:2])
    selected = QgsProcessingFeatureSourceDefinition(fields.id(), True)
    few = tmp_path / "few.gpkg"
    run("timeseries_parcels", **given, PARCELS=selected, OUTPUT=str(few))
    with sqlite3.connect(few) as database:
        assert database.execute("SELECT count(*) FROM few").fetchone() == (2,)


def test_a_table_trains_a_model(run, feedback, tmp_path):
    rows = ["crop," + ",".join(f"NDVI_{day}" for day in DAYS)]
    for i in range(40):
        name, curve = (("rape", EARLY), ("maize", LATE))[i % 2]
        rows.append(f"{name}," + ",".join(f"{v + 0.01 * math.sin(i):.3f}" for v in curve))
    table = tmp_path / "points.csv"
    table.write_text("\n".join(rows))
    given = {"TABLE": str(table), "ARCHITECTURE": "ltae", "EPOCHS": 1}
    out = tmp_path / "points.safetensors"
    with pytest.raises(QgsProcessingException, match="which column"):
        run("timeseries_train", **given, OUTPUT=str(out))
    run("timeseries_train", **given, CLASS_FIELD="crop", OUTPUT=str(out))
    assert out.is_file()
    with pytest.raises(QgsProcessingException, match="'Field or column with the class'|corp"):
        run("timeseries_train", **given, CLASS_FIELD="corp", OUTPUT=str(out))


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("timeseries", {}, "Give one stack"),
        ("timeseries", {"FOLDER": "/nowhere/at/all"}, "There is no folder /nowhere/at/all"),
        ("timeseries", {"FOLDER": "STACK"}, "Choose a model"),
        ("timeseries", {"FOLDER": "STACK", "STACK": "x.nc", "MODEL_FILE": "m.safetensors"}, "Give one stack"),
        ("timeseries", {"FOLDER": "STACK", "MODEL_FILE": OF_SCENES}, "time series"),
        ("timeseries_train", {"FOLDER": "STACK"}, "Give labels"),
        ("timeseries_train", {"FOLDER": "STACK", "TABLE": "t.csv"}, "one of the two"),
        ("timeseries_train", {"FOLDER": "STACK", "TARGET": "yield"}, "from a table"),
        ("change", {"BEFORE": SCENE, "AFTER": SCENE}, "the same layer"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_said(run, stack, tmp_path, name, given, said):
    given = {key: str(stack) if value == "STACK" else value for key, value in given.items()}
    with pytest.raises(QgsProcessingException, match=said):
        run(name, **given, OUTPUT=str(tmp_path / "out.tif"))


def test_a_model_of_series_maps_no_single_scene(run, model, stack, tmp_path):
    scene = str(sorted(stack.glob("*.tif"))[0])
    with pytest.raises(QgsProcessingException, match="time series"):
        run("segment", INPUT=scene, MODEL_FILE=model, OUTPUT=str(tmp_path / "m.tif"))


def test_changes_between_two_dates(run, feedback, project, tmp_path):
    later = str(tmp_path / "later.tif")
    gdal.Translate(later, SCENE)
    made = run(
        "change",
        BEFORE=SCENE,
        AFTER=later,
        MODEL="landcover-sample",
        CONFIDENCE=True,
        OUTPUT=loaded(tmp_path / "change.tif", project),
        CSV=str(tmp_path / "change.csv"),
    )
    assert "Nothing has changed" in feedback.infos
    assert Path(made["CSV"]).read_text(encoding="utf-8").startswith("value,from,to")
    assert QgsRasterLayer(made["OUTPUT"]).renderer().type() == "paletted"
    loads = run.context.layersToLoadOnCompletion()
    assert set(loads) == {made["OUTPUT"], made["CONFIDENCE_RASTER"]}


def test_two_maps_are_compared_without_a_model(run, feedback, project, tmp_path):
    maps = []
    for name, source in (("2019", SCENE), ("2024", str(tmp_path / "2024_scene.tif"))):
        if name == "2024":
            scene = gdal.Translate("", SCENE, format="MEM")
            scene.WriteArray(scene.ReadAsArray()[:, ::-1])
            gdal.Translate(source, scene)
        maps.append(str(tmp_path / f"{name}.tif"))
        run("segment", INPUT=source, MODEL="landcover-sample", OUTPUT=maps[-1])
    before, after = (QgsRasterLayer(path, Path(path).stem) for path in maps)
    made = run("change", BEFORE=before, AFTER=after, OUTPUT=loaded(tmp_path / "c.tif", project))
    assert QgsRasterLayer(made["OUTPUT"]).isValid()
    assert any(" -> " in info and info.endswith(" %") for info in feedback.infos)
    (details,) = run.context.layersToLoadOnCompletion().values()
    assert details.name == "Map: 2019 - 2024"
