"""Takes the pictures of docs/qgis.md: a user's way through the real QGIS desktop.

    python docs/qgis_screenshots.py [--geodl PATH] [-o docs/qgis]

Needs QGIS, Xvfb and, for frames around the windows, openbox (Debian: apt install qgis xvfb openbox). It
works in a profile and a folder of its own, installs the plugin there by ``geodl qgis install``, and runs
the algorithms with the real geodl on the sample scenes.

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
_LIMIT_SECONDS = 600


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--geodl", default=shutil.which("geodl"), help="the geodl to use")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("qgis"))
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
        for name in ("s2_west.tif", "s2_east.tif", "s2_west_labels.gpkg"):
            shutil.copy(Path(__file__).parents[1] / "sample_tiles" / name, samples)
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

        QApplication.processEvents()
        picture = QApplication.primaryScreen().grabWindow(0)
        if not picture.save(str(self.pictures / f"{name}.png")):
            raise OSError(f"{name}.png could not be written")

    def start(self) -> None:
        from osgeo import gdal
        from qgis.core import QgsProject, QgsRasterLayer
        from qgis.PyQt.QtWidgets import QDockWidget

        window = self.iface.mainWindow()
        window.showMaximized()
        path = str(self.samples / "s2_west.tif")
        # The same scene, long enough to be seen running.
        bounds = [500_000, 5_000_000, 530_000, 4_970_000]
        self.large = str(self.samples / "large.vrt")
        gdal.Translate(self.large, path, width=3000, height=3000, outputBounds=bounds, format="VRT")
        scene = QgsRasterLayer(path, "s2_west")
        renderer = scene.renderer()
        for band, use in ((3, "Red"), (2, "Green"), (1, "Blue")):
            getattr(renderer, f"set{use}Band")(band)
        scene.setDefaultContrastEnhancement()
        QgsProject.instance().addMapLayer(scene)
        self.iface.setActiveLayer(scene)
        self.iface.mapCanvas().setExtent(scene.extent())
        for dock in window.findChildren(QDockWidget):
            if dock.objectName() == "Browser":
                dock.hide()
            if dock.objectName() == "ProcessingToolbox":
                dock.show()
                self.toolbox = dock
        self.later(self.show_toolbox, 3000)

    def show_toolbox(self) -> None:
        from qgis.PyQt.QtWidgets import QTreeView

        tree = self.toolbox.findChild(QTreeView)
        model = tree.model()
        for row in range(model.rowCount()):
            index = model.index(row, 0)
            if str(model.data(index)).startswith("GeoRaster DL"):
                tree.expandRecursively(index)
                tree.scrollTo(index, QTreeView.ScrollHint.PositionAtTop)
        self.later(lambda: (self.shoot("toolbox"), self.check()), 1000)

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
        self.later(lambda: (self.shoot("uncertainty"), self.train()), 3000)

    def train(self) -> None:
        """The window of a training as it opens where scene and labels are chosen."""
        from qgis.core import QgsProject, QgsVectorLayer

        labels = QgsVectorLayer(str(self.samples / "s2_west_labels.gpkg"), "fields")
        QgsProject.instance().addMapLayer(labels)
        scene = QgsProject.instance().mapLayersByName("s2_west")[0]
        self.iface.layerTreeView().setCurrentLayer(scene)
        self.iface.setActiveLayer(scene)
        self.dialog = self.open("train", {"LABELS": labels.id(), "CLASS_FIELD": "class"})
        self.later(lambda: (self.shoot("train"), self.label(labels.id())), 2000)

    def label(self, labels: str) -> None:
        """Points of the map, some of them labelled."""
        import processing
        from qgis.core import QgsProject
        from qgis.utils import plugins

        self.dialog.close()
        QgsProject.instance().removeMapLayer(labels)
        root = QgsProject.instance().layerTreeRoot()
        mapped = next(node for node in root.findLayers() if node.name().startswith("Map:"))
        points = str(self.samples / "points.gpkg")
        given = {"INPUT": mapped.layer(), "N": 60, "MINIMUM_PER_CLASS": 4, "OUTPUT": points}
        processing.run("georaster_dl:sample_points", given)
        layer = self.iface.addVectorLayer(points, "Points to label", "ogr")
        for node in root.findGroups():
            node.setItemVisibilityChecked(False)
        self.iface.setActiveLayer(layer)
        plugin = plugins["georaster_dl_qgis"]
        plugin._label()
        panel = plugin._panel
        for _point in range(25):
            panel.label(panel.shown()["map_class"])
        self.iface.mapCanvas().zoomScale(30000)
        self.later(lambda: (self.shoot("label"), self.outline()), 3000)

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
