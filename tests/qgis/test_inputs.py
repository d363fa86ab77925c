"""What geodl is given for a layer of QGIS."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("qgis.core")

from osgeo import gdal, ogr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsPalettedRasterRenderer,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeatureSourceDefinition,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

SAMPLES = Path(__file__).parents[2] / "sample_tiles"


@pytest.fixture
def context(qgis):
    made = QgsProcessingContext()
    made.setProject(QgsProject.instance())
    return made


def test_a_file_is_its_absolute_path(qgis, monkeypatch):
    from georaster_dl_qgis.parameters.inputs import raster_source

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
        self.crs = lambda: QgsCoordinateReferenceSystem("")
        self.dataProvider = lambda: self


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
        # The file itself is there, but it is only the house of the raster.
        (f"GPKG:{SAMPLES}/s2_east.tif:table", f"GPKG:{SAMPLES}/s2_east.tif:table"),
        (f"/vsizip/{SAMPLES}/s2_east.tif/b.tif", f"/vsizip/{SAMPLES}/s2_east.tif/b.tif"),
        ("/vsicurl/https://x.org/a.tif?b=c&d|e", "/vsicurl/https://x.org/a.tif?b=c&d|e"),
    ],
)
def test_what_is_no_plain_file(qgis, source, expected):
    from georaster_dl_qgis.parameters.inputs import raster_source

    assert raster_source(Layer(source)) == expected


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (Layer("url=x", "wms"), "not from a raster file"),
        (Layer("/vsimem/a.tif"), "QGIS's memory"),
        (Layer("<VRTDataset></VRTDataset>"), "QGIS's memory"),
        (Layer("/d/a.tif|option:OVERVIEW_LEVEL=1"), "was opened with OVERVIEW_LEVEL=1"),
    ],
)
def test_what_no_other_program_can_read(qgis, layer, said):
    from georaster_dl_qgis.parameters.inputs import raster_source
    from georaster_dl_qgis.program.runner import GeodlError

    with pytest.raises(GeodlError, match=said):
        raster_source(layer)


def test_features_are_handed_over_as_they_are_in_qgis(context):
    from georaster_dl_qgis.parameters.inputs import export_features

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
    from georaster_dl_qgis.parameters.inputs import export_features
    from georaster_dl_qgis.program.runner import GeodlError

    with pytest.raises(GeodlError, match="'empty' has no features"):
        export_features(
            QgsVectorLayer("Polygon?crs=EPSG:4326", "empty", "memory"), "empty", context
        )


@pytest.mark.parametrize("name", ["a b", "100 %", "x#1", "a|b", "scène [1] 'é'"])
def test_a_file_may_have_any_name(qgis, tmp_path, name):
    from georaster_dl_qgis.parameters.inputs import raster_source

    path = tmp_path / f"{name}.tif"
    path.symlink_to(SAMPLES / "s2_east.tif")
    layer = QgsRasterLayer(str(path), name)
    assert layer.isValid()
    assert raster_source(layer) == str(path)


def test_a_crs_that_only_qgis_knows_is_refused(qgis):
    from georaster_dl_qgis.parameters.inputs import raster_source
    from georaster_dl_qgis.program.runner import GeodlError

    layer = QgsRasterLayer(str(SAMPLES / "s2_east.tif"), "moved")
    layer.setCrs(QgsCoordinateReferenceSystem("EPSG:32601"))
    with pytest.raises(GeodlError, match="'moved' has the CRS EPSG:32601 in QGIS but .*EPSG:32633"):
        raster_source(layer)


def test_layers_of_one_product_are_one_scene(qgis):
    from georaster_dl_qgis.parameters.inputs import raster_sources

    parts = [Layer(f"SENTINEL2_L2A:/d/X.SAFE/MTD.xml:{part}:EPSG_32629") for part in ("10m", "20m")]
    assert raster_sources([*parts, Layer("/d/a.tif")]) == ["/d/X.SAFE", "/d/a.tif"]


@pytest.fixture
def several(tmp_path):
    """A GeoPackage with two layers, of two features each."""
    path = tmp_path / "several.gpkg"
    source = gdal.GetDriverByName("GPKG").Create(str(path), 0, 0, 0)
    for name in ("meadows", "wälder 2"):
        layer = source.CreateLayer(name)
        layer.CreateField(ogr.FieldDefn("class", ogr.OFTString))
        for number in (1, 2):
            feature = ogr.Feature(layer.GetLayerDefn())
            feature["class"] = f"{name} {number}"
            feature.SetGeometry(ogr.CreateGeometryFromWkt("POLYGON((0 0,1 0,1 1,0 0))"))
            layer.CreateFeature(feature)
    del source
    return str(path)


def classes(path):
    return [feature["class"] for feature in QgsVectorLayer(path).getFeatures()]


def test_a_layer_among_several_is_that_layer_as_it_is_filtered(several, context, feedback):
    from georaster_dl_qgis.parameters.inputs import check_one_layer, layer_source

    layer = QgsVectorLayer(f"{several}|layername=wälder 2|subset=class LIKE '%2'", "w")
    check_one_layer(layer)
    made = layer_source(layer, context, feedback)
    assert classes(made) == ["wälder 2 2"]
    assert feedback.warnings == []
    # What numbers the features is no attribute that could be a class.
    dataset = gdal.OpenEx(made)
    assert [field.name for field in dataset.GetLayer().schema] == ["class"]


def test_a_file_of_several_layers_is_not_taken_for_its_first(several, run, tmp_path):
    said = r"has the layers meadows, wälder 2; say which one, as in .*\|layername=meadows"
    scene, out = str(SAMPLES / "s2_east.tif"), str(tmp_path / "m.tif")
    with pytest.raises(QgsProcessingException, match=said):
        run("segment", INPUT=scene, AOI=several, OUTPUT=out)
    chosen = QgsProcessingFeatureSourceDefinition(several, False)
    with pytest.raises(QgsProcessingException, match=said):
        run("segment", INPUT=scene, AOI=chosen, OUTPUT=out)
    with pytest.raises(QgsProcessingException, match=said):
        run("train", SCENES=[scene], LABELS=several, OUTPUT=out)
    with pytest.raises(QgsProcessingException, match=said):
        run("evaluate", INPUT=scene, REFERENCE=several)


def test_a_selection_that_does_not_count_is_told(several, context, feedback):
    from georaster_dl_qgis.parameters.inputs import layer_source

    layer = QgsVectorLayer(f"{several}|layername=meadows", "m")
    layer.selectByIds([1])
    assert len(classes(layer_source(layer, context, feedback))) == 2
    assert "All 2 features of 'm' are used, not the 1 that are selected" in feedback.warnings[0]


def test_the_colours_of_labels_go_with_them(several, context, feedback):
    from georaster_dl_qgis.parameters.inputs import layer_source

    layer = QgsVectorLayer(f"{several}|layername=meadows", "m")
    layer.renderer().symbol().setColor(QColor("#12ab34"))
    path = Path(layer_source(layer, context, feedback)).with_suffix(".qml")
    assert "18,171,52" in path.read_text(encoding="utf-8")


def test_the_classes_of_a_raster_that_only_the_project_has_go_with_it(qgis, tmp_path):
    from georaster_dl_qgis.parameters.inputs import class_list

    path = tmp_path / "classes.tif"
    made = gdal.GetDriverByName("GTiff").Create(str(path), 2, 2, 1, gdal.GDT_Byte)
    made.GetRasterBand(1).WriteArray(np.array([[1, 2], [2, 1]], np.uint8))
    made = None
    layer = QgsRasterLayer(str(path), "classes")
    assert class_list(layer) == ""
    entry = QgsPalettedRasterRenderer.Class
    shown = [entry(1, QColor("#12ab34"), "oak, old"), entry(2, QColor("#345678"), "lake")]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, shown))
    text = Path(class_list(layer)).read_text(encoding="utf-8")
    assert text.splitlines() == ["value,name,color", '1,"oak, old",#12ab34', "2,lake,#345678"]
    layer.saveNamedStyle(str(path.with_suffix(".qml")))  # geodl reads it there
    assert class_list(layer) == ""


def test_names_that_a_geopackage_needs_for_itself(context):
    from georaster_dl_qgis.parameters.inputs import export_features

    layer = QgsVectorLayer(
        "Point?field=geom:string&field=fid:string&field=FID_:string", "m", "memory"
    )
    feature = QgsFeature(layer.fields())
    feature.setAttributes(["g", "f", "F"])
    layer.dataProvider().addFeature(feature)
    made = next(QgsVectorLayer(export_features(layer, "m", context)).getFeatures())
    assert [made[name] for name in ("geom", "fid", "FID_")] == ["g", "f", "F"]


def test_fields_that_only_differ_in_case_are_refused(context):
    from georaster_dl_qgis.parameters.inputs import export_features
    from georaster_dl_qgis.program.runner import GeodlError

    layer = QgsVectorLayer("Point?field=class:string&field=Class:string", "m", "memory")
    layer.dataProvider().addFeature(QgsFeature(layer.fields()))
    with pytest.raises(GeodlError, match=r"small and capital letters \(class, Class\)"):
        export_features(layer, "m", context)


def test_curves_become_lines(context):
    from georaster_dl_qgis.parameters.inputs import export_features

    layer = QgsVectorLayer("CurvePolygon", "m", "memory")
    feature = QgsFeature()
    arc = "CURVEPOLYGON(CIRCULARSTRING(0 0,1 1,2 0,1 -1,0 0))"
    feature.setGeometry(QgsGeometry.fromWkt(arc))
    layer.dataProvider().addFeature(feature)
    made = next(QgsVectorLayer(export_features(layer, "m", context)).getFeatures()).geometry()
    assert made.asWkt().startswith("Polygon")
    assert made.area() == pytest.approx(3.14159, rel=1e-3)
