"""Objects of a map against a reference: matching, average precision, boundaries, and the rules of edges."""

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from georaster_dl.core.errors import OptionError
from georaster_dl.core.scene_options import LabelOptions
from georaster_dl.evaluation.objects.boundary import length_near, segments_of
from georaster_dl.evaluation.objects.matching import (
    THRESHOLDS,
    average_precision,
    one_to_one,
    overlapping,
)
from georaster_dl.evaluation.objects.options import ObjectOptions, Tolerance
from georaster_dl.evaluation.objects.page import render_objects
from georaster_dl.evaluation.objects.run import evaluate_objects
from georaster_dl.objects.options import PolygonOptions
from georaster_dl.objects.run import polygons
from georaster_dl.testing import NODATA
from tests.maps import LEFT, SIZE, TOP

BUILDING = {10: "building", 1: "other"}


def random_shapes(seed, n=40, *, extent=30.0):
    """Rectangles turned at random, many of which overlap."""
    generator = np.random.default_rng(seed)
    shapes = [
        shapely.affinity.rotate(box(x, y, x + w, y + h), angle)
        for x, y, w, h, angle in np.c_[
            generator.uniform(0, extent, (n, 2)),
            generator.uniform(3, 8, (n, 2)),
            generator.uniform(0, 90, n),
        ]
    ]
    return np.array(shapes, object)


def jittered(shapes, seed, by=0.7):
    moves = np.random.default_rng(seed).normal(0, by, (len(shapes), 2))
    return np.array(
        [shapely.affinity.translate(s, *m) for s, m in zip(shapes, moves, strict=True)], object
    )


def all_ious(mapped, reference):
    return np.array([[a.intersection(b).area / a.union(b).area for b in reference] for a in mapped])


def most_pairs(ious, threshold):
    """The most pairs without a common object, by trying paths (Kuhn)."""
    owner = {}

    def place(i, seen):
        for j in np.flatnonzero(ious[i] >= threshold):
            if j not in seen:
                seen.add(j)
                if j not in owner or place(owner[j], seen):
                    owner[j] = i
                    return True
        return False

    return sum(place(i, set()) for i in range(len(ious)))


@pytest.mark.parametrize("seed", range(3))
def test_matching_is_that_of_brute_force(seed):
    reference = random_shapes(seed)
    mapped = np.concatenate([jittered(reference, seed), random_shapes(seed + 50, 20)])
    ious = all_ious(mapped, reference)
    pairs = overlapping(mapped, reference)
    found = {
        (i, j): iou for i, j, iou in zip(pairs.mapped, pairs.reference, pairs.iou, strict=True)
    }
    there = {tuple(at): ious[tuple(at)] for at in np.argwhere(ious >= 0.5)}
    assert found == pytest.approx(there, abs=1e-9)
    assert len(there) > 15
    for threshold in THRESHOLDS:
        chosen = one_to_one(pairs, threshold)
        assert len(set(chosen.mapped)) == len(set(chosen.reference)) == len(chosen)
        assert (chosen.iou >= threshold).all()
        assert len(chosen) == most_pairs(ious, threshold)


def test_as_many_pairs_as_possible_are_matched_then_those_that_overlap_most():
    reference = np.array([box(0, 0, 10, 10), box(3, 0, 13, 10)], object)
    mapped = np.array([box(1, 0, 11, 10), box(-3, 0, 7, 10)], object)
    # The first overlaps both (0.82, 0.67), the second only the first (0.54): taken greedily, one pair is left.
    chosen = one_to_one(overlapping(mapped, reference), 0.5)
    assert dict(zip(chosen.mapped, chosen.reference, strict=True)) == {0: 1, 1: 0}


def coco(seed):
    """Boxes with scores, whose average precisions pycocotools gives (2.0.11, iouType bbox, no limit of detections)."""
    generator = np.random.default_rng(seed)
    reference = generator.uniform(0, 60, (40, 2)).round(2)
    sides = generator.uniform(4, 12, (40, 2)).round(2)
    noise = generator.normal(0, 1, (40, 2)).round(2)
    extra = generator.uniform(0, 60, (15, 2)).round(2)
    mapped = np.concatenate([reference + noise, extra]).round(2)
    mapped_sides = np.concatenate([sides, generator.uniform(4, 12, (15, 2)).round(2)])
    return (reference, sides), (mapped, mapped_sides), generator.permutation(55) / 55


def boxes_of(corners, sides):
    return shapely.box(*corners.T, *(corners + sides).T)


COCO = {
    0: [
        0.677506384756, 0.572021947408, 0.466249949848, 0.319376478695, 0.227525705268, 0.133837812353,
        0.100330033003, 0.064154374621, 0.03323903819, 0.000707213579,
    ],
    1: [
        0.519382832774, 0.433184450521, 0.433184450521, 0.335733573357, 0.24500450045, 0.099607889178,
        0.046804680468, 0.026296747322, 0.002329644729, 0.000582411182,
    ],
}  # fmt: skip


@pytest.mark.parametrize("seed", COCO)
def test_average_precision_is_that_of_coco(seed):
    reference, mapped, confidence = coco(seed)
    pairs = overlapping(boxes_of(*mapped), boxes_of(*reference))
    got = [average_precision(pairs, confidence, 40, threshold) for threshold in THRESHOLDS]
    assert got == pytest.approx(COCO[seed], abs=1e-9)


def test_lengths_near_other_outlines_are_those_within_their_buffer():
    one = random_shapes(1, 25)
    other = np.concatenate([jittered(one[:20], 2, 0.4), [LineString([(0, 0), (30, 1)])]])
    ours, theirs = (shapely.boundary(np.asarray(shapes, object)) for shapes in (one, other))
    theirs[-1] = other[-1]
    around = shapely.union_all(theirs).buffer(0.5, quad_segs=400)
    expected = sum(line.intersection(around).length for line in ours)
    near, whole = length_near(segments_of(ours), segments_of(theirs), 0.5)
    assert whole == pytest.approx(shapely.length(ours).sum(), rel=1e-12)
    assert near == pytest.approx(expected, rel=1e-5)
    assert 0.2 < near / whole < 0.9


def test_outlines_that_are_those_of_the_other_file_are_near_by_a_share_of_1():
    for seed in (1, 7, 15):  # of which the parts add up to more than the whole, by some roundings
        generator = np.random.default_rng(seed)
        corners, sides = generator.uniform(0, 30, (30, 2)), generator.uniform(1, 5, (30, 2))
        lines = segments_of(shapely.boundary(boxes_of(corners, sides)))
        near, whole = length_near(lines, lines, 1.0)
        assert whole * (1 - 1e-12) < near <= whole


def blocks_map(make_map, blocks, *, shape=(30, 40), value=10, fill=1):
    array = np.full(shape, fill, np.uint8)
    for rows, cols in blocks:
        array[rows, cols] = value
    return make_map(array, names=BUILDING)


def ground(rows, cols):
    """The rectangle of pixels in the map's CRS."""
    return box(
        LEFT + SIZE * cols.start,
        TOP - SIZE * rows.stop,
        LEFT + SIZE * cols.stop,
        TOP - SIZE * rows.start,
    )


ONE = slice(2, 8), slice(2, 8)
TWO = slice(2, 8), slice(20, 30)
THREE = slice(20, 26), slice(5, 15)


def scored(mapped, reference, **options):
    labels = LabelOptions(class_name="building")
    return evaluate_objects(mapped, reference, ObjectOptions(labels, **options))


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:4326", "EPSG:3857"])
def test_polygons_of_any_crs_are_matched(make_map, make_vector, crs):
    mapped = blocks_map(make_map, [ONE, TWO])
    # Any attributes, as none holds the class that is named.
    reference = make_vector([ground(*ONE), ground(*THREE)], {"a": [1, 2], "b": ["x", "y"]}, crs=crs)
    found = scored(mapped, reference)
    total = found.total
    assert (total.mapped, total.reference, total.matched[0]) == (2, 2, 1)
    assert total.mean_iou == pytest.approx(1, abs=1e-3)
    assert total.f1 == 0.5
    assert total.mapped_area == pytest.approx((36 + 60) * SIZE**2, rel=2e-3)
    assert total.area_error == pytest.approx(0, abs=1e-3)
    assert {name: len(frame) for name, frame in found.objects.items()} == {
        "matched": 1,
        "false": 1,
        "missed": 1,
    }
    assert found.objects["missed"].crs == "EPSG:32631"
    # One of two outlines each way.
    assert total.boundary.precision == pytest.approx(24 / 56, abs=1e-3)
    assert total.boundary.recall == pytest.approx(24 / 56, abs=1e-3)


def test_a_mask_is_a_reference_and_touching_areas_are_one_object(make_map, make_tif):
    mapped = blocks_map(make_map, [(slice(2, 8), slice(2, 6)), (slice(2, 8), slice(6, 10))])
    mask = np.zeros((30, 40), np.uint8)
    mask[2:8, 2:10] = 255
    mask[20:22, 20:22] = mask[22:24, 22:24] = 255  # at a corner: two objects
    total = scored(mapped, make_tif(mask, "mask.tif", nodata=0)).total
    assert (total.mapped, total.reference, total.matched[0]) == (1, 3, 1)
    assert total.matched[-1] == 1


def test_objects_are_cut_at_the_border_of_the_map_and_of_its_nodata(make_map, make_vector):
    array = np.full((30, 40), 1, np.uint8)
    array[10:16, 34:] = 10
    array[20:26, 10:16] = 10
    array[20:26, 16:] = NODATA
    reference = make_vector(
        [
            ground(slice(10, 16), slice(34, 60)),  # runs over the border of the map
            ground(slice(20, 26), slice(10, 25)),  # into nodata
            ground(slice(20, 26), slice(30, 36)),  # within nodata
            ground(slice(0, 5), slice(50, 55)),  # beside the map
        ],
        {"a": [0] * 4},
    )
    found = scored(make_map(array, names=BUILDING), reference)
    total = found.total
    assert (total.mapped, total.reference, total.matched[-1]) == (2, 2, 2)
    assert found.left_out == (0, 2)
    assert total.boundary.f1 == pytest.approx(1)
    # The border is no outline: 3 sides of each, the one that is cut left out.
    assert total.boundary.mapped == pytest.approx((6 + 6 + 6 + 6 + 6 + 6) * SIZE, rel=1e-3)


@pytest.fixture
def across(make_vector):
    """A reference of which one object is mapped, one runs over the border of the map, and six lie beside it."""
    beside = [ground(slice(row, row + 3), slice(70, 75)) for row in range(0, 30, 5)]
    shapes = [ground(*ONE), ground(slice(10, 16), slice(34, 60)), *beside]
    return make_vector(shapes, {"a": [0] * len(shapes)}, crs="EPSG:3857")


def test_polygons_of_a_map_are_compared_on_its_ground(make_map, across, tmp_path):
    mapped = blocks_map(make_map, [ONE, (slice(10, 16), slice(34, 40))])
    polygons(mapped, tmp_path / "objects.gpkg", PolygonOptions(keep=("building",)))
    raster, vector = scored(mapped, across), scored(tmp_path / "objects.gpkg", across)
    assert vector.total.matched == raster.total.matched == (2,) * 10
    assert (vector.total.reference, vector.left_out) == (2, (0, 6))
    assert vector.total.boundary.mapped == pytest.approx(raster.total.boundary.mapped)
    assert "6 reference objects and 0 mapped ones lie outside" in vector.compared()
    assert not vector.warnings
    # Where others were added, the ground is that of the map no more.
    other = geopandas.read_file(tmp_path / "objects.gpkg", layer="objects").iloc[:1].translate(1000)
    frame = geopandas.GeoDataFrame({"class_name": ["building"]}, geometry=other)
    frame.to_file(tmp_path / "objects.gpkg", layer="objects", mode="a")
    assert scored(tmp_path / "objects.gpkg", across).total.reference == 8


def test_of_polygons_without_a_ground_it_is_said_what_lies_beside_them(make_vector, across):
    mapped = make_vector([ground(*ONE), ground(*THREE)], {"a": [0, 0]}, "mapped.gpkg")
    assert (
        "7 of 8 reference objects lie beside the mapped ones" in scored(mapped, across).warnings[0]
    )
    away = make_vector([ground(slice(90, 95), slice(0, 5))], {"a": [0]}, "away.gpkg")
    found = scored(mapped, away)
    assert "All of the reference (1 object) lies beside the mapped objects" in found.warnings[0]
    # Metres said to be degrees.
    frame = geopandas.read_file(across).set_crs("EPSG:4326", allow_override=True)
    frame.to_file(away)
    found = scored(mapped, away)
    assert found.left_out == (0, 8)
    assert "no object on the ground that is compared (8 beside it)" in found.warnings[0]


@pytest.mark.parametrize("name", ["255", "class 255", "Class 255"])
def test_a_class_without_a_name_is_meant_by_its_number(make_tif, make_vector, tmp_path, name):
    array = np.zeros((30, 40), np.uint8)
    array[ONE], array[TWO] = 255, 3
    mapped = make_tif(array, "map.tif")
    polygons(mapped, tmp_path / "objects.gpkg")
    reference = make_vector([ground(*ONE)], {"a": [0]})
    options = ObjectOptions(LabelOptions(class_name=name))
    for path in (mapped, tmp_path / "objects.gpkg"):
        total = evaluate_objects(path, reference, options).total
        assert (total.mapped, total.matched[0]) == (1, 1)


def test_the_confidence_of_a_map_has_no_objects(make_tif, make_vector):
    path = make_tif(np.full((30, 40), 200, np.uint8), "confidence.tif")
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(GEORASTER_DL_CONTENT="confidence")
    with pytest.raises(OptionError, match="holds confidence, not classes"):
        evaluate_objects(path, make_vector([ground(*ONE)], {"a": [0]}))


def test_the_page_explains_stripes_where_there_are_some(make_map, make_vector):
    mapped = blocks_map(make_map, [ONE, TWO])
    alone = make_vector([ground(*THREE)], {"a": [0]})
    assert "missed under a false one" not in render_objects(scored(mapped, alone))
    part = make_vector([ground(slice(2, 4), slice(20, 30))], {"a": [0]})
    assert "missed under a false one" in render_objects(scored(mapped, part))


def test_an_area_of_interest_limits_the_comparison(make_map, make_vector):
    mapped = blocks_map(make_map, [ONE, TWO])
    reference = make_vector([ground(*ONE)], {"a": [0]})
    aoi = make_vector([ground(slice(0, 15), slice(0, 15))], {"a": [0]}, "aoi.gpkg", "EPSG:4326")
    assert scored(mapped, reference).total.precision == 0.5
    found = scored(mapped, reference, aoi=aoi)
    assert found.total.precision == 1
    assert found.left_out == (1, 0)


def test_parts_of_a_multipolygon_are_objects_and_invalid_polygons_are_repaired(
    make_map, make_vector
):
    mapped = blocks_map(make_map, [ONE, TWO, THREE])
    x, y = LEFT, TOP
    bow = Polygon([(x, y - 250), (x + 100, y - 150), (x + 100, y - 250), (x, y - 150)])
    reference = make_vector(
        [MultiPolygon([ground(*ONE), ground(*TWO)]), MultiPolygon([bow])],
        {"a": [0, 1]},
    )
    found = scored(mapped, reference)
    assert found.total.reference == 4  # two parts, and two triangles of a bow tie
    assert found.total.matched[0] == 2
    assert "1 invalid polygon of labels.gpkg repaired." in found.notes


def test_nothing_mapped_and_nothing_there(make_map, make_vector):
    empty = make_map(np.ones((30, 40), np.uint8), names=BUILDING)
    reference = make_vector([ground(*ONE)], {"a": [0]})
    found = scored(empty, reference)
    assert np.isnan(found.total.precision)
    assert (found.total.recall, found.total.f1, found.total.boundary.f1) == (0, 0, 0)
    assert found.to_dict()["precision"] is None
    mapped = blocks_map(make_map, [ONE])
    away = make_vector([ground(slice(90, 95), slice(0, 5))], {"a": [0]}, "away.gpkg")
    found = scored(mapped, away)
    assert np.isnan(found.total.recall)
    assert (found.total.precision, found.total.f1) == (0, 0)
    assert "no object on the ground" in found.warnings[0]


def test_polygons_with_a_confidence_have_an_average_precision(tmp_path, make_vector):
    fields = {
        "class_id": np.array([10, 10, 10], "int32"),
        "class_name": ["building"] * 3,
        "confidence": [0.2, 0.9, 0.5],
    }
    mapped = make_vector([ground(*ONE), ground(*TWO), ground(*THREE)], fields, "map.gpkg")
    reference = make_vector([ground(*TWO), ground(*ONE)], {"class": ["building"] * 2})
    found = evaluate_objects(mapped, reference)
    # Right, wrong, right in the order of the confidence: precision 1 up to recall 0.5 (51 of 101), then 2/3.
    assert found.total.average_precision == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert found.tolerance == "1 m"
    empty = geopandas.GeoDataFrame(
        {"class_name": np.empty(0, object)}, geometry=[], crs="EPSG:32631"
    )
    empty.to_file(tmp_path / "empty.gpkg", geometry_type="Polygon")
    assert evaluate_objects(tmp_path / "empty.gpkg", reference).total.recall == 0


def test_classes_are_scored_one_by_one_and_the_background_is_none(make_map, make_tif):
    array = np.full((30, 40), 1, np.uint8)
    array[ONE], array[TWO] = 10, 20
    truth = array.copy()
    truth[TWO] = 10
    names = {1: "other", 10: "house", 20: "shed"}
    found = evaluate_objects(
        make_map(array, names=names), make_map(truth, "truth.tif", names=names)
    )
    assert list(found.scores) == ["house"]
    assert found.scores["house"].recall == 0.5


class TestRefused:
    def test_points(self, make_map, make_vector):
        points = make_vector([Point(LEFT + 50, TOP - 50)], {"a": [0]})
        with pytest.raises(OptionError, match="objects are polygons"):
            scored(blocks_map(make_map, [ONE]), points)

    def test_a_class_that_the_map_lacks(self, make_map, make_vector):
        reference = make_vector([ground(*ONE)], {"a": [0]})
        with pytest.raises(OptionError, match="none of the classes of"):
            evaluate_objects(
                blocks_map(make_map, [ONE]),
                reference,
                ObjectOptions(LabelOptions(class_name="tree")),
            )

    def test_an_area_elsewhere(self, make_map, tmp_path):
        mapped = blocks_map(make_map, [ONE])
        aoi = geopandas.GeoDataFrame(geometry=[box(0, 0, 1, 1)], crs="EPSG:32631")
        aoi.to_file(tmp_path / "aoi.gpkg")
        with pytest.raises(OptionError, match="no ground in common"):
            scored(mapped, mapped, aoi=tmp_path / "aoi.gpkg")

    @pytest.mark.parametrize("text", ["2", "-1m", "0px", "3 feet", ""])
    def test_a_tolerance_without_a_unit(self, text):
        with pytest.raises(OptionError, match="no distance"):
            Tolerance.of(text)
