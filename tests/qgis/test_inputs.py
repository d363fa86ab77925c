"""What geodl is given for a layer of QGIS."""

from pathlib import Path

import pytest

pytest.importorskip("qgis.core")

from osgeo import gdal
from qgis.core import (
    QgsFeature,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingContext,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)

SAMPLES = Path(__file__).parents[2] / "sample_tiles"


@pytest.fixture
def context(qgis):
    made = QgsProcessingContext()
    made.setProject(QgsProject.instance())
    return made


def test_a_file_is_its_absolute_path(qgis, monkeypatch):
    from georaster_dl_qgis.inputs import raster_source

    monkeypatch.chdir(SAMPLES)
    assert raster_source(QgsRasterLayer("s2_east.tif")) == str(SAMPLES / "s2_east.tif")


class Layer:
    """Layers whose files are not here."""

    def __init__(self, source, provider="gdal"):
        self.source, self.providerType, self.name = (
            (lambda: source),
            (lambda: provider),
            lambda: "L",
        )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("SENTINEL2_L2A:/d/S2A_X.SAFE/MTD_MSIL2A.xml:10m:EPSG_32629", "/d/S2A_X.SAFE"),
        (
            "SENTINEL2_L1C:/vsizip//d/S2A_X.zip/S2A_X.SAFE/MTD_MSIL1C.xml:TCI:EPSG_32629",
            "/d/S2A_X.zip",
        ),
        ("/vsicurl/https://example.org/a.tif", "/vsicurl/https://example.org/a.tif"),
        ('NETCDF:"/d/a.nc":reflectance', 'NETCDF:"/d/a.nc":reflectance'),
    ],
)
def test_what_is_no_plain_file(qgis, source, expected):
    from georaster_dl_qgis.inputs import raster_source

    assert raster_source(Layer(source)) == expected


@pytest.mark.parametrize(
    ("layer", "said"),
    [(Layer("url=x", "wms"), "not from a raster file"), (Layer("/vsimem/a.tif"), "QGIS's memory")],
)
def test_what_no_other_program_can_read(qgis, layer, said):
    from georaster_dl_qgis.inputs import raster_source
    from georaster_dl_qgis.runner import GeodlError

    with pytest.raises(GeodlError, match=said):
        raster_source(layer)


def test_features_are_handed_over_as_they_are_in_qgis(context):
    from georaster_dl_qgis.inputs import export_features

    layer = QgsVectorLayer(
        "Point?crs=EPSG:3857&field=class:string&field=fid:integer", "é / x", "memory"
    )
    for number, name in enumerate(("forêt", "eau", "eau")):
        feature = QgsFeature(layer.fields())
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(number, 0)))
        feature.setAttributes([name, 1])  # not unique: no number of a feature
        layer.dataProvider().addFeature(feature)
    layer.setSubsetString("")
    path = export_features(layer, layer.name(), context)
    made = QgsVectorLayer(path)
    assert [f["class"] for f in made.getFeatures()] == ["forêt", "eau", "eau"]
    assert made.crs().authid() == "EPSG:3857"
    assert gdal.OpenEx(path).GetLayerCount() == 1


def test_nothing_to_hand_over(context):
    from georaster_dl_qgis.inputs import export_features
    from georaster_dl_qgis.runner import GeodlError

    with pytest.raises(GeodlError, match="'empty' has no features"):
        export_features(
            QgsVectorLayer("Polygon?crs=EPSG:4326", "empty", "memory"), "empty", context
        )
