"""Classifiers, clusters, points and areas to label, calibration, mosaics: each once with the real geodl."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("qgis.core")

from osgeo import gdal
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsEditorWidgetSetup,
    QgsFeature,
    QgsFillSymbol,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingException,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtWidgets import QPushButton

SAMPLES = Path(__file__).parents[2] / "sample_tiles"
MODEL = "landcover-sample"


@pytest.fixture
def scene(tmp_path):
    """A corner of a sample scene."""
    path = str(tmp_path / "scene.tif")
    gdal.Translate(path, str(SAMPLES / "s2_east.tif"), srcWin=[0, 0, 128, 128])
    return path


@pytest.fixture
def labels(tmp_path):
    """A copy of the labels, because QGIS writes into a GeoPackage that it only opens.

    A path, because a fixture outlives QGIS, which its layers must not.
    """
    return str(shutil.copy(SAMPLES / "s2_east_labels.gpkg", tmp_path))


@pytest.fixture
def results(setting, tmp_path):
    """The folder for models and labels, as the settings name it."""
    setting("GEORASTER_DL_RESULTS", str(tmp_path))
    return tmp_path


def test_a_classifier_is_learnt_kept_and_used(run, scene, labels, results):
    symbol = QgsFillSymbol.createSimple({"color": "#123456"})
    category = QgsRendererCategory("cropland", symbol, "cropland")
    fields = QgsVectorLayer(labels, "fields")
    fields.setRenderer(QgsCategorizedSymbolRenderer("class", [category]))  # in the project alone
    given = {"INPUT": scene, "METHOD": "rf"}
    places = {"OUTPUT": str(results / "map.tif"), "SAVE": "TEMPORARY_OUTPUT"}
    made = run("classify", LABELS=fields, CLASS_FIELD="class", **given, **places)
    mapped = QgsRasterLayer(made["OUTPUT"])
    shown = {entry.label: entry.color.name() for entry in mapped.renderer().classes()}
    assert "grassland" in shown
    assert shown["cropland"] == "#123456"
    assert made["SAVE"] == str(results / "geodl_models" / "model.skops")
    again = str(results / "again.tif")
    run("classify", INPUT=scene, MODEL=made["SAVE"], OUTPUT=again)
    assert (
        gdal.Open(again).ReadAsArray().tolist() == gdal.Open(made["OUTPUT"]).ReadAsArray().tolist()
    )
    with pytest.raises(QgsProcessingException, match="one of the two"):
        run("classify", INPUT=scene, LABELS=labels, MODEL=made["SAVE"], OUTPUT=again)


def test_polygons_without_a_class_get_one(run, scene, labels, tmp_path):
    given = {"INPUT": scene, "LABELS": labels, "CLASS_FIELD": "class", "METHOD": "rf"}
    made = QgsVectorLayer(
        run("classify_polygons", **given, OUTPUT=str(tmp_path / "p.gpkg"))["OUTPUT"]
    )
    assert made.featureCount() == QgsVectorLayer(labels, "fields").featureCount()
    assert made.renderer().type() == "categorizedSymbol"


def test_clusters_and_their_distance(run, scene, tmp_path):
    places = {"OUTPUT": str(tmp_path / "c.tif"), "DISTANCE": str(tmp_path / "d.tif")}
    made = run("cluster", INPUT=scene, K=4, **places)
    clusters = QgsRasterLayer(made["OUTPUT"])  # kept, or its renderer would be gone
    assert len(clusters.renderer().classes()) == 4
    assert QgsRasterLayer(made["DISTANCE"]).bandCount() == 1


def test_a_scene_without_noise_has_its_bands(run, geodl, scene, tmp_path):
    (tmp_path / "brief.toml").write_text("[patches]\nper_epoch = 16\n")
    command = [
        str(geodl),
        "train",
        scene,
        "--task",
        "autoencoder",
        "--epochs",
        "1",
        "-o",
        "a.safetensors",
    ]
    subprocess.run(
        [*command, "--config", "brief.toml"], cwd=tmp_path, check=True, capture_output=True
    )
    model = str(tmp_path / "a.safetensors")
    made = run("denoise", INPUT=scene, MODEL_FILE=model, OUTPUT=str(tmp_path / "n.tif"))
    before, after = gdal.Open(scene), gdal.Open(made["OUTPUT"])
    assert after.RasterCount == before.RasterCount
    assert after.GetRasterBand(1).GetDescription() == before.GetRasterBand(1).GetDescription()


@pytest.fixture
def mapped(run, scene, tmp_path):
    """The map of the scene."""
    return run("segment", INPUT=scene, MODEL=MODEL, OUTPUT=str(tmp_path / "map.tif"))["OUTPUT"]


def test_points_open_with_a_list_of_the_classes_in_the_colours_of_the_map(run, mapped, results):
    from georaster_dl_qgis.dialog.label_panel import can_label

    made = run("sample_points", INPUT=mapped, N=30, MINIMUM_PER_CLASS=2, OUTPUT="TEMPORARY_OUTPUT")
    assert made["OUTPUT"] == str(results / "geodl_labels" / "OUTPUT.gpkg")  # what is labelled lasts
    points = QgsVectorLayer(made["OUTPUT"], "points")
    assert points.featureCount() == 30
    layer = QgsRasterLayer(mapped)
    shown = {entry.label: entry.color.name() for entry in layer.renderer().classes()}
    setup = points.editorWidgetSetup(points.fields().indexOf("class"))
    assert setup.type() == "ValueMap"
    listed = [name for option in setup.config()["map"] for name in option if name]
    assert listed == list(shown)  # a class that no pixel has, too
    filled = {
        c.label(): c.symbol().symbolLayer(1).color().name() for c in points.renderer().categories()
    }
    assert {name: filled[name] for name in shown} == shown
    hidden = points.editorWidgetSetup(points.fields().indexOf("map_class"))
    assert hidden.type() == "Hidden"
    assert can_label(points)


@pytest.fixture
def panel(project):
    """The panel with three points to label, and a map of its own."""
    from georaster_dl_qgis.dialog.label_panel import LabelPanel

    points = QgsVectorLayer("Point?crs=EPSG:32631&field=class:string", "points", "memory")
    listed = {"map": [{"": "no value"}, {"water": "water"}, {"forest": "forest"}]}
    points.setEditorWidgetSetup(0, QgsEditorWidgetSetup("ValueMap", listed))
    features = [QgsFeature(points.fields()) for _number in range(3)]
    for number, feature in enumerate(features):
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(500_000 + 10 * number, 5_000_000)))
    points.dataProvider().addFeatures(features)
    project.addMapLayer(points)
    canvas = QgsMapCanvas()
    made = LabelPanel(canvas)
    made.take(points)
    yield made, points
    made.close()
    canvas.stopRendering()


def test_a_click_labels_what_is_shown_and_shows_the_next(panel):
    shown, points = panel
    buttons = {button.text(): button for button in shown.findChildren(QPushButton)}
    numbers = [feature.id() for feature in points.getFeatures()]
    for name in ("water", "forest"):
        buttons[name].click()
    assert [feature["class"] or "" for feature in points.getFeatures()] == ["water", "forest", ""]
    assert shown.shown().id() == numbers[2]
    buttons["◀ Back"].click()
    assert shown.shown().id() == numbers[1]
    buttons["water"].click()  # another opinion
    assert [feature["class"] or "" for feature in points.getFeatures()] == ["water", "water", ""]
    assert shown.shown().id() == numbers[2]


def test_a_map_is_cleaned_and_becomes_polygons_of_the_classes_to_keep(run, mapped, tmp_path):
    cleaned = run("clean", INPUT=mapped, SIEVE="9px", OUTPUT=str(tmp_path / "clean.tif"))["OUTPUT"]
    with pytest.raises(QgsProcessingException, match="Say how to clean"):
        run("clean", INPUT=mapped, OUTPUT=str(tmp_path / "not.tif"))
    given = {"INPUT": cleaned, "KEEP": "cropland, water", "MIN_AREA": "20px", "ROUND_CORNERS": True}
    made = QgsVectorLayer(run("polygons", **given, OUTPUT=str(tmp_path / "p.gpkg"))["OUTPUT"])
    assert made.featureCount() > 0
    assert {feature["class_name"] for feature in made.getFeatures()} <= {"cropland", "water"}
    assert min(feature["area_m2"] for feature in made.getFeatures()) > 1000


def test_maps_are_joined(run, mapped, scene, tmp_path):
    beside = str(tmp_path / "beside.tif")
    gdal.Translate(beside, str(SAMPLES / "s2_east.tif"), srcWin=[128, 0, 128, 128])
    other = run("segment", INPUT=beside, MODEL=MODEL, OUTPUT=str(tmp_path / "other.tif"))["OUTPUT"]
    made = run("mosaic", MAPS=[mapped, other], OUTPUT=str(tmp_path / "mosaic.tif"))
    assert gdal.Open(made["OUTPUT"]).RasterXSize == 256
    with pytest.raises(QgsProcessingException, match="at least two maps"):
        run("mosaic", MAPS=[mapped], OUTPUT=str(tmp_path / "one.tif"))


def test_areas_to_label_are_proposed(run, scene, results):
    given = {"SCENES": [scene], "MODEL": MODEL, "N": 3}
    made = run("propose", **given, OUTPUT=str(results / "geodl_labels" / "areas.gpkg"))
    areas = QgsVectorLayer(made["OUTPUT"])
    assert areas.featureCount() == 3
    assert areas.editorWidgetSetup(areas.fields().indexOf("class")).type() == "ValueMap"


def test_a_model_is_calibrated_to_labels(run, feedback, scene, labels, results):
    given = {"MODEL": MODEL, "SCENES": [scene], "LABELS": labels, "CLASS_FIELD": "class"}
    made = run("calibrate", **given, REPORT=str(results / "r.html"), OUTPUT="TEMPORARY_OUTPUT")
    assert made["OUTPUT"] == str(results / "geodl_models" / "model.safetensors")
    assert Path(made["REPORT"]).is_file()
    assert any(made["OUTPUT"] in info for info in feedback.infos)
