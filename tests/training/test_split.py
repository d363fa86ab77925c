"""Who gets which ground: overlapping scenes, columns, whole scenes."""

import re
from types import SimpleNamespace

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from georaster_dl.core.errors import OptionError
from georaster_dl.io.vectors.split_map import write_split_map
from georaster_dl.tiling.places import _cell_centres, overlapping
from georaster_dl.tiling.split_blocks import (
    NO_PART,
    SEEN_PLACES,
    TEST,
    TRAIN,
    VALIDATION,
    SplitMask,
)
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.settings.config import TrainConfig

EAST, NORTH = 500_000, 5_000_000


@pytest.fixture
def loaded(tmp_path):
    """Plan of pairs, its ground stored in the test's folder."""

    def data(pairs, warn=lambda _: None, **settings):
        config = TrainConfig.of({"patches": {"size": 32}, **settings})
        folder = CacheFolder(tmp_path / "model.safetensors").__enter__()
        return load_training_data(pairs, config, folder, warn)

    return data


@pytest.fixture
def pair_at(make_tif):
    """A scene and its labels, two classes in squares, at a place."""

    def make(name, x=0, y=0, shape=(160, 160), crs="EPSG:32631", gsd=10, classes=(1, 2)):
        transform = from_origin(EAST + x, NORTH + y, gsd, gsd)
        rng = np.random.default_rng(len(name))
        image = rng.integers(1, 1000, (1, *shape)).astype(np.uint16)
        squares = np.indices((shape[0] // 8, shape[1] // 8)).sum(axis=0) % len(classes)
        labels = np.array(classes, np.uint8)[squares].repeat(8, 0).repeat(8, 1)
        place = {"transform": transform, "crs": crs}
        return SceneWithLabels(
            str(make_tif(image, f"{name}.tif", **place)), make_tif(labels, f"{name}_l.tif", **place)
        )

    return make


def world(mask, part, geobox):
    """Union of a part's cells in the CRS of the scene."""
    cells = np.argwhere(mask.parts == part)
    boxes = [shapely.box(*_corner(geobox, row, col, mask.cell)) for row, col in cells]
    return shapely.union_all(boxes)


def _corner(geobox, row, col, cell):
    x0, y0 = geobox.affine * (col * cell, row * cell)
    x1, y1 = geobox.affine * ((col + 1) * cell, (row + 1) * cell)
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)


@pytest.mark.parametrize("shift", [(0, 0), (400, -240), (330, 170)])
def test_no_ground_of_overlapping_scenes_is_in_two_parts(loaded, pair_at, shift):
    """Another date of the same place, or a neighbour on another grid, is no independent test."""
    data = loaded([pair_at("a"), pair_at("bb", *shift)], split={"block": 32})
    pairs = list(zip(data.scenes, data.split.masks, strict=True))
    areas = {
        part: [world(t, part, g.scene.geobox) for g, t in pairs]
        for part in (TRAIN, VALIDATION, TEST)
    }
    for part, other in ((TRAIN, VALIDATION), (TRAIN, TEST), (VALIDATION, TEST)):
        for mine in areas[part]:
            for theirs in areas[other]:
                assert mine.intersection(theirs).area == 0
    assert all(area.area > 0 for area in areas[TRAIN])


def test_other_dates_of_a_place_stay_together(loaded, pair_at):
    pairs = [pair_at("a"), pair_at("aa"), *(pair_at("b" * n, 5000 * n) for n in (3, 4, 5))]
    data = loaded(pairs, split={"kind": "scenes"})
    parts = [int(mask.parts[0, 0]) for mask in data.split.masks]
    assert parts[0] == parts[1]
    assert {TRAIN, VALIDATION, TEST} == set(parts)


def parts_of(data):
    """Part of each scene, whatever is held out within it."""
    return [int(np.where(m.parts == SEEN_PLACES, TRAIN, m.parts).max()) for m in data.split.masks]


def apart(pair_at, *classes, **more):
    """Scenes that lie apart, each with its classes."""
    return [
        pair_at("s" * (n + 1), 5000 * n, classes=some, **more) for n, some in enumerate(classes)
    ]


@pytest.mark.parametrize(("n", "expected"), [(3, (1, 1, 1)), (10, (6, 2, 2))])
def test_scenes_that_lie_apart_are_the_parts_by_default(loaded, pair_at, n, expected):
    pairs = apart(pair_at, *[(1, 2)] * n, shape=(48, 48))
    auto, stated = loaded(pairs), loaded(pairs, split={"kind": "scenes"})
    assert parts_of(auto) == parts_of(stated)
    counts = tuple(parts_of(auto).count(part) for part in (TRAIN, VALIDATION, TEST))
    assert sum(abs(a - b) for a, b in zip(counts, expected, strict=True)) <= 2
    assert min(counts) >= 1
    assert auto.split.note.startswith("whole scenes")


def test_blocks_of_the_training_scenes_are_held_out_and_cost_little(loaded, pair_at):
    pairs = apart(pair_at, *[(1, 2)] * 4)
    pairs.append(pair_at("date", 40, 80))  # another date of the first, on another grid
    data = loaded(pairs)
    for seen in (data.split.labelled(SEEN_PLACES), data.split.labelled(TRAIN)):
        assert (seen > 0).all()
    held, train = (data.split.labelled(part).sum() for part in (SEEN_PLACES, TRAIN))
    total = sum(
        g.index.totals.sum()
        for g, part in zip(data.scenes, parts_of(data), strict=True)
        if part == TRAIN
    )
    assert 0.03 < held / total < 0.15
    assert train / total > 0.75
    both = list(zip(data.scenes, data.split.masks, strict=True))
    inner, outer = (
        shapely.union_all([world(m, part, g.scene.geobox) for g, m in both])
        for part in (SEEN_PLACES, TRAIN)
    )
    assert inner.intersection(outer).area == 0
    assert "held out in blocks" in data.split.note
    assert data.label_counts()["blocks of training scenes"]["1"] > 0


def test_scenes_too_small_for_blocks_lose_none(loaded, pair_at):
    data = loaded(apart(pair_at, *[(1, 2)] * 5, shape=(24, 24)))
    assert not data.split.labelled(SEEN_PLACES).any()
    assert list(data.label_counts()) == ["train", "validation", "test"]


def test_fewer_than_three_places_are_divided_into_blocks(loaded, pair_at):
    """Dates of one place count once."""
    pairs = [pair_at("a"), pair_at("aa", 400), pair_at("bbb", 5000)]
    split = loaded(pairs).split
    assert "blocks" in split.note
    assert "because labels lie in 2 places only" in split.note
    assert loaded(pairs[:1]).split.note == loaded(pairs[:1], split={"kind": "blocks"}).split.note


def test_a_class_of_one_place_is_trained_on(loaded, pair_at):
    for seed in range(2):
        data = loaded(apart(pair_at, (1, 2), (1, 2), (1, 2, 3), (1, 2), shape=(48, 48)), seed=seed)
        assert parts_of(data)[2] == TRAIN
        assert (data.split.labelled(TRAIN) > 0).all()


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        (((1, 2, 4), (1, 2, 3), (1, 2)), r"leave training without [34] \(which s+\.tif has\)"),
        (((1, 2), (1, 2), (1,)), "would have 1 of 2 classes"),
    ],
)
def test_scenes_that_lack_classes_are_divided_into_blocks(loaded, pair_at, classes, reason):
    split = loaded(apart(pair_at, *classes)).split
    assert re.search(reason, split.note)
    assert (split.labelled(TRAIN) > 0).all()
    assert len({int(part) for part in split.masks[0].parts.ravel()}) > 1


def test_a_stated_block_makes_blocks(loaded, pair_at):
    pairs = apart(pair_at, *[(1, 2)] * 3)
    assert "blocks of 32 pixels" in loaded(pairs, split={"block": 32}).split.note


def test_a_list_may_name_the_parts(loaded, pair_at):
    pairs = [
        SceneWithLabels(p.scene, p.labels, part)
        for p, part in (
            (pair_at("a"), "train"), (pair_at("bb", 5000), "val"), (pair_at("ccc", 9000), "Testing"),
        )
    ]  # fmt: skip
    data = loaded(pairs, split={"kind": "column"})
    assert [int(t.parts[0, 0]) for t in data.split.masks] == [TRAIN, VALIDATION, TEST]
    with pytest.raises(OptionError, match="is marked 'holdout'.*train, validation or test"):
        loaded(
            [SceneWithLabels(pairs[0].scene, pairs[0].labels, "holdout")], split={"kind": "column"}
        )
    with pytest.raises(OptionError, match="no labelled, valid pixel to validation"):
        loaded(pairs[:1], split={"kind": "column"})


def features(folder, parts):
    """Squares of two classes, 16 pixels wide, 8 apart, with a column that names the part."""
    boxes, classes = [], []
    for number in range(len(parts)):
        row, col = divmod(number, 6)
        x, y = EAST + 240 * col, NORTH - 240 * row
        boxes.append(shapely.box(x, y - 160, x + 160, y))
        classes.append(("grass", "water")[number % 2])
    frame = geopandas.GeoDataFrame(
        {"class": classes, "part": parts}, geometry=boxes, crs="EPSG:32631"
    )
    path = folder / "labels.gpkg"
    frame.to_file(path, layer="labels")
    return path


def test_features_may_name_the_parts(loaded, pair_at, tmp_path):
    parts = ["train"] * 12 + ["validation"] * 6 + ["test"] * 6
    scene = pair_at("a").scene
    pair = SceneWithLabels(scene, features(tmp_path, parts))
    data = loaded([pair], split={"kind": "column", "column": "part"})
    labelled = {part: int(data.split.labelled(part).sum()) for part in (TRAIN, VALIDATION, TEST)}
    assert labelled == {TRAIN: 12 * 256, VALIDATION: 6 * 256, TEST: 6 * 256}
    # LabelledScene without labels is context of the nearest part.
    assert (data.split.masks[0].parts != NO_PART).all()


def test_columns_that_are_not_there_are_explained(loaded, pair_at, tmp_path):
    pair = pair_at("a")
    with pytest.raises(OptionError, match="needs a column 'split' in a CSV.*is a raster"):
        loaded([pair], split={"kind": "column"})
    vector = SceneWithLabels(pair.scene, features(tmp_path, ["train"] * 4))
    with pytest.raises(OptionError, match="has no column 'split'.*it has class, part"):
        loaded([vector], split={"kind": "column"})


def test_too_few_blocks_are_explained(loaded, pair_at):
    with pytest.raises(OptionError, match="3 parts .* but 1 labelled block; .*smaller blocks"):
        loaded([pair_at("a")], split={"block": 4000})


def test_scenes_without_a_place_are_divided_too(loaded, make_tif):
    rng = np.random.default_rng(0)
    bare = {"crs": None, "transform": from_origin(0, 0, 1, 1)}
    labels = np.kron(rng.integers(1, 3, (20, 20)), np.ones((8, 8))).astype(np.uint8)
    scene = make_tif(rng.integers(1, 9, (1, 160, 160)).astype(np.uint8), "a.tif", **bare)
    data = loaded([SceneWithLabels(str(scene), make_tif(labels, "l.tif", **bare))])
    assert {TRAIN, VALIDATION, TEST} <= set(np.unique(data.split.masks[0].parts))


def test_the_map_of_a_split_covers_every_scene(loaded, pair_at, tmp_path):
    pairs = [pair_at("a"), pair_at("bb", 5000), pair_at("ccc", 0, crs="EPSG:32632")]
    data = loaded(pairs, split={"block": 32})
    out = tmp_path / "split.gpkg"
    write_split_map(
        out,
        {
            g.scene.name: (g.scene.geobox, t)
            for g, t in zip(data.scenes, data.split.masks, strict=True)
        },
    )
    frame = geopandas.read_file(out, layer="split")
    assert frame.crs.to_epsg() == 4326  # the scenes have two CRS
    assert set(frame["part"]) == {"train", "validation", "test", "none (gap)"}
    assert set(frame["scene"]) == {pair.scene for pair in pairs}
    area = frame[frame["scene"] == pairs[0].scene].to_crs("EPSG:32631").area.sum()
    assert area == pytest.approx(1600**2, rel=1e-3)


LOCAL = 'LOCAL_CS["Site (m)",UNIT["metre",1]]'


def grids(*places):
    return [GeoBox((100, 100), Affine(10, 0, x, 0, -10, y), crs) for crs, x, y in places]


@pytest.mark.parametrize(
    ("geoboxes", "expected"),
    [
        # x = 641 400 of zone 60 is the 180th meridian, x = 358 600 of zone 1, at 65 degrees north.
        (grids(("EPSG:32660", 641_000, 7_212_000), ("EPSG:32601", 358_300, 7_212_000)), 1),
        (grids(("EPSG:32660", 641_000, 7_212_000), ("EPSG:32601", 368_300, 7_212_000)), 2),
        (grids((LOCAL, 0, 0), (LOCAL, 500, 500)), 1),
        (grids((LOCAL, 0, 0), (LOCAL, 5000, 500)), 2),
        (grids((LOCAL, 0, 0), (LOCAL.replace("Site", "Farm"), 0, 0), ("EPSG:32631", 0, 0)), 3),
        (grids((None, 0, 0), (None, 0, 0)), 2),
    ],
)
def test_overlap_is_seen_across_zones_and_in_local_coordinates(geoboxes, expected):
    assert len(set(overlapping(geoboxes))) == expected


def test_cells_beyond_the_180th_meridian_are_counted_on():
    first = GeoBox((100, 100), Affine(1e-4, 0, 179.995, 0, -1e-4, 10), "EPSG:4326")
    (second,) = grids(("EPSG:32601", 171_300, 1_107_000))  # about 180 degrees
    index = SimpleNamespace(cell=20, grid=(5, 5))
    _, cols = _cell_centres(second, first, index)
    assert np.abs(cols).max() < 1000


def test_the_map_of_a_split_across_the_180th_meridian_and_in_local_coordinates(tmp_path):
    geoboxes = grids(
        ("EPSG:32660", 641_000, 7_212_000), ("EPSG:32601", 358_300, 7_212_000), (LOCAL, 0, 0)
    )
    mask = SplitMask((100, 100), 20, np.zeros((5, 5), np.int8))
    out = tmp_path / "split.gpkg"
    write_split_map(out, {str(i): (geobox, mask) for i, geobox in enumerate(geoboxes)})
    frame = geopandas.read_file(out, layer="split")
    assert set(frame["scene"]) == {"0", "1"}
    left, _, right, _ = frame.total_bounds
    assert right - left < 0.1
    write_split_map(out, {"2": (geoboxes[2], mask)})
    assert geopandas.read_file(out, layer="split").area.sum() == pytest.approx(1000**2)
