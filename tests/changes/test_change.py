"""Two maps of one model, compared: what changed, what cannot be known, and what is refused."""

import csv

import geopandas
import numpy as np
import pytest
import rasterio
from matplotlib.image import imread
from shapely.geometry import Point, box

import georaster_dl as gdl
from georaster_dl.changes.options import ChangeOptions, ChangeOutputs
from georaster_dl.changes.run import change
from georaster_dl.core.errors import GeoRasterError, OptionError
from georaster_dl.core.events import Warned
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.evaluation.metrics.area import estimate_areas
from georaster_dl.io.labels.raster import stated_classes
from georaster_dl.io.output.provenance import rejected_tags, rejected_value
from georaster_dl.predict.options import SegmentOptions
from tests.maps import read_band
from tests.mosaics import (
    LEFT,
    NODATA,
    SIZE,
    TOP,
    grid,
    write_classes,
    write_confidence,
    write_values,
)

MODEL = {"GEORASTER_DL_MODEL": "m 1", "GEORASTER_DL_MODEL_SHA256": "abc"}
BEFORE = np.kron([[1, 1, 3], [3, 4, 1]], np.ones((10, 10), int))
AFTER = BEFORE.copy()
AFTER[12:16, 2:9] = 4  # 28 pixels from 3 to 4
AFTER[0:2, 25:30] = 1  # 10 from 3 to 1


@pytest.fixture
def maps(tmp_path):
    """Two maps, 20 x 30 pixels."""

    def write(before=BEFORE, after=AFTER, *, there=None, tags=({}, {}), **given):
        paths = []
        for name, array, place, more in (
            ("before", before, grid(before.shape), tags[0]),
            ("after", after, there or grid(after.shape), tags[1]),
        ):
            path = tmp_path / f"{name}.tif"
            paths.append(write_classes(path, array, place, **given, **MODEL | more))
        return paths

    return write


def compare(pair, *, options=None, said=None, **files):
    out = pair[0].with_name("change.tif")
    report = [].append if said is None else said.append
    return change(*pair, None, ChangeOutputs(out, **files), options, report), out


def test_identical_maps_have_no_change(maps):
    changed, out = compare(maps(BEFORE, BEFORE))
    assert changed.changed_share == 0
    assert (read_band(out) == BEFORE).all()
    assert {row.name: row.pixels for row in changed.transitions} == {
        "water": 300, "grass & low": 200, "built-up": 100,
    }  # fmt: skip


def test_a_planted_change_is_found_named_and_measured(maps):
    changed, out = compare(maps())
    expected = np.where(AFTER == BEFORE, BEFORE, np.where(AFTER == 4, 204, 201))
    assert (read_band(out) == expected).all()
    first, second = changed.transitions[:2]
    assert (first.name, first.before, first.after, first.value) == (
        "grass & low -> built-up", "grass & low", "built-up", 204,
    )  # fmt: skip
    assert (first.pixels, second.pixels) == (28, 10)
    assert first.area_m2 == pytest.approx(2800, rel=2e-3)  # of the plane: UTM's scale is 0.9996
    assert {entry.value: entry.name for entry in stated_classes(out)} == {
        1: "water", 3: "grass & low", 4: "built-up", 201: "grass & low -> water", 204: "grass & low -> built-up",
    }  # fmt: skip
    assert out.with_suffix(".qml").exists()
    with rasterio.open(out) as dataset:
        assert (dataset.dtypes[0], dataset.nodata) == ("uint8", 255)


def test_nodata_at_either_date_is_never_a_change(maps):
    before, after = BEFORE.copy(), AFTER.copy()
    before[:5], after[-6:] = NODATA, NODATA
    _, out = compare(maps(before, after))
    missing = (before == NODATA) | (after == NODATA)
    assert ((read_band(out) == 255) == missing).all()


def test_clouds_and_shadows_are_nodata(maps):
    legend = Legend(
        (MapClass(1, "water", (0, 0, 255)), MapClass(3, "Cloud shadow", (9, 9, 9)), MapClass(4, "cloud", (255, 255, 255)))
    )  # fmt: skip
    changed, out = compare(maps(legend=legend))
    assert ((read_band(out) == 1) == ((BEFORE == 1) & (AFTER == 1))).all()
    assert set(np.unique(read_band(out))) == {1, 255}
    assert changed.hidden == ("Cloud shadow", "cloud")


def test_only_clouds_are_refused(maps):
    legend = Legend((MapClass(1, "cloud", (0, 0, 255)), MapClass(3, "shadow", (9, 9, 9))))
    with pytest.raises(OptionError, match="hide the ground"):
        compare(maps(np.where(BEFORE == 4, 3, BEFORE), BEFORE, legend=legend))


def test_no_ground_in_common_is_refused_and_leaves_nothing(maps):
    pair = maps(BEFORE, np.full_like(AFTER, NODATA))
    there = set(pair[0].parent.iterdir())
    told = (
        r"No pixel is known at both dates: the first date \(before.tif\) has 100.00 % of the map's pixels "
        r"and the second date \(after.tif\) has 0.00 %.*; choose another second date."
    )
    with pytest.raises(OptionError, match=told):
        compare(pair)
    assert set(pair[0].parent.iterdir()) == there


def test_dates_that_are_known_beside_each_other_have_no_ground_in_common(maps):
    before, after = BEFORE.copy(), AFTER.copy()
    before[5:], after[:10] = NODATA, NODATA
    told = r"25.00 % of the map's .* 50.00 % .*; choose dates with clear ground in common"
    with pytest.raises(OptionError, match=told):
        compare(maps(before, after))


def test_the_share_that_is_known_at_both_dates_is_said(maps, tmp_path):
    before, after = BEFORE.copy(), AFTER.copy()
    before[:5], after[-5:] = NODATA, NODATA
    changed, _ = compare(maps(before, after), csv=tmp_path / "table.csv")
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert changed.known_share == 0.5
    assert sum(float(row["percent_of_map"]) for row in rows) == pytest.approx(50, abs=1e-3)
    assert sum(float(row["percent"]) for row in rows) == pytest.approx(100, abs=1e-3)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"quicklook": "x.txt"}, "`quicklook=` is a PNG, but its name is x.txt; end it in .png"),
        ({"csv": "x.xlsx"}, "`csv=` is CSV"),
        ({"confidence": "x.png"}, "`confidence=` is a GeoTIFF"),
        ({"out": "x.png"}, "the map of changes is a GeoTIFF"),
    ],
)
def test_endings_of_other_formats_are_refused(maps, files, told):
    with pytest.raises(OptionError, match=told):
        gdl.change(*maps(), **{"out": "c.tif"} | files)


@pytest.mark.parametrize(("row", "col"), [(3, -4), (-5, 7), (0.3, -0.4)])
def test_a_grid_whole_pixels_apart_is_laid_on_the_first(maps, row, col):
    down, across = round(row), round(col)
    _, out = compare(maps(there=grid(AFTER.shape, row, col)))
    expected = np.full(BEFORE.shape, 255)
    for r in range(20):
        for c in range(30):
            if 0 <= r - down < 20 and 0 <= c - across < 30:
                a, b = BEFORE[r, c], AFTER[r - down, c - across]
                expected[r, c] = b if a == b else 100 * ([1, 3, 4].index(a) + 1) + b
    expected = np.where(expected == 255, {True: 255, False: 65535}[expected.max() < 255], expected)
    assert (read_band(out) == expected).all()


@pytest.mark.parametrize(
    ("place", "warned"), [((0.3, -0.4), True), ((5.45, 0), True), ((2, -3), False), ((0.2, 0.2), False)]
)  # fmt: skip
def test_maps_moved_by_much_of_a_pixel_are_warned_of(maps, place, warned):
    said = []
    compare(maps(there=grid(AFTER.shape, *place)), said=said)
    told = [event.message for event in said if isinstance(event, Warned)]
    off = np.hypot(*(round(each) - each for each in place))
    assert told[:1] == [one for one in told if f"is moved by {off:.2f} pixels" in one]
    assert bool(told) is warned


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (grid((20, 30), size=20), r"gdalwarp -r near -t_srs EPSG:32631 -tr 10 10 -te 500000 4999800 500300 5000000"),
        (grid((20, 30), crs="EPSG:32632"), "another grid .EPSG:32631.* than .*EPSG:32632"),
        (grid((20, 30), row=20), "share no ground"),
    ],
)  # fmt: skip
def test_another_grid_is_refused_with_the_way_out(maps, there, message):
    with pytest.raises(OptionError, match=message):
        compare(maps(there=there))


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"GEORASTER_DL_MODEL_SHA256": "def"}, "two models seldom agree"),
        ({"GEORASTER_DL_MODEL_SHA256": ""}, "does not say which model"),
        ({"GEORASTER_DL_CONTENT": "clusters"}, "holds clusters"),
    ],
)
def test_other_maps_are_refused(maps, tags, message):
    with pytest.raises(GeoRasterError, match=message):
        compare(maps(tags=({}, tags)))


@pytest.mark.parametrize(
    ("run", "named"),
    [
        ({"scene": SceneOptions(mask="SCL", nodata=0)}, "`nodata=`, `mask=` say how scenes are mapped"),
        ({"scene": SceneOptions(bands=("B02",))}, "`bands=`"),
        ({"scene": SceneOptions(scale=1e-4)}, "`scale=`"),
        ({"reject": 0.9}, "`reject=`"),
        ({"resample": True}, "`resample=`"),
    ],
)  # fmt: skip
def test_options_of_scenes_are_refused_for_maps(maps, run, named):
    with pytest.raises(OptionError, match=named):
        compare(maps(), options=ChangeOptions(SegmentOptions(**run)))


def test_options_that_change_no_pixel_are_taken_for_maps(maps):
    pair = maps()
    for _ in range(2):
        run = SegmentOptions(device="cpu", tile=64, overwrite=True)
        changed, _ = compare(pair, options=ChangeOptions(run))
    assert changed.changed_share > 0


def test_an_area_of_interest_limits_the_comparison_of_maps(maps, tmp_path):
    area = box(LEFT, TOP - SIZE * 15, LEFT + SIZE * 12, TOP)
    geopandas.GeoDataFrame(geometry=[area], crs="EPSG:32631").to_file(tmp_path / "aoi.gpkg")
    run = SegmentOptions(aoi=tmp_path / "aoi.gpkg")
    changed, out = compare(maps(), options=ChangeOptions(run))
    inside = np.zeros(BEFORE.shape, bool)
    inside[:15, :12] = True
    assert ((read_band(out) != 255) == inside).all()
    assert changed.transitions[0].pixels == 21  # the rows of 12 to 14


def test_a_scene_without_a_model_is_called_a_scene(maps, tmp_path):
    scene = write_values(tmp_path / "scene.tif", np.ones((1, *BEFORE.shape)), grid(BEFORE.shape))
    with pytest.raises(OptionError, match=r"scene.tif .* is a scene.* name the model"):
        compare([maps()[0], scene])


def with_confidence(pair, row=0, col=0):
    places = grid(BEFORE.shape), grid(BEFORE.shape, row, col)
    for path, value, place in zip(pair, (200, 150), places, strict=True):
        write_confidence(path, np.full(BEFORE.shape, value), place, **MODEL)
    return pair


def test_confidence_is_the_product_of_both(maps, tmp_path):
    after = AFTER.copy()
    after[:, :3] = NODATA
    changed, _ = compare(with_confidence(maps(BEFORE, after)), confidence=tmp_path / "sure.tif")
    with rasterio.open(tmp_path / "sure.tif") as dataset:
        values = dataset.read(1)
        assert (values[:, 3:] * dataset.scales[0] == pytest.approx(0.8 * 0.6)) is True
        assert (values[:, :3] == dataset.nodata).all()
    assert changed.transitions[0].confidence == pytest.approx(0.48)
    assert changed.files[-1].name == "change.tif"


def test_changes_below_the_minimum_confidence_are_uncertain(maps):
    pair = with_confidence(maps())
    sure = np.full(BEFORE.shape, 250)
    sure[:, :5] = 100  # 0.4
    write_confidence(pair[1], sure, grid(BEFORE.shape), **MODEL)
    changed, out = compare(pair, options=ChangeOptions(minimum_confidence=0.5))
    unsure = (AFTER != BEFORE) & (np.arange(30) < 5)
    assert unsure.any()
    assert ((read_band(out) == 400) == unsure).all()
    assert rejected_value(out) == 400
    assert changed.transitions[-1].name == "uncertain"
    assert changed.transitions[-1].pixels == unsure.sum()
    rest = ~unsure
    assert (read_band(out)[rest & (AFTER == BEFORE)] == BEFORE[rest & (AFTER == BEFORE)]).all()


@pytest.mark.parametrize(
    "asked", [{"options": ChangeOptions(minimum_confidence=0.5)}, {"confidence": "c.tif"}]
)
def test_maps_without_confidence_cannot_be_sure(maps, tmp_path, asked):
    if "confidence" in asked:
        asked = {"confidence": tmp_path / "c.tif"}
    with pytest.raises(OptionError, match="needs the confidence of both maps"):
        compare(maps(), **asked)


def test_uncertain_pixels_of_the_maps_stay_uncertain(maps):
    tags = rejected_tags(4, coverage=0.9, threshold=0.5)
    changed, out = compare(maps(tags=(tags, tags)))
    assert ((read_band(out) == 300) == ((BEFORE == 4) | (AFTER == 4))).all()
    assert changed.transitions[0].name == "grass & low -> water"


def test_the_table(maps, tmp_path):
    compare(with_confidence(maps()), csv=tmp_path / "table.csv")
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [row["from"] for row in rows[:3]] == ["grass & low", "grass & low", "water"]
    assert [row["changed"] for row in rows[:3]] == ["True", "True", "False"]
    assert sum(int(row["pixels"]) for row in rows) == BEFORE.size
    assert sum(float(row["area_ha"]) for row in rows) == pytest.approx(6.0, rel=2e-3)
    assert {row["estimated_area_ha"] for row in rows} == {""}


def points(path, places, labels):
    centres = [Point(LEFT + SIZE * (c + 0.5), TOP - SIZE * (r + 0.5)) for r, c in places]
    geopandas.GeoDataFrame({"class": labels}, geometry=centres, crs="EPSG:32631").to_file(path)
    return path


def test_reference_points_give_areas_with_intervals(maps, tmp_path):
    """As Olofsson et al. 2014 have it, with the strata of the map of changes."""
    rng = np.random.default_rng(0)
    names = {
        1: "water",
        3: "grass & low",
        4: "built-up",
        201: "grass & low -> water",
        204: "grass & low -> built-up",
    }
    pair = maps()
    _, out = compare(pair)
    codes = read_band(out)
    order, places, labels, counts = [1, 3, 4, 204, 201], [], [], np.zeros((5, 5), int)
    for i, value in enumerate(order):
        rows, cols = np.nonzero(codes == value)
        for k in rng.choice(len(rows), 8, replace=False):
            truth = 3 if value > 200 and len(places) % 4 == 0 else value
            places.append((rows[k], cols[k]))
            labels.append(names[truth])
            counts[i, order.index(truth)] += 1
    reference = points(tmp_path / "points.gpkg", places, labels)
    out.unlink()
    changed, out = compare(pair, options=ChangeOptions(reference=reference))
    by_name = {row.name: row for row in changed.transitions}
    mapped = np.array([by_name[names[value]].area_m2 for value in order])
    expected = estimate_areas(counts, mapped)
    for i, value in enumerate(order):
        row = by_name[names[value]]
        assert row.adjusted_m2 == pytest.approx(expected.areas[i])
        assert row.half_width_m2 == pytest.approx(1.96 * expected.areas_se[i])
    assert (
        by_name["grass & low -> built-up"].adjusted_m2 < by_name["grass & low -> built-up"].area_m2
    )


def test_a_reference_of_areas_gives_no_interval(maps, tmp_path):
    shape = Point(LEFT + 100, TOP - 100).buffer(80)
    frame = geopandas.GeoDataFrame({"class": ["water"]}, geometry=[shape], crs="EPSG:32631")
    frame.to_file(tmp_path / "areas.gpkg")
    with pytest.raises(OptionError, match="intervals come from points"):
        compare(maps(), options=ChangeOptions(reference=tmp_path / "areas.gpkg"))


def test_a_reference_beside_uncertain_changes_is_refused(tmp_path):
    with pytest.raises(OptionError, match="uncertain pixels does not"):
        ChangeOptions(minimum_confidence=0.5, reference=tmp_path / "p.gpkg")


def test_the_picture_shows_both_dates_and_the_changes(maps, tmp_path):
    compare(maps(), quicklook=tmp_path / "look.png")
    picture = (imread(tmp_path / "look.png")[..., :3] * 255).round()
    pale, strong = (178, 178, 255), (140, 60, 10)  # water, and grass that became built-up
    assert sum((picture == color).all(axis=-1).sum() > 500 for color in (pale, strong)) == 2


def test_what_fails_beside_the_map_costs_only_itself(maps, tmp_path, monkeypatch):
    def fails(*_args, **_more):
        raise ValueError("no pen")

    monkeypatch.setattr("georaster_dl.changes.run.write_classes_quicklook", fails)
    said = []
    changed, out = compare(maps(), said=said, quicklook=tmp_path / "look.png")
    assert out.exists()
    assert [one.path.name for one in changed.failed] == ["look.png"]
    assert any(isinstance(event, Warned) and "no pen" in event.message for event in said)


def test_strips_give_the_same_as_the_whole(maps, tmp_path, monkeypatch):
    there = grid(AFTER.shape, 3, 2)
    pair = with_confidence(maps(there=there), 3, 2)
    _, out = compare(pair, confidence=tmp_path / "sure.tif")
    whole = read_band(out), read_band(tmp_path / "sure.tif")
    for path in (out, tmp_path / "sure.tif"):
        path.unlink()
    monkeypatch.setattr("georaster_dl.changes.pair._STRIP_PIXELS", 90)
    _, out = compare(pair, confidence=tmp_path / "sure.tif")
    assert (read_band(out) == whole[0]).all()
    assert (read_band(tmp_path / "sure.tif") == whole[1]).all()


def test_an_input_is_never_an_output(maps):
    pair = maps()
    with pytest.raises(GeoRasterError, match="also an input"):
        change(*pair, None, ChangeOutputs(pair[0]), ChangeOptions())
