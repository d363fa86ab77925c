"""Labels of scenes that are wrong on purpose, found and written."""

from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from shapely.geometry import box

from georaster_dl.core.errors import OptionError
from georaster_dl.label_check.beside import check_list, with_suspects
from georaster_dl.label_check.run import CheckOptions, check_labels
from georaster_dl.testing import small_card
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.train import Trained

SIDE, FIELD = 48, 4  # pixels of the scene, and of a field
X, Y = 500_000, 5_000_000
NAMES = np.array(["maize", "water", "wheat"])
WRONG = [7, 40, 101]


@pytest.fixture
def fields(tmp_path):
    """A scene of 144 fields, their polygons, and the true classes; three labels are wrong."""
    rng = np.random.default_rng(0)
    n = SIDE // FIELD
    classes = rng.integers(0, 3, n * n)
    of_pixels = np.kron(classes.reshape(n, n), np.ones((FIELD, FIELD), int))
    values = (
        1000 + 500 * np.eye(3)[of_pixels].transpose(2, 0, 1) + rng.normal(0, 100, (3, SIDE, SIDE))
    )
    profile = {"driver": "GTiff", "count": 3, "dtype": "uint16", "width": SIDE, "height": SIDE}
    with rasterio.open(
        tmp_path / "scene.tif",
        "w",
        crs="EPSG:32631",
        transform=Affine(10, 0, X, 0, -10, Y),
        **profile,
    ) as out:
        out.write(values.astype(np.uint16))
        out.descriptions = ("red", "green", "blue")
    labels = classes.copy()
    labels[WRONG] = (classes[WRONG] + 1) % 3
    side = 10 * FIELD
    squares = [
        box(
            X + side * (i % n), Y - side * (i // n + 1), X + side * (i % n + 1), Y - side * (i // n)
        )
        for i in range(n * n)
    ]
    frame = geopandas.GeoDataFrame(
        {"crop": NAMES[labels], "field": np.arange(n * n)}, geometry=squares, crs=32631
    )
    frame.to_file(tmp_path / "labels.gpkg")
    return tmp_path, classes, labels


def checked(folder, labels="labels.gpkg", options=None):
    pair = SceneWithLabels(str(folder / "scene.tif"), folder / labels)
    options = options or CheckOptions()
    config = options.config.updated(
        {"labels.class_field": "crop"} if labels.endswith("gpkg") else {}
    )
    return check_labels(
        [pair],
        folder / "suspects.gpkg",
        replace(options, config=config, overwrite=True),
    )


def test_wrong_polygons_come_first_with_the_class_that_they_are(fields):
    folder, classes, _ = fields
    out = {"clean": folder / "clean.gpkg", "html": folder / "suspects.html"}
    result = checked(folder, options=CheckOptions(**out))
    assert result.suspects == len(WRONG)
    assert result.judged == len(classes)
    written = geopandas.read_file(folder / "suspects.gpkg", layer="suspects")
    assert sorted(written.field[:3]) == WRONG
    assert (written.suggested[:3] == NAMES[classes[written.field[:3]]]).all()
    assert written["rank"].tolist() == list(range(1, len(classes) + 1))
    assert (written.share[:3] > 0.9).all()
    assert (written.share[3:] < 0.1).all()
    assert sum(result.pairs.values()) == len(WRONG)
    clean = geopandas.read_file(folder / "clean.gpkg")
    assert set(range(len(classes))) - set(clean.field) == set(WRONG)
    assert list(clean.columns) == ["crop", "field", "geometry"]
    with Image.open(folder / "suspects.png") as picture:
        assert picture.width > 200
    page = out["html"].read_text(encoding="utf-8")
    assert page.count('<path class="ring" d="M') == len(WRONG)
    assert [page.count(f"</span>{name}?") for name in NAMES] == [
        (classes[WRONG] == i).sum() for i in range(len(NAMES))
    ]


@pytest.mark.slow
def test_networks_that_have_not_seen_a_polygon_judge_it(fields):
    folder, classes, _ = fields
    settings = {"training.epochs": 2, "training.workers": 0, "split.kind": "random"}
    patches = {"patches.size": 32, "patches.per_epoch": 96}
    config = TrainConfig().updated(settings | patches)
    result = checked(folder, options=CheckOptions(config, method="network"))
    assert result.judged == len(classes)
    assert sorted(result.labels.field[:3]) == WRONG
    assert (result.labels.suggested[:3] == NAMES[classes[result.labels.field[:3]]]).all()
    assert not list(folder.glob(".geodl*"))


def test_minutes_are_those_of_networks():
    with pytest.raises(OptionError, match="`method='network'`"):
        CheckOptions(TrainConfig().updated({"training.minutes": 5}))


@pytest.mark.slow
def test_areas_of_a_raster_are_judged_as_polygons(fields):
    folder, _, labels = fields
    n = SIDE // FIELD
    raster = np.kron(labels.reshape(n, n) + 1, np.ones((FIELD, FIELD))).astype(np.uint8)
    raster[::FIELD] = raster[:, ::FIELD] = 0  # between fields, so that none are one area
    with rasterio.open(folder / "scene.tif") as scene:
        profile = scene.profile | {"count": 1, "dtype": "uint8", "nodata": 0}
    with rasterio.open(folder / "labels.tif", "w", **profile) as out:
        out.write(raster, 1)
    result = checked(folder, "labels.tif")
    middles = result.labels[result.labels.suspect == 1].geometry.centroid
    side = 10 * FIELD
    assert sorted(int((Y - p.y) // side) * n + int((p.x - X) // side) for p in middles) == WRONG
    assert result.judged == n * n


def test_a_list_beside_a_training_never_costs_it_and_is_checked_before(fields):
    folder, _, _ = fields
    pairs = [SceneWithLabels(str(folder / "scene.tif"), folder / "labels.gpkg")]
    config = TrainConfig().updated({"labels.class_field": "no such field"})
    trained = Trained(small_card(), folder / "model.safetensors", folder, [], 1.0)
    said = []
    out = folder / "suspects.gpkg"
    kept = with_suspects(trained, pairs, out, config, overwrite=False, report=said.append)
    assert [one.path for one in kept.failed] == [out]
    assert "no such field" in said[-1].message
    assert not out.exists()
    with pytest.raises(OptionError, match="task is regression"):
        check_list(out, config.updated({"task": "regression"}), overwrite=False)
    with pytest.raises(OptionError, match=r"end it in .gpkg"):
        check_list(folder / "suspects.csv", config, overwrite=False)


@pytest.mark.slow
def test_the_command_prints_which_classes_are_confused(fields, geodl):
    folder, classes, labels = fields
    ended = geodl(
        "check-labels",
        *(folder / "scene.tif", folder / "labels.gpkg", "--class-field", "crop"),
        *("-o", folder / "list.gpkg", "--clean", folder / "clean.gpkg"),
    )
    assert ended.code == 0, ended.err
    assert f"3 of {len(classes)} labels suspect" in ended.out
    for i in WRONG:
        assert f"{NAMES[labels[i]]} -> {NAMES[classes[i]]}" in ended.out
    assert {"list.gpkg", "list.png", "clean.gpkg"} <= {path.name for path in folder.iterdir()}
