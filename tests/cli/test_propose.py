"""``geodl propose``: from a model to areas, to labels, to the next model."""

import json
import shlex

import geopandas
import pytest
import torch

from georaster_dl.testing import (
    NODATA,
    checkered,
    random_network,
    write_labels,
    write_model,
    write_scene,
)


def fill(path, n):
    """Give the first n areas the class that was suggested, as somebody would who looks."""
    areas = geopandas.read_file(path, layer="areas")
    areas.loc[: n - 1, "class"] = areas["suggested"]
    areas.to_file(path)
    return areas


def test_areas_are_proposed_and_the_next_command_printed(geodl, scene, model, tmp_path):
    ended = geodl("propose", scene, "-m", model, "-n", 6, "-o", "areas.gpkg")
    assert ended.code == 0, ended.err
    assert "6 of 19 areas, scores 0." in ended.out
    assert (tmp_path / "areas.png").exists()
    assert len(geopandas.read_file(tmp_path / "areas.gpkg", layer="areas")) == 6
    assert (
        f"  geodl train {scene} areas.gpkg --class-field class --init {model} -o toy-2.safetensors\n"
        in ended.out
    )


def test_the_next_command_reads_the_scene_alike_and_makes_a_free_model(
    geodl, scene, model, tmp_path
):
    (tmp_path / "toy-2.safetensors").touch()
    (tmp_path / "toy-3_run").mkdir()
    reading = ("--bands", "B04,B03,B02", "--nodata", 0, "--scale", 0.0001, "--offset", 0)
    ended = geodl("propose", scene, "-m", model, *reading, "-n", 3, "-o", "areas.gpkg")
    assert ended.code == 0, ended.err
    command = ended.out.splitlines()[-1]
    assert "--bands B04,B03,B02 --nodata 0.0 --scale 0.0001 --offset 0.0 --init" in command, command
    assert command.endswith("-o toy-4.safetensors")
    shown = geodl("propose", scene, "-m", model, "-n", 50, "-o", "all.gpkg")
    assert shown.code == 0
    assert "all 19 areas" in shown.err
    assert "-n 50" in shown.err


def test_small_scores_are_printed_with_their_digits(geodl, scene, model, tmp_path):
    network = random_network(3, 4)
    last = [each for each in network.modules() if isinstance(each, torch.nn.Conv2d)][-1]
    last.weight.data *= 1.05
    near = write_model(tmp_path / "near.safetensors", network=network)
    several = ("-m", model, "-m", near, "--by", "mutual-information")
    ended = geodl("propose", scene, *several, "-n", 3, "-o", "areas.gpkg")
    assert ended.code == 0, ended.err
    low, _, high = ended.out.splitlines()[0].partition("scores ")[2].partition(" to ")
    assert 0 < float(low) <= float(high) < 0.005, ended.out


def test_the_result_as_json(geodl, scene, model):
    ended = geodl("propose", scene, "-m", model, "-n", 3, "-o", "a.gpkg", "--progress", "json")
    result = ended.events[-1]
    assert result["outputs"] == ["a.png", "a.gpkg"]
    assert (result["areas"], result["candidates"], result["pixels"]) == (3, 19, 150 * 130)


def test_what_cannot_be_is_refused_in_one_line(refused, scene, model):
    assert "scene.tif is given twice" in refused(
        "propose", scene, scene, "-m", model, "-o", "a.gpkg"
    )
    assert "-o makes a GeoPackage" in refused("propose", scene, "-m", model, "-o", "a.shp")


def test_accuracy_on_proposed_areas_is_a_caution_and_no_area_is_estimated(
    geodl, scene, model, tmp_path
):
    geodl("propose", scene, "-m", model, "-n", 8, "-o", "areas.gpkg")
    geodl("segment", scene, "-m", model, "-o", "map.tif")
    areas = fill(tmp_path / "areas.gpkg", 6)
    ended = geodl("evaluate", "map.tif", "areas.gpkg", "--class-field", "class", "--json")
    assert ended.code == 0, ended.err
    figures = json.loads(ended.out)
    assert figures["overall_accuracy"] > 0
    assert figures["area_adjusted"] is None
    assert "geodl sample-points" in figures["notes"][0]
    # The mark outlives the format.
    areas.to_file(tmp_path / "areas.geojson")
    ended = geodl("evaluate", "map.tif", "areas.geojson", "--class-field", "class")
    assert "chosen by geodl propose" in ended.out + ended.err
    plain = areas.drop(columns="sampled_by")
    plain.to_file(tmp_path / "plain.gpkg")
    ended = geodl("evaluate", "map.tif", "plain.gpkg", "--class-field", "class", "--json")
    assert json.loads(ended.out)["area_adjusted"]["overall_accuracy"] > 0


@pytest.mark.slow
def test_filled_areas_go_back_into_the_training_by_the_printed_command(geodl, tmp_path):
    classes, image = checkered(shape=(256, 256))
    scene = write_scene(tmp_path / "scene.tif", image)
    first = classes + 1
    first[:, 128:] = NODATA
    labels = write_labels(tmp_path / "labels.tif", first, names={1: "a", 2: "b", 3: "c"})
    usual = ("--epochs", 2, "--device", "cpu")
    ended = geodl("train", scene, labels, "-o", "m.safetensors", "--method", "network", *usual)
    assert ended.code == 0, ended.err
    ended = geodl(
        "propose", scene, "-m", "m.safetensors", "-n", 60, "--cell", 16, "--labels", labels,
        "-o", "areas.gpkg",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    areas = fill(tmp_path / "areas.gpkg", 50)
    assert areas.total_bounds[0] >= 500_000 + 1280
    command = shlex.split(next(line for line in ended.out.splitlines() if "geodl train" in line))
    ended = geodl(*command[1:], *usual)
    assert ended.code == 0, ended.err
    ended = geodl("models", "show", "m-2.safetensors", "--json")
    card = json.loads(ended.out)
    assert {entry["name"] for entry in card["classes"]} <= {"a", "b", "c"}
    assert "classes taken" in json.dumps(card)


@pytest.mark.slow
def test_a_forest_is_fitted_anew_with_the_areas(geodl, tmp_path):
    classes, image = checkered(shape=(128, 128))
    scene = write_scene(tmp_path / "scene.tif", image)
    labels = write_labels(tmp_path / "labels.tif", classes + 1, names={1: "a", 2: "b", 3: "c"})
    ended = geodl("train", scene, labels, "-o", "m.safetensors", "--method", "rf")
    assert ended.code == 0, ended.err
    ended = geodl(
        "propose", scene, "-m", "m.safetensors", "-n", 5, "--cell", 16, "-o", "areas.gpkg"
    )
    assert ended.code == 0, ended.err
    assert "--method rf" in ended.out
    assert "--init" not in ended.out
    ended = geodl("train", scene, labels, "-o", "n.safetensors", "--init", "m.safetensors")
    assert ended.code == 1
    assert "no weights to start from" in ended.err
