"""Which scenes are meant by what the user gives, and what they are called."""

import http.server
import json
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

from georaster_dl.core.errors import OptionError, OutputError, SceneError
from georaster_dl.io.files.scene_names import file_name, scene_stem
from georaster_dl.io.formats.stac import read_item
from georaster_dl.io.listing import items as items_module
from georaster_dl.io.listing.find import list_scenes
from georaster_dl.io.scenes.reader import open_scene


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Make empty files in the working folder; files are told apart by name only."""
    monkeypatch.chdir(tmp_path)

    def made(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    return made


@pytest.fixture
def listed(tmp_path):
    """List scenes; returns a dictionary of their sources below the test's folder by their names."""

    def run(*given):
        found = list_scenes([str(one) for one in given], tmp_path / "items")
        assert len({scene.name for scene in found}) == len(found)
        return {
            scene.name: " ".join(s.removeprefix(f"{tmp_path}/") for s in scene.sources)
            for scene in found
        }

    return run


@pytest.fixture
def refused(listed):
    def run(*given, error=SceneError):
        with pytest.raises(error) as caught:
            listed(*given)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return run


def test_rasters_and_addresses_are_scenes(make, listed):
    make("b.tif", "a.tif")
    assert listed("b.tif", "a.tif", "https://x.org/d/c.tif?sig=1", "s3://bucket/e.tif") == {
        "b": "b.tif",
        "a": "a.tif",
        "c": "https://x.org/d/c.tif?sig=1",
        "e": "s3://bucket/e.tif",
    }
    # It is missed when it is opened, and the other scenes are done.
    assert listed("absent.tif", "a.tif") == {"absent": "absent.tif", "a": "a.tif"}


def test_a_scene_given_twice_counts_once(make, listed, tmp_path):
    make("d/a.tif", "a.tif")
    assert listed("a.tif", "d/../a.tif", tmp_path / "a.tif", "[a].tif") == {"a": "a.tif"}
    (tmp_path / "list.txt").write_text("a.tif\n./a.tif\n")
    assert listed("list.txt", "a.tif") == {"a": "a.tif"}


def test_patterns(make, listed, refused):
    make("p/b2.tif", "p/b1.tif", "p/x/deep.tif", "p/.hidden.tif", "p/notes.md", "odd[1].tif")
    assert listed("p/*.tif") == {"b1": "p/b1.tif", "b2": "p/b2.tif"}
    assert list(listed("p/**/*.tif")) == ["b1", "b2", "deep"]
    assert listed("p/b?.tif") == listed("p/b[12].tif") == listed("p/*.tif")
    assert listed("odd[1].tif") == {"odd[1]": "odd[1].tif"}  # a file of that name comes first
    assert "q/*.tif" in refused("q/*.tif")


def test_patterns_leave_out_what_gdal_and_qgis_leave_beside_rasters(make, listed, refused):
    make("p/a.tif", "p/a.tif.aux.xml", "p/a.tif.ovr", "p/a.TFW", "p/a.qml", "q/b.tif.aux.xml")
    assert listed("p/*") == {"a": "p/a.tif"}
    assert "q/*" in refused("q/*")


def test_folders(make, listed, refused, tmp_path):
    make(
        "f/s.tif", "f/s.tif.aux.xml", "f/t.JP2", "f/u.nc", "f/v.vrt", "f/w.img", "f/readme.txt",
        "f/.s.tif", "f/S2A.SAFE/MTD_MSIL2A.xml", "f/named/MTD_MSIL1C.xml", "f/deeper/d.tif",
        "f/S2B.SAFE.zip",
    )  # fmt: skip
    with zipfile.ZipFile(tmp_path / "f" / "p.zip", "w") as archive:
        archive.writestr("S2C.SAFE/MTD_MSIL2A.xml", "")
    with zipfile.ZipFile(tmp_path / "f" / "other.zip", "w") as archive:
        archive.writestr("x.tif", "")
    whole = (tmp_path / "f" / "p.zip").read_bytes()
    (tmp_path / "f" / "cut.zip").write_bytes(whole[:20])  # the user hears of it, as a failed scene
    assert set(listed("f").values()) == {
        "f/s.tif", "f/t.JP2", "f/u.nc", "f/v.vrt", "f/w.img", "f/S2A.SAFE", "f/named",
        "f/S2B.SAFE.zip", "f/p.zip", "f/cut.zip",
    }  # fmt: skip
    assert listed("f/S2A.SAFE") == {"S2A": "f/S2A.SAFE"}
    assert listed("f/named") == {"named": "f/named"}
    (tmp_path / "empty").mkdir()
    assert "holds no scene" in refused("empty")


def test_envi_cubes_are_their_data_not_their_headers(make, listed, tmp_path):
    make("e/readme.txt")
    (tmp_path / "e" / "esri.hdr").write_text("BYTEORDER I\n")
    for name in ("a.img", "b", "c.dat"):
        profile = {"driver": "ENVI", "width": 4, "height": 3, "count": 1, "dtype": "uint8"}
        with rasterio.open(tmp_path / "e" / name, "w", **profile) as dataset:
            dataset.write(np.ones((1, 3, 4), "uint8"))
    (tmp_path / "e" / "a.img.aux.xml").unlink(missing_ok=True)
    expected = {"a": "e/a.img", "b": "e/b", "c": "e/c.dat"}
    assert listed("e") == expected
    assert listed("e/a.hdr", "e/*.hdr")["c"] == "e/c.dat"
    for scene in list_scenes(["e"], tmp_path / "items"):
        assert open_scene(scene.sources).shape == (3, 4)


def test_text_lists(make, listed, refused, tmp_path):
    make("l/a.tif", "l/B02.jp2", "l/B03.jp2")
    path = tmp_path / "l" / "list.txt"
    path.write_text(
        "\ufeff# scenes\n\n a.tif \nB02.jp2; B03.jp2\nhttps://x.org/c.tif\n/far/d.tif\n",
        encoding="utf-8",
    )
    assert listed(path) == {
        "a": "l/a.tif",
        "B02": "l/B02.jp2 l/B03.jp2",
        "c": "https://x.org/c.tif",
        "d": "/far/d.tif",
    }
    path.write_text("# nothing\n")
    assert "names no scene" in refused(path)
    path.write_bytes(b"\xff\xfe\x00")
    assert "save it as UTF-8" in refused(path)
    assert "No such file" in refused("none.txt")


def test_tables(listed, refused, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text('scene,name,date\na.tif,"Kranj: 1/2",2020\nb.tif,,\n,,\n"x.tif;y.tif",xy,\n')
    assert listed(path) == {"Kranj_ 1_2": "a.tif", "b": "b.tif", "xy": "x.tif y.tif"}
    path.write_text("path,name\na.tif,a\n")
    assert "none called scene" in refused(path)
    path.write_text("scene,name\n")
    assert "names no scene" in refused(path)


def test_names_in_a_table_that_are_the_same(refused, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("scene,name\na.tif,One\nb.tif,one\n")
    told = refused(path, error=OptionError)
    assert f"The names One (of {tmp_path}/a.tif) and one (of {tmp_path}/b.tif)" in told
    assert "more than upper and lower case" in told
    assert ".csv" not in told
    taken = f"{tmp_path.name}_b"  # what the last one, without a name, would get
    path.write_text(f"scene,name\na.tif,b\nc.tif,{taken}\nb.tif,\n")
    assert f"give a name for {tmp_path}/b.tif in a .csv" in refused(path, error=OptionError)


@pytest.mark.parametrize("mark", [";", "\t", ","])
def test_tables_of_other_languages(listed, refused, tmp_path, mark):
    path = tmp_path / "list.csv"
    rows = ("scene|name", "a.tif|first", '"B02.jp2;B03.jp2"|bands', "||", "c,d.tif|x")
    text = "\n".join(rows).replace("|", mark)
    path.write_text(text if mark != "," else text.replace("c,d.tif", '"c,d.tif"'))
    assert listed(path) == {"first": "a.tif", "bands": "B02.jp2 B03.jp2", "x": "c,d.tif"}
    path.write_text(f'"name"{mark}"scene"\n"k"{mark}"a.tif"\n')
    assert listed(path) == {"k": "a.tif"}
    path.write_text("scene\na.tif;b.tif\n")  # only the first line tells
    assert listed(path) == {"a": "a.tif b.tif"}
    path.write_text("scene;name\na.tif;a\nB02.jp2;B03.jp2;b\n")
    told = refused(path)
    assert "Line 3" in told
    assert "quotes" in told


def test_names_are_made_distinct_by_folders(listed, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert listed("p/s.tif", "q/s.tif", "t.tif") == {
        "p_s": "p/s.tif",
        "q_s": "q/s.tif",
        "t": "t.tif",
    }
    assert listed("p/s.tif", "q/S.jp2") == {"p_s": "p/s.tif", "q_S": "q/S.jp2"}
    told = refused("1/p/s.tif", "2/p/s.tif", error=OptionError)
    assert "1/p/s.tif" in told
    assert "2/p/s.tif" in told
    assert "p_s" in told


@pytest.mark.parametrize(
    ("name", "made"),
    [("a/b:c\\d", "a_b_c_d"), ("..", "scene"), ("é 1", "é 1"), ('"x"?*', "_x___"), ("", "scene")],
)
def test_names_can_be_names_of_files(tmp_path, name, made):
    assert file_name(name) == made
    (tmp_path / f"{made}_landcover.tif").touch()


def test_stems(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert scene_stem(".") == tmp_path.name
    assert scene_stem("https://x.org/") == "scene"
    assert scene_stem("https://x.org/a.b.tif?x=/y.z") == "a.b"


def item(identifier, href="B02.tif", **more):
    bands = [{"name": "B02", "common_name": "blue"}]
    return {
        "type": "Feature",
        "id": identifier,
        "properties": {},
        "assets": {"blue": {"href": href, "eo:bands": bands}, "none": {}},
        **more,
    }


def collection(*items, **more):
    return json.dumps({"type": "FeatureCollection", "features": items, **more})


def test_item_collections(make, listed, tmp_path):
    make("stac/one.json", "x.tif")
    (tmp_path / "stac" / "one.json").write_text(json.dumps(item("one")))
    listed("stac/one.json", "x.tif")
    assert not (tmp_path / "items").exists()
    far = item("c/d:1", "https://x.org/B02.tif")
    (tmp_path / "stac" / "all.geojson").write_text(collection(item("a.b"), far, item("a.b")))
    assert listed("stac/all.geojson") == {"a.b": "items/a.b.json", "c_d_1": "items/c_d_1.json"}
    assert read_item(str(tmp_path / "items" / "a.b.json"))[0].href == str(
        tmp_path / "stac" / "B02.tif"
    )
    assert read_item(str(tmp_path / "items" / "c_d_1.json"))[0].href == "https://x.org/B02.tif"
    before = (tmp_path / "items" / "a.b.json").stat().st_mtime_ns
    listed("stac/all.geojson")
    assert (tmp_path / "items" / "a.b.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot be read"),
        (collection(), "is empty"),
        (collection(item("a", "1.tif"), item("a", "2.tif")), "two different items"),
        (collection({"type": "Feature", "geometry": None}), "no STAC item"),
        (collection("x"), "no STAC item"),
    ],
)
def test_odd_collections_are_refused(refused, tmp_path, text, told):
    (tmp_path / "all.json").write_text(text)
    assert told in refused(tmp_path / "all.json")
    assert not (tmp_path / "items").exists()


@pytest.fixture
def served():
    """Serve texts by their path; returns the address."""
    texts = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            text = texts.get(self.path.partition("?")[0])
            self.send_response(200 if text else 404)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", texts
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_collection_at_an_address_goes_on_page_by_page(served, listed, refused, tmp_path):
    address, texts = served
    following = {"rel": "next", "href": "/search/2.json"}
    texts["/search/1.json"] = collection(item("a"), links=[{"rel": "self"}, following])
    texts["/search/2.json"] = collection(item("b"), links=[following])
    assert listed(f"{address}/search/1.json") == {"a": "items/a.json", "b": "items/b.json"}
    read = read_item(str(tmp_path / "items" / "b.json"))
    assert read[0].href == f"{address}/search/B02.tif"
    texts["/item.json"] = json.dumps(item("c"))
    assert listed(f"{address}/item.json?x=1") == {"item": f"{address}/item.json?x=1"}
    texts["/search/3.json"] = collection(item("a"), links=[following | {"method": "POST"}])
    assert "POST" in refused(f"{address}/search/3.json")
    texts["/none.json"] = "<html>"
    assert "cannot be read" in refused(f"{address}/none.json")


def test_ten_thousand_scenes_are_listed_at_once(make, listed, tmp_path):
    make("many/x.md")

    def seconds(count):
        (tmp_path / "list.txt").write_text("".join(f"many/{i}.tif\n" for i in range(count)))
        begun = time.process_time()
        assert len(listed("list.txt")) == count
        return time.process_time() - begun

    # Ten times as many take ten times as long; each compared with each, a hundred times.
    assert seconds(10_000) < 40 * seconds(1000)


def test_what_cannot_be_written_or_read_is_told(refused, listed, tmp_path, monkeypatch):
    (tmp_path / "items").write_text("a file")
    (tmp_path / "all.json").write_text(collection(item("a")))
    assert "items" in refused(tmp_path / "all.json", error=OutputError)

    def closed(_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "f").mkdir()
    monkeypatch.setattr(Path, "iterdir", closed)
    assert "Permission denied" in refused(tmp_path / "f")


def test_names_fit_any_file_system():
    long = "ü" * 120
    one, other = file_name(f"{long}1"), file_name(f"{long}2")
    assert one == file_name(f"{long}1") != other  # cut, and yet told apart
    assert len(f"{one}_landcover_confidence.tif.aux.xml".encode()) < 255
    assert one.startswith("üüü")
    assert file_name("M\udcfcnster\x1b[31m") == "M_nster_[31m"
    assert file_name("COM1") == "COM1_"


@pytest.mark.parametrize(
    "odd",
    [
        {"features": 7},
        {"features": [{"type": "Feature", "id": "a", "assets": {"x": None}}]},
        {"features": [{"type": "Feature", "id": "a", "assets": {"x": {"href": "http://[::1"}}}]},
        {"features": [item("a")], "links": [{"rel": "next", "href": "http://[::1"}]},
        {"features": [item("a")], "links": [{"rel": "next", "href": "file:///etc/passwd"}]},
        {"features": [item("a")], "links": [{"rel": "next", "href": "x", "method": 7}]},
    ],
)
def test_odd_answers_end_in_one_line(refused, served, odd):
    address, texts = served
    texts["/odd.json"] = json.dumps({"type": "FeatureCollection"} | odd)
    assert "\n" not in refused(f"{address}/odd.json")


@pytest.mark.parametrize("links", [None, 7, [None], ["x"], [{"rel": "next", "href": None}]])
def test_links_of_another_kind_lead_nowhere(listed, served, links):
    address, texts = served
    texts["/odd.json"] = collection(item("a"), links=links)
    assert listed(f"{address}/odd.json") == {"a": "items/a.json"}


def test_answers_without_end(refused, served, monkeypatch):
    address, texts = served
    monkeypatch.setattr(items_module, "_MOST_PAGES", 5)
    for i in range(9):
        following = {"rel": "next", "href": f"{i + 1}.json"}
        texts[f"/{i}.json"] = collection(item(str(i)), links=[following])
    assert "without end" in refused(f"{address}/0.json")
    monkeypatch.setattr(items_module, "_MOST_CHARACTERS", 100)
    assert "ask for fewer" in refused(f"{address}/7.json")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_items_are_not_written_through_a_link(refused, tmp_path):
    (tmp_path / "victim").mkdir()
    (tmp_path / "items").symlink_to(tmp_path / "victim")
    (tmp_path / "all.json").write_text(collection(item("a")))
    assert "it is a link" in refused(tmp_path / "all.json", error=OutputError)
    assert not list((tmp_path / "victim").iterdir())


def test_a_name_with_a_zero_byte(refused, tmp_path):
    (tmp_path / "list.txt").write_bytes(b"a\0b.tif\n")
    assert "cannot be read" in refused(tmp_path / "list.txt")
