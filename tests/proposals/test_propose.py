"""Proposed areas: their scores against the map's own probabilities, what is left out, and the file."""

import sqlite3
import xml.etree.ElementTree as ET

import geopandas
import numpy as np
import pytest
import shapely
import torch
from PIL import Image

import georaster_dl as gdl
from georaster_dl.core.errors import OptionError, SceneError
from georaster_dl.core.events import Warned, no_report
from georaster_dl.models.package.card import Architecture
from georaster_dl.models.package.values import Target
from georaster_dl.models.registry import create_model
from georaster_dl.proposals.options import ProposeOptions
from georaster_dl.proposals.propose import propose
from georaster_dl.testing import (
    noise,
    random_network,
    write_labels,
    write_model,
    write_scene,
)

pytestmark = pytest.mark.slow

FIELDS = ["rank", "score", "scene", "suggested", "class", "sampled_by", "geometry"]
PLACE = 500_000, 5_000_000  # upper left corner of the scenes, whose pixels are 10 m


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "toy.safetensors")


@pytest.fixture
def scene(tmp_path):
    """150 x 130 pixels; rows to 37 of cols to 43 are nodata."""
    return write_scene(tmp_path / "scene.tif", noise())


def proposed(scenes, model, report=no_report, **options):
    scenes = scenes if isinstance(scenes, list) else [scenes]
    out = scenes[0].with_name("areas.gpkg")
    asked = ProposeOptions(**{"n": 5, "overwrite": True, "precision": "fp32", **options})
    return propose(scenes, model, out, asked, report)


def warnings_of(events):
    return [event.message for event in events if isinstance(event, Warned)]


def box(col, row, cols, rows):
    left, top = PLACE[0] + 10 * col, PLACE[1] - 10 * row
    return shapely.box(left, top - 10 * rows, left + 10 * cols, top)


def corners(areas):
    """Row and col of the upper left pixel of each area, (areas, 2)."""
    bounds = shapely.bounds(areas.geometry.to_numpy())
    return np.stack(
        [(PLACE[1] - bounds[:, 3]) / 10, (bounds[:, 0] - PLACE[0]) / 10], axis=1
    ).round()


def expected_scores(model, scene, cell):
    """Mean margin uncertainty of the inner pixels by row and col of the cell, from the probabilities."""
    raster = gdl.load_model(model).predict(scene, "probabilities", precision="fp32", halo="exact")
    probabilities, valid = raster.array, raster.valid
    first, second = np.sort(probabilities, axis=0)[::-1][:2]
    classes = np.pad(probabilities.argmax(axis=0), 1, mode="edge")
    middle = classes[1:-1, 1:-1]
    around = (classes[:-2, 1:-1], classes[2:, 1:-1], classes[1:-1, :-2], classes[1:-1, 2:])
    inner = valid & np.all([middle == other for other in around], axis=0)
    found = {}
    for row in range(0, valid.shape[0], cell):
        for col in range(0, valid.shape[1], cell):
            at = np.s_[row : row + cell, col : col + cell]
            if valid[at].sum() >= cell**2 / 2:
                found[row, col] = (1 - first + second)[at][inner[at]].mean()
    return found


@pytest.mark.parametrize("tile", [None, 112])
def test_scores_are_the_mean_margin_of_inner_pixels_however_the_scene_is_tiled(scene, model, tile):
    """Pixels beside nodata see a made-up class there, so cells that touch it are not compared."""
    expected = expected_scores(model, scene, 16)
    n = proposed(scene, model, cell=16, n=1, halo="exact").candidates
    found = proposed(scene, model, cell=16, n=n, halo="exact", tile=tile)
    pairs = zip(
        map(tuple, corners(found.areas).astype(int).tolist()), found.areas["score"], strict=True
    )
    scores = {place: score for place, score in pairs if place[0] > 38 or place[1] > 44}
    assert len(scores) > 40
    assert scores == pytest.approx({place: expected[place] for place in scores}, abs=1e-4)


def test_areas_that_are_mostly_nodata_are_left_out_and_all_others_proposed_once(scene, model):
    found = proposed(scene, model, n=19)
    places = {tuple(place) for place in corners(found.areas)}
    # Of 5 x 5 cells one is nodata, of the last row 22 of 32 pixels are in the scene, of the last col 2.
    assert found.candidates == len(places) == 5 * 4 - 1
    assert (0, 0) not in places
    assert (128, 0) in places
    assert max(col for _, col in places) == 96


def test_all_areas_are_proposed_where_there_are_fewer_than_asked_for(scene, model):
    said = []
    found = proposed(scene, model, n=99, report=said.append)
    assert len(found.areas) == 19
    assert warnings_of(said) == [
        "all 19 areas proposed, of the `n=99` asked for; smaller cells (`cell=`) give more"
    ]
    assert len(proposed(scene, model, n=19, report=said.append).areas) == 19
    assert len(warnings_of(said)) == 1


def test_a_scene_without_a_valid_pixel_is_left_out(scene, model, tmp_path):
    empty = write_scene(tmp_path / "empty.tif", np.zeros((3, 64, 64), np.uint16))
    said = []
    found = proposed([empty, scene], model, report=said.append)
    assert found.candidates == 19
    [left] = [text for text in warnings_of(said) if "left out" in text]
    assert left.startswith("empty.tif is left out: ")
    assert "no valid pixel" in left
    with pytest.raises(SceneError, match="no valid pixel"):
        proposed(empty, model)


@pytest.mark.parametrize("role", ["parcels", "aoi"])
def test_a_scene_that_the_polygons_do_not_touch_is_left_out(scene, model, tmp_path, role):
    far = write_scene(tmp_path / "far.tif", noise(), crs="EPSG:32635")
    here = geopandas.GeoDataFrame(geometry=[box(60, 60, 64, 64)], crs="EPSG:32631")
    here.to_file(tmp_path / "here.gpkg")
    said = []
    asked = {role: tmp_path / "here.gpkg", "report": said.append, "n": 1}
    found = proposed([far, scene], model, **asked)
    assert set(found.areas["scene"]) == {"scene.tif"}
    [left] = [text for text in warnings_of(said) if "left out" in text]
    assert left.startswith("far.tif is left out: ")
    assert "does not touch" in left
    with pytest.raises(OptionError, match="does not touch"):
        proposed(far, model, **asked)


def test_parcels_smaller_than_a_pixel_are_named_as_the_cause(scene, model, tmp_path):
    small = [box(60.6, 60.6, 0.2, 0.2), box(70.6, 60.6, 0.2, 0.2)]
    path = tmp_path / "small.gpkg"
    geopandas.GeoDataFrame(geometry=small, crs="EPSG:32631").to_file(path)
    with pytest.raises(SceneError, match=r"None of 2 parcels covers the centre") as failed:
        proposed(scene, model, parcels=path)
    assert "nodata" not in str(failed.value)


def test_parcels_on_nodata_are_no_reason_to_change_the_cells(scene, model, tmp_path):
    path = tmp_path / "edge.gpkg"  # a tenth of it is valid
    geopandas.GeoDataFrame(geometry=[box(4, 4, 38, 37)], crs="EPSG:32631").to_file(path)
    with pytest.raises(SceneError, match="No parcel of scene.tif is mostly valid") as failed:
        proposed(scene, model, parcels=path)
    assert "cell" not in str(failed.value)


def test_the_same_scene_twice_is_refused(scene, model):
    again = scene.parent / ".." / scene.parent.name / scene.name
    with pytest.raises(OptionError, match=r"scene\.tif is given twice"):
        proposed([scene, again], model)


def test_scenes_of_the_same_ground_are_warned_of(scene, model, tmp_path):
    june = write_scene(tmp_path / "june.tif", noise(seed=1))
    far = write_scene(tmp_path / "far.tif", noise(), crs="EPSG:32635")
    said = []
    proposed([scene, june, far], model, report=said.append)
    [overlap] = [text for text in warnings_of(said) if "overlap" in text]
    assert overlap.startswith("scene.tif, june.tif overlap: the same ground may be proposed twice")
    proposed([scene, far], model, report=said.append)
    assert sum("overlap" in text for text in warnings_of(said)) == 1


def test_labelled_areas_are_never_proposed(scene, model, tmp_path):
    labels = np.full((150, 130), 255, np.uint8)
    labels[40:, 100:] = 1  # one pixel would do: cells from col 96 and row 32
    path = write_labels(tmp_path / "labels.tif", labels)
    every = proposed(scene, model, cell=16, n=1).candidates
    n = proposed(scene, model, cell=16, n=1, labels=path).candidates
    found = proposed(scene, model, cell=16, n=n, labels=path)
    assert n < every
    assert not any(row >= 32 and col >= 96 for row, col in corners(found.areas))


def test_areas_proposed_before_count_as_labelled_where_they_have_a_class(scene, model, tmp_path):
    first = proposed(scene, model, n=4)
    areas = geopandas.read_file(first.files[-1], layer="areas")
    areas.loc[:1, "class"] = "class 1"
    areas.loc[2, "class"] = ""
    areas.to_file(tmp_path / "filled.gpkg")
    again = proposed(scene, model, n=first.candidates - 2, labels=tmp_path / "filled.gpkg")
    places = set(map(tuple, corners(again.areas)))
    before = list(map(tuple, corners(first.areas)))
    assert not places & set(before[:2])
    assert set(before[2:]) <= places


def test_scenes_compete_and_labels_need_not_touch_them_all(scene, model, tmp_path):
    other = write_scene(tmp_path / "other.tif", noise(seed=1), crs="EPSG:32632")
    labels = write_labels(tmp_path / "labels.tif", np.ones((150, 130), np.uint8))
    both = proposed([scene, other], model, n=12)
    assert both.candidates == 2 * proposed(scene, model).candidates
    assert set(both.areas["scene"]) == {"scene.tif", "other.tif"}
    assert both.areas["rank"].tolist() == list(range(1, 13))
    assert both.areas.crs == "EPSG:4326"  # they have no other CRS in common
    rest = proposed([scene, other], model, n=8, labels=labels)
    assert set(rest.areas["scene"]) == {"other.tif"}
    with pytest.raises(
        SceneError, match="No cell of 32 pixels of scene.tif is mostly valid and without"
    ):
        proposed(scene, model, labels=labels)


def test_labels_beside_all_scenes_are_refused(scene, model, tmp_path):
    far = write_labels(tmp_path / "far.tif", np.ones((9, 9), np.uint8), crs="EPSG:32640")
    with pytest.raises(OptionError, match=r"far\.tif"):
        proposed(scene, model, labels=far)


def test_parcels_take_the_place_of_cells(scene, model, tmp_path):
    places = [(60, 5), (50, 60), (10, 90), (100, 110), (0, 0)]
    boxes = [box(col, row, 25, 30) for col, row in places]
    parcels = geopandas.GeoDataFrame({"crop": list("abcde")}, geometry=boxes, crs="EPSG:32631")
    parcels.to_crs("EPSG:4326").to_file(tmp_path / "parcels.gpkg")
    found = proposed(scene, model, n=4, parcels=tmp_path / "parcels.gpkg")
    assert found.candidates == 4  # the last is nodata
    overlaps = found.areas.geometry.apply(lambda area: parcels.intersection(area).area.idxmax())
    assert sorted(overlaps) == [0, 1, 2, 3]
    other = write_scene(tmp_path / "other.tif", noise(seed=1))
    twice = proposed([scene, other], model, n=4, parcels=tmp_path / "parcels.gpkg")
    assert twice.candidates == 4


def test_a_seed_gives_the_same_areas(scene, model):
    chosen = [
        corners(proposed(scene, model, cell=8, seed=seed).areas).tolist() for seed in (3, 3, 4)
    ]
    assert chosen[0] == chosen[1] != chosen[2]


def test_the_file_opens_with_ranks_classes_and_a_form(scene, model):
    found = proposed(scene, model)
    frame = geopandas.read_file(found.files[-1], layer="areas")
    assert list(frame.columns) == FIELDS
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5]
    assert frame["class"].isna().all()
    assert set(frame["suggested"]) <= {"class 0", "class 1", "class 2", "class 3"}
    assert frame.crs == "EPSG:32631"
    with sqlite3.connect(found.files[-1]) as base:
        [(qml,)] = base.execute("SELECT styleQML FROM layer_styles WHERE useAsDefault")
        [(said,)] = base.execute("SELECT description FROM gpkg_contents WHERE table_name = 'areas'")
    style = ET.fromstring(qml)
    values = [o.get("value") for o in style.findall(".//field[@name='class']//Option[@value]")]
    assert values[1:] == ["class 0", "class 1", "class 2", "class 3"]
    assert style.find(".//text-style").get("fieldName") == "rank"
    assert "no random sample" in said


def test_the_picture_has_a_row_for_ten_areas(scene, model):
    sizes = []
    for n in (10, 12):
        found = proposed(scene, model, n=n)
        assert [path.name for path in found.files] == ["areas.png", "areas.gpkg"]
        with Image.open(found.files[0]) as picture:
            sizes.append(picture.size)
    assert sizes[0][0] == sizes[1][0]
    assert 1.5 < sizes[1][1] / sizes[0][1] < 2


def test_without_a_place_on_earth_nothing_can_be_labelled(model, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(), crs=None)
    with pytest.raises(SceneError, match="no CRS and transform.*georeference"):
        proposed(scene, model)


def test_a_model_without_classes_is_refused(scene, tmp_path):
    target = Target(name="height", unit="m", mean=1, std=1)
    model = write_model(tmp_path / "heights.safetensors", targets=[target], n_classes=1)
    with pytest.raises(OptionError, match="predicts height.*no classes.*train"):
        proposed(scene, model)


@pytest.mark.parametrize(("option", "said"), [({"by": "doubt"}, "margin or entropy"), ({"cell": 0}, "from 1 up"),
                                              ({"journal": "x"}, "leave it out")])  # fmt: skip
def test_options_that_cannot_be_are_refused(option, said):
    with pytest.raises(OptionError, match=said):
        ProposeOptions(**option)


def test_an_existing_file_stays(scene, model):
    first = proposed(scene, model).files[-1].read_bytes()
    with pytest.raises(gdl.OutputError, match="exists already"):
        proposed(scene, model, overwrite=False)
    assert scene.with_name("areas.gpkg").read_bytes() == first


def with_dropout(path, share):
    options = {"encoder_depth": 3, "decoder_channels": [16, 8, 8], "decoder_dropout": share}
    architecture = Architecture(name="unet", encoder="tu-test_resnet", options=options)
    torch.manual_seed(0)
    network = create_model("unet", in_bands=3, n_classes=4, encoder="tu-test_resnet", **options)
    return write_model(path, network=network.eval(), architecture=architecture)


def test_mutual_information_is_that_of_the_passes(scene, tmp_path):
    model = with_dropout(tmp_path / "dropout.safetensors", 0.3)
    several = {"predictor": "mc-dropout", "passes": 4, "seed": 3}
    n = proposed(scene, model, cell=16, n=1).candidates
    found = proposed(scene, model, cell=16, n=n, by="mutual-information", halo="exact", **several)
    raster = gdl.load_model(model).predict(
        scene, "uncertainty", precision="fp32", halo="exact", **several
    )
    information = raster.select("mutual information").array[0]
    row, col = corners(found.areas)[0].astype(int)
    at = np.s_[row : row + 16, col : col + 16]
    # Borders are not counted, so that it is not quite the mean of all pixels.
    assert found.areas["score"][0] == pytest.approx(
        information[at][raster.valid[at]].mean(), rel=0.3
    )
    digits = found.areas["score"] * 1e4
    assert (digits.round() != digits).any()  # small scores keep more decimals than four
    margin = proposed(scene, model, cell=16, n=n, halo="exact")
    assert found.areas["score"].max() < margin.areas["score"].min()


def test_mutual_information_of_one_pass_is_refused(scene, model):
    with pytest.raises(OptionError, match="several passes disagree.*'tta'.*by='margin'"):
        proposed(scene, model, by="mutual-information")


def test_several_models_are_an_ensemble(scene, model, tmp_path):
    with pytest.raises(OptionError, match="dropout"):
        proposed(scene, model, predictor="mc-dropout")
    other = write_model(tmp_path / "other.safetensors", network=trained_otherwise())
    one = proposed(scene, model, n=3).areas["score"]
    both = proposed(scene, model, n=3, members=(other,)).areas["score"]
    assert one.tolist() != both.tolist()


def trained_otherwise():
    network = random_network(3, 4)
    last = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)][-1]
    last.weight.data = last.weight.data.flip(0)
    return network
