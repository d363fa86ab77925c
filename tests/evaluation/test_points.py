"""Stratified random points."""

import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing

import geopandas
import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from georaster_dl.core.errors import OptionError
from georaster_dl.evaluation.compare import evaluate
from georaster_dl.evaluation.inputs import maps, points
from georaster_dl.evaluation.inputs.points import SampleOptions, allocate, sample_points
from georaster_dl.evaluation.metrics.area import sample_size
from tests.maps import LEFT, NAMES, NODATA, SIZE, TOP, noisy_pair


def at(frame):
    """Rows and cols of the points, as numbers that need not be whole."""
    cols = (frame.geometry.x.to_numpy() - LEFT) / SIZE
    rows = (TOP - frame.geometry.y.to_numpy()) / SIZE
    return rows, cols


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.integers(0, 100), st.data())
def test_allocation_keeps_the_number_and_the_minimum(pixels, minimum, data):
    have = np.array(pixels)
    least = np.minimum(have, minimum).sum()
    if not have.any():
        return
    n = data.draw(st.integers(max(1, least), max(1, least) + 5000))
    given_points = allocate(have, have / have.sum(), n, minimum)
    assert given_points.sum() == min(n, have.sum())
    assert (given_points >= np.minimum(have, minimum)).all()
    assert (given_points <= have).all()
    free = (given_points > np.minimum(have, minimum) + 1) & (given_points < have)
    rate = given_points[free] / have[free]
    error = 2 / have[free]
    if free.any():
        assert (np.abs(rate - rate.mean()) <= error.max() + error).all()


def test_allocation_of_the_paper_raises_rare_classes():
    weights = np.array([0.02, 0.015, 0.32, 0.645])
    found = allocate(weights * 10**7, weights, 641, 75)
    assert found.tolist() == [75, 75, 163, 328]
    assert allocate([10, 0, 990], [0.01, 0, 0.99], 500, 0).tolist() == [5, 0, 495]


def test_too_few_points_for_the_minimum():
    with pytest.raises(OptionError, match="ask for 100 or more"):
        allocate([500, 500], [0.5, 0.5], 99, 50)


def test_the_form_offers_the_classes_and_hides_what_the_map_says(make_map, tmp_path):
    out = tmp_path / "points.gpkg"
    sample_points(make_map(noisy_pair((60, 60))[0]), out, SampleOptions(n=60, minimum_per_class=5))
    with closing(sqlite3.connect(out)) as base:
        [(qml,)] = base.execute("SELECT styleQML FROM layer_styles WHERE useAsDefault")
    root = ET.fromstring(qml)
    offered = root.findall(".//field[@name='class']//Option[@type='QString']")
    assert [option.get("value") for option in offered][1:] == list(NAMES.values())
    hidden = {field.get("name") for field in root.findall(".//editWidget[@type='Hidden']/..")}
    assert hidden == {"map_class", "map_value", "stratum_weight"}
    renderer = root.find("renderer-v2")
    assert renderer.get("attr") == "class"  # not of the map, which would lead the labelling
    assert [c.get("value") for c in renderer.iter("category")] == [*NAMES.values(), ""]


def test_points_lie_on_centres_of_their_classes(make_map, tmp_path):
    mapped, _ = noisy_pair((100, 80))
    out = tmp_path / "points.gpkg"
    strata = sample_points(make_map(mapped), out, SampleOptions(n=300, minimum_per_class=20))
    frame = geopandas.read_file(out, layer=out.stem)
    assert frame.crs == "EPSG:32631"
    assert list(frame.columns) == [
        "id",
        "map_class",
        "map_value",
        "stratum_weight",
        "class",
        "geometry",
    ]
    assert frame["class"].isna().all()
    rows, cols = at(frame)
    assert np.allclose(rows % 1, 0.5)
    assert np.allclose(cols % 1, 0.5)
    assert np.array_equal(mapped[rows.astype(int), cols.astype(int)], frame["map_value"])
    assert (frame["map_class"] == frame["map_value"].map(NAMES)).all()
    assert len(set(zip(rows, cols, strict=True))) == len(frame) == 300
    assert {s.name: s.points for s in strata} == frame["map_class"].value_counts().to_dict()
    total = (mapped != NODATA).sum()
    for stratum in strata:
        value = next(v for v, name in NAMES.items() if name == stratum.name)
        assert stratum.pixels == (mapped == value).sum()
        assert stratum.weight == pytest.approx(stratum.pixels / total, rel=1e-3)
    assert frame["id"].tolist() == list(range(1, 301))
    assert (np.diff(rows) < 0).mean() > 0.4  # neither sorted by place
    assert (frame["map_value"].diff() != 0).mean() > 0.4  # nor by class


def test_the_seed_decides_and_strips_do_not(make_map, tmp_path, monkeypatch):
    path = make_map(noisy_pair((100, 80))[0])

    def drawn(seed):
        out = tmp_path / "p.gpkg"
        sample_points(path, out, SampleOptions(n=200, minimum_per_class=10, seed=seed))
        frame = geopandas.read_file(out, layer=out.stem)
        return list(zip(frame.geometry.x, frame.geometry.y, frame["map_class"], strict=True))

    first = drawn(1)
    assert drawn(2) != first
    monkeypatch.setattr(maps, "_STRIP_PIXELS", 7 * 80)
    monkeypatch.setattr(points, "_BLOCK", 30)
    assert drawn(1) == first


def test_every_pixel_of_a_class_is_as_likely(make_map, tmp_path):
    mapped = np.full((8, 10), 1, np.uint8)
    mapped[::2] = 10
    path = make_map(mapped)
    hits = np.zeros(mapped.shape)
    for seed in range(40):
        sample_points(
            path, tmp_path / "p.gpkg", SampleOptions(n=40, minimum_per_class=20, seed=seed)
        )
        rows, cols = at(geopandas.read_file(tmp_path / "p.gpkg", layer="p"))
        hits[rows.astype(int), cols.astype(int)] += 1
    # 40 draws of 20 from 40: 20 hits expected, deviation 3.2.
    assert hits.sum() == 40 * 40
    assert abs(hits - 20).max() < 4 * 3.2
    assert 0.7 < hits.std() / 3.2 < 1.3


def test_without_a_number_the_formula_gives_it(make_map, tmp_path):
    mapped, _ = noisy_pair((200, 200))
    path, out = make_map(mapped), tmp_path / "p.gpkg"
    strata = sample_points(path, out, SampleOptions(standard_error=0.02, by_class={"water": 0.95}))
    expected = [0.95 if s.name == "water" else 0.8 for s in strata]
    needed = sample_size([s.weight for s in strata], expected, 0.02)
    assert sum(s.points for s in strata) == needed
    strata = sample_points(path, out, SampleOptions(standard_error=0.5))
    assert sum(s.points for s in strata) == 150  # the minimum of each class


def test_the_filled_file_is_a_reference(make_map, tmp_path):
    mapped, truth = noisy_pair((100, 80))
    path, out = make_map(mapped), tmp_path / "p.gpkg"
    sample_points(path, out, SampleOptions(n=400, minimum_per_class=50))
    frame = geopandas.read_file(out, layer=out.stem)
    rows, cols = (places.astype(int) for places in at(frame))
    labels = [NAMES[v] for v in truth[rows, cols]]
    frame["class"] = [
        None if i % 40 == 0 else "" if i % 40 == 1 else n for i, n in enumerate(labels)
    ]
    frame.to_file(out)
    found = evaluate(path, out)
    assert found.coverage.compared == 380
    assert found.coverage.unlabelled == 20
    real = np.mean(mapped[mapped != NODATA] == truth[mapped != NODATA])
    assert abs(found.estimate.overall - real) < 4 * found.estimate.overall_se
    assert not any("another map" in note for note in found.notes)
    other = np.where(mapped == 1, 10, mapped).astype(np.uint8)
    on_other = evaluate(make_map(other, "other.tif"), out)
    assert any("another map" in note for note in on_other.notes)


class TestRefused:
    def test_numbers(self, make_tif, tmp_path):
        path = make_tif(np.zeros((8, 8), np.float32))
        with pytest.raises(OptionError, match="points are drawn by class"):
            sample_points(path, tmp_path / "p.gpkg")

    def test_a_map_without_a_place(self, make_map, tmp_path):
        path = make_map(noisy_pair()[0], crs=None, transform=rasterio.Affine.identity())
        with pytest.raises(OptionError, match="no CRS and transform"):
            sample_points(path, tmp_path / "p.gpkg")

    def test_a_map_of_nodata(self, make_map, tmp_path):
        path = make_map(np.full((8, 8), NODATA, np.uint8))
        with pytest.raises(OptionError, match=r"map\.tif"):
            sample_points(path, tmp_path / "p.gpkg")

    def test_a_class_that_is_not_there(self, make_map, tmp_path):
        options = SampleOptions(by_class={"watter": 0.9})
        with pytest.raises(OptionError, match="watter, but the map's classes are water"):
            sample_points(make_map(noisy_pair()[0]), tmp_path / "p.gpkg", options)
