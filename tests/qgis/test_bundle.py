"""A bundle as whoever gets it opens it: unzipped elsewhere, in QGIS without the plugin's help."""

import subprocess
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("qgis.core")

from osgeo import gdal

SAMPLES = Path(__file__).parents[2] / "sample_tiles"
COLORS = {"water": "#2e70be", "forest": "#1b5e32", "grassland": "#a4ce68", "cropland": "#f0d05e"}
COLORS |= {"bare soil": "#ad7f56", "built-up": "#d63e38", "road": "#5c5c62"}


@pytest.fixture(scope="module")
def unzipped(geodl, tmp_path_factory):
    """A bundle of the sample's truth and of what lies beside it, far from where it was made."""
    made, folder = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("elsewhere")
    gdal.Translate(str(made / "map.tif"), str(SAMPLES / "s2_east_truth.tif"))
    gdal.Translate(str(made / "map_confidence.tif"), str(SAMPLES / "s2_east_truth.tif"))
    for command in ("polygons map.tif -o map.gpkg", "bundle map.tif -o sent.zip"):
        subprocess.run([str(geodl), *command.split()], cwd=made, check=True, capture_output=True)
    with zipfile.ZipFile(made / "sent.zip") as archive:
        archive.extractall(folder)
    for file in made.iterdir():
        file.unlink()
    return folder / "sent"


def test_the_project_opens_styled_with_valid_layers_in_the_maps_crs(unzipped, project):
    assert project.read(str(unzipped / "map.qgz"))
    assert project.crs().authid() == "EPSG:32633"
    tree = {node.name(): node for node in project.layerTreeRoot().findLayers()}
    assert list(tree) == ["Confidence", "Polygons", "map"]
    assert [node.isVisible() for node in tree.values()] == [False, False, True]
    layers = {name: node.layer() for name, node in tree.items()}
    assert all(layer.isValid() and layer.crs() == project.crs() for layer in layers.values())
    assert all(str(unzipped) in layer.source() for layer in layers.values())
    classes = layers["map"].renderer().classes()
    assert {entry.label: entry.color.name() for entry in classes} == COLORS
    categories = layers["Polygons"].renderer().categories()
    shown = {entry.label(): entry.symbol().color().name() for entry in categories}
    assert shown == COLORS
