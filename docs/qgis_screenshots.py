"""Takes the pictures of docs/qgis.md: a user's way through the real QGIS desktop.

    python docs/qgis_screenshots.py [--geodl PATH] [--steps] [-o docs/qgis]

Needs QGIS, Xvfb and, for frames around the windows, openbox (Debian: apt install qgis xvfb openbox). It
works in a profile and a folder of its own, installs the plugin there by ``geodl qgis install``, and runs
the algorithms with the real geodl on the sample scenes. ``--steps`` takes the pictures of toolbox and toolbar alone,
which takes no network's minutes.

QGIS runs this same file as its ``--code``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCREEN = "1440x900x24"
SAMPLES = "GEORASTER_DL_SAMPLES"  # variables by which the one half tells the other
PICTURES = "GEORASTER_DL_PICTURES"
STEPS = "GEORASTER_DL_STEPS"
_LIMIT_SECONDS = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--geodl", default=shutil.which("geodl"), help="the geodl to use")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("qgis"))
    parser.add_argument("--steps", action="store_true", help="only toolbox and toolbar")
    given = parser.parse_args()
    given.output.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        profiles = Path(folder) / "config"
        profiles.mkdir()
        install = [
            given.geodl,
            "qgis",
            "install",
            "--profiles-path",
            profiles,
            "--geodl",
            given.geodl,
        ]
        subprocess.run(install, check=True)
        samples = Path(folder) / "scenes"
        samples.mkdir()
        for name in ("s2_west.tif", "s2_west_truth.tif", "s2_west_labels.gpkg"):
            shutil.copy(Path(__file__).parents[1] / "sample_tiles" / name, samples)
        command = [given.geodl, "segment", "s2_west.tif", "-m", "landcover-sample", "-o", "map.tif"]
        subprocess.run(command, cwd=samples, check=True)
        if given.steps:
            os.environ[STEPS] = "only"
        desktop(profiles, samples, given.output.absolute())


def desktop(profiles: Path, samples: Path, pictures: Path) -> None:
    """Run QGIS on a screen of its own until it has taken the pictures."""
    read, write = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN, "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    try:
        display = f":{os.read(read, 16).decode().strip()}"
        environment = {
            **os.environ,
            "DISPLAY": display,
            "QT_QPA_PLATFORM": "xcb",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            SAMPLES: str(samples),
            PICTURES: str(pictures),
        }
        manager = shutil.which("openbox")
        if manager:
            subprocess.Popen([manager], env=environment, stderr=subprocess.DEVNULL)
            time.sleep(1)
        program = shutil.which("qgis.bin") or shutil.which("qgis")
        arguments = [
            "--nologo",
            "--noversioncheck",
            "--profiles-path",
            str(profiles),
            "--code",
            __file__,
        ]
        subprocess.run([program, *arguments], env=environment, timeout=_LIMIT_SECONDS, check=True)
    finally:
        screen.terminate()


class Tour:
    """Steps that follow each other in QGIS; each waits for what it needs."""

    def __init__(self, iface) -> None:
        from qgis.PyQt.QtCore import QSettings

        self.iface = iface
        self.pictures, self.samples = Path(os.environ[PICTURES]), Path(os.environ[SAMPLES])
        self.failed = None
        QSettings().setValue("locale/overrideFlag", True)
        self.later(self.start, 3000)

    def later(self, step, milliseconds: int) -> None:
        """Take a step in a while; an error ends the tour."""
        from qgis.PyQt.QtCore import QTimer

        def guarded() -> None:
            try:
                step()
            except BaseException:
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)

        QTimer.singleShot(milliseconds, guarded)

    def when(self, ready, step, tries: int = 3000) -> None:
        """Take a step as soon as something is so."""

        def look() -> None:
            if ready():
                step()
            elif tries:
                self.when(ready, step, tries - 1)
            else:
                raise TimeoutError(step.__name__)

        self.later(look, 100)

    def shoot(self, name: str) -> None:
        """Save what is on the screen."""
        from qgis.PyQt.QtWidgets import QApplication

        self.iface.messageBar().clearWidgets()  # of tasks that have ended
        QApplication.processEvents()
        picture = QApplication.primaryScreen().grabWindow(0)
        if not picture.save(str(self.pictures / f"{name}.png")):
            raise OSError(f"{name}.png could not be written")

    def start(self) -> None:
        from osgeo import gdal
        from qgis.PyQt.QtWidgets import QDockWidget

        window = self.iface.mainWindow()
        window.showMaximized()
        path = str(self.samples / "s2_west.tif")
        # The same scene, long enough to be seen running.
        bounds = [500_000, 5_000_000, 530_000, 4_970_000]
        self.large = str(self.samples / "large.vrt")
        gdal.Translate(self.large, path, width=3000, height=3000, outputBounds=bounds, format="VRT")
        self.add_scene()
        for dock in window.findChildren(QDockWidget):
            if dock.objectName() == "Browser":
                dock.hide()
            if dock.objectName() == "ProcessingToolbox":
                dock.show()
                self.toolbox = dock
        self.later(self.show_toolbox, 3000)

    def add_scene(self):
        """Show the scene in natural colours."""
        from qgis.core import QgsProject, QgsRasterLayer

        scene = QgsRasterLayer(str(self.samples / "s2_west.tif"), "s2_west")
        renderer = scene.renderer()
        for band, use in ((3, "Red"), (2, "Green"), (1, "Blue")):
            getattr(renderer, f"set{use}Band")(band)
        scene.setDefaultContrastEnhancement()
        QgsProject.instance().addMapLayer(scene)
        self.iface.setActiveLayer(scene)
        self.iface.mapCanvas().setExtent(scene.extent())
        return scene

    def show_toolbox(self) -> None:
        from qgis.PyQt.QtWidgets import QTreeView

        tree = self.toolbox.findChild(QTreeView)
        model = tree.model()
        for row in range(model.rowCount()):
            index = model.index(row, 0)
            if str(model.data(index)).startswith("GeoRaster DL"):
                tree.expandRecursively(index)
                tree.scrollTo(index, QTreeView.ScrollHint.PositionAtTop)
        then = self.steps if STEPS in os.environ else self.check
        self.later(lambda: (self.shoot("toolbox"), then()), 1000)

    def open(self, name: str, parameters: dict):
        """The dialog of an algorithm, as the toolbox opens it."""
        import processing

        dialog = processing.createAlgorithmDialog(f"georaster_dl:{name}", parameters)
        dialog.show()
        dialog.resize(900, 640)
        dialog.move(260, 120)
        return dialog

    def check(self) -> None:
        self.dialog = self.open("setup", {})
        self.later(self.run_check, 1000)

    def run_check(self) -> None:
        self.shoot("install")
        self.press_run()
        self.when(self.is_done, self.run_long)

    def run_long(self) -> None:
        from qgis.PyQt.QtWidgets import QProgressBar

        self.dialog.close()
        self.dialog = self.open("segment", {"INPUT": self.large, "MODEL": "s2-landcover"})
        self.press_run()
        bar = self.dialog.findChild(QProgressBar)
        self.when(lambda: bar.value() >= 30, self.running)

    def running(self) -> None:
        from qgis.PyQt.QtWidgets import QPushButton

        self.shoot("running")
        cancel = next(b for b in self.dialog.findChildren(QPushButton) if b.text() == "Cancel")
        cancel.click()
        self.when(lambda: not cancel.isEnabled(), lambda: self.later(self.segment, 1000))

    def segment(self) -> None:
        self.dialog.close()
        self.dialog = self.open("uncertainty", {"INPUT": "s2_west", "MODEL": "s2-landcover"})
        self.later(self.run_segment, 1500)

    def run_segment(self) -> None:
        self.shoot("dialog")
        self.press_run()
        self.when(self.is_done, lambda: self.later(self.done, 2500))

    def done(self) -> None:
        self.dialog.close()
        self.toolbox.hide()
        self.iface.layerTreeView().expandAllNodes()
        self.later(self.result, 3000)

    def result(self) -> None:
        from qgis.core import QgsProject

        self.shoot("result")
        group = QgsProject.instance().layerTreeRoot().children()[0]
        for node in group.children():
            node.setItemVisibilityChecked(node.name().startswith("Uncertainty"))
        self.later(lambda: (self.shoot("uncertainty"), self.steps()), 3000)

    def steps(self) -> None:
        """The toolbar's steps, each opened by its button, from an empty project."""
        from qgis.core import QgsProject

        QgsProject.instance().clear()
        self.toolbox.hide()
        self.add_scene()
        self.press_step("Map", self.map_opened)

    def press_step(self, text: str, then) -> None:
        """Press a button of the toolbar; ``then`` finds its window open."""
        from processing.gui.AlgorithmDialog import AlgorithmDialog
        from qgis.PyQt.QtWidgets import QApplication
        from qgis.utils import plugins

        def opened() -> bool:
            windows = QApplication.topLevelWidgets()
            shown = [w for w in windows if isinstance(w, AlgorithmDialog) and w.isVisible()]
            self.dialog = next(iter(shown), None)
            return self.dialog is not None

        def settle() -> None:
            self.dialog.resize(900, 640)
            self.dialog.move(400, 160)
            self.later(then, 1500)

        actions = plugins["georaster_dl_qgis"]._actions
        button = next(action for action in actions if action.text() == text)
        self.later(button.trigger, 0)  # returns when the window is closed
        self.when(opened, settle)

    def map_opened(self) -> None:
        """Wait for the model that fits the scene."""
        model = self.dialog.mainWidget().wrappers["MODEL"]
        self.when(lambda: model.parameterValue() != "automatic", self.mapped)

    def mapped(self) -> None:
        from qgis.core import QgsProject, QgsRasterLayer, QgsVectorLayer

        self.shoot("step_map")
        self.dialog.close()
        mapped = QgsRasterLayer(str(self.samples / "map.tif"), "Map: s2_west")
        labels = QgsVectorLayer(str(self.samples / "s2_west_labels.gpkg"), "fields")
        QgsProject.instance().addMapLayers([mapped, labels])
        node = QgsProject.instance().layerTreeRoot().findLayer(mapped)
        node.setItemVisibilityChecked(False)
        scene = QgsProject.instance().mapLayersByName("s2_west")[0]
        view = self.iface.layerTreeView()
        self.iface.setActiveLayer(scene)
        for layer in (scene, labels):
            index = view.node2index(QgsProject.instance().layerTreeRoot().findLayer(layer))
            view.selectionModel().select(index, view.selectionModel().Select)
        self.press_step("Train", lambda: self.trained(labels.id()))

    def trained(self, labels: str) -> None:
        self.shoot("train")
        self.dialog.close()
        self.later(lambda: self.label(labels), 500)

    def label(self, labels: str) -> None:
        """Points of the map, labelled as the sample's truth has them."""
        import processing
        from osgeo import gdal
        from qgis.core import QgsProject, QgsVectorLayer
        from qgis.utils import plugins

        QgsProject.instance().removeMapLayer(labels)
        mapped = QgsProject.instance().mapLayersByName("Map: s2_west")[0]
        points = str(self.samples / "points.gpkg")
        given = {"INPUT": mapped, "N": 120, "MINIMUM_PER_CLASS": 8, "OUTPUT": points}
        processing.run("georaster_dl:sample_points", given)
        self.points = QgsVectorLayer(f"{points}|layername=points", "Points to label", "ogr")
        QgsProject.instance().addMapLayer(self.points)
        self.iface.setActiveLayer(self.points)
        truth = gdal.Open(str(self.samples / "s2_west_truth.tif"))
        names = {entry.value: entry.label for entry in mapped.renderer().classes()}
        plugin = plugins["georaster_dl_qgis"]
        plugin._label()
        self.panel = plugin._panel

        def label_next() -> None:
            place = self.panel.shown().geometry().asPoint()
            west, size, _, north, _, _ = truth.GetGeoTransform()
            col, row = int((place.x() - west) / size), int((north - place.y()) / size)
            self.panel.label(names[int(truth.ReadAsArray(col, row, 1, 1)[0, 0])])

        self.label_next = label_next
        for _point in range(40):
            label_next()
        self.iface.mapCanvas().setExtent(self.points.extent())
        self.later(self.evaluate, 3000)

    def evaluate(self) -> None:
        self.shoot("label")
        for _point in range(40, self.points.featureCount()):
            self.label_next()
        self.panel.hide()
        self.iface.mapCanvas().setExtent(self.points.extent())
        self.press_step("Evaluate", self.run_evaluate)

    def run_evaluate(self) -> None:
        from qgis.core import QgsProcessingContext

        field = self.dialog.mainWidget().wrappers["CLASS_FIELD"]
        field.setParameterValue("class", QgsProcessingContext())
        self.press_run()
        self.when(self.is_done, lambda: self.later(self.evaluated, 1000))

    def evaluated(self) -> None:
        from qgis.PyQt.QtWidgets import QDockWidget

        self.shoot("step_evaluate")
        self.dialog.close()
        for dock in self.iface.mainWindow().findChildren(QDockWidget):
            if dock.windowTitle() == "Results Viewer":
                dock.hide()
        self.later(self.outline, 500)

    def outline(self) -> None:
        """Areas outlined by clicks: some kept, and one that has just grown."""
        from processing.core.ProcessingConfig import ProcessingConfig
        from qgis.core import QgsPointXY, QgsProject
        from qgis.utils import plugins

        ProcessingConfig.setSettingValue("GEORASTER_DL_RESULTS", str(self.samples))

        root = QgsProject.instance().layerTreeRoot()
        for layer in [node.layer() for node in root.findLayers()]:
            if layer.name() != "s2_west":
                QgsProject.instance().removeMapLayer(layer.id())
        for group in root.findGroups():
            root.removeChildNode(group)
        plugin = plugins["georaster_dl_qgis"]
        if plugin._panel is not None:
            plugin._panel.close()
        scene = QgsProject.instance().mapLayersByName("s2_west")[0]
        self.iface.setActiveLayer(scene)
        self.iface.mapCanvas().setExtent(scene.extent())
        plugin._outline()
        panel = plugin._regions
        for name in ("water", "forest", "meadow"):
            panel.form.add_class(name)
        clicks = [((602045, 5698605), 0), ((603560, 5698355), 1), ((600595, 5696555), 2)]

        def next_click() -> None:
            place, number = clicks.pop(0)
            panel.form.choose(number)
            panel._click(QgsPointXY(*place), "new")
            self.when(lambda: panel._grown is not None, keep if clicks else shown)

        def keep() -> None:
            panel.keep()
            next_click()

        def shown() -> None:
            self.toolbox.hide()
            self.iface.layerTreeView().expandAllNodes()
            self.later(lambda: (self.shoot("label_region"), panel.end(), os._exit(0)), 3000)

        self.later(next_click, 1000)

    def press_run(self) -> None:
        from qgis.PyQt.QtWidgets import QPushButton

        run = next(b for b in self.dialog.findChildren(QPushButton) if b.text() == "Run")
        run.click()

    def log(self) -> str:
        from qgis.PyQt.QtWidgets import QTextEdit

        return "\n".join(edit.toPlainText() for edit in self.dialog.findChildren(QTextEdit))

    def is_done(self) -> bool:
        text = self.log()
        if "Execution failed" in text or "Error" in text:
            raise RuntimeError(text)
        return "Algorithm '" in text and "finished" in text


if PICTURES in os.environ:  # run by QGIS
    from qgis.utils import iface

    tour = Tour(iface)
elif __name__ == "__main__":
    main()
