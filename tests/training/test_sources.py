"""Which scene goes with which labels."""

import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.training.data.sources import SceneWithLabels, find_pairs, find_scenes, read_pairs


@pytest.fixture
def files(tmp_path):
    for name in (
        "scenes/a.tif",
        "scenes/b.tif",
        "masks/a.tif",
        "masks/a.tif.aux.xml",
        "masks/b.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    return tmp_path


def test_a_file_of_labels_serves_every_scene(files):
    labels = files / "masks/a.tif"
    pairs = find_pairs([str(files / "scenes/*.tif")], labels)
    assert pairs == [SceneWithLabels(str(files / f"scenes/{n}.tif"), labels) for n in "ab"]


def test_a_folder_has_a_file_of_each_scenes_name(files):
    pairs = find_pairs([str(files / "scenes/*.tif")], files / "masks")
    assert [pair.labels.name for pair in pairs] == ["a.tif", "b.png"]


def test_a_scene_without_namesake_is_an_error(files):
    (files / "masks/b.png").unlink()
    with pytest.raises(OptionError, match=r"called b\.\* for .*b.tif, but has none"):
        find_pairs([str(files / "scenes/*.tif")], files / "masks")
    (files / "masks/b.png").write_text("")
    (files / "masks/b.gpkg").write_text("")
    with pytest.raises(OptionError, match=r"has b.gpkg, b.png"):
        find_pairs([str(files / "scenes/*.tif")], files / "masks")


def test_nothing_found_is_an_error(files):
    with pytest.raises(OptionError, match="No file matches"):
        find_pairs([str(files / "nowhere/*.tif")], files / "masks")
    with pytest.raises(OptionError, match="labels .* do not exist"):
        find_pairs([str(files / "scenes/a.tif")], files / "absent.gpkg")


def test_a_list_of_pairs_is_relative_to_itself(files):
    path = files / "list.csv"
    path.write_text(
        "scene,label,split\nscenes/a.tif,masks/a.tif,train\nscenes/b.tif,masks/b.png,\n"
        "https://example.org/c.tif,masks/a.tif,test\n"
    )
    assert read_pairs(path, "split") == [
        SceneWithLabels(str(files / "scenes/a.tif"), files / "masks/a.tif", "train"),
        SceneWithLabels(str(files / "scenes/b.tif"), files / "masks/b.png", None),
        SceneWithLabels("https://example.org/c.tif", files / "masks/a.tif", "test"),
    ]
    assert {pair.part for pair in read_pairs(path, "fold")} == {None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no line"),
        ("image,mask\na,b\n", "needs the columns scene and label, but has image, mask"),
        ("scene,label\nscenes/a.tif,\n", "Line 2 of .* lacks a scene or a label"),
        ("scene,label\nscenes/a.tif,nowhere.tif\n", "Line 2 of .* names the labels nowhere.tif"),
    ],
)
def test_a_list_that_cannot_be_used_is_explained(files, text, message):
    path = files / "list.csv"
    path.write_text(text)
    with pytest.raises(OptionError, match=message):
        read_pairs(path, "split")


def test_scenes_without_labels(files):
    scenes = find_scenes([str(files / "scenes/*.tif"), "s3://bucket/c.tif"])
    paths = [str(files / "scenes/a.tif"), str(files / "scenes/b.tif"), "s3://bucket/c.tif"]
    assert scenes == [SceneWithLabels(path, None) for path in paths]
    with pytest.raises(OptionError, match="No file matches"):
        find_scenes([str(files / "*.jp2")])


def test_a_list_of_scenes_needs_no_labels(files):
    path = files / "list.csv"
    path.write_text("scene,split,label\nscenes/a.tif,test,\nscenes/b.tif,,gone.gpkg\n")
    expected = [
        SceneWithLabels(str(files / "scenes/a.tif"), None, "test"),
        SceneWithLabels(str(files / "scenes/b.tif"), None),
    ]
    assert read_pairs(path, "split", labelled=False) == expected
    path.write_text("image\na.tif\n")
    with pytest.raises(OptionError, match="needs the column scene, but has image"):
        read_pairs(path, "split", labelled=False)
    path.write_text("scene,split\n,test\n")
    with pytest.raises(OptionError, match=r"Line 2 .* lacks a scene; fill"):
        read_pairs(path, "split", labelled=False)
