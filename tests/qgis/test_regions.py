"""Areas outlined by clicks in a window of QGIS, with the real ``geodl serve`` behind it."""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

pytest.importorskip("qgis.core")

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsGeometry,
    QgsPointXY,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas, QgsMapToolPan
from qgis.PyQt.QtCore import QCoreApplication, Qt
from qgis.PyQt.QtTest import QTest
from qgis.PyQt.QtWidgets import QMainWindow

SCENE = Path(__file__).parents[2] / "sample_tiles" / "s2_west.tif"
LAKE, MEADOW = (602_045, 5_698_605), (600_595, 5_696_555)


@pytest.fixture
def panel(project, setting, tmp_path):
    """The panel in a window, beside a map of a scene; its child is gone when it was closed."""
    from georaster_dl_qgis.regions.panel import RegionPanel

    setting("GEORASTER_DL_RESULTS", str(tmp_path))
    scene = QgsRasterLayer(str(shutil.copy(SCENE, tmp_path)), "scene")
    for band, use in ((3, "Red"), (2, "Green"), (1, "Blue")):
        getattr(scene.renderer(), f"set{use}Band")(band)
    scene.setDefaultContrastEnhancement()
    project.addMapLayer(scene)
    window, canvas = QMainWindow(), QgsMapCanvas()
    canvas.setDestinationCrs(scene.crs())
    canvas.setLayers([scene])
    canvas.setExtent(scene.extent())
    window.setCentralWidget(canvas)
    made = RegionPanel(canvas, window)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, made)
    window.resize(1100, 700)
    window.show()
    made.take(scene)
    made.form.add_class("field")
    made.form.add_class("water")
    made.form.choose(0)
    yield made
    child = made.server.process_id()
    made.close()
    if child:
        wait(lambda: not Path(f"/proc/{child}").exists(), 10)
    canvas.stopRendering()
    window.close()
    window.deleteLater()


def wait(so, seconds=120):
    """Let the window live until something is so."""
    end = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < end, "waited in vain"
        QCoreApplication.processEvents()
        time.sleep(0.02)


def click(panel, x, y, held=Qt.KeyboardModifier.NoModifier, *, twice=False):
    """Click on a place of the map with the mouse."""
    canvas = panel._canvas
    at = canvas.getCoordinateTransform().transform(QgsPointXY(x, y))
    view = canvas.viewport()
    place = at.toQPointF().toPoint()
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, held, place)
    if twice:
        QTest.mouseDClick(view, Qt.MouseButton.LeftButton, held, place)


def press(panel, key, held=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(panel._canvas, key, held)


def grown(panel):
    wait(lambda: panel._grown is not None)
    return panel.shown.outline


def kept(panel):
    layer = panel.form.layer.currentLayer()
    return [] if layer is None else list(layer.getFeatures())


def label(place, name):
    """Outline of the labels at a place, which the clicked region should be like."""
    with (
        tempfile.TemporaryDirectory() as folder
    ):  # QGIS writes into a GeoPackage that it only opens
        path = shutil.copy(SCENE.with_name("s2_west_labels.gpkg"), folder)
        return outline(QgsVectorLayer(str(path), "labels"), place, name)


def outline(layer, place, name):
    there = QgsGeometry.fromPointXY(QgsPointXY(*place))
    (found,) = [f for f in layer.getFeatures() if f.geometry().contains(there)]
    assert found["class"] == name
    return found.geometry()


def overlap(one, other):
    """Area of both over area of either."""
    return one.intersection(other).area() / one.combine(other).area()


def test_recorded_clicks_become_polygons_of_their_classes(panel):
    click(panel, *LAKE)
    assert overlap(grown(panel), label(LAKE, "water")) > 0.9
    press(panel, Qt.Key.Key_2)
    press(panel, Qt.Key.Key_Return)
    click(panel, *MEADOW, twice=True)  # kept as soon as it has grown
    press(panel, Qt.Key.Key_1)
    wait(lambda: len(kept(panel)) == 2)
    lake, meadow = kept(panel)
    assert (lake["class"], meadow["class"]) == ("water", "field")
    assert overlap(lake.geometry(), label(LAKE, "water")) > 0.9
    assert meadow.geometry().contains(QgsGeometry.fromPointXY(QgsPointXY(*MEADOW)))
    layer = panel.form.layer.currentLayer()
    assert layer.crs().authid() == "EPSG:32631"
    colors = {c.value(): c.symbol().color().name() for c in layer.renderer().categories()}
    assert set(colors) == {"field", "water"}
    assert not layer.isEditable()  # written
    reopened = QgsVectorLayer(layer.source(), "again")
    assert reopened.featureCount() == 2
    assert reopened.renderer().type() == "categorizedSymbol"


def test_kept_polygons_train_at_once(panel, geodl, tmp_path):
    for place, row in ((LAKE, 1), (MEADOW, 0)):
        click(panel, *place)
        grown(panel)
        panel.form.choose(row)
        panel.keep()
    from georaster_dl_qgis.program.settings import child_environment

    scene, layer = (box.currentLayer().source() for box in (panel.form.scene, panel.form.layer))
    made = tmp_path / "map.tif"  # while QGIS has the labels open
    command = [geodl, "classify", scene, layer.partition("|")[0], "-o", made]
    ended = subprocess.run(
        command, check=False, env=child_environment(), capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    mapped = QgsRasterLayer(str(made))
    shown = {entry.label: entry.color.name() for entry in mapped.renderer().classes()}
    assert shown == panel.form.classes()


def test_clicks_with_keys_refine_and_are_taken_back(panel):
    click(panel, *LAKE)
    lake = grown(panel)
    click(panel, *MEADOW, Qt.KeyboardModifier.ShiftModifier)
    both = grown(panel)
    assert both.area() > lake.area()
    assert both.contains(QgsGeometry.fromPointXY(QgsPointXY(*MEADOW)))
    click(panel, LAKE[0] + 60, LAKE[1], Qt.KeyboardModifier.ControlModifier)
    assert grown(panel).area() < both.area()
    press(panel, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert grown(panel).equals(both)
    press(panel, Qt.Key.Key_Escape)
    assert panel.shown.outline.isEmpty()
    assert kept(panel) == []


def test_a_map_in_another_crs_is_clicked_likewise(panel):
    mercator = QgsCoordinateReferenceSystem("EPSG:3857")
    scene = panel.form.scene.currentLayer()
    there = QgsCoordinateTransform(scene.crs(), mercator, QgsProject.instance())
    panel._canvas.setDestinationCrs(mercator)
    panel._canvas.setExtent(there.transformBoundingBox(scene.extent()))
    place = there.transform(QgsPointXY(*LAKE))
    click(panel, place.x(), place.y())
    assert overlap(grown(panel), label(LAKE, "water")) > 0.9


def test_another_tool_of_the_map_ends_the_clicking_and_stays(panel):
    canvas, button = panel._canvas, panel.form.clicking
    assert button.isChecked()
    pan = QgsMapToolPan(canvas)
    canvas.setMapTool(pan)
    assert not button.isChecked()
    assert canvas.mapTool() is pan
    button.click()
    assert canvas.mapTool() is panel.tool
    button.click()
    assert canvas.mapTool() is pan
    canvas.unsetMapTool(pan)


def test_a_polygon_that_was_kept_is_taken_back(panel):
    click(panel, *LAKE)
    grown(panel)
    panel.form.keep.click()
    assert len(kept(panel)) == 1
    press(panel, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert kept(panel) == []


def test_the_tolerance_makes_the_region_larger_and_smaller(panel):
    click(panel, *MEADOW)
    before = grown(panel).area()
    panel.form.turn(-10)
    wait(lambda: panel._grown is not None and panel.shown.outline.area() < before)
    panel.form.turn(20)
    wait(lambda: panel._grown is not None and panel.shown.outline.area() > before)


def test_what_is_wrong_is_said_and_ends_nothing(panel, setting, tmp_path):
    click(panel, 599_990, 5_698_605)  # beside the scene, where the map goes on
    wait(lambda: "outside of the scene" in panel.form._told.text())
    click(panel, *LAKE)
    grown(panel)
    not_geodl = tmp_path / "geodl"
    not_geodl.write_text("#!/bin/sh\necho 'Error: No such command serve' >&2\nexit 2\n")
    not_geodl.chmod(0o755)
    setting("GEORASTER_DL_GEODL", str(not_geodl))
    panel.server.stop()
    click(panel, *LAKE)
    wait(lambda: "update it by 'Check or install geodl'" in panel.form._told.text())
    assert panel.server.process_id() == 0
    panel.form.keep.click()  # nothing is shown that could be kept
    assert kept(panel) == []


def test_the_process_starts_with_the_first_click_and_ends_with_the_panel(panel):
    assert panel.server.process_id() == 0
    click(panel, *LAKE)
    grown(panel)
    child = panel.server.process_id()
    assert Path(f"/proc/{child}").exists()
    panel.close()
    wait(lambda: not Path(f"/proc/{child}").exists(), 5)
