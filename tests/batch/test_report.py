"""The files that tell of a batch, and the page seen in a browser."""

import csv
import html
import json
import math
import os
import re
import shutil
import subprocess
import time

import numpy as np
import pytest
from matplotlib.image import imread
from odc.geo.geobox import GeoBox

from georaster_dl.batch.report import SceneRow, write_report
from georaster_dl.batch.text import duration
from georaster_dl.batch.thumbnails import thumbnail
from georaster_dl.errors import OutputError
from georaster_dl.io.writer import RasterSpec, RasterWriter
from georaster_dl.legend import Legend, MapClass

HOSTILE = "<script>document.title='hacked'</script>\"' & a name so long that no column holds it" * 2
LEGEND = Legend(
    (
        MapClass(1, "water", (31, 120, 180)),
        MapClass(2, "forest", (51, 160, 44)),
        MapClass(7, HOSTILE[:64], (227, 26, 28)),
    )
)
COUNTS = {"water": 600, "forest": 400, HOSTILE[:64]: 0}
FACTS = {"model": "s2-landcover 1", "started": "2026-03-01 12:00", "seconds": 3725.0, "workers": 2}
WIDTHS = (1280, 400)


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


def record(**facts):
    known = {"pixels": 5400, "valid_pixels": 1000, "seconds": 12.3456, "device": "cpu fp32"}
    return {"run": {"much": 1}, "files": [], **known, "classes": {}, "values": {}, **facts}


@pytest.fixture
def rows(tmp_path):
    one = write_classes(tmp_path / "one_landcover.tif", (90, 60))
    two = write_classes(tmp_path / "two #2?_landcover.tif")
    return [
        SceneRow("one", "done", "", (f"warned of {HOSTILE}",), one, record(classes=COUNTS)),
        SceneRow("bad", "failed", f"{HOSTILE}; fetch it again."),
        SceneRow("two #2?", "skipped", "", (), two, record(classes=COUNTS)),
        SceneRow("three", "not run", "", (), tmp_path / "three_landcover.tif"),
    ]


def table(folder):
    with (folder / "batch.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_files_of_a_batch(rows, tmp_path):
    made = write_report(tmp_path, rows, FACTS)
    assert [path.name for path in made] == ["batch.html", "batch.csv", "batch.json"]
    assert all(path.parent == tmp_path for path in made)
    assert {path.name for path in (tmp_path / "quicklooks").iterdir()} == {"one.png", "two #2?.png"}
    assert not list(tmp_path.rglob(".*"))
    facts = json.loads((tmp_path / "batch.json").read_text())
    assert {key: facts[key] for key in FACTS} == FACTS
    scenes = {scene["name"]: scene for scene in facts["scenes"]}
    assert list(scenes) == [row.name for row in rows]
    assert scenes["one"]["classes"] == COUNTS
    assert scenes["one"]["output"] == "one_landcover.tif"
    assert "run" not in scenes["one"]
    assert scenes["bad"]["error"] == rows[1].error
    assert scenes["bad"]["output"] == ""
    assert scenes["three"]["output"] == ""  # what may stand there is not of this batch


def test_the_table(rows, tmp_path):
    write_report(tmp_path, rows, FACTS)
    found = table(tmp_path)
    assert [row["status"] for row in found] == ["done", "failed", "skipped", "not run"]
    assert list(found[0])[:8] == [
        "name", "status", "error", "map", "pixels", "valid_share", "seconds", "device",
    ]  # fmt: skip
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
    assert "colours: 9.17 to 49.2" in page  # 2nd and 98th percentile of what is shown


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
    assert after[0] > before[0]
    assert after[1] == before[1]


def test_a_map_that_is_gone_or_damaged_has_no_picture(rows, tmp_path):
    (tmp_path / "one_landcover.tif").unlink()
    (tmp_path / "two #2?_landcover.tif").write_bytes(b"II*\0 cut short")
    write_report(tmp_path, rows, FACTS)
    assert list((tmp_path / "quicklooks").iterdir()) == []
    page = (tmp_path / "batch.html").read_text()
    assert page.count("no picture") == 2
    assert "<img" not in page


def test_pictures_of_classes(tmp_path):
    made = thumbnail(write_classes(tmp_path / "c.tif"), tmp_path / "c.png")
    assert made.size == (90, 60)
    assert made.limits is None
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
        assert made.limits == pytest.approx((9.17, 49.17), abs=0.01)
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
    picture = imread(thumbnail(path, tmp_path / "f.png").path)
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


def test_what_cannot_be_written_is_told(rows, tmp_path):
    (tmp_path / "quicklooks").write_text("a file")
    with pytest.raises(OutputError, match="quicklooks"):
        write_report(tmp_path, rows, FACTS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.13, "4.1 s"), (60, "1 min 00 s"), (200.4, "3 min 20 s"), (7530, "2 h 05 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


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


_LOOK = """
onload = () => {
  const seen = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    return {
      width: frame.contentWindow.innerWidth, scroll: root.scrollWidth, title: page.title,
      text: page.body.innerText,
      pictures: [...page.images].map(i => [i.naturalWidth, i.alt, i.getBoundingClientRect().width]),
      spilt: [...page.images].filter(i => {
        const [own, room] = [i, i.closest('.view')].map(e => e.getBoundingClientRect());
        return own.bottom > room.bottom + 1 || own.right > room.right + 1;
      }).length,
      smallest: Math.min(...[...page.querySelectorAll('p, li, dd div')]
        .map(e => parseFloat(frame.contentWindow.getComputedStyle(e).fontSize))),
    };
  });
  document.getElementById('seen').textContent = JSON.stringify(seen);
};
"""


@pytest.fixture
def browse(tmp_path):
    """Open the page of a folder in Chromium at every width; returns what was seen and complained of."""
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no Chromium here")

    def look(folder):
        frames = "".join(
            f'<iframe src="batch.html" style="width: {width}px; height: 3000px; border: 0"></iframe>'
            for width in WIDTHS
        )
        wrapper = folder / "wrapper.html"
        wrapper.write_text(
            f'<!DOCTYPE html><meta charset="utf-8"><body>{frames}<pre id="seen"></pre>'
            f"<script>{_LOOK}</script>",
            encoding="utf-8",
        )
        command = [
            chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,6200",
            f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--v=0",
            "--allow-file-access-from-files", "--dump-dom", wrapper.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        return json.loads(html.unescape(found[1])), console

    return look


def test_the_page_in_a_browser(browse, rows, tmp_path):
    folder = tmp_path / "a #1?"
    folder.mkdir()
    write_report(folder, rows, FACTS)
    seen, console = browse(folder)
    assert console == []
    for view, width in zip(seen, WIDTHS, strict=True):
        assert view["width"] == width
        assert view["scroll"] <= width, "the page scrolls sideways"
        assert view["title"] == "Batch of scenes"
        assert [alt for _, alt, _ in view["pictures"]] == ["one", "two #2?"]
        for natural, _, shown in view["pictures"]:
            assert natural in (60, 90)
            assert 50 < shown <= width
        assert view["spilt"] == 0
        assert view["smallest"] >= 12
    for text in ("s2-landcover 1", "1 h 02 min", "water 60.0 %", "18.5 % with data", HOSTILE):
        assert text in seen[0]["text"]
