"""Algorithms of finished maps, with the real geodl."""

import zipfile
from pathlib import Path

import pytest

pytest.importorskip("qgis.core")

from osgeo import gdal
from qgis.core import QgsProcessingException, QgsVectorLayer

SAMPLES = Path(__file__).parents[2] / "sample_tiles"


@pytest.fixture
def mapped(tmp_path):
    """A small map, so that objects are quickly compared."""
    path = str(tmp_path / "map.tif")
    gdal.Translate(path, str(SAMPLES / "s2_east_truth.tif"), srcWin=[0, 0, 200, 200])
    return path


def test_objects_are_compared_one_by_one_and_loaded_in_three_layers(
    run, mapped, feedback, tmp_path
):
    made = run("polygons", INPUT=mapped, KEEP="built-up", OUTPUT=str(tmp_path / "all.gpkg"))
    polygons = QgsVectorLayer(made["OUTPUT"])
    total = polygons.featureCount()
    assert total > 3
    given = {"KEEP": "built-up", "SPLIT_TOUCHING": True, "RIGHT_ANGLES": True}
    split = run("polygons", INPUT=mapped, **given, OUTPUT=str(tmp_path / "split.gpkg"))
    assert QgsVectorLayer(split["OUTPUT"]).featureCount() >= total
    polygons.selectByIds([next(polygons.getFeatures()).id()])
    polygons.startEditing()
    polygons.deleteSelectedFeatures()
    places = {"MATCHES": str(tmp_path / "m.gpkg"), "REPORT": str(tmp_path / "r.html")}
    found = run(
        "evaluate_objects",
        INPUT=mapped,
        REFERENCE=polygons,
        CLASS="built-up",
        TOLERANCE="1px",
        **places,
    )
    assert (found["MATCHED"], found["FALSE"], found["MISSED"]) == (total - 1, 1, 0)
    assert (found["RECALL"], found["BOUNDARY_F1"]) == (1, pytest.approx(1, abs=0.2))
    assert any(info.startswith("Precision at IoU 0.5: 0.") for info in feedback.infos)
    assert Path(found["REPORT"]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    false = QgsVectorLayer(f"{found['MATCHES']}|layername=false")
    assert (false.featureCount(), false.renderer().type()) == (1, "singleSymbol")
    polygons.rollBack()
    given = {"REFERENCE": polygons, "CLASS": "built-up", "CLASS_FIELD": "class_name"}
    with pytest.raises(QgsProcessingException, match="makes all labels one class"):
        run("evaluate_objects", INPUT=mapped, **given, **places)


def test_classes_per_area_keep_the_fields_of_the_areas(run, mapped, tmp_path):
    areas = QgsVectorLayer("Polygon?crs=EPSG:32633&field=district:string", "districts", "memory")
    west, east, south, north = _extent(mapped)
    middle = (west + east) / 2
    for name, left, right in (("A", west, middle), ("B", middle, east)):
        _add(areas, name, left, right, south, north)
    made = run("zonal", INPUT=mapped, AREAS=areas, OUTPUT=str(tmp_path / "areas.gpkg"))
    table = QgsVectorLayer(made["OUTPUT"])
    assert [feature["district"] for feature in table.getFeatures()] == ["A", "B"]
    hectares = [name for name in table.fields().names() if name.endswith(" mapped_ha")]
    assert len(hectares) > 3
    total = sum(feature[name] or 0 for feature in table.getFeatures() for name in hectares)
    pixels = gdal.Open(mapped).ReadAsArray()
    assert total == pytest.approx((pixels != 255).sum() * 100 / 1e4, rel=2e-3)


def test_a_map_is_packed_with_further_files(run, mapped, tmp_path):
    notes = tmp_path / "notes.csv"
    notes.write_text("a\n")
    made = run("bundle", INPUT=mapped, ADD=[str(notes)], OUTPUT=str(tmp_path / "map.zip"))
    with zipfile.ZipFile(made["OUTPUT"]) as archive:
        names = archive.namelist()
    assert {"map/map.qgz", "map/map.tif", "map/README.txt", "map/notes.csv"} <= set(names)
    missing = [str(tmp_path / "none.csv")]
    with pytest.raises(QgsProcessingException, match="does not exist; give files"):
        run("bundle", INPUT=mapped, ADD=missing, OUTPUT=str(tmp_path / "other.zip"))


def _extent(path):
    from qgis.core import QgsRasterLayer

    box = QgsRasterLayer(path).extent()
    return box.xMinimum(), box.xMaximum(), box.yMinimum(), box.yMaximum()


def _add(layer, name, *sides):
    from qgis.core import QgsFeature, QgsGeometry, QgsRectangle

    left, right, south, north = sides
    feature = QgsFeature(layer.fields())
    feature.setAttributes([name])
    feature.setGeometry(QgsGeometry.fromRect(QgsRectangle(left, south, right, north)))
    layer.dataProvider().addFeatures([feature])
