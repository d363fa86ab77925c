"""The other algorithms, each once with the real geodl; the Model Designer; checking geodl."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("qgis.core")

from osgeo import gdal
from qgis.core import (
    QgsProcessingException,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingParameterRasterLayer,
    QgsRasterLayer,
    QgsVectorLayer,
)

SAMPLES = Path(__file__).parents[2] / "sample_tiles"

EAST, WEST = str(SAMPLES / "s2_east.tif"), str(SAMPLES / "s2_west.tif")
MODEL = "landcover-sample"


def test_features(run, tmp_path):
    made = run("features", INPUT=EAST, MODEL=MODEL, PACKED=True, OUTPUT=str(tmp_path / "f.tif"))
    layer = QgsRasterLayer(made["OUTPUT"])
    assert layer.bandCount() > 8
    dataset = gdal.Open(made["OUTPUT"])
    assert dataset.GetRasterBand(1).DataType == gdal.GDT_Int16
    assert layer.renderer().type() != "singlebandgray"


def test_fractions_of_members_and_a_model_of_them(run, tmp_path):
    given = {"OUTPUT": str(tmp_path / "f.tif"), "SAVE_MODEL": str(tmp_path / "m.safetensors")}
    made = run("unmix", INPUT=EAST, K=3, ERROR=str(tmp_path / "e.tif"), **given)
    fractions = gdal.Open(made["OUTPUT"])
    assert fractions.RasterCount == 3
    assert fractions.GetRasterBand(1).GetDescription() == "member 1"
    assert QgsRasterLayer(made["ERROR"]).bandCount() == 1
    assert Path(made["SAVE_MODEL"]).is_file()
    given = {"OUTPUT": str(tmp_path / "again.tif"), "MEMBERS": str(tmp_path / "f_members.csv")}
    with pytest.raises(QgsProcessingException, match="not both"):
        run("unmix", INPUT=EAST, K=3, **given)


def test_the_error_of_what_is_no_autoencoder(run, tmp_path):
    given = {"OUTPUT": str(tmp_path / "f.tif"), "ERROR": str(tmp_path / "e.tif")}
    with pytest.raises(QgsProcessingException, match="autoencoder"):
        run("features", INPUT=EAST, MODEL=MODEL, **given)


def test_batch_maps_what_is_missing_and_tells_what_failed(run, feedback, tmp_path):
    broken = tmp_path / "broken.tif"
    broken.write_bytes(Path(EAST).read_bytes()[:3000])
    (tmp_path / "scenes").mkdir()
    for source in (EAST, str(broken)):
        (tmp_path / "scenes" / Path(source).name).symlink_to(source)
    maps = tmp_path / "maps"
    given = {"FOLDER": str(tmp_path / "scenes"), "MODEL": MODEL, "OUTPUT": str(maps)}
    made = run("batch", **given)
    assert Path(made["REPORT"]).is_file()
    assert any("batch.html says which and why" in error for error in feedback.errors)
    assert (made["MAPPED"], made["NOT_MAPPED"]) == (1, 1)
    assert list(run.context.layersToLoadOnCompletion()) == [str(maps / "s2_east_landcover.tif")]
    first = (maps / "s2_east_landcover.tif").stat().st_mtime_ns
    run("batch", **{**given, "LOAD": False})
    assert (maps / "s2_east_landcover.tif").stat().st_mtime_ns == first
    assert not run.context.layersToLoadOnCompletion()


def test_evaluate(run, feedback, tmp_path):
    mapped = run("segment", INPUT=EAST, MODEL=MODEL, OUTPUT=str(tmp_path / "m.tif"))["OUTPUT"]
    # A copy, because QGIS writes into a GeoPackage that it only opens.
    reference = str(shutil.copy(SAMPLES / "s2_east_labels.gpkg", tmp_path))
    given = {"REPORT": str(tmp_path / "r.html"), "TABLE": str(tmp_path / "t.csv"), "IMAGE": EAST}
    made = run("evaluate", INPUT=mapped, REFERENCE=reference, CLASS_FIELD="class", **given)
    assert 0.9 < made["OVERALL_ACCURACY"] <= 1
    assert 0.8 < made["MEAN_IOU"] <= 1
    assert "RMSE" not in made
    assert Path(made["REPORT"]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert Path(made["TABLE"]).is_file()
    assert any(info.startswith("Overall accuracy: 0.9") for info in feedback.infos)
    one = QgsVectorLayer(reference, "crops")
    one.setSubsetString("class = 'cropland'")
    run("evaluate", INPUT=mapped, REFERENCE=one)
    assert any("holds one class only (cropland)" in warning for warning in feedback.warnings)
    feedback.warnings.clear()
    run("evaluate", INPUT=mapped, REFERENCE=one, BACKGROUND="water")
    assert not any("one class only" in warning for warning in feedback.warnings)
    with pytest.raises(QgsProcessingException, match="nothing"):
        run("evaluate", INPUT=mapped, REFERENCE=reference, CLASS_FIELD="nothing", **given)


def test_labels_are_listed_with_a_style_and_written_without_suspects(run, feedback, tmp_path):
    scene = str(tmp_path / "scene.tif")
    gdal.Translate(scene, EAST, srcWin=[0, 0, 160, 160])
    labels = QgsVectorLayer(str(shutil.copy(SAMPLES / "s2_east_labels.gpkg", tmp_path)), "fields")
    places = {"OUTPUT": str(tmp_path / "suspects.gpkg"), "CLEAN": str(tmp_path / "clean.gpkg")}
    places["REPORT"] = str(tmp_path / "suspects.html")
    made = run("check_labels", SCENES=[scene], LABELS=labels, CLASS_FIELD="class", **places)
    listed = QgsVectorLayer(made["OUTPUT"])
    assert listed.featureCount() == labels.featureCount()
    assert listed.renderer().classAttribute() == "suspect"
    suspects = sum(feature["suspect"] for feature in listed.getFeatures())
    assert QgsVectorLayer(made["CLEAN"]).featureCount() == labels.featureCount() - suspects
    assert any(re.match(rf"{suspects} of \d+ labels suspect", info) for info in feedback.infos)
    assert Path(made["REPORT"]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert listed.fields().names()[1:4] == ["class_id", "class", "rank"]


@pytest.fixture(scope="module")
def fractions(geodl, tmp_path_factory):
    """A model of the fractions of a pixel, learnt for a moment from the sample's polygons."""
    folder = tmp_path_factory.mktemp("fractions")
    (folder / "brief.toml").write_text("[patches]\nper_epoch = 32\n")
    labels = SAMPLES / "s2_east_labels.gpkg"
    command = [str(geodl), "train", EAST, str(labels), "--task", "fractions", "--epochs", "1"]
    command += ["--architecture", "cnn1d", "--config", "brief.toml", "-o", "covers.safetensors"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return str(folder / "covers.safetensors")


def test_fractions_are_mapped_and_evaluated(run, fractions, feedback, tmp_path):
    made = run("segment", INPUT=EAST, MODEL_FILE=fractions, OUTPUT=str(tmp_path / "m.tif"))[
        "OUTPUT"
    ]
    layer = QgsRasterLayer(made, "map")
    assert layer.bandCount() > 2
    assert layer.renderer().type() == "singlebandpseudocolor"
    assert (layer.renderer().classificationMin(), layer.renderer().classificationMax()) == (0, 1)
    names = [layer.dataProvider().generateBandName(i + 1) for i in range(layer.bandCount())]
    assert any("water" in name for name in names)
    reference = str(shutil.copy(SAMPLES / "s2_east_labels.gpkg", tmp_path))
    found = run("evaluate", INPUT=made, REFERENCE=reference, REPORT=str(tmp_path / "r.html"))
    assert 0 < found["MEAN_MAE"] < found["MEAN_RMSE"] < 1
    assert "OVERALL_ACCURACY" not in found
    assert any(re.match(r"water: MAE 0\.\d+, RMSE 0\.\d+, BIAS", info) for info in feedback.infos)
    with pytest.raises(QgsProcessingException, match="has no field 'nothing'"):
        run("evaluate", INPUT=made, REFERENCE=reference, FRACTION_FIELDS="nothing")


def test_train_and_use_the_model(run, feedback, project, tmp_path):
    project.setFileName(str(tmp_path / "project.qgs"))
    config = tmp_path / "brief.toml"
    config.write_text("[patches]\nper_epoch = 32\n")
    made = run(
        "train",
        SCENES=[EAST],
        LABELS=str(SAMPLES / "s2_east_labels.gpkg"),
        INIT=MODEL,
        ERODE=1,
        EPOCHS=1,
        ENSEMBLE=2,
        CONFIG=str(config),
        OUTPUT="TEMPORARY_OUTPUT",  # QGIS would delete it
    )
    assert made["OUTPUT"] == str(tmp_path / "geodl_models" / "model.safetensors")
    assert Path(made["RUN"]).is_dir()
    log = "\n".join(feedback.infos)
    assert "Network 2 of 2, epoch 1 of 1" in log
    assert any("leaves out" in warning for warning in feedback.warnings)
    assert "mIoU, test" in log
    # It is in the list from now on.
    mapped = run("segment", INPUT=EAST, MODEL=made["OUTPUT"], OUTPUT="TEMPORARY_OUTPUT")
    assert QgsRasterLayer(mapped["OUTPUT"]).renderer().type() == "paletted"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"TASK": "segmentation"}, "needs labels"),
        (
            {"TASK": "autoencoder", "LABELS": str(SAMPLES / "s2_east_labels.gpkg")},
            "takes no labels",
        ),
    ],
)
def test_labels_go_with_the_task(run, tmp_path, given, said):
    with pytest.raises(QgsProcessingException, match=said):
        run("train", SCENES=[EAST], OUTPUT=str(tmp_path / "m.safetensors"), **given)


def test_train_fractions_of_finer_classes_and_map_them(run, feedback, tmp_path):
    config = tmp_path / "brief.toml"
    config.write_text(
        "[patches]\nsize = 1\nper_epoch = 256\n[model]\narchitecture = 'dense-classifier'\n"
    )
    made = run(
        "train",
        SCENES=[EAST],
        LABELS=str(SAMPLES / "s2_east_labels.gpkg"),
        TASK="fractions",
        EPOCHS=1,
        CONFIG=str(config),
        OUTPUT=str(tmp_path / "m.safetensors"),
    )
    assert "MAE of the training mean, test" in "\n".join(feedback.infos)
    mapped = run("segment", INPUT=EAST, MODEL=made["OUTPUT"], OUTPUT=str(tmp_path / "map.tif"))
    dataset = gdal.Open(mapped["OUTPUT"])
    names = [dataset.GetRasterBand(i + 1).GetDescription() for i in range(dataset.RasterCount)]
    assert "cropland" in names
    assert len(names) > 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"FRACTION_FIELDS": "tree,grass"}, "no field 'tree'; it has class"),
        ({"PER_POLYGON": True}, "holds classes; name the fields in 'Fields with the fractions'"),
        ({"TASK": "segmentation", "FRACTION_FIELDS": "tree"}, "use 'What is learnt' fractions"),
        ({"TASK": "regression", "INSTANCES": True}, "'Learn to separate touching objects'"),
        (
            {"TASK": "segmentation", "CLASS": "a", "CLASS_FIELD": "class"},
            "'Class of all features' a makes all",
        ),
    ],
)
def test_what_labels_need_is_said(run, tmp_path, given, said):
    labels = str(shutil.copy(SAMPLES / "s2_east_labels.gpkg", tmp_path))
    given = {"TASK": "fractions", **given}
    with pytest.raises(QgsProcessingException, match=said):
        run("train", SCENES=[EAST], LABELS=labels, OUTPUT=str(tmp_path / "m.safetensors"), **given)


def test_a_model_of_the_designer_takes_the_algorithms(project, feedback, qgis, tmp_path):
    from qgis.core import QgsProcessingContext

    model = QgsProcessingModelAlgorithm("map", "group")
    model.addModelParameter(
        QgsProcessingParameterRasterLayer("scene", "Scene"), QgsProcessingModelParameter("scene")
    )
    source = QgsProcessingModelChildParameterSource
    child = QgsProcessingModelChildAlgorithm("georaster_dl:uncertainty")
    child.setChildId("map")
    child.addParameterSources("INPUT", [source.fromModelParameter("scene")])
    child.addParameterSources("MODEL", [source.fromStaticValue(MODEL)])
    made = QgsProcessingModelOutput("result", "Map")
    made.setChildOutputName("OUTPUT")
    child.setModelOutputs({"result": made})
    model.addChildAlgorithm(child)
    # What one algorithm made beside its map is the input of the next.
    after = QgsProcessingModelChildAlgorithm("native:rasterlayerstatistics")
    after.setChildId("statistics")
    after.addParameterSources("INPUT", [source.fromChildOutput("map", "UNCERTAINTY_RASTER")])
    after.addParameterSources("BAND", [source.fromStaticValue(1)])
    model.addChildAlgorithm(after)

    context = QgsProcessingContext()
    context.setProject(project)
    out = str(tmp_path / "map.tif")
    found, well = model.run({"scene": EAST, "map:result": out}, context, feedback)
    assert well, feedback.errors
    assert QgsRasterLayer(out).isValid()
    assert 0 < found["CHILD_RESULTS"]["statistics"]["MAX"] <= 250


def test_checking_geodl(run, feedback, geodl):
    made = run("setup", WHAT="check only")
    assert made == {"GEODL": str(geodl), "VERSION": made["VERSION"]}
    log = "\n".join(feedback.infos)
    assert "is ready" in log
    assert "PyTorch" in log or "torch" in log  # the report of geodl doctor


def test_checking_a_geodl_that_is_not_there(run, setting):
    setting("GEORASTER_DL_GEODL", str(SAMPLES))
    with pytest.raises(QgsProcessingException, match="no geodl at .*sample_tiles"):
        run("setup", WHAT="check only")


def test_installing_what_cannot_be_installed_leaves_nothing(
    run, monkeypatch, tmp_path, feedback, geodl
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    # QGIS's own Python often cannot make environments; the one of geodl can.
    python = str(geodl.with_name("python3"))
    with pytest.raises(QgsProcessingException, match="nothing-of-the-kind"):
        run("setup", WHAT="install or update", SOURCE="nothing-of-the-kind", PYTHON=python)
    assert list((tmp_path / ".georaster_dl").iterdir()) == []
    assert any("Making a virtual environment" in info for info in feedback.infos)


def test_the_report_of_a_batch_is_read_as_it_is(run, tmp_path, feedback):
    maps = tmp_path / "maps"
    run("batch", SCENES=[EAST], MODEL=MODEL, OUTPUT=str(maps), LOAD=False)
    found = json.loads((maps / "batch.json").read_text(encoding="utf-8"))
    assert {"name", "status", "output"} <= set(found["scenes"][0])
    assert "1 done" in feedback.infos


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("name its bands with --bands", "name its bands with 'Names of the bands'"),
        ("--aoi /tmp/x_1/a/extent.gpkg does not touch", "The area of interest does not touch"),
        ("use --scale and --offset; --halo 3", "use 'Scale of the numbers' and 'Offset of the numbers'; --halo 3"),
        (f"/tmp/p_x/{'0a' * 16}/wälder_2.gpkg has no field 'x'", "'wälder_2' has no field 'x'"),
        ("or use --task segmentation", "or use 'What is learnt' segmentation"),
        ("a--b and file--bands.tif", "a--b and file--bands.tif"),
    ],
)  # fmt: skip
def test_messages_name_fields_not_options(qgis, message, shown):
    from georaster_dl_qgis.results.feedback import in_words

    assert in_words(message) == shown


def test_own_models_are_those_that_exist(qgis, tmp_path):
    from georaster_dl_qgis.program.models import IMAGES, TIME_SERIES, add_own_model, own_models

    first, second = tmp_path / "é 1.safetensors", tmp_path / "2.safetensors"
    for path in (first, second, first):
        path.touch()
        add_own_model(str(path), IMAGES)
    assert own_models(IMAGES)[:2] == [str(first), str(second)]
    first.unlink()
    assert str(first) not in own_models(IMAGES)
    assert str(second) not in own_models(TIME_SERIES)


def test_no_trained_model_is_replaced_in_the_folder_of_models(qgis, tmp_path):
    from georaster_dl_qgis.parameters.output_paths import permanent_model

    path = tmp_path / "geodl_models" / "model.safetensors"
    assert permanent_model(path) == path
    path.parent.mkdir()
    path.touch()
    assert permanent_model(path) == path.with_name("model_2.safetensors")
    elsewhere = tmp_path / "mine.safetensors"  # as the user said
    elsewhere.touch()
    assert permanent_model(elsewhere) == elsewhere


def test_a_model_of_features_must_be_chosen(run, tmp_path):
    with pytest.raises(
        QgsProcessingException, match="Choose a model in the list, or give the file"
    ):
        run("features", INPUT=EAST, OUTPUT=str(tmp_path / "out"))


def test_a_batch_chooses_the_bundled_model(run, tmp_path):
    made = run("batch", SCENES=[EAST], OUTPUT=str(tmp_path / "out"), LOAD=False)
    assert (made["MAPPED"], made["NOT_MAPPED"]) == (1, 0)
    assert (tmp_path / "out" / "s2_east_landcover.tif").is_file()


def test_a_folder_that_is_not_there(run, tmp_path):
    with pytest.raises(QgsProcessingException, match="There is no folder .*nowhere"):
        run("batch", FOLDER=str(tmp_path / "nowhere"), MODEL=MODEL, OUTPUT=str(tmp_path / "out"))


def test_a_map_against_itself_says_nothing(run):
    with pytest.raises(QgsProcessingException, match="are the same layer"):
        run("evaluate", INPUT=EAST, REFERENCE=QgsRasterLayer(EAST, "another name"))


def test_the_command_can_be_pasted_into_a_terminal(qgis):
    from georaster_dl_qgis.algorithms.geodl_algorithm import _pasteable

    command = ["geodl", "segment", 'NETCDF:"/d/a b.nc":v', "/d/it's $5 & 100 %.tif", ""]
    assert shlex.split(_pasteable(command)) == command
