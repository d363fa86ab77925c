"""What the plugin adds to a window of QGIS."""

from pathlib import Path

import pytest

pytest.importorskip("qgis.core")

from osgeo import gdal
from qgis.core import QgsProcessingContext, QgsRasterLayer

SCENE = str(Path(__file__).parents[2] / "sample_tiles" / "s2_east.tif")


@pytest.fixture
def dialog(qgis):
    """The window of an algorithm, as the toolbox opens it."""
    from processing.gui.AlgorithmDialog import AlgorithmDialog
    from qgis.core import QgsApplication

    made = []

    def open_dialog(name):
        algorithm = QgsApplication.processingRegistry().createAlgorithmById(f"georaster_dl:{name}")
        made.append(AlgorithmDialog(algorithm, False, None))
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
    from georaster_dl_qgis.runner import GeodlError

    with pytest.raises(GeodlError, match="Choose a scene first"):
        dialog("segment").mainWidget().wrappers["BANDS"].table()


@pytest.mark.parametrize("name", ["batch", "evaluate", "features", "setup", "train", "uncertainty"])
def test_every_algorithm_has_its_window(dialog, name):
    window = dialog(name)
    shown = set(window.mainWidget().wrappers)
    assert shown == {definition.name() for definition in window.algorithm().parameterDefinitions()}
