"""A map of a sample scene, as a user makes it and QGIS shows it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("qgis.core")

from osgeo import gdal
from qgis.core import (
    QgsFeature,
    QgsGeometry,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

SAMPLES = Path(__file__).parents[2] / "sample_tiles"

SCENE = str(SAMPLES / "s2_east.tif")
MODEL = "landcover-sample"


@pytest.fixture(scope="session")
def classes(geodl):
    """Value, name and colour of the model's classes."""
    command = [geodl, "models", "show", MODEL, "--json"]
    card = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return [(c["value"], c["name"], c["color"]) for c in card["classes"]]


def shown(layer):
    """Value, name and colour of what the legend shows."""
    return [(int(c.value), c.label, c.color.name()) for c in layer.renderer().classes()]


def painted(layer):
    """The layer as QGIS draws it, pixel for pixel: a function of row and column."""
    block = layer.renderer().block(1, layer.extent(), layer.width(), layer.height())
    return lambda row, col: QColor.fromRgba(block.color(row, col))


def pixels(path):
    return gdal.Open(str(path)).ReadAsArray()


def checked(path, classes):
    """Check that the map looks as the model says; gives its layer."""
    layer = QgsRasterLayer(str(path), "map")
    assert layer.isValid()
    assert layer.renderer().type() == "paletted"
    assert shown(layer) == classes
    data, color = pixels(path), painted(layer)
    nodata = int(layer.dataProvider().sourceNoDataValue(1))
    colors = {value: text for value, _name, text in classes}
    seen = set()
    for row in range(0, layer.height(), 7):
        for col in range(0, layer.width(), 7):
            value = int(data[row, col])
            seen.add(value)
            if value == nodata:
                assert color(row, col).alpha() == 0
            else:
                assert color(row, col).alpha() == 255
                assert color(row, col).name() == colors[value]
    assert nodata in seen  # so that the test shows something
    assert len(seen) > 4
    return layer


def test_the_real_program_end_to_end(geodl, qgis, tmp_path, classes):
    """``qgis_process`` as a shell starts it, with the environment of an installer that leaks."""
    program = next(
        path
        for folder in os.environ["PATH"].split(os.pathsep)
        for name in ("qgis_process.bin", "qgis_process")
        if (path := Path(folder) / name).is_file()
    )
    out = tmp_path / "carte d'occupation é.tif"
    environment = {
        **os.environ,
        "QGIS_CUSTOM_CONFIG_PATH": str(tmp_path / "profile"),
        "QGIS_PLUGINPATH": str(SAMPLES.parent),
        "GEODL_EXE": str(geodl),
        "PYTHONPATH": "/usr/lib/python3/dist-packages",
        "PYTHONHOME": "/usr",
        "PROJ_LIB": "/usr/share/proj",
        "PROJ_DATA": "/usr/share/proj",
        "GDAL_DATA": "/usr/share/gdal",
    }
    enable = [program, "plugins", "enable", "georaster_dl_qgis"]
    subprocess.run(enable, env=environment, check=True, capture_output=True, timeout=120)
    command = [program, "run", "georaster_dl:segment", "--json", "--"]
    given = [f"INPUT={SCENE}", f"MODEL={MODEL}", f"OUTPUT={out}", "CONFIDENCE=true"]
    ended = subprocess.run(
        [*command, *given],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert told["results"]["OUTPUT"] == str(out)
    assert Path(told["results"]["CONFIDENCE_RASTER"]).is_file()
    checked(out, classes)


def test_the_layers_come_named_styled_and_grouped(run, project, qgis, tmp_path, classes, feedback):
    from processing.gui.Postprocessing import handleAlgorithmResults
    from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingFeedback
    from qgis.PyQt.QtCore import QCoreApplication

    algorithm = QgsApplication.processingRegistry().createAlgorithmById("georaster_dl:uncertainty")
    out = str(tmp_path / "map.tif")
    context = QgsProcessingContext()
    context.setProject(project)
    context.addLayerToLoadOnCompletion(
        out, QgsProcessingContext.LayerDetails("Map", project, "OUTPUT")
    )
    project.addMapLayer(QgsRasterLayer(SCENE, "My scène"))
    parameters = {"INPUT": SCENE, "MODEL": MODEL, "OUTPUT": out}
    made, well = algorithm.run(parameters, context, feedback)
    assert well, feedback.errors
    assert handleAlgorithmResults(algorithm, context, QgsProcessingFeedback())
    QCoreApplication.processEvents()

    root = project.layerTreeRoot()
    assert [node.name() for node in root.children()] == ["geodl: My scène", "My scène"]
    group = root.children()[0]
    assert [n.name() for n in group.children()] == [
        "Map: My scène",
        "Confidence: My scène",
        "Uncertainty: My scène",
    ]
    assert [n.itemVisibilityChecked() for n in group.children()] == [True, False, False]
    layers = [node.layer() for node in group.children()]
    assert [layer.source() for layer in layers] == [
        out,
        made["CONFIDENCE_RASTER"],
        made["UNCERTAINTY_RASTER"],
    ]
    assert shown(layers[0]) == classes
    for layer in layers[1:]:
        assert layer.renderer().type() == "singlebandpseudocolor"
        assert (layer.renderer().classificationMin(), layer.renderer().classificationMax()) == (
            0,
            1,
        )


def test_several_passes_and_uncertain_pixels(run, feedback, tmp_path):
    """The measures of mirror images as named bands; models without such statistics keep all pixels."""
    given = {"INPUT": SCENE, "MODEL": MODEL, "OUTPUT": str(tmp_path / "m.tif")}
    made = run("uncertainty", **given, METHOD="tta")
    layer = QgsRasterLayer(made["UNCERTAINTY_RASTER"], "u")
    assert layer.bandCount() == 5
    assert layer.bandName(3).endswith("mutual information")
    assert "--uncertainty tta" in " ".join(feedback.commands)
    assert "--passes" not in " ".join(feedback.commands)


def test_progress_log_and_command(run, feedback, tmp_path, setting):
    setting("GEORASTER_DL_DEVICE", 1)
    setting("GEORASTER_DL_THREADS", 1)
    run("segment", INPUT=SCENE, MODEL=MODEL, OUTPUT=str(tmp_path / "m.tif"))
    assert feedback.progress[-1] == 100
    assert "--device cpu" in feedback.commands[0]
    log = "\n".join(feedback.infos)
    assert re.search(r"geodl \d+\.\d+\.\d+", log)
    assert "landcover-sample on cpu" in log
    assert "cropland" in log
    assert "Trained on simulated scenes only" in "\n".join(feedback.warnings)


def test_threads_reach_geodl(qgis, setting, monkeypatch):
    from georaster_dl_qgis.program.settings import child_environment

    monkeypatch.setenv("PYTHONHOME", "/usr")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert "OMP_NUM_THREADS" not in child_environment()
    setting("GEORASTER_DL_THREADS", 3)
    assert child_environment()["OMP_NUM_THREADS"] == "3"
    assert "PYTHONHOME" not in child_environment()


def test_the_automatic_model_and_polygons(run, feedback, tmp_path):
    made = run(
        "segment",
        INPUT=SCENE,
        OUTPUT="TEMPORARY_OUTPUT",
        POLYGONS=str(tmp_path / "polygons.gpkg"),
        PROBABILITIES=True,
    )
    assert any("using s2-landcover" in info for info in feedback.infos)
    layer = QgsVectorLayer(made["POLYGONS"], "polygons")
    assert layer.isValid()
    assert layer.featureCount() > 10
    assert QgsRasterLayer(made["PROBABILITIES_RASTER"]).bandCount() == 9  # classes


@pytest.fixture
def squares(qgis):
    """Two squares in another CRS, in QGIS's memory, of which the second is selected."""
    from qgis.core import QgsCoordinateReferenceSystem, QgsCoordinateTransform, QgsProject

    layer = QgsVectorLayer("Polygon?crs=EPSG:4326&field=fid:integer", "squares", "memory")
    extent, crs = QgsRasterLayer(SCENE).extent(), QgsRasterLayer(SCENE).crs()
    change = QgsCoordinateTransform(
        crs, QgsCoordinateReferenceSystem("EPSG:4326"), QgsProject.instance()
    )
    middle = extent.center().x()
    for left, right in ((extent.xMinimum(), middle), (middle, extent.xMaximum())):
        box = QgsRectangle(left, extent.yMinimum(), right, extent.yMaximum())
        feature = QgsFeature(layer.fields())
        outline = QgsGeometry.fromRect(box).densifyByCount(50)
        outline.transform(change)
        feature.setGeometry(outline)
        feature.setAttribute("fid", 7)
        layer.dataProvider().addFeature(feature)
    layer.updateExtents()
    layer.selectByIds([f.id() for f in layer.getFeatures()][1:])
    return layer


def test_selected_polygons_limit_the_map(run, project, squares, tmp_path):
    project.addMapLayer(squares)
    chosen = QgsProcessingFeatureSourceDefinition(squares.id(), True)
    out = tmp_path / "m.tif"
    run("segment", INPUT=SCENE, MODEL=MODEL, AOI=chosen, OUTPUT=str(out))
    data = pixels(out)
    half = data.shape[1] // 2
    assert (data[:, : half - 1] == 255).all()
    assert (data[:, half + 1 :] != 255).mean() > 0.5


def test_an_extent_in_another_crs_limits_the_map(run, squares, tmp_path):
    box = next(squares.getFeatures()).geometry().boundingBox()
    text = f"{box.xMinimum()},{box.xMaximum()},{box.yMinimum()},{box.yMaximum()} [EPSG:4326]"
    out = tmp_path / "m.tif"
    run("segment", INPUT=SCENE, MODEL=MODEL, EXTENT=text, OUTPUT=str(out))
    data = pixels(out)
    assert (data[:, data.shape[1] * 3 // 4 :] == 255).all()
    assert (data[:, : data.shape[1] // 4] != 255).mean() > 0.5


def test_names_and_scale_of_the_bands(run, tmp_path):
    plain, out = tmp_path / "plain.tif", tmp_path / "m.tif"
    gdal.Translate(
        str(plain), SCENE, outputType=gdal.GDT_UInt16, creationOptions=["PROFILE=BASELINE"]
    )
    for sidecar in tmp_path.glob("*.aux.xml"):
        sidecar.unlink()
    with pytest.raises(QgsProcessingException, match="'Names of the bands'"):
        run("segment", INPUT=str(plain), MODEL=MODEL, OUTPUT=str(out))
    dataset = gdal.Open(SCENE)
    names = [dataset.GetRasterBand(i).GetDescription() for i in range(1, 11)]
    given = {"BANDS": ",".join(names), "SCALE": 0.0001, "OFFSET": -0.1, "NODATA": 0}
    run("segment", INPUT=str(plain), MODEL=MODEL, OUTPUT=str(out), **given)
    reference = tmp_path / "reference.tif"
    run("segment", INPUT=SCENE, MODEL=MODEL, OUTPUT=str(reference))
    assert (pixels(out) == pixels(reference)).all()


def test_a_quality_band_masks(run, tmp_path):
    clouds, out = tmp_path / "clouds.tif", tmp_path / "m.tif"
    scene = gdal.Open(SCENE)
    made = gdal.GetDriverByName("GTiff").Create(
        str(clouds), scene.RasterXSize, scene.RasterYSize, 1
    )
    made.SetGeoTransform(scene.GetGeoTransform())
    made.SetProjection(scene.GetProjection())
    numbers = made.ReadAsArray()
    numbers[:100] = 9
    made.GetRasterBand(1).WriteArray(numbers)
    made = None
    run("segment", INPUT=SCENE, MODEL=MODEL, OUTPUT=str(out), MASK=f"{clouds}=9")
    assert (pixels(out)[:100] == 255).all()
    assert (pixels(out)[100:] != 255).any()


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "Give one scene"),
        ({"INPUT": SCENE, "PRODUCT": "x.SAFE"}, "Give one scene"),
        ({"PRODUCT": "/nowhere/x.SAFE"}, "/nowhere/x.SAFE does not exist"),
        ({"INPUT": SCENE, "MODEL_FILE": "/nowhere.safetensors"}, "/nowhere.safetensors"),
        ({"INPUT": SCENE, "BANDS": "B02"}, "scene misses B03"),
        (
            {"INPUT": SCENE, "WAVELENGTHS": "/nowhere/w.txt"},
            "wavelengths in /nowhere/w.txt cannot be read",
        ),
    ],
)
def test_what_is_wrong_is_said(run, tmp_path, parameters, said):
    with pytest.raises(QgsProcessingException, match=said):
        run("segment", OUTPUT=str(tmp_path / "m.tif"), **{"MODEL": MODEL, **parameters})
    assert list(tmp_path.iterdir()) == []


def test_polygons_and_an_extent_are_too_much(run, squares, tmp_path):
    given = {"AOI": squares, "EXTENT": "0,1,0,1 [EPSG:4326]", "OUTPUT": str(tmp_path / "m.tif")}
    with pytest.raises(QgsProcessingException, match="not both"):
        run("segment", INPUT=SCENE, MODEL=MODEL, **given)


@pytest.mark.parametrize(
    ("setting_value", "said"),
    [("/usr", "no geodl at /usr"), (SCENE, "cannot be started")],
)
def test_a_geodl_that_is_not_there(run, setting, tmp_path, setting_value, said):
    """QGIS 3.22's qgis_process does not ask whether an algorithm can be executed."""
    setting("GEORASTER_DL_GEODL", setting_value)
    with pytest.raises(QgsProcessingException, match=said):
        run("segment", INPUT=SCENE, MODEL=MODEL, OUTPUT=str(tmp_path / "m.tif"))


def test_a_cancelled_run_leaves_no_file(qgis, project, feedback, tmp_path):
    from qgis.core import QgsApplication, QgsProcessingContext

    large = tmp_path / "in" / "large.vrt"
    large.parent.mkdir()
    gdal.Translate(
        str(large), SCENE, width=9000, height=9000, format="VRT", outputBounds=[0, 90000, 90000, 0]
    )
    out = tmp_path / "out" / "m.tif"
    out.parent.mkdir()
    feedback.progressChanged.connect(lambda _percent: feedback.cancel())
    context = QgsProcessingContext()
    context.setProject(project)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("georaster_dl:segment")
    parameters = {"INPUT": str(large), "MODEL": MODEL, "OUTPUT": str(out)}
    made, _well = algorithm.run(parameters, context, feedback)
    assert feedback.isCanceled()
    assert made == {}
    assert list(out.parent.iterdir()) == []


def test_what_could_not_be_made_is_not_loaded(project, tmp_path):
    from georaster_dl_qgis.results.layer_group import LayerGroup

    context = QgsProcessingContext()
    context.setProject(project)
    lost, made = tmp_path / "polygons.gpkg", tmp_path / "map.tif"
    made.write_bytes(b"")
    for path in (lost, made):
        details = QgsProcessingContext.LayerDetails("asked for", project, "asked for")
        context.addLayerToLoadOnCompletion(str(path), details)
    group = LayerGroup("geodl")
    for path in (lost, made):
        group.add(str(path), path.stem, context)
    assert list(context.layersToLoadOnCompletion()) == [str(made)]


def test_bands_of_two_files_are_one_scene(run, tmp_path):
    whole = gdal.Open(SCENE)
    half = whole.RasterCount // 2
    files = [str(tmp_path / "one.tif"), str(tmp_path / "two.tif")]
    for path, numbers in zip(
        files, (range(1, half + 1), range(half + 1, whole.RasterCount + 1)), strict=True
    ):
        gdal.Translate(path, whole, bandList=list(numbers))
    alone = run("segment", INPUT=SCENE, MODEL=MODEL, OUTPUT=str(tmp_path / "alone.tif"))
    joined = run(
        "segment", INPUT=files[0], MORE=files[1:], MODEL=MODEL, OUTPUT=str(tmp_path / "joined.tif")
    )
    assert (pixels(joined["OUTPUT"]) == pixels(alone["OUTPUT"])).all()
