"""What the plugin adds to a window of QGIS."""

import shutil
import time
from pathlib import Path

import pytest

pytest.importorskip("qgis.core")

from osgeo import gdal
from qgis.core import QgsProcessingContext, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtCore import QCoreApplication
from qgis.PyQt.QtWidgets import QPushButton, QTextEdit

SAMPLES = Path(__file__).parents[2] / "sample_tiles"
SCENE, LABELS = str(SAMPLES / "s2_east.tif"), str(SAMPLES / "s2_east_labels.gpkg")


@pytest.fixture
def dialog(qgis):
    """The window of an algorithm, as the toolbox opens it; with layers chosen in the Layers panel."""
    from qgis.core import QgsApplication, QgsProject

    made = []

    def open_dialog(name, *chosen):
        from georaster_dl_qgis.dialog.algorithm_dialog import Window
        from georaster_dl_qgis.dialog.selected_layers import SelectedLayers

        algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"georaster_dl:{name}")
        made.append(
            Window(algorithm, SelectedLayers(chosen, QgsProject.instance()))
            if chosen
            else algorithm.createCustomParametersWidget(None)
        )
        return made[-1]

    yield open_dialog
    for window in made:
        window.close()
        window.deleteLater()


def test_the_names_of_the_bands_are_chosen_in_a_table(dialog, tmp_path):
    plain = str(tmp_path / "plain.tif")
    gdal.Translate(plain, SCENE, bandList=[1, 2, 3, 7], creationOptions=["PROFILE=BASELINE"])
    for sidecar in tmp_path.glob("*.aux.xml"):
        sidecar.unlink()
    wrappers = dialog("segment").mainWidget().wrappers
    names = wrappers["BANDS"]
    context = QgsProcessingContext()
    wrappers["INPUT"].setParameterValue(plain, context)
    wrappers["MODEL"].setParameterValue("s2-landcover", context)
    names.setValue("B02,mine")
    table = names.table()
    assert table.names() == ["B02", "mine", "band3", "band4"]
    box = table._table.cellWidget(3, 1)
    shown = [box.itemText(i) for i in range(box.count())]
    assert "B08 (833 nm)" in shown
    box.setCurrentIndex(shown.index("B08 (833 nm)"))
    assert table.names()[3] == "B08"


def test_bands_that_say_their_names_are_chosen_already(dialog):
    wrappers = dialog("segment").mainWidget().wrappers
    wrappers["INPUT"].setParameterValue(SCENE, QgsProcessingContext())
    layer = QgsRasterLayer(SCENE)
    expected = [layer.bandName(i).split(": ")[1].split(" ")[0] for i in range(1, 11)]
    assert wrappers["BANDS"].table().names() == expected


def test_a_table_needs_a_scene(dialog):
    from georaster_dl_qgis.program.runner import GeodlError

    with pytest.raises(GeodlError, match="Choose a scene first"):
        dialog("segment").mainWidget().wrappers["BANDS"].table()


def test_every_algorithm_has_its_window(dialog):
    from qgis.core import QgsApplication

    provider = QgsApplication.processingRegistry().providerById("georaster_dl")
    for algorithm in provider.algorithms():
        window = dialog(algorithm.name())
        shown = set(window.mainWidget().wrappers)
        assert shown == {definition.name() for definition in algorithm.parameterDefinitions()}
        for name in algorithm.NOT_OPTIONAL:
            wrapper = window.mainWidget().wrappers[name]
            assert "[optional]" not in (wrapper.wrappedLabel() or wrapper.label).text()


@pytest.fixture
def layers(project, tmp_path):
    """Two scenes, labels, and a map that geodl made."""
    made = tmp_path / "map.tif"
    gdal.Translate(str(made), SCENE, bandList=[1], metadataOptions=["GEORASTER_DL_CONTENT=map"])
    found = {
        "east": QgsRasterLayer(SCENE, "east"),
        "west": QgsRasterLayer(SCENE, "west"),
        # A copy, because QGIS writes into a GeoPackage that it only opens.
        "labels": QgsVectorLayer(str(shutil.copy(LABELS, tmp_path)), "labels"),
        "map": QgsRasterLayer(str(made), "map"),
    }
    for layer in found.values():
        project.addMapLayer(layer)
    return found


def opened(window, name):
    """What a field of a window holds: ids and paths of layers."""
    value = window.mainWidget().wrappers[name].parameterValue()
    return value if value != [] else None


@pytest.mark.parametrize("name", ["segment", "uncertainty", "features"])
def test_the_active_layer_is_the_scene(dialog, layers, name):
    window = dialog(name, layers["west"], layers["east"])
    assert opened(window, "INPUT") == layers["west"].id()
    # Of two that nobody chose it is neither; nor is it a map.
    assert opened(dialog(name), "INPUT") is None
    assert opened(dialog(name, layers["map"], None), "INPUT") is None


def test_the_only_scene_of_the_project_is_the_scene(dialog, layers, project):
    project.removeMapLayer(layers["west"].id())
    assert opened(dialog("segment", layers["labels"]), "INPUT") == layers["east"].id()


def test_chosen_layers_are_scenes_and_labels(dialog, layers):
    window = dialog("train", layers["labels"], layers["west"], layers["map"])
    assert opened(window, "SCENES") == [SCENE]
    assert opened(window, "LABELS") == layers["labels"].id()
    assert opened(dialog("batch", layers["east"]), "SCENES") == [SCENE]


def test_several_chosen_layers_are_a_stack(dialog, layers):
    several = dialog("timeseries", layers["west"], layers["east"])
    assert len(opened(several, "SCENES")) == 2
    assert opened(dialog("timeseries", layers["west"]), "SCENES") is None
    parcels = dialog("timeseries_parcels", layers["labels"])
    assert opened(parcels, "PARCELS") == layers["labels"].id()


def test_two_chosen_layers_are_the_dates_in_the_order_of_their_names(dialog, layers):
    window = dialog("change", layers["west"], layers["east"])
    assert opened(window, "BEFORE") == layers["east"].id()
    assert opened(window, "AFTER") == layers["west"].id()
    assert opened(dialog("change", layers["west"]), "BEFORE") is None


@pytest.mark.parametrize("name", ["segment", "batch", "train", "evaluate"])
def test_layers_that_cannot_be_used_are_not_chosen(dialog, project, tmp_path, name):
    layers = [
        QgsRasterLayer(str(tmp_path / "gone.tif"), "gone"),
        QgsVectorLayer(str(tmp_path / "gone.gpkg"), "gone", "ogr"),
        QgsVectorLayer("NoGeometry?field=class:string", "table", "memory"),
    ]
    project.addMapLayers(layers)
    window = dialog(name, *layers)
    for field in {"INPUT", "SCENES", "LABELS", "REFERENCE"} & set(window.mainWidget().wrappers):
        assert opened(window, field) is None


def test_a_map_is_not_its_own_reference(dialog, layers, project):
    window = dialog("evaluate", layers["east"])
    assert opened(window, "INPUT") == layers["map"].id()
    assert opened(window, "REFERENCE") is None
    assert opened(dialog("evaluate", layers["labels"]), "REFERENCE") == layers["labels"].id()
    project.removeMapLayer(layers["map"].id())
    assert opened(dialog("evaluate"), "INPUT") is None


def test_without_a_scene_no_model_is_chosen(dialog):
    assert opened(dialog("features"), "MODEL") is None


def test_the_model_that_fits_the_scene_is_chosen(dialog, layers, wait, monkeypatch):
    # Other tests train models, which would come first.
    monkeypatch.setattr("georaster_dl_qgis.dialog.model_choice.own_models", lambda _reads: [])
    window = dialog("features", layers["west"])
    wait(lambda: opened(window, "MODEL") == "s2-landcover")


def test_a_model_that_the_user_chose_stays(dialog, layers):
    window = dialog("segment", layers["west"])
    assert window._suggestion._is_ours()
    window.setParameters({"MODEL": "landcover-sample"})
    assert not window._suggestion._is_ours()


def test_own_models_come_first_and_the_demonstration_never():
    from georaster_dl_qgis.dialog.model_choice import best_model

    def row(name, task="segmentation", fits=True, by_name=True):
        return {"name": name, "task": task, "fits": fits, "by_name": by_name}

    bundled = [row("s2"), row("lai", "regression"), row("demonstration")]
    tasks, own = ("segmentation",), ["/new", "/old"]
    assert best_model(bundled, tasks, own) == "s2"
    assert (
        best_model([row("/new", fits=False), row("/old", by_name=False), *bundled], tasks, own)
        == "/old"
    )
    assert best_model(bundled, ("regression",), own) == "lai"
    by_wavelength = [{**one, "by_name": False} for one in bundled]
    assert best_model(by_wavelength, tasks, own) == ""
    assert best_model(bundled[-1:], tasks, own) == ""


def test_fields_and_classes_are_those_of_the_layer(dialog, layers, tmp_path):
    wrappers = dialog("train", layers["labels"], layers["west"]).mainWidget().wrappers
    assert wrappers["CLASS_FIELD"].names() == ["fid", "class_id", "class"]
    wrappers["CLASS_FIELD"].choose("class")
    assert {"cropland", "water"} <= set(wrappers["BACKGROUND"].names())
    fields = wrappers["FRACTION_FIELDS"]
    assert "class" in fields.names()
    for name in ("a", "b, c", "a"):  # in, in, and out again
        fields.choose(name)
    assert fields.value() == '"b, c"'
    wrappers["BACKGROUND"].choose("water")
    wrappers["BACKGROUND"].choose("forest")
    assert wrappers["BACKGROUND"].value() == "forest"


@pytest.mark.parametrize(
    ("name", "field"), [("train", "LABELS"), ("segment", "INPUT"), ("features", "MODEL")]
)
def test_what_must_be_given_is_not_called_optional(dialog, name, field):
    assert "[optional]" not in dialog(name).mainWidget().wrappers[field].wrappedLabel().text()


def test_models_and_maps_go_to_the_project(dialog, project, tmp_path):
    project.setFileName(str(tmp_path / "my project.qgs"))
    assert opened(dialog("train"), "OUTPUT") == str(tmp_path / "geodl_models/model.safetensors")
    assert opened(dialog("batch"), "OUTPUT") == str(tmp_path / "geodl_maps")
    (tmp_path / "geodl_models/model_run").mkdir(parents=True)  # of a training that was cancelled
    (tmp_path / "geodl_maps").mkdir()
    assert opened(dialog("train"), "OUTPUT") == str(tmp_path / "geodl_models/model_2.safetensors")
    assert opened(dialog("batch"), "OUTPUT") == str(tmp_path / "geodl_maps_2")


@pytest.fixture
def wait():
    """Let the window live until something is so."""

    def until(so, seconds=120):
        end = time.monotonic() + seconds
        while not so():
            assert time.monotonic() < end
            QCoreApplication.processEvents()
            time.sleep(0.02)

    return until


def press(window, text):
    button = next(b for b in window.findChildren(QPushButton) if b.text() == text)
    button.click()
    return button


def red(window):
    """What the log shows in red."""
    html = "".join(edit.toHtml() for edit in window.findChildren(QTextEdit))
    return [part.split("<")[0].strip() for part in html.split("color:#ff0000")[1:]]


def log(window):
    return "\n".join(edit.toPlainText() for edit in window.findChildren(QTextEdit))


def test_a_cancelled_run_is_no_error_in_the_window(dialog, wait, project, tmp_path):
    large = str(tmp_path / "large.vrt")
    bounds = [0, 90000, 90000, 0]
    gdal.Translate(large, SCENE, width=9000, height=9000, format="VRT", outputBounds=bounds)
    window = dialog("segment", QgsRasterLayer(large, "large"))
    window.setParameters({"INPUT": large, "MODEL": "landcover-sample"})
    press(window, "Run")
    wait(lambda: "pixels in" in log(window))
    button = press(window, "Cancel")
    wait(lambda: not button.isEnabled())
    assert "Cancelled: no file was made, and nothing is left of it." in log(window)
    assert "ailed" not in log(window)
    assert red(window) == []


def test_a_failed_run_says_why_and_no_more(dialog, wait, project, tmp_path):
    window = dialog("segment", QgsRasterLayer(SCENE, "east"))
    given = {"INPUT": SCENE, "MODEL_FILE": str(tmp_path / "nothing.safetensors")}
    window.setParameters(given)
    press(window, "Run")
    wait(lambda: "Execution failed" in log(window))
    QCoreApplication.processEvents()
    assert "nothing.safetensors" in log(window)
    assert "not correctly generated" not in log(window)
    assert red(window)  # so that the test above shows something
