"""``geodl bundle``."""

import zipfile

import numpy as np

from georaster_dl.testing import noise, write_labels, write_scene


def test_a_map_is_bundled_with_what_is_added_and_a_scene_is_refused(geodl, tmp_path):
    write_labels(tmp_path / "map.tif", np.eye(60, dtype=np.uint8), names={0: "field", 1: "road"})
    for name in ("notes.csv", "map_probabilities.tif"):
        (tmp_path / name).write_text("a\n")
    ended = geodl("bundle", "map.tif", "-o", "map.zip", "--add", "notes.csv")
    assert ended.code == 0, ended
    listed, left_out, last = ended.out.splitlines()
    assert left_out == "left out, as large: map_probabilities.tif (--add puts them in)"
    assert last == "map.zip"
    names = [name.removeprefix("map/") for name in zipfile.ZipFile(tmp_path / "map.zip").namelist()]
    assert listed == f"{len(names)} files: {', '.join(names)}"
    assert {"map.qgz", "map.tif", "map_legend.png", "notes.csv", "README.txt"} <= set(names)
    scene = write_scene(tmp_path / "scene.tif", noise((60, 70)))
    refused = geodl("bundle", scene, "-o", "scene.zip")
    assert refused.code == 1
    assert "give the map, not the scene" in refused.err
    assert not (tmp_path / "scene.zip").exists()
