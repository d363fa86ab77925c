"""The report: one page that stands alone, seen in a browser."""

import base64
import html
import io
import re

import numpy as np
import pytest
from matplotlib.image import imsave
from PIL import Image

from georaster_dl.core.errors import GeoRasterError, OptionError
from georaster_dl.evaluation.compare import EvaluateOptions, evaluate
from georaster_dl.evaluation.report.html import render_report
from georaster_dl.evaluation.report.pictures import class_pictures
from georaster_dl.evaluation.report.table import csv_table
from georaster_dl.io.labels.read import LabelOptions
from tests.browser import WIDTHS, look_at
from tests.maps import LEFT, NODATA, TOP, centre, noisy_pair

HOSTILE = "<script>document.title='hacked'</script>\"' & a name so long that no column holds it"


@pytest.fixture
def browse(tmp_path):
    """Open a page in Chromium at every width; returns what was seen, and what the console said."""

    def look(page):
        path = tmp_path / "page.html"
        path.write_text(page, encoding="utf-8")
        return look_at(path, tmp_path / "profile", height=900, text="td, p, li, dd div")

    return look


@pytest.fixture
def by_raster(make_map, make_tif):
    mapped, truth = noisy_pair((200, 300))
    names = {1: HOSTILE, 10: "forest", 14: "road"}
    truth = make_tif(truth, "truth.tif", nodata=NODATA)
    return evaluate(make_map(mapped, names=names), truth)


@pytest.fixture
def by_points(make_map, make_vector):
    mapped, truth = noisy_pair((60, 50))
    generator = np.random.default_rng(0)
    places = [(int(r), int(c)) for r, c in zip(*generator.integers(0, 50, (2, 200)), strict=True)]
    labels = [int(truth[place]) for place in places]
    return evaluate(make_map(mapped), make_vector([centre(*p) for p in places], {"class": labels}))


@pytest.fixture
def by_numbers(make_tif):
    truth = np.random.default_rng(0).normal(300, 50, (60, 80)).astype(np.float32)
    truth[:5] = np.nan
    return evaluate(
        make_tif(truth + 3, "heights.tif", nodata=float("nan")),
        make_tif(truth, "measured.tif", nodata=float("nan")),
    )


@pytest.fixture
def scene(make_tif):
    """Three bands over a part of the maps and more, in another CRS and resolution."""
    array = np.random.default_rng(0).integers(1, 3000, (3, 90, 90)).astype(np.uint16)
    from rasterio.transform import from_origin

    return make_tif(
        array, "scene.tif", transform=from_origin(LEFT - 300, TOP + 300, 40, 40), nodata=0
    )


def pictures(page):
    return re.findall(r'src="data:image/png;base64,([^"]+)"', page)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["by_raster", "by_points", "by_numbers"])
def test_the_page_in_a_browser(browse, request, scene, tmp_path, kind):
    found = request.getfixturevalue(kind)
    curves = tmp_path / "curves.png"
    imsave(curves, np.random.default_rng(0).random((300, 900, 3)))
    page = render_report(found, image=scene, curves=curves)
    seen, console = browse(page)
    assert console == []
    for view, width in zip(seen, WIDTHS, strict=True):
        assert view["width"] == width
        assert view["scroll"] <= width, "the page scrolls sideways"
        assert view["title"] == f"Accuracy of {found.map.name}"
        assert view["language"] == "en"
        assert len(view["pictures"]) == len(pictures(page)) == 5
        for natural, alt, shown in view["pictures"]:
            assert natural > 0
            assert alt
            assert 100 < shown <= width
        assert view["smallest"] >= 12
    assert f"{found.coverage.compared:,}" in seen[0]["text"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("<div style='width: 2000px'>wide</div>", lambda seen, _: seen[0]["scroll"] > WIDTHS[0]),
        ("<script>nothing.here()</script>", lambda _, console: len(console) > 0),
        ("<img src='data:image/png;base64,AA'>", lambda seen, _: seen[0]["pictures"][-1][0] == 0),
    ],
)
def test_the_browser_sees_faults(browse, by_numbers, fault, told):
    page = render_report(by_numbers).replace("</main>", f"{fault}</main>")
    assert told(*browse(page))


def test_nothing_is_fetched_and_all_text_is_escaped(by_raster):
    page = render_report(by_raster)
    for address in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert address.startswith("data:")
    assert "url(" not in page
    assert "@import" not in page
    assert "<script" not in page
    assert html.escape("<script>") in page


def test_the_page_tells_the_figures(by_raster, by_points, by_numbers):
    page = render_report(by_raster)
    assert f"{100 * by_raster.confusion.overall_accuracy:.1f} %" in page
    assert f"{100 * by_raster.confusion.mean_iou:.1f} %" in page
    assert f"{by_raster.confusion.counts[1, 1]:,}" in page
    assert "no random sample" in page
    assert "± 95 %" not in page
    page = render_report(by_points)
    assert f"± {196 * by_points.estimate.overall_se:.1f}" in page
    assert "± 95 %" in page
    page = render_report(by_numbers)
    assert "RMSE" in page
    assert "+3" in page
    assert "Confusion" not in page


def decoded(picture):
    data = picture.source.removeprefix("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_errors_have_colours_that_are_no_class(make_map, make_tif):
    mapped = np.full((20, 30), 1, np.uint8)
    truth = mapped.copy()
    truth[:, 15:] = 10
    mapped[18:] = 10
    mapped[:5] = NODATA
    names = {1: "other", 10: "building"}
    found = evaluate(make_map(mapped, names=names), make_tif(truth, "t.tif", nodata=NODATA))
    errors = class_pictures(found)[2]
    told = dict(errors.legend)
    assert list(told) == ["right", "missed (mapped as other)", "false alarm (in truth other)"]
    assert not set(told.values()) & {entry.color for entry in found.matching.classes}
    shown = decoded(errors)
    zoom = len(shown) // 20
    at = {name: tuple(shown[row * zoom, col * zoom]) for name, row, col in (
        ("right", 10, 5), ("missed (mapped as other)", 10, 20), ("false alarm (in truth other)", 19, 5)
    )}  # fmt: skip
    assert at == told
    assert (shown[: 5 * zoom].std(axis=(0, 1)) > 0).all()  # hatched, not of one colour
    page = render_report(found)
    assert all("#{:02x}{:02x}{:02x}".format(*color) in page for color in told.values())
    assert "no data" in page


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        ({1: "oak", 10: "beech"}, ["oak mapped as beech", "beech mapped as oak"]),
        ({1: "oak", 10: "beech", 14: "fir"}, ["wrong"]),
        (
            {1: "oak", 10: "beech", 14: "no tree"},
            [
                "missed (mapped as no tree)",
                "false alarm (in truth no tree)",
                "mapped as another class",
            ],
        ),
    ],
)
def test_kinds_of_errors(make_map, make_tif, names, kinds):
    values = list(names)
    mapped = np.array(values, np.uint8)[np.indices((20, 30)).sum(axis=0) % len(values)]
    found = evaluate(make_map(mapped, names=names), make_tif(mapped, "t.tif", nodata=NODATA))
    assert [name for name, _ in class_pictures(found)[2].legend] == ["right", *kinds]


def test_the_background_that_the_user_names_makes_misses_and_false_alarms(make_map, make_vector):
    mapped = np.array([1, 10, 14], np.uint8)[np.indices((20, 30)).sum(axis=0) % 3]
    labels = make_vector(
        [centre(3, 3).buffer(50), centre(9, 9).buffer(50)], {"class": ["oak", "fir"]}
    )
    options = EvaluateOptions(labels=LabelOptions(background="the rest of it"))
    names = {1: "oak", 10: "fir", 14: "the rest of it"}
    found = evaluate(make_map(mapped, names=names), labels, options)
    assert [name for name, _ in class_pictures(found)[2].legend] == [
        "right",
        "missed (mapped as the rest of it)",
        "false alarm (in truth the rest of it)",
        "mapped as another class",
    ]


@pytest.mark.parametrize(("shape", "n"), [((8, 12), 3), ((300, 500), 3), ((300, 500), 3000)])
def test_points_are_round_and_seen_on_maps_of_any_size(make_map, make_vector, shape, n):
    rng = np.random.default_rng(0)
    places = [
        (int(r), int(c)) for r, c in zip(*(rng.integers(0, s, n) for s in shape), strict=True)
    ]
    truth = make_vector([centre(*p) for p in places], {"class": [10] * n})
    mapped = np.full(shape, 1, np.uint8)
    mapped[0, 0] = 10
    found = evaluate(make_map(mapped, names={1: "a", 10: "b"}), truth)
    shown = decoded(class_pictures(found)[1]).astype(int)
    assert max(shown.shape) >= 1200
    zoom = len(shown) / shape[0]
    color = np.array(found.matching.classes[1].color)
    like = np.abs(shown - color).sum(axis=2) < 12
    row, col = places[-1]  # on top of all
    middle = round((row + 0.5) * zoom), round((col + 0.5) * zoom)
    across, down = (
        int(like[max(middle[0] - 20, 0) : middle[0] + 21, middle[1]].sum()),
        int(like[middle[0], max(middle[1] - 20, 0) : middle[1] + 21].sum()),
    )
    assert min(across, down) >= 5
    assert abs(across - down) <= 2 or n > 100
    assert "pixelated" not in render_report(found)


def test_a_matrix_that_no_page_holds_is_left_to_the_table(make_map, make_tif):
    mapped = np.arange(2500, dtype=np.uint8).reshape(50, 50) % 60 + 1
    found = evaluate(make_map(mapped, names=None), make_tif(mapped, "t.tif", nodata=NODATA))
    page = render_report(found)
    assert "Too many classes" in page
    assert len(csv_table(found).splitlines()) == 61


def test_a_large_map_has_a_small_picture(make_map, make_tif):
    mapped, truth = noisy_pair((2500, 500))
    found = evaluate(make_map(mapped), make_tif(truth, "t.tif", nodata=NODATA))
    assert found.view.step == 3
    assert np.array_equal(found.view.mapped >= 0, (mapped != NODATA)[::3, ::3])


def test_what_cannot_be_shown_is_refused(by_raster, tmp_path):
    text = tmp_path / "curves.png"
    text.write_text("no picture")
    with pytest.raises(OptionError, match="are no PNG"):
        render_report(by_raster, curves=text)
    with pytest.raises(OptionError, match="cannot be read"):
        render_report(by_raster, curves=tmp_path / "no.png")
    with pytest.raises(GeoRasterError, match="does not exist"):
        render_report(by_raster, image=tmp_path / "no.tif")


def test_the_table_has_a_row_for_each_class(by_raster, by_points, by_numbers):
    import csv

    rows = list(csv.DictReader(io.StringIO(csv_table(by_raster))))
    assert [row["name"] for row in rows] == list(by_raster.confusion.names)
    assert rows[0]["name"] == HOSTILE
    assert int(rows[1]["reference: road"]) == by_raster.confusion.counts[1, 2]
    assert float(rows[2]["iou"]) == pytest.approx(by_raster.confusion.iou[2])
    assert float(rows[2]["iou_95_low"]) == pytest.approx(by_raster.intervals.iou[0, 2])
    assert rows[0]["area_plus_minus_95"] == ""
    rows = list(csv.DictReader(io.StringIO(csv_table(by_points))))
    assert float(rows[0]["area_plus_minus_95"]) == pytest.approx(
        1.96 * by_points.estimate.areas_se[0]
    )
    rows = list(csv.DictReader(io.StringIO(csv_table(by_numbers))))
    assert len(rows) == 1
    assert float(rows[0]["bias"]) == pytest.approx(3, abs=1e-4)
