"""The files that tell of a batch, and the page seen in a browser."""

import csv
import html
import json
import math
import os
import re
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread
from odc.geo.geobox import GeoBox
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from georaster_dl.batches.report.failures import by_error
from georaster_dl.batches.report.text import duration, moment, options_line, pixel_count
from georaster_dl.batches.report.thumbnails import thumbnail
from georaster_dl.batches.report.write import SceneRow, write_report
from georaster_dl.core.legend import Legend, MapClass
from georaster_dl.io.output.provenance import fractions_tags
from georaster_dl.io.output.writer import RasterSpec, RasterWriter
from georaster_dl.io.scenes.reader import open_scene
from georaster_dl.render import thumbnails as pictures
from georaster_dl.render.palette import choose_colors
from tests.browser import WIDTHS, look_at

HOSTILE = "<script>document.title='hacked'</script>\"' & a name so long that no column holds it" * 2
LEGEND = Legend(
    (
        MapClass(1, "water", (31, 120, 180)),
        MapClass(2, "forest", (51, 160, 44)),
        MapClass(7, HOSTILE[:64], (227, 26, 28)),
    )
)
COUNTS = {"water": 600, "forest": 400, HOSTILE[:64]: 0}
FACTS = {
    "model": "s2-landcover 1",
    "started": "2026-03-01T13:00:05+01:00",
    "seconds": 3725.0,
    "parameters": {"halo": "exact", "bands": ["B02", "B03"], "resample": True},
}


def write(path, array, **spec):
    """Write a raster as a run does; ``array`` is (bands, rows, cols)."""
    names = [f"band {i + 1}" for i in range(len(array))]
    known = {"names": names, "dtype": str(array.dtype), "nodata": math.nan, "overview": "average"}
    box = GeoBox.from_bbox((0, 0, 1, 1), shape=array.shape[1:])
    with RasterWriter(path, box, spec=RasterSpec(**known | spec)) as writer:
        writer.write(slice(0, array.shape[1]), slice(0, array.shape[2]), array)
    return path


def write_classes(path, shape=(60, 90)):
    array = np.full((1, *shape), 1, np.uint8)
    array[:, :, shape[1] // 2 :] = 2
    array[:, : shape[0] // 3] = LEGEND.nodata
    return write(path, array, legend=LEGEND, nodata=LEGEND.nodata, overview="mode")


def write_values(path, shape=(60, 90)):
    array = np.linspace(0, 50, math.prod(shape), dtype=np.float32).reshape(1, *shape)
    array[:, :10] = math.nan
    return write(path, array)


def write_scene(path, shape=(60, 90)):
    """Blue is dark on the left and bright on the right; red the other way round."""
    array = np.full((3, *shape), 500, np.uint16)
    array[0, :, shape[1] // 2 :] = 3000
    array[2, :, : shape[1] // 2] = 3000
    array[:, :10] = 0
    return write(path, array, names=["B02", "B03", "B04"], nodata=0)


def record(**facts):
    known = {"pixels": 5400, "valid_pixels": 1000, "seconds": 12.3456, "device": "cpu fp32"}
    return {"run": {"much": 1}, "files": [], **known, "classes": {}, "values": {}, **facts}


@pytest.fixture
def rows(tmp_path):
    one = write_classes(tmp_path / "one_landcover.tif", (90, 60))
    two = write_classes(tmp_path / "two #2?_landcover.tif")
    scene = str(write_scene(tmp_path / "one.tif", (90, 60)))
    return [
        SceneRow(
            "one", "done", "", (f"warned of {HOSTILE}",), one, record(classes=COUNTS), (scene,)
        ),
        SceneRow("bad", "failed", f"{HOSTILE}; fetch it again."),
        SceneRow("two #2?", "skipped", "", (), two, record(classes=COUNTS)),
        SceneRow("three", "not run", "", (), tmp_path / "three_landcover.tif"),
    ]


def table(folder):
    with (folder / "batch.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_of_a_batch(rows, tmp_path):
    made, failed = write_report(tmp_path, rows, FACTS)
    assert failed == ()
    assert [path.name for path in made] == ["batch.html", "batch.csv", "batch.json"]
    assert all(path.parent == tmp_path for path in made)
    assert {path.name for path in (tmp_path / "quicklooks").iterdir()} == {
        "one.png", "one_scene.png", "two #2?.png",
    }  # fmt: skip
    assert not list(tmp_path.rglob(".*"))
    facts = json.loads((tmp_path / "batch.json").read_text())
    assert {key: facts[key] for key in FACTS} == FACTS
    scenes = {scene["name"]: scene for scene in facts["scenes"]}
    assert list(scenes) == [row.name for row in rows]
    assert scenes["one"]["classes"] == COUNTS
    assert scenes["one"]["output"] == "one_landcover.tif"
    assert scenes["one"]["sources"] == [str(tmp_path / "one.tif")]
    assert "run" not in scenes["one"]
    assert scenes["bad"]["error"] == rows[1].error
    assert scenes["bad"]["output"] == ""
    assert scenes["three"]["output"] == ""  # what may stand there is not of this batch


def test_the_table(rows, tmp_path):
    write_report(tmp_path, rows, FACTS)
    found = table(tmp_path)
    assert [row["status"] for row in found] == ["done", "failed", "skipped", "not run"]
    assert list(found[0])[:9] == [
        "name", "scene", "status", "error", "map", "pixels", "valid_share", "seconds", "device",
    ]  # fmt: skip
    assert found[0]["scene"] == str(tmp_path / "one.tif")
    assert found[0]["map"] == "one_landcover.tif"
    assert float(found[0]["valid_share"]) == pytest.approx(1000 / 5400, rel=1e-5)
    assert float(found[0]["share: water"]) == 0.6
    assert float(found[2]["share: forest"]) == 0.4
    assert found[1]["share: water"] == found[1]["pixels"] == found[3]["valid_share"] == ""
    assert found[1]["error"] == rows[1].error


def test_the_table_of_quantities(tmp_path):
    values = {"canopy height (m)": {"mean": 12.5, "min": -1.0, "max": 50.0}}
    path = write_values(tmp_path / "a.tif")
    row = SceneRow("a", "done", output=path, record=record(values=values))
    write_report(tmp_path, [row, SceneRow("b", "failed", "no")], {})
    [a, b] = table(tmp_path)
    assert [float(a[f"{key}: canopy height (m)"]) for key in ("mean", "min", "max")] == [
        12.5,
        -1,
        50,
    ]
    assert b["mean: canopy height (m)"] == ""
    page = (tmp_path / "batch.html").read_text()
    assert "canopy height (m): mean 12.5, from -1 to 50" in page
    assert "9 to 50" not in page
    assert (
        "<span>9</span><span>29.5</span><span>50</span>" in page
    )  # around the 2nd and 98th percentile


def test_quantities_have_one_scale_and_a_colour_bar(tmp_path):
    rows = []
    for name, most in (("low", 10), ("high", 40)):
        array = np.linspace(0, most, 5400, dtype=np.float32).reshape(1, 60, 90)
        path = write(tmp_path / f"{name}_map.tif", array, names=["canopy height"], unit="m")
        rows.append(SceneRow(name, "done", output=path, record=record()))
    write_report(tmp_path, rows[:1], {})
    alone = imread(tmp_path / "quicklooks" / "low.png")
    write_report(tmp_path, rows, {})
    low, high = (imread(tmp_path / "quicklooks" / f"{row.name}.png") for row in rows)
    assert np.abs(low[-1, -1] - alone[-1, -1]).max() > 0.3  # it was the brightest of all
    assert np.abs(low[-1, -1] - high[15, 0]).max() < 0.05  # 10 m in both
    page = (tmp_path / "batch.html").read_text()
    assert page.count("linear-gradient(to right") == 1
    assert "canopy height (m), one scale for all scenes" in page
    assert "<span>0</span><span>20</span><span>40</span>" in page
    before = (tmp_path / "quicklooks" / "low.png").stat().st_mtime_ns
    write_report(tmp_path, rows, {})
    assert (tmp_path / "quicklooks" / "low.png").stat().st_mtime_ns == before


def test_fractions_are_shown_in_mixed_colours_whichever_is_first(tmp_path):
    names = ["soil", "tree"]
    stored = np.zeros((2, 60, 90), np.uint8)
    stored[0, :, :45], stored[1, :, 45:] = 250, 250
    stored[:, :10] = 255
    path = write(
        tmp_path / "cover.tif", stored, names=names, nodata=255, scale=0.004, tags=fractions_tags(2)
    )
    drawn = thumbnail(path, tmp_path / "cover.png")
    assert drawn is not None
    assert drawn.meaning == pictures.Meaning()
    colors = imread(tmp_path / "cover.png")
    soil, tree = (np.array(color) / 255 for color in choose_colors(names))
    np.testing.assert_allclose(colors[40, 10, :3], soil, atol=0.01)
    np.testing.assert_allclose(colors[40, 80, :3], tree, atol=0.01)
    assert not colors[:8, :, 3].any()


def test_a_batch_of_nothing(tmp_path):
    write_report(tmp_path, [], {})
    assert table(tmp_path) == []
    assert json.loads((tmp_path / "batch.json").read_text()) == {"scenes": []}


def test_pictures_are_drawn_once(rows, tmp_path):
    write_report(tmp_path, rows, FACTS)
    pictures = sorted((tmp_path / "quicklooks").iterdir())
    for picture in pictures:
        picture.write_bytes(picture.read_bytes())
    before = [picture.stat().st_mtime_ns for picture in pictures]
    write_report(tmp_path, rows, FACTS)
    assert [picture.stat().st_mtime_ns for picture in pictures] == before
    later = time.time() + 10
    os.utime(tmp_path / "one_landcover.tif", (later, later))
    write_report(tmp_path, rows, FACTS)
    after = [picture.stat().st_mtime_ns for picture in pictures]
    assert [new > old for new, old in zip(after, before, strict=True)] == [True, True, False]


def test_a_map_that_is_gone_or_damaged_has_no_picture(rows, tmp_path):
    (tmp_path / "one_landcover.tif").unlink()
    (tmp_path / "two #2?_landcover.tif").write_bytes(b"II*\0 cut short")
    write_report(tmp_path, rows, FACTS)
    assert [path.name for path in (tmp_path / "quicklooks").iterdir()] == ["one_scene.png"]
    page = (tmp_path / "batch.html").read_text()
    assert page.count("<img") == 1


def shown(folder, name):
    return imread(folder / "quicklooks" / f"{name}_scene.png")


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (pictures._BANDS, "{"),
        (pictures._BANDS, "7"),
        (pictures._BANDS, "[[1]]"),
        (pictures._BANDS, "[" * 100_000),
        (pictures._QUANTITY, "[]"),
        (pictures._LIMITS, "low"),
    ],
)
def test_a_picture_of_another_program_says_nothing(tmp_path, key, text):
    note = PngInfo()
    note.add_text(key, text)
    Image.new("RGB", (2, 2)).save(tmp_path / "s.png", pnginfo=note)
    with pytest.raises(UnidentifiedImageError):
        pictures.read_thumbnail(tmp_path / "s.png")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_no_picture_is_drawn_through_a_link(rows, tmp_path):
    (tmp_path / "victim").mkdir()
    (tmp_path / "quicklooks").symlink_to(tmp_path / "victim")
    told = []
    files, failed = write_report(tmp_path, rows, {"model": "m"}, told.append)
    assert len(files) == 3
    assert failed
    assert "it is a link" in " ".join(map(str, told))
    assert list((tmp_path / "victim").iterdir()) == []


def test_pictures_of_scenes(rows, tmp_path):
    write_report(tmp_path, rows, FACTS)
    picture = shown(tmp_path, "one")
    assert picture.shape == (90, 60, 4)
    assert (picture[:10, :, 3] == 0).all()
    assert (picture[10:, :, 3] == 1).all()
    left, right = picture[50, 10], picture[50, 50]
    assert left[0] > 0.9
    assert left[2] < 0.1
    assert right[0] < 0.1
    assert right[2] > 0.9
    page = (tmp_path / "batch.html").read_text()
    assert "First the scene (red B04, green B03, blue B02)" in page
    assert page.index("one_scene.png") < page.index("one.png")
    assert "two%20%232%3F_scene.png" not in page


def test_a_scene_is_shown_with_the_bands_that_the_user_named(rows, tmp_path):
    run = {"parameters": {"scene": {"bands": ["B04", "B03", "B02"], "nodata": 3000}}}
    rows[0] = replace(rows[0], record=rows[0].record | {"run": run})
    write_report(tmp_path, rows, FACTS)
    assert (shown(tmp_path, "one")[10:, :, 3] == 0).all()
    rows[0].record["run"]["parameters"]["scene"]["nodata"] = None
    (tmp_path / "quicklooks" / "one_scene.png").unlink()
    write_report(tmp_path, rows, FACTS)
    picture = shown(tmp_path, "one")
    assert picture[50, 10, 2] > picture[50, 10, 0]


def test_clouds_do_not_darken_the_picture_of_a_scene(tmp_path):
    colors = np.array([900, 700, 500], np.uint16)[:, None, None]
    cloudy = np.broadcast_to(colors + 10 * np.arange(90, dtype=np.uint16), (3, 60, 90)).copy()
    cloudy[:, :40] = 20_000
    source = write(tmp_path / "one.tif", cloudy, nodata=0)
    path = write(tmp_path / "one_map.tif", np.ones((1, 60, 90), np.uint8), nodata=255)
    row = SceneRow("one", "done", output=path, record=record(), sources=(str(source),))
    write_report(tmp_path, [row], {})
    assert shown(tmp_path, "one")[50, 60:, :3].mean() > 0.5


@pytest.mark.parametrize(
    "source",
    [
        "",
        "file://{}/one.tif",
        "/vsisubfile/0,{}/one.tif",
        "{}/gone.tif",
        "{}/item.json",
        "{}/far.vrt",
        "{}/big.vrt",
    ],
)
def test_scenes_that_cost_much_or_cannot_be_read_have_no_picture(rows, tmp_path, source):
    far = f"/vsisubfile/0,{tmp_path}/one.tif"  # no plain file, as what has to be fetched
    asset = {"href": far, "eo:bands": [{"name": "B02"}]}
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "i", "assets": {"B02": asset}}
    (tmp_path / "item.json").write_text(json.dumps(item))
    for name, size, file in (("far", 60, far), ("big", 5000, f"{tmp_path}/one.tif")):
        (tmp_path / f"{name}.vrt").write_text(
            f'<VRTDataset rasterXSize="{size}" rasterYSize="{size}"><VRTRasterBand dataType="UInt16" '
            f'band="1"><SimpleSource><SourceFilename>{file}</SourceFilename></SimpleSource>'
            f"</VRTRasterBand></VRTDataset>"
        )
    sources = (source.format(tmp_path),) if source else ()
    if source not in ("", "{}/gone.tif"):
        assert open_scene(sources).bands  # it could be read
    write_report(tmp_path, [replace(rows[0], sources=sources)], FACTS)
    assert [path.name for path in (tmp_path / "quicklooks").iterdir()] == ["one.png"]
    assert "First the scene" not in (tmp_path / "batch.html").read_text()


def test_a_scene_does_not_take_the_name_of_a_map(rows, tmp_path):
    rows = [rows[0], replace(rows[2], name="one_scene")]
    write_report(tmp_path, rows, FACTS)
    assert imread(tmp_path / "quicklooks" / "one_scene.png").shape == (60, 90, 4)
    assert "First the scene" not in (tmp_path / "batch.html").read_text()


def test_large_batches_show_no_scenes(rows, tmp_path):
    many = [SceneRow(f"n{i}", "not run") for i in range(500)]
    write_report(tmp_path, [rows[0], *many], FACTS)
    assert not (tmp_path / "quicklooks" / "one_scene.png").exists()
    write_report(tmp_path, [rows[0], *many[1:]], FACTS)
    assert (tmp_path / "quicklooks" / "one_scene.png").exists()


def failed(name, error, *sources, **more):
    return SceneRow(name, "failed", error.format(*sources), sources=sources, **more)


def test_failures_are_told_once():
    lacking = "m needs B8, but {0} has bands a, b; see B04 of {0}."
    rows = [
        failed("cut", "{0} is cut (cut.tif: /x/cut.tif: no header).", "/x/cut.tif"),
        failed("a", lacking, "/x/a.tif", warnings=("/x/a.tif is odd.",)),
        failed("y_B04", lacking, "/y/B04.tif", warnings=("/y/B04.tif is odd.",)),
        failed("z", "m needs B8, but z has bands a, b; see B04 of 'z'.", "/z.tif"),
        SceneRow("fine", "done"),
        failed("1", "m has 1 band: band_1", "/x/1.tif"),
        failed("2", "m has 1 band: band_1", "/x/2.tif"),
        failed("p", "/out/p_map.tif exists (/in/p.tif and 1 more).", "/in/p.tif", "/in/q.tif"),
        failed("r", "/out/r_map.tif exists (/in/r.tif and 1 more).", "/in/r.tif", "/in/s.tif"),
    ]
    several, single, exists, cut, z = by_error(rows)
    assert [row.name for row in several.rows] == ["a", "y_B04"]
    assert several.error == "m needs B8, but SCENE has bands a, b; see B04 of SCENE."
    assert several.warnings == ("SCENE is odd.",)
    assert single.error == "m has 1 band: band_1"
    assert exists.error == "/out/SCENE_map.tif exists (SCENE and 1 more)."
    assert cut.error == rows[0].error  # its own words
    assert z.rows == (rows[3],)


def test_the_page_tells_failures_once_with_their_paths(tmp_path):
    few = [failed(f"s{i}", "{} has no bands.", f"/data/<{i}>.tif") for i in range(10)]
    write_report(tmp_path, [*few, failed("t", "no room", "/data/t.tif")], FACTS)
    page = (tmp_path / "batch.html").read_text()
    assert page.count("has no bands.") == 1
    assert "10 scenes: <span>SCENE has no bands." in page
    assert 's3 <span class="path">/data/&lt;3&gt;.tif</span>' in page
    assert '<p class="path">/data/t.tif</p>' in page
    assert "<details>" not in page
    write_report(tmp_path, [*few, failed("s10", "{} has no bands.", "/data/10.tif")], FACTS)
    page = (tmp_path / "batch.html").read_text()
    assert page.index("11 scenes:") < page.index("<details>") < page.index("/data/&lt;0&gt;.tif")


def test_no_data_is_in_the_legend_where_there_is_any(rows, tmp_path):
    write_report(tmp_path, rows, FACTS)
    assert "</span>no data</li>" in (tmp_path / "batch.html").read_text()
    write_report(tmp_path, [replace(rows[0], record=record(valid_pixels=5400))], FACTS)
    assert "</span>no data</li>" not in (tmp_path / "batch.html").read_text()


def test_shares_are_drawn_in_the_order_in_which_they_are_named(rows, tmp_path):
    other = record(classes={"water": 1, "forest": 9})
    write_report(tmp_path, [rows[0], replace(rows[2], record=other)], FACTS)
    bars = re.findall(r'role="img".*?</div>', (tmp_path / "batch.html").read_text())
    assert [re.findall(r"flex: (\d+)", bar) for bar in bars] == [["60", "40"], ["90", "10"]]


def test_pictures_of_classes(tmp_path):
    made = thumbnail(write_classes(tmp_path / "c.tif"), tmp_path / "c.png")
    assert made.size == (90, 60)
    assert made.meaning.limits is None
    picture = imread(made.path)
    assert picture.shape == (60, 90, 4)
    assert (picture[:20, :, 3] == 0).all()
    assert (picture[20:, :, 3] == 1).all()
    assert np.allclose(picture[40, 10, :3] * 255, LEGEND.classes[0].color)
    assert np.allclose(picture[40, 80, :3] * 255, LEGEND.classes[1].color)


def test_pictures_of_values(tmp_path):
    path = write_values(tmp_path / "v.tif")
    for _ in range(2):  # drawn, then read
        made = thumbnail(path, tmp_path / "v.png")
        assert made.meaning.limits == pytest.approx((9.17, 49.17), abs=0.01)
    picture = imread(made.path)
    assert (picture[:10, :, 3] == 0).all()
    dark, bright = picture[10:, :, :3].mean(axis=2)[[0, -1], 45]
    assert dark < bright


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_of_features(tmp_path, packed):
    array = np.zeros((5, 40, 30), np.float32)
    array[0, :, 15:] = 5
    array[1] = np.linspace(-100, 100, 40)[:, None]
    array[3:] = 1000
    array[:, :5] = math.nan
    path = tmp_path / "f.tif"
    write(path, array, tags={"GEORASTER_DL_CONTENT": "features"}, packed=packed, statistics=True)
    made = thumbnail(path, tmp_path / "f.png")
    assert made.meaning.bands == ("band 1", "band 2", "band 3")
    write_report(tmp_path, [SceneRow("f", "done", output=path, record=record())], {})
    page = (tmp_path / "batch.html").read_text()
    assert "colours: red band 1, green band 2, blue band 3" in page
    picture = imread(made.path)
    assert picture.shape == (40, 30, 4)
    assert (picture[:5, :, 3] == 0).all()
    assert picture[20, 5, 0] < 0.01
    assert picture[20, 25, 0] > 0.99
    assert (np.diff(picture[5:, 5, 1]) >= 0).all()
    assert picture[39, 5, 1] > 0.9


def test_large_maps_are_drawn_from_their_overviews(tmp_path, monkeypatch):
    path = write_classes(tmp_path / "large.tif", (1500, 3000))
    made = thumbnail(path, tmp_path / "large.png")
    assert made.size == (320, 160)
    # The full resolution is cut away: what is still shown comes from the overviews.
    damaged = tmp_path / "damaged.tif"
    import rasterio

    with rasterio.open(path) as dataset:
        place = {"ns": "BLOCK_OFFSET_0_0", "dm": "TIFF", "bidx": 1, "ovr": None}
        first = int(dataset.get_tag_item(**place))
    damaged.write_bytes(path.read_bytes()[:first])
    again = thumbnail(damaged, tmp_path / "damaged.png")
    assert (imread(again.path) == imread(made.path)).all()


def test_what_cannot_be_written_is_told_and_costs_nothing_else(rows, tmp_path):
    (tmp_path / "quicklooks").write_text("a file")
    (tmp_path / "batch.csv").mkdir()
    said = []
    made, failed = write_report(tmp_path, rows, FACTS, said.append)
    assert [path.name for path in made] == ["batch.html", "batch.json"]
    assert [one.path.name for one in failed] == ["quicklooks", "batch.csv"]
    assert said == [str(one) for one in failed]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.13, "4.1 s"), (60, "1 min 00 s"), (200.4, "3 min 20 s"), (7530, "2 h 05 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("pixels", "text"),
    [
        (10_100, "10,100 pixels"),
        (3_399_000, "3.40 Mpx"),
        (34_000_000, "34.0 Mpx"),
        (120_560_400, "121 Mpx"),
        (12e10, "120 Gpx"),
    ],
)
def test_pixel_counts(pixels, text):
    assert pixel_count(pixels) == text


def test_times_and_options():
    assert moment("2026-11-21T23:31:59+01:00") == "2026-11-21 22:31 UTC"
    assert moment("2026-11-21T23:31:59") == "2026-11-21 23:31"
    assert moment("yesterday") == "yesterday"
    given = {"scene": {"bands": ("B02", "B03"), "scale": 0.5}, "halo": 32, "resample": True}
    assert options_line(given) == "bands B02,B03, scale 0.5, halo 32, resample"


def test_nothing_is_fetched_and_all_text_is_escaped(rows, tmp_path):
    write_report(tmp_path, rows, FACTS)
    page = (tmp_path / "batch.html").read_text(encoding="utf-8")
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert addresses
    for address in addresses:
        assert address.startswith(("data:", "quicklooks/", "one_", "two%20%232%3F_")), address
    assert "url(" not in page
    assert "@import" not in page
    assert "<script" not in page
    assert html.escape("<script>") in page
    assert page.index("fetch it again") < page.index('alt="one"')


@pytest.fixture
def browse(tmp_path):
    """Open the page of a folder in Chromium at every width; returns what was seen and complained of."""
    return lambda folder: look_at(
        folder / "batch.html", tmp_path / "profile", height=3000, text="p, li, dd div"
    )


def test_the_page_in_a_browser(browse, rows, tmp_path):
    folder = tmp_path / "a #1?"
    folder.mkdir()
    write_report(folder, rows, FACTS)
    seen, console = browse(folder)
    assert console == []
    for view, width in zip(seen, WIDTHS, strict=True):
        assert view["width"] == width
        assert view["scroll"] <= width, "the page scrolls sideways"
        assert view["title"] == "a #1?: s2-landcover 1"
        assert [alt for _, alt, _ in view["pictures"]] == ["one: the scene", "one", "two #2?"]
        for natural, _, shown in view["pictures"]:
            assert natural in (60, 90)
            assert 50 < shown <= width
        assert view["spilt"] == 0
        assert view["smallest"] >= 12
    for text in (
        "a #1?: s2-landcover 1", "2026-03-01 12:00 UTC · 1 h 02 min", "water 60.0 %",
        "Options: halo exact, bands B02,B03, resample", "18.5 % with data", HOSTILE,
    ):  # fmt: skip
        assert text in seen[0]["text"]
