"""What QGIS shows of the plugin."""

import json
import subprocess

import pytest

pytest.importorskip("qgis.core")

NAMES = [
    "batch",
    "bundle",
    "calibrate",
    "change",
    "check_labels",
    "classify",
    "classify_polygons",
    "clean",
    "cluster",
    "denoise",
    "evaluate",
    "evaluate_objects",
    "features",
    "lidar_classify",
    "lidar_raster",
    "mosaic",
    "polygons",
    "propose",
    "sample_points",
    "segment",
    "setup",
    "timeseries",
    "timeseries_parcels",
    "timeseries_train",
    "train",
    "uncertainty",
    "unmix",
    "zonal",
]


@pytest.fixture
def provider(qgis):
    from qgis.core import QgsApplication

    return QgsApplication.processingRegistry().providerById("georaster_dl")


def test_the_algorithms(provider):
    assert sorted(algorithm.name() for algorithm in provider.algorithms()) == NAMES
    assert provider.name() == "GeoRaster DL"
    assert not provider.icon().isNull()


@pytest.mark.parametrize("name", NAMES)
def test_an_algorithm_explains_itself(provider, name):
    algorithm = provider.algorithm(name)
    assert len(algorithm.shortHelpString()) > 100
    assert algorithm.tags()
    assert not algorithm.icon().isNull()
    assert algorithm.canExecute()[0]
    for definition in algorithm.parameterDefinitions():
        assert definition.help(), definition.name()
        assert definition.description(), definition.name()


def test_models_are_those_of_geodl(provider, geodl):
    told = subprocess.run(
        [geodl, "models", "list", "--json"], capture_output=True, check=True
    ).stdout
    names = [row["name"] for row in json.loads(told)]
    assert names
    choices = provider.algorithm("segment").parameterDefinition("MODEL").options()
    assert choices[: len(names) + 1] == ["automatic", *names]  # then the user's own
    assert provider.algorithm("features").parameterDefinition("MODEL").options() == choices[1:]


def test_without_geodl_everything_but_its_installation_is_refused(provider, setting):
    setting("GEORASTER_DL_GEODL", "/usr")
    for algorithm in provider.algorithms():
        possible, message = algorithm.canExecute()
        assert possible == (algorithm.name() == "setup")
        assert possible or "no geodl at /usr" in message


def test_the_settings_are_in_the_options(provider):
    from processing.core.ProcessingConfig import ProcessingConfig

    shown = ProcessingConfig.getSettings()["GeoRaster DL"]
    assert {setting.name for setting in shown} == {
        "GEORASTER_DL_GEODL",
        "GEORASTER_DL_DEVICE",
        "GEORASTER_DL_THREADS",
        "GEORASTER_DL_RESULTS",
    }
