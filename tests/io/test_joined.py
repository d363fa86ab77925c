"""Texts that name several files of one scene."""

from pathlib import Path

import pytest

from georaster_dl.core.errors import SceneError
from georaster_dl.io.files.joined import expand_joined, split_joined
from georaster_dl.io.files.scene_names import scene_stem
from georaster_dl.io.listing.find import list_scenes
from georaster_dl.training.data.sources import find_scenes, read_pairs


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "a.tif",
        "b.tif",
        "a+b.tif",
        "rgb/1.tif",
        "rgb/2.tif",
        "dsm/1_h.tif",
        "dsm/2_h.tif",
    ):
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a.tif", ["a.tif"]),
        ("a+b.tif", ["a+b.tif"]),
        ("a.tif+b.tif", ["a.tif", "b.tif"]),
        ("a+b.tif+b.tif", ["a+b.tif", "b.tif"]),
        ("a.tif+a+b.tif+b.tif", ["a.tif", "a+b.tif", "b.tif"]),
        ("a.tif+missing.tif", ["a.tif", "missing.tif"]),
        ("missing+too.tif", ["missing+too.tif"]),
        ("a.tif+", ["a.tif+"]),
        ("https://x.org/s+t.tif", ["https://x.org/s+t.tif"]),
        ("https://x.org/s+t.tif+a.tif", ["https://x.org/s+t.tif", "a.tif"]),
        (
            "https://x.org/s.tif+https://x.org/t.json",
            ["https://x.org/s.tif", "https://x.org/t.json"],
        ),
        ('NETCDF:"a+b.nc":red+b.tif', ['NETCDF:"a+b.nc":red', "b.tif"]),
    ],
)
def test_a_path_is_a_path_and_else_several(text, parts):
    assert list(split_joined(text)) == parts


def test_outputs_are_named_after_the_first_file():
    assert scene_stem("a.tif+b.tif") == "a"
    assert scene_stem("a+b.tif+b.tif") == "a+b"


def test_a_pattern_pairs_files_by_what_its_star_means():
    assert expand_joined("rgb/*.tif+dsm/*_h.tif+a.tif") == [
        "rgb/1.tif+dsm/1_h.tif+a.tif",
        "rgb/2.tif+dsm/2_h.tif+a.tif",
    ]
    assert expand_joined("*+*.tif") == ["a+b.tif"]
    with pytest.raises(SceneError, match="does not say which files belong together"):
        expand_joined("r*b/*.tif+dsm/*_h.tif")
    Path("dsm/2_h.tif").unlink()
    with pytest.raises(
        SceneError, match=r"dsm/2_h\.tif does not exist, which .* pairs with rgb/2\.tif"
    ):
        expand_joined("rgb/*.tif+dsm/*_h.tif")


def test_lists_and_patterns_give_scenes_of_several_files():
    Path("list.txt").write_text("rgb/1.tif+dsm/1_h.tif\na.tif;b.tif\na+b.tif\n")
    Path("sub").mkdir()
    Path("sub/pairs.csv").write_text("scene,label\n../rgb/1.tif+../dsm/1_h.tif,../a.tif\n")
    scenes = list_scenes(["list.txt", "rgb/*.tif+dsm/*_h.tif"], Path("items"))
    told = [[str(Path(s).relative_to(Path.cwd())) for s in scene.sources] for scene in scenes]
    both = [
        ["rgb/1.tif", "dsm/1_h.tif"],
        ["a.tif", "b.tif"],
        ["a+b.tif"],
        ["rgb/2.tif", "dsm/2_h.tif"],
    ]
    assert told == both
    assert [scene.name for scene in scenes] == ["1", "a", "a+b", "2"]
    [pair] = read_pairs(Path("sub/pairs.csv"), "split")
    assert pair.scene == "sub/../rgb/1.tif+sub/../dsm/1_h.tif"
    assert [s.scene for s in find_scenes(["rgb/*.tif+dsm/*_h.tif"])][1] == "rgb/2.tif+dsm/2_h.tif"
