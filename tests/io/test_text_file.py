"""Text files as programs of all kinds write them."""

import codecs

import pytest

from georaster_dl.io.files.text_file import read_text
from georaster_dl.io.labels.class_list import read_class_list
from georaster_dl.io.listing.find import list_scenes
from georaster_dl.training.data.sources import read_pairs
from georaster_dl.training.settings.config import read_config

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]


@pytest.fixture(params=ENCODINGS)
def written(request, tmp_path):
    """Writes a text in one of the encodings; lines end as on Windows."""

    def write(text, name):
        path = tmp_path / name
        path.write_bytes(text.replace("\n", "\r\n").encode(request.param))
        return path

    return write


def test_the_text_comes_back(written):
    assert read_text(written("é 1.tif\nœuvre\n", "t.txt")) == "é 1.tif\r\nœuvre\r\n"


def test_a_mark_of_the_other_order(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(codecs.BOM_UTF16_BE + "é 1".encode("utf-16-be"))
    assert read_text(path) == "é 1"
    path.write_bytes(b"")
    assert read_text(path) == ""


@pytest.mark.parametrize(
    "data", [b"\x00\x01\x02\x03" * 9, b"\x81\x8d\xff", b"PK\x03\x04\x14\x00\x06\x00"]
)
def test_what_is_no_text(tmp_path, data):
    path = tmp_path / "t.txt"
    path.write_bytes(data)
    with pytest.raises(UnicodeError, match="save it as UTF-8"):
        read_text(path)


def test_lists_of_scenes(written, tmp_path):
    for name, text in (("a.txt", "é 1.tif\n"), ("b.csv", "scene,name\né 1.tif,ü\n")):
        (scene,) = list_scenes([str(written(text, name))], tmp_path / "items")
        assert scene.sources[0].endswith("é 1.tif")


def test_lists_of_classes(written):
    for mark in ",;\t":
        text = f"value{mark}name{mark}color\n1{mark}forêt{mark}#00ff00\n2{mark}NA{mark}\n"
        classes = read_class_list(written(text, "classes.csv"))
        assert classes.names == {1: "forêt", 2: "NA"}
        assert classes.colors == {1: (0, 255, 0)}


def test_settings(written):
    config = read_config(written('[labels]\nclass_field = "espèce"\n', "settings.toml"))
    assert config.labels.class_field == "espèce"


def test_lists_of_pairs(written, tmp_path):
    (tmp_path / "é.tif").touch()
    for mark in ",;\t":
        (pair,) = read_pairs(
            written(f"scene{mark}label\né 1.tif{mark}é.tif\n", "list.csv"), "split"
        )
        assert (pair.scene, pair.labels) == (str(tmp_path / "é 1.tif"), tmp_path / "é.tif")
