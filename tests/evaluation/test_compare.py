"""A map against rasters, polygons and points."""

import json

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from rasterio.warp import calculate_default_transform, reproject
from shapely.geometry import LineString, box

from georaster_dl.core.errors import GeoRasterError, OptionError, SceneError
from georaster_dl.evaluation.compare import EvaluateOptions, default_block, evaluate
from georaster_dl.evaluation.inputs import maps
from georaster_dl.evaluation.metrics.area import estimate_areas
from georaster_dl.evaluation.metrics.confusion import Confusion
from georaster_dl.io.labels.read import LabelOptions, labels_digest
from georaster_dl.io.output.provenance import labels_tags
from tests.maps import LEFT, NAMES, NODATA, SIZE, TOP, centre, noisy_pair

VALUES = np.array(list(NAMES))


def expected(mapped, true):
    """The counts, pixel by pixel in plain Python."""
    counts = np.zeros((3, 3), int)
    index = {value: i for i, value in enumerate(NAMES)}
    for m, t in zip(mapped.ravel().tolist(), true.ravel().tolist(), strict=True):
        if m in index and t in index:
            counts[index[m], index[t]] += 1
    return counts


def test_every_pixel_counts_once_and_values_with_gaps_come_back(make_map, make_tif):
    mapped, truth = noisy_pair()
    truth[40:, 40:] = NODATA
    found = evaluate(make_map(mapped), make_tif(truth, "truth.tif", nodata=NODATA))
    assert np.array_equal(found.confusion.counts, expected(mapped, truth))
    assert found.confusion.names == ("water", "forest", "road")
    assert [c.value for c in found.matching.classes] == [1, 10, 14]
    assert found.matching.by == "value"  # the truth has no names
    assert any("matched by value" in note for note in found.notes)
    assert found.kind == "raster"
    assert found.coverage.unmapped == (mapped == NODATA).sum()
    assert found.coverage.compared == found.confusion.total
    assert found.block == default_block(mapped.shape) == 6
    assert found.intervals.blocks == 80


def test_strips_and_blocks_change_nothing(make_map, make_tif, monkeypatch):
    mapped, truth = noisy_pair()
    files = make_map(mapped), make_tif(truth, "truth.tif", nodata=NODATA)
    whole = evaluate(*files, EvaluateOptions(block=7))
    monkeypatch.setattr(maps, "_STRIP_PIXELS", 3 * mapped.shape[1])
    strips = evaluate(*files, EvaluateOptions(block=7))
    assert np.array_equal(strips.confusion.counts, whole.confusion.counts)
    assert np.array_equal(strips.intervals.iou, whole.intervals.iou)
    assert np.allclose(strips.estimate.mapped, whole.estimate.mapped)
    assert np.array_equal(strips.view.mapped, whole.view.mapped)
    assert np.array_equal(strips.view.reference, whole.view.reference)
    other = evaluate(*files, EvaluateOptions(block=30))
    assert np.array_equal(other.confusion.counts, whole.confusion.counts)
    assert not np.array_equal(other.intervals.iou, whole.intervals.iou)


def test_a_block_border_lies_where_it_should(make_map, make_tif):
    mapped = np.full((20, 20), 1, np.uint8)
    mapped[:, 10:] = 10
    truth = mapped.copy()
    truth[:10, :10] = 10  # one of the four blocks is all wrong
    found = evaluate(
        make_map(mapped), make_tif(truth, "t.tif", nodata=NODATA), EvaluateOptions(block=10)
    )
    assert found.intervals.blocks == 4
    assert found.confusion.overall_accuracy == 0.75


def test_a_reference_in_another_crs_is_laid_on_the_map(make_map, tmp_path):
    mapped, truth = noisy_pair((60, 60), wrong=0)
    mapped = np.kron(mapped, np.ones((3, 3), np.uint8))
    truth = np.kron(truth, np.ones((3, 3), np.uint8))
    here = from_origin(LEFT, TOP, SIZE, SIZE)
    bounds = LEFT, TOP - 1800, LEFT + 1800, TOP
    there, width, height = calculate_default_transform(
        "EPSG:32631", "EPSG:4326", 180, 180, *bounds, resolution=5e-5
    )
    turned = np.full((height, width), NODATA, np.uint8)
    reproject(
        truth, turned, src_transform=here, src_crs="EPSG:32631", dst_transform=there,
        dst_crs="EPSG:4326", src_nodata=NODATA, dst_nodata=NODATA,
    )  # fmt: skip
    path = tmp_path / "degrees.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype="uint8",
        crs="EPSG:4326", transform=there, nodata=NODATA,
    ) as dataset:  # fmt: skip
        dataset.write(turned, 1)
    found = evaluate(make_map(mapped), path)
    assert found.coverage.compared > 0.98 * (mapped != NODATA).sum()
    assert found.confusion.overall_accuracy > 0.98


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:4326"])
def test_polygons_count_the_pixels_whose_centres_they_hold(make_map, make_vector, crs):
    mapped, _ = noisy_pair()
    polygon = box(LEFT + 204, TOP - 396, LEFT + 399, TOP - 206)
    path = make_vector([polygon], {"kind": ["FOREST"]}, crs=crs)
    options = EvaluateOptions(LabelOptions(class_field="kind"))
    found = evaluate(make_map(mapped), path, options)
    inside = mapped[21:40, 20:40]  # rows 20 and 40 are covered by less than half
    assert found.kind == "polygons"
    assert found.matching.by == "name"
    assert not any("matched by value" in note for note in found.notes)
    by_class = [(inside == value).sum() for value in NAMES]
    assert found.confusion.counts[:, 1].tolist() == by_class
    assert found.confusion.referenced[[0, 2]].tolist() == [0, 0]


def test_numeric_fields_match_by_value(make_map, make_vector):
    mapped, _ = noisy_pair()
    shapes = [box(LEFT, TOP - 600, LEFT + 250, TOP), box(LEFT + 250, TOP - 600, LEFT + 500, TOP)]
    found = evaluate(make_map(mapped), make_vector(shapes, {"class": [14, 1]}))
    truth = np.full(mapped.shape, 14)
    truth[:, 25:] = 1
    assert found.matching.by == "value"
    assert np.array_equal(found.confusion.counts, expected(mapped, truth))


def test_points_are_samples_also_two_in_one_pixel(make_map, make_vector):
    mapped = np.full((30, 30), 1, np.uint8)
    mapped[15:] = 10
    mapped[:, 25:] = NODATA
    places = [
        (3, 4, "water"), (3, 4, "forest"), (14, 0, "water"), (15, 0, "forest"), (29, 24, "water"),
        (5, 27, "water"), (8, 8, None), (40, 40, "water"), (10, 10, "snow"),
    ]  # fmt: skip
    points = [centre(row, col) for row, col, _ in places]
    path = make_vector(points, {"class": [name for *_, name in places]}, crs="EPSG:4326")
    found = evaluate(make_map(mapped), path)
    assert found.kind == "points"
    assert found.confusion.names == ("water", "forest", "snow")
    assert found.confusion.counts.tolist() == [[2, 1, 1], [1, 1, 0], [0, 0, 0]]
    c = found.coverage
    assert (c.compared, c.unmapped, c.unlabelled, c.outside) == (6, 1, 1, 1)
    assert any("snow" in note for note in found.notes)


def test_points_on_pixel_borders_belong_to_the_pixel_below_and_right(make_map, make_vector):
    from shapely.geometry import Point

    mapped = np.full((10, 10), 1, np.uint8)
    mapped[5, 5] = 10
    corner = Point(LEFT + 50, TOP - 50)
    found = evaluate(make_map(mapped), make_vector([corner, centre(0, 0)], {"class": [10, 1]}))
    assert found.confusion.counts.tolist() == [[1, 0], [0, 1]]


def test_numbered_points_and_several_in_one_feature(make_map, make_vector):
    from shapely.geometry import MultiPoint

    mapped, truth = noisy_pair()
    places = [(20, 20), (20, 21), (45, 33)]
    points = [MultiPoint([centre(*p) for p in places]), centre(50, 10)]
    labels = [10, int(truth[50, 10])]
    found = evaluate(make_map(mapped), make_vector(points, {"class": labels}))
    assert found.coverage.compared == 4
    assert found.kind == "points"


def test_widened_points_and_lines_are_areas(make_map, make_vector):
    mapped, _ = noisy_pair()
    path = make_vector([centre(30, 30), centre(50, 30)], {"class": ["road", "water"]})
    wide = EvaluateOptions(LabelOptions(width_m=60))
    found = evaluate(make_map(mapped), path, wide)
    assert found.kind == "polygons"
    assert found.coverage.compared > 40
    line = LineString([centre(20, 20), centre(20, 39)])
    path = make_vector([line, centre(50, 30).buffer(15)], {"class": ["road", "water"]}, "l.gpkg")
    found = evaluate(make_map(mapped), path)
    assert found.confusion.referenced[2] >= 20


def test_names_match_in_either_case_and_foreign_classes_stay(make_map):
    mapped, truth = noisy_pair()
    truth[0:5, 30:] = 20
    other = {1: "Water", 10: "FOREST", 14: "road", 20: "snow"}
    found = evaluate(make_map(mapped), make_map(truth, "truth.tif", names=other))
    assert found.matching.by == "name"
    assert found.confusion.names == ("water", "forest", "road", "snow")
    assert found.matching.reference_only == ("snow",)
    assert found.confusion.counts[3].sum() == 0
    assert found.confusion.counts[:, 3].sum() == 100
    assert found.estimate.mapped[3] == 0


def test_names_win_over_numbers_that_differ(make_map):
    mapped, truth = noisy_pair()
    swapped = np.array([*range(256)], np.uint8)
    swapped[[1, 10]] = 10, 1
    swapped = swapped[truth]
    names = {1: "forest", 10: "water", 14: "road"}
    found = evaluate(make_map(mapped), make_map(swapped, "truth.tif", names=names))
    assert np.array_equal(found.confusion.counts, expected(mapped, truth))


def test_a_csv_names_the_classes_of_a_map_without_names(make_map, make_vector, tmp_path):
    mapped, _ = noisy_pair()
    csv = tmp_path / "classes.csv"
    csv.write_text("value,name\n1,water\n10,forest\n14,road\n")
    bare = make_map(mapped, names=None)
    shapes = [box(LEFT, TOP - 600, LEFT + 250, TOP), box(LEFT + 250, TOP - 600, LEFT + 500, TOP)]
    labels = make_vector(shapes, {"class": ["road", "water"]})
    with pytest.raises(OptionError, match=r"no class name in common: the map has 1, 10, 14"):
        evaluate(bare, labels)
    found = evaluate(bare, labels, EvaluateOptions(LabelOptions(classes=csv)))
    assert found.confusion.names == ("water", "forest", "road")
    assert found.confusion.referenced[1] == 0


def test_areas_are_those_of_the_whole_map(make_map, make_vector):
    mapped, truth = noisy_pair()
    points = [centre(r, c) for r in range(16, 60, 3) for c in range(14, 50, 3)]
    labels = [int(truth[r, c]) for r in range(16, 60, 3) for c in range(14, 50, 3)]
    found = evaluate(make_map(mapped), make_vector(points, {"class": labels}))
    pixels = [(mapped == value).sum() for value in NAMES]
    assert np.allclose(found.estimate.mapped, np.array(pixels) * 100, rtol=1e-3)
    again = estimate_areas(found.confusion.counts, pixels)
    assert found.estimate.overall == pytest.approx(again.overall)
    assert found.sampled
    facts = found.to_dict()["area_adjusted"]
    assert facts["overall_accuracy_plus_minus_95"] == pytest.approx(1.96 * again.overall_se)
    assert facts["unit"] == "m2"


def test_degrees_are_no_areas(make_map, make_tif):
    mapped = np.ones((40, 20), np.uint8)
    mapped[:20] = 10  # the northern half, whose pixels are smaller
    place = {"crs": "EPSG:4326", "transform": from_origin(10, 80, 0.25, 0.25)}
    found = evaluate(make_map(mapped, **place), make_tif(mapped, "t.tif", nodata=NODATA, **place))
    south, north = found.estimate.mapped
    assert south > 1.2 * north
    assert found.metric


def test_a_map_without_a_place_has_areas_in_pixels(make_map, make_tif):
    mapped, truth = noisy_pair()
    nowhere = {"crs": None, "transform": rasterio.Affine.identity()}
    found = evaluate(
        make_map(mapped, **nowhere), make_tif(truth, "t.tif", nodata=NODATA, **nowhere)
    )
    assert not found.metric
    assert found.estimate.mapped.sum() == (mapped != NODATA).sum()


def test_intervals_of_areas_only_for_points(make_map, make_tif):
    mapped, truth = noisy_pair()
    found = evaluate(make_map(mapped), make_tif(truth, "t.tif", nodata=NODATA))
    facts = found.to_dict()
    assert facts["area_adjusted"]["overall_accuracy_plus_minus_95"] is None
    assert facts["area_adjusted"]["overall_accuracy"] == pytest.approx(
        facts["overall_accuracy"], abs=1e-3
    )
    assert "no random sample" in facts["notes"][0]


def test_a_class_without_reference_is_told(make_map, make_vector):
    mapped, _ = noisy_pair()
    points = [centre(20, 20), centre(30, 30), centre(50, 40)]
    mapped[20, 20], mapped[30, 30], mapped[50, 40] = 1, 10, 10
    found = evaluate(make_map(mapped), make_vector(points, {"class": [1, 10, 1]}))
    assert any("without any reference: road" in note for note in found.notes)
    assert np.isnan(found.estimate.overall)
    assert any("too few for intervals" in note for note in found.notes)


def test_all_is_json(make_map, make_tif):
    mapped, truth = noisy_pair()
    found = evaluate(make_map(mapped), make_tif(truth, "t.tif", nodata=NODATA))
    facts = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert facts["confusion"]["counts"] == found.confusion.counts.tolist()
    assert (
        Confusion(found.confusion.names, np.array(facts["confusion"]["counts"])).kappa
        == facts["kappa"]
    )
    assert facts["bootstrap"] == {
        "block_pixels": 6,
        "blocks": found.intervals.blocks,
        "replicates": 1000,
    }


def test_numbers_against_a_raster_and_points(make_tif, make_vector):
    generator = np.random.default_rng(0)
    truth = generator.normal(300, 50, (40, 40)).astype(np.float32)
    mapped = truth + generator.normal(2, 5, truth.shape).astype(np.float32)
    mapped[:5] = np.nan
    truth[:, :3] = -9999
    heights = make_tif(mapped, "heights.tif", nodata=float("nan"))
    found = evaluate(heights, make_tif(truth, "t.tif", nodata=-9999))
    known = np.isfinite(mapped) & (truth != -9999)
    error = mapped[known].astype(float) - truth[known]
    assert found.scores.n == found.coverage.compared == known.sum()
    assert found.scores.rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)
    assert found.coverage.unmapped == 5 * 37
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["task"] == "numbers"
    points = [centre(10, 10), centre(20, 30), centre(20, 30)]
    path = make_vector(points, {"height": [300.0, 310.0, None]})
    by_points = evaluate(heights, path, EvaluateOptions(LabelOptions(class_field="height")))
    errors = [mapped[10, 10] - 300, mapped[20, 30] - 310]
    assert by_points.scores.bias == pytest.approx(np.mean(errors), rel=1e-5)
    assert by_points.coverage.unlabelled == 1


class TestRefused:
    def test_a_missing_map(self, tmp_path):
        with pytest.raises(SceneError, match="does not exist"):
            evaluate(tmp_path / "no.tif", tmp_path / "no.gpkg")

    def test_a_scene_for_a_map(self, make_tif):
        path = make_tif(np.zeros((3, 8, 8), np.uint8))
        with pytest.raises(OptionError, match="has 3 bands, but a map has one"):
            evaluate(path, path)

    def test_a_map_of_no_classes(self, make_tif):
        path = make_tif(np.full((8, 8), -4, np.int16))
        with pytest.raises(OptionError, match="cannot be used as a map of classes"):
            evaluate(path, path)

    def test_a_missing_reference(self, make_map, tmp_path):
        with pytest.raises(GeoRasterError, match=r"no\.tif"):
            evaluate(make_map(noisy_pair()[0]), tmp_path / "no.tif")

    @pytest.mark.parametrize("kind", ["raster", "polygons", "points"])
    def test_no_common_ground(self, make_map, make_tif, make_vector, kind):
        mapped, truth = noisy_pair()
        far = LEFT + 50_000
        if kind == "raster":
            place = from_origin(far, TOP, SIZE, SIZE)
            path = make_tif(truth, "t.tif", nodata=NODATA, transform=place)
        else:
            shape = box(far, TOP - 100, far + 100, TOP)
            shapes = [shape if kind == "polygons" else shape.centroid] * 2
            path = make_vector(shapes, {"class": [1, 10]})
        with pytest.raises(OptionError, match=r"550\d\d\d") as told:
            evaluate(make_map(mapped), path)
        assert "500000" in str(told.value)

    def test_labels_only_where_the_map_is_nodata(self, make_map, make_tif):
        mapped, truth = noisy_pair()
        truth[mapped != NODATA] = NODATA
        with pytest.raises(OptionError, match="Nothing can be compared"):
            evaluate(make_map(mapped), make_tif(truth, "t.tif", nodata=NODATA))

    def test_no_common_class(self, make_map, make_tif):
        mapped, truth = noisy_pair()
        other = make_tif((truth + 100).astype(np.uint8), "t.tif", nodata=NODATA)
        with pytest.raises(OptionError, match=r"1, 10, 14, the reference 101, 110, 114"):
            evaluate(make_map(mapped), other)

    def test_an_unknown_field(self, make_map, make_vector):
        path = make_vector([centre(20, 20)], {"kind": ["water"]})
        options = EvaluateOptions(LabelOptions(class_field="knid"))
        with pytest.raises(OptionError, match="kind"):
            evaluate(make_map(noisy_pair()[0]), path, options)

    def test_points_over_a_map_without_a_place(self, make_map, make_vector):
        nowhere = {"crs": None, "transform": rasterio.Affine.identity()}
        path = make_vector([centre(20, 20), centre(2, 2)], {"class": [1, 10]})
        with pytest.raises(OptionError, match="no CRS and transform"):
            evaluate(make_map(noisy_pair()[0], **nowhere), path)

    def test_a_block_of_nothing(self):
        with pytest.raises(OptionError, match="at least 1 pixel"):
            EvaluateOptions(block=0)


def test_a_class_that_the_map_names_but_lacks_keeps_its_name(tmp_path, make_tif):
    from georaster_dl.core.legend import Legend, MapClass
    from georaster_dl.render.qml import class_names_tag

    legend = Legend((MapClass(1, "water", (0, 0, 255)), MapClass(2, "forest", (0, 99, 0))))
    mapped = make_tif(np.ones((20, 20), np.uint8), "map.tif", nodata=255)
    with rasterio.open(mapped, "r+") as dataset:
        dataset.update_tags(CLASS_NAMES=class_names_tag(legend))
    truth = np.ones((20, 20), np.uint8)
    truth[:5] = 2
    found = evaluate(mapped, make_tif(truth, "truth.tif", nodata=255))
    assert found.confusion.names == ("water", "forest")
    assert found.confusion.counts.tolist() == [[300, 100], [0, 0]]


BUILDINGS = {0: "other", 1: "building"}


def buildings(make_map):
    """A map that calls everything but a frame building."""
    mapped = np.zeros((100, 100), np.uint8)
    mapped[10:90, 10:90] = 1
    return make_map(mapped, names=BUILDINGS)


def square(rows, cols):
    corners = [centre(rows[0] - 0.5, cols[0] - 0.5), centre(rows[1] - 0.5, cols[1] - 0.5)]
    return box(corners[0].x, corners[1].y, corners[1].x, corners[0].y)


def with_background(name="other", **labels):
    return EvaluateOptions(LabelOptions(background=name, **labels))


@pytest.mark.parametrize("classes", [["building"], [1]])
def test_polygons_of_one_class(make_map, make_vector, classes):
    path = buildings(make_map)
    truth = make_vector([square((40, 60), (40, 60))], {"class": classes})
    alone = evaluate(path, truth)
    assert "one class only (building)" in alone.warnings[0]
    assert "`background=`" in alone.warnings[0]
    assert alone.to_dict()["notes"][0] == alone.warnings[0]
    full = evaluate(path, truth, with_background())
    assert full.warnings == ()
    assert full.confusion.names == ("other", "building")
    assert full.confusion.counts.tolist() == [[3600, 0], [6000, 400]]
    assert evaluate(path, truth, with_background("Other")).confusion.total == 10_000


def test_a_background_that_the_map_names_but_does_not_have(make_map, make_vector):
    path = make_map(np.ones((50, 50), np.uint8), names=BUILDINGS)
    truth = make_vector([square((10, 20), (10, 20))], {"class": ["building"]})
    found = evaluate(path, truth, with_background())
    counts = dict(zip(found.confusion.names, found.confusion.counts[0].tolist(), strict=True))
    assert counts == {"building": 100, "other": 2400}


def test_backgrounds_that_cannot_be(make_map, make_vector, make_tif):
    path = buildings(make_map)
    truth = make_vector([square((40, 60), (40, 60))], {"class": ["building"]})
    with pytest.raises(
        OptionError, match="'meadow'` is none of the map's classes .other, building"
    ):
        evaluate(path, truth, with_background("meadow"))
    points = make_vector([centre(50, 50)], {"class": ["building"]}, "points.gpkg")
    with pytest.raises(OptionError, match="single points.*`width_m=`"):
        evaluate(path, points, with_background())
    assert "Label points" in evaluate(path, points).warnings[0]
    numbers = make_tif(np.ones((10, 10), np.float32), "numbers.tif")
    with pytest.raises(OptionError, match="map of numbers"):
        evaluate(numbers, make_tif(np.ones((10, 10), np.float32), "t.tif"), with_background())


def test_features_below_a_pixel_do_not_count(make_map, make_vector):
    path = buildings(make_map)
    tiny = square((70.6, 70.9), (70.6, 70.9))
    both = {"class": ["building", "other"]}
    found = evaluate(path, make_vector([square((40, 60), (40, 60)), tiny], both))
    assert any("1 of 2 features" in warning for warning in found.warnings)
    with pytest.raises(OptionError, match="all 1 feature .*`all_touched=True`"):
        evaluate(path, make_vector([tiny], {"class": ["building"]}, "tiny.gpkg"))


@pytest.mark.parametrize("kind", ["polygons", "raster"])
def test_labels_that_the_model_learnt_from(make_map, make_vector, make_tif, tmp_path, kind):
    path = buildings(make_map)
    shapes = [square((40, 60), (40, 60)), square((0, 9), (0, 50))]
    fields = {"class": ["building", "other"]}
    truth = make_vector(shapes, fields)
    if kind == "raster":
        rows, cols = np.indices((100, 100))
        truth = make_tif(((rows + cols) % 2).astype(np.uint8), "labels.tif")
    digest = labels_digest(truth, LabelOptions(), numbers=False)
    with rasterio.open(path, "r+") as dataset:
        training = {"labels": truth.name, "labels_sha256": f"{'0' * 16}, {digest}"}
        dataset.update_tags(**labels_tags(training))
    assert "is what the model of this map was trained on" in evaluate(path, truth).warnings[0]
    copy = tmp_path / f"copy{truth.suffix}"
    if kind == "raster":
        with rasterio.open(truth) as dataset:
            profile = {**dataset.profile, "tiled": True, "blockxsize": 16, "blockysize": 16}
            with rasterio.open(copy, "w", **{**profile, "compress": "deflate"}) as made:
                made.write(dataset.read())
    else:
        copy = make_vector(shapes[::-1], {"class": fields["class"][::-1]}, "copy.geojson")
    assert "is what the model" in evaluate(path, copy).warnings[0]
    folder = tmp_path / "other"
    folder.mkdir()
    other = folder / truth.name
    if kind == "raster":
        make_tif(np.eye(100, dtype=np.uint8), "other.tif").rename(other)
    else:
        make_vector([shapes[0], square((0, 8), (0, 50))], fields, "other.gpkg").rename(other)
    assert "of the name of the reference" in evaluate(path, other).warnings[0]
    other.rename(folder / f"new{truth.suffix}")
    assert evaluate(path, folder / f"new{truth.suffix}").warnings == ()
