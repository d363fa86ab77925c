"""``geodl polygons``, and the same options of ``geodl segment``."""

import geopandas

from georaster_dl.testing import noise, write_model, write_scene


def test_polygons_of_a_map_are_those_that_segment_makes_beside_it(geodl, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise((60, 70)))
    model = write_model(tmp_path / "model.safetensors")
    cleaned = ["--min-area", "6px", "--fill-holes", "0.1ha", "--simplify", "1", "--round-corners"]
    ended = geodl(
        "segment",
        scene,
        "-m",
        model,
        "-o",
        "map.tif",
        "--polygons",
        "a.gpkg",
        "--confidence",
        *cleaned,
    )
    assert ended.code == 0, ended
    ended = geodl(
        "polygons", "map.tif", "-o", "b.gpkg", *cleaned, "--confidence", "map_confidence.tif"
    )
    assert ended.code == 0, ended
    of_scene, of_map = (geopandas.read_file(f"{name}.gpkg", layer=name) for name in "ab")
    assert ended.out.splitlines() == [f"{len(of_map)} polygons", "b.gpkg"]
    assert of_map.drop(columns="confidence").equals(of_scene)
    assert of_map.confidence.between(0, 1).all()


def test_options_of_polygons_need_polygons_and_classes_of_the_map(geodl, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise((60, 70)))
    model = write_model(tmp_path / "model.safetensors")
    run = ["segment", scene, "-m", model, "-o", "map.tif"]
    ended = geodl(*run, "--min-area", "6px")
    assert (
        ended.code,
        "--min-area is of polygons; ask for these with --polygons" in ended.err,
    ) == (1, True)
    ended = geodl(*run, "--polygons", "a.gpkg", "--keep", "house")
    assert (ended.code, "--keep house is no class of the map" in ended.err) == (1, True)
    ended = geodl("polygons", "map.tif", "-o", "b.gpkg", "--min-area", "6")
    assert (ended.code, "--min-area 6 has no unit; give a number above 0 with m2" in ended.err) == (
        1,
        True,
    )
