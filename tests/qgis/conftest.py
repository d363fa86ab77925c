"""QGIS without a window, this plugin in it, and the real geodl behind it."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_tiles"
_STATUS, _STARTED = pytest.StashKey(), pytest.StashKey()


def pytest_sessionfinish(session, exitstatus):
    """Under QGIS's Python a skipped test is a failed one: it would have shown nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and importlib.util.find_spec("qgis") and exitstatus == 0:
        skipped = len(reporter.stats.get("skipped", []))
        if skipped:
            reporter.write_line(
                f"{skipped} tests of the plugin were skipped: that is a failure", red=True
            )
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    session.config.stash[_STATUS] = int(session.exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """End at once: the plugin is unloaded and QGIS has ended, but Python may crash on what is left of Qt."""
    if config.stash.get(_STARTED, False):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(config.stash.get(_STATUS, 1))


@pytest.fixture(scope="session")
def geodl():
    """Path of the geodl under test."""
    path = os.environ.get("GEODL_EXE", "")
    assert Path(path).is_file(), f"set GEODL_EXE to the geodl to test with, not {path!r}"
    return Path(path)


@pytest.fixture(scope="session")
def qgis(geodl, tmp_path_factory, request):
    """QGIS with an empty profile, Processing, and the plugin's provider."""
    request.config.stash[_STARTED] = True
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["QGIS_CUSTOM_CONFIG_PATH"] = str(tmp_path_factory.mktemp("profile"))
    from qgis.core import QgsApplication, QgsProject

    QgsApplication.setPrefixPath(os.environ.get("QGIS_PREFIX_PATH", "/usr"), True)
    app = QgsApplication([], True)
    app.initQgis()
    sys.path += [str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"), str(ROOT)]
    from processing.core.Processing import Processing

    Processing.initialize()
    from georaster_dl_qgis import classFactory

    plugin = classFactory(None)
    plugin.initProcessing()
    yield app
    QgsProject.instance().clear()
    plugin.unload()
    app.exitQgis()


@pytest.fixture
def project(qgis):
    """An empty project."""
    from qgis.core import QgsProject

    QgsProject.instance().clear()
    yield QgsProject.instance()
    QgsProject.instance().clear()


@pytest.fixture
def setting(qgis):
    """Set a setting of the plugin for one test."""
    from processing.core.ProcessingConfig import ProcessingConfig

    changed = []

    def change(name, value):
        changed.append((name, ProcessingConfig.getSetting(name)))
        ProcessingConfig.setSettingValue(name, value)  # of a choice its number

    yield change
    for name, value in reversed(changed):
        ProcessingConfig.setSettingValue(name, value)


@pytest.fixture
def feedback(qgis):
    """What an algorithm tells, as text."""
    from qgis.core import QgsProcessingFeedback

    class Heard(QgsProcessingFeedback):
        def __init__(self):
            super().__init__(False)
            self.infos, self.warnings, self.errors, self.commands, self.progress = (
                [],
                [],
                [],
                [],
                [],
            )
            self.progressChanged.connect(self.progress.append)

        def pushInfo(self, info):
            self.infos.append(info)

        def pushWarning(self, warning):
            self.warnings.append(warning)

        def reportError(self, error, fatalError=False):
            self.errors.append(error)

        def pushCommandInfo(self, info):
            self.commands.append(info)

    return Heard()


@pytest.fixture
def run(project, feedback):
    """Run an algorithm in the project; gives its outputs."""
    import processing
    from qgis.core import QgsProcessingContext

    def run_algorithm(name, **parameters):
        context = QgsProcessingContext()
        context.setProject(project)
        run_algorithm.context = context
        return processing.run(
            f"georaster_dl:{name}", parameters, context=context, feedback=feedback
        )

    return run_algorithm
