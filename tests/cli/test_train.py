"""``geodl train``: what a run makes and says, how it ends and goes on, and what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
import tomli_w
import torch
from rasterio.features import shapes
from rasterio.transform import from_origin

from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.testing import checkered, write_scene
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import read_config
from georaster_dl.training.train import train
from tests.cli.conftest import leftovers, start
from tests.training.conftest import CLASSES, one_thread  # noqa: F401

NAMES = {1: "water", 10: "wood", 14: "field"}
TINY = {
    "method": "network",
    "model": {
        "encoder": "tu-test_resnet",
        "options": {"encoder_depth": 2, "decoder_channels": [16, 8]},
    },
    "split": {"block": 16, "buffer": 0},
    "patches": {"size": 32, "per_epoch": 16},
    "training": {
        "epochs": 2, "batch": 4, "workers": 0, "device": "cpu", "precision": "fp32",
        "learning_rate": 1e-2,
    },
}  # fmt: skip
GIVEN = {"scene.tif", "labels.gpkg", "tiny.toml"}
AFFINE = from_origin(500_000, 5_000_000, 10, 10)
TRAIN = ["train", "scene.tif", "labels.gpkg", "-o", "m.safetensors", "--config", "tiny.toml"]


def settings(path, **sections):
    """Write the tiny settings with some changed."""
    changed = {key: TINY.get(key, {}) | value for key, value in sections.items()}
    path.write_text(tomli_w.dumps(TINY | changed))
    return path


def polygons(values, *, field="class", **columns):
    """(rows, cols) class values as polygons, 0 left out."""
    found = list(shapes(values.astype("uint8"), values > 0, transform=AFFINE))
    data = {field: [int(value) for _, value in found], **columns}
    return geopandas.GeoDataFrame(
        data, geometry=[shapely.geometry.shape(s) for s, _ in found], crs=32631
    )


def write_ground(folder, seed=0, shape=(128, 160)):
    """A scene that shows its classes, and their polygons with names; returns the class values."""
    classes, image = checkered(seed, shape)
    image[:, :20, :30] = 0
    write_scene(folder / "scene.tif", image)
    values = np.array(CLASSES)[classes]
    values[-16:] = 0
    frame = polygons(values)
    frame["class"] = frame["class"].map(NAMES)
    frame.to_file(folder / "labels.gpkg")
    return values


@pytest.fixture
def ground(tmp_path):
    """Scene, labels and settings in the test's own folder."""
    settings(tmp_path / "tiny.toml")
    return write_ground(tmp_path)


def said_all(line, *words):
    assert not [word for word in words if word not in line], line


def weights_of(path):
    return read_card(path).weights_sha256


# --- what a run makes and says


def test_train_then_use(geodl, ground, tmp_path):
    ended = geodl(*TRAIN)
    assert ended.code == 0, ended.err
    made = {path.name for path in tmp_path.iterdir()} - GIVEN
    assert made == {"m.safetensors", "m_run"}
    lines = ended.out.splitlines()
    assert lines[0].startswith("mIoU, test: 0.")
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["IoU", "field,"], ["IoU", "water,"], ["IoU", "wood,"],
    ]  # fmt: skip
    assert lines[-3].startswith("2 epochs in ")
    assert lines[-2:] == ["m.safetensors", "m_run"]
    said = ended.err.splitlines()
    assert [line.split()[1] for line in said if line.startswith("epoch")] == ["1/2", "2/2"]
    told = [line for line in said if not line.startswith(("epoch", "geodl: warning: "))]
    assert told[0].startswith("labelled pixels: train ")
    assert " patches of 32 pixels an epoch" in told[1]
    assert len(told) == 2
    card, network = load_model("m.safetensors")
    assert [c.name for c in card.classes] == ["field", "water", "wood"]
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    assert geodl("segment", "scene.tif", "-m", "m.safetensors").code == 0
    with rasterio.open("scene_landcover.tif") as dataset:
        assert set(np.unique(dataset.read(1))) <= {1, 2, 3, 255}
    said_all(geodl("models", "show", "m.safetensors").out, "wood", "mIoU, test", "scene.tif")
    assert geodl("models", "check", "m.safetensors").code == 0


@pytest.mark.slow
def test_fractions_are_printed_in_a_table_beside_simpler_methods(geodl, ground, tmp_path):
    cover = geopandas.read_file("labels.gpkg")
    cover["tree"] = cover["class"].map({"water": 0, "wood": 90, "field": 30})
    cover.to_file("cover.gpkg")
    options = ["--task", "fractions", "--fraction-fields", "tree", "--config", "tiny.toml"]
    ended = geodl("train", "scene.tif", "cover.gpkg", "-o", "m.safetensors", *options)
    assert ended.code == 0, ended.err
    assert "the fractions (tree) are taken for percents, as they reach 90" in ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("MAE, test: 0.")
    assert lines[1].split() == ["MAE", "RMSE", "R2", "bias"]
    assert [line.split()[0] for line in lines[2:4]] == ["tree", "other"]
    said_all(ended.out, "MAE of the training mean, test", "MAE of PLS-")
    # The same settings from the file that the run wrote.
    again = geodl(
        "train", "scene.tif", "cover.gpkg", "-o", "n.safetensors", "--config", "m_run/config.toml"
    )
    assert again.code == 0, again.err
    assert weights_of("n.safetensors") == weights_of("m.safetensors")


@pytest.mark.slow
def test_proportions_of_polygons_are_learnt(geodl, ground, tmp_path):
    cover = geopandas.read_file("labels.gpkg")
    cover["tree"] = cover["class"].map({"water": 0.0, "wood": 0.9, "field": 0.3})
    cover.to_file("cover.gpkg")
    options = ["--task", "fractions", "--fraction-fields", "tree", "--config", "tiny.toml"]
    ended = geodl(
        "train", "scene.tif", "cover.gpkg", "-o", "m.safetensors", *options, "--per-polygon"
    )
    assert ended.code == 0, ended.err
    metrics = read_card("m.safetensors").metrics
    assert metrics["MAE tree, test"] == metrics["MAE other, test"] > 0


@pytest.mark.parametrize("rate", [0.01, pytest.param("find", marks=pytest.mark.slow)])
def test_quiet_says_nothing(geodl, ground, tmp_path, rate):
    settings(tmp_path / "tiny.toml", training={"epochs": 1, "learning_rate": rate})
    ended = geodl(*TRAIN, "--quiet")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


@pytest.mark.slow
def test_json_lines(geodl, ground, tmp_path):
    # A hundred steps a second would be told.
    settings(tmp_path / "tiny.toml", patches={"per_epoch": 120}, training={"batch": 2})
    begun = time.monotonic()
    ended = geodl(*TRAIN, "--progress", "json")
    seconds = time.monotonic() - begun
    assert (ended.code, ended.err) == (0, "")
    events = ended.events
    kinds = [event["event"] for event in events]
    assert set(kinds) <= {"start", "progress", "epoch", "warning", "done"}
    assert (kinds.count("start"), kinds.count("done"), kinds[-1]) == (1, 1, "done")
    first = events[kinds.index("start")]
    assert {"device", "weights", "patch", "per_epoch", "epochs", "split"} <= first.keys()
    assert first["labelled"]["train"].keys() == {"field", "water", "wood"}
    progress = [event for event in events if event["event"] == "progress"]
    assert len(progress) <= 5 * seconds + 2
    done = [event["done"] for event in progress]
    assert done == sorted(done)
    assert done[-1] == progress[-1]["total"] == 120
    assert all(event["seconds_left"] >= 0 for event in progress)
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [event["epoch"] for event in epochs] == [0, 1]
    assert {"loss", "val_loss", "val_score", "learning_rate"} <= epochs[0].keys()
    last = events[-1]
    assert last["outputs"] == ["m.safetensors", "m_run"]
    assert last["metrics"] == read_card("m.safetensors").metrics
    assert last["epochs"] == 2


@pytest.mark.slow
def test_labels_elsewhere_on_earth_and_values_with_gaps(geodl, ground, tmp_path):
    """Labels in longitude and latitude; the map has the labels' own numbers."""
    polygons(ground).to_crs(4326).to_file(tmp_path / "lonlat.gpkg")
    settings(tmp_path / "tiny.toml", patches={"per_epoch": 32}, training={"epochs": 12})
    ended = geodl(
        "train", "scene.tif", "lonlat.gpkg", "-o", "m.safetensors", "--config", "tiny.toml"
    )
    assert ended.code == 0, ended.err
    assert [c.value for c in read_card("m.safetensors").classes] == [1, 10, 14]
    assert geodl("segment", "scene.tif", "-m", "m.safetensors", "-o", "map.tif").code == 0
    with rasterio.open("map.tif") as dataset:
        found = dataset.read(1)
    assert set(np.unique(found)) == {1, 10, 14, 255}
    known = (ground > 0) & (found != 255)
    assert (found == ground)[known].mean() > 0.85


# --- without labels


@pytest.mark.slow
def test_autoencoder(geodl, ground, tmp_path):
    fields = {key: value for key, value in TINY.items() if key != "model"}
    (tmp_path / "ae.toml").write_text(tomli_w.dumps(fields))
    ended = geodl(
        "train", "--task", "autoencoder", "scene.tif", "-m", "dense-autoencoder",
        "-o", "ae.safetensors", "--config", "ae.toml",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0].startswith("R2 of reconstruction, test: ")
    assert "RMSE of reconstruction, test: " in lines[0]
    told = [line.rsplit(maxsplit=1)[0].strip() for line in lines[1:4]]
    assert told == [
        "RMSE of PCA-1, test", "RMSE, clean input, test", "RMSE of PCA-1, clean input, test",
    ]  # fmt: skip
    said = ended.err.splitlines()
    assert said[0].startswith("valid pixels: train ")
    assert any(line.startswith("epoch") and "R² " in line for line in said)
    assert "label" not in ended.out + ended.err
    card = read_card("ae.safetensors")
    assert (card.task, card.architecture.name) == ("autoencoder", "dense_autoencoder")
    said_all(geodl("models", "show", "ae.safetensors").out, "R2 of reconstruction, test")
    events = geodl(
        "train", "--task", "autoencoder", "scene.tif", "-o", "b.safetensors", "--config", "ae.toml",
        "--init", "ae.safetensors", "-m", "dense-autoencoder", "--progress", "json",
    ).events  # fmt: skip
    first = next(event for event in events if event["event"] == "start")
    assert ("valid" in first, "labelled" in first) == (True, False)
    assert events[-1]["metrics"] == read_card("b.safetensors").metrics


@pytest.mark.slow
def test_autoencoder_of_a_list_of_scenes(geodl, several, tmp_path):
    parts = ["train", "train", "train", "train", "val", "test"]
    lines = [f"s{i}.tif,{part}" for i, part in enumerate(parts)]
    (tmp_path / "list.csv").write_text("\n".join(["scene,split", *lines]) + "\n")
    ended = geodl(
        "train", "list.csv", "-o", "m.safetensors", "--config", several, "--split", "column",
        "--task", "autoencoder",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    training = read_card("m.safetensors").training
    assert training["valid pixels"] == "train 16384, validation 4096, test 4096"
    assert training["scenes"] == ", ".join(f"s{i}.tif" for i in range(6))
    assert "labels" not in training


@pytest.mark.slow
def test_an_ensemble_of_networks_with_bayesian_heads(geodl, ground):
    ended = geodl(*TRAIN, "--ensemble", 2, "--head", "bayesian", "--epochs", 1)
    assert ended.code == 0, ended.err
    assert "member 1/2  epoch 1/1  loss" in ended.out + ended.err
    assert "member 2/2  epoch 1/1  loss" in ended.out + ended.err
    options = read_card("m.safetensors").architecture.options
    assert (options["members"], options["head"]) == (2, "bayesian")


@pytest.mark.slow
def test_other_networks_by_names_with_hyphens(geodl, ground, tmp_path):
    """Without an encoder that could be chosen."""
    fields = TINY | {"model": {"options": {"width": 8, "deconv_width": 8}}}
    (tmp_path / "tiny.toml").write_text(tomli_w.dumps(fields))
    ended = geodl(*TRAIN, "-m", "conv-autoencoder", "--epochs", 1)
    assert ended.code == 0, ended.err
    card = read_card("m.safetensors")
    assert (card.architecture.name, card.architecture.encoder) == ("conv_autoencoder", None)
    assert card.configuration["model.architecture"] == "conv_autoencoder"


# --- who learns from what


@pytest.fixture
def several(tmp_path):
    """Six scenes with label rasters of their names in a folder."""
    (tmp_path / "labels").mkdir()
    for number in range(6):
        classes, image = checkered(number, (64, 64))
        where = from_origin(500_000 + 10_000 * number, 5_000_000, 10, 10)
        write_scene(tmp_path / f"s{number}.tif", image, transform=where)
        labels = np.array(CLASSES, "uint8")[classes][None]
        write_scene(
            tmp_path / f"labels/s{number}.tif", labels, bands=None, scale=None, transform=where
        )
    return settings(tmp_path / "tiny.toml", training={"epochs": 1})


def test_list_with_a_split_column(geodl, several, tmp_path):
    parts = ["train", "Training", "train", "train", "val", "test"]
    lines = [f"s{i}.tif,labels/s{i}.tif,{part}" for i, part in enumerate(parts)]
    (tmp_path / "list.csv").write_text("\n".join(["scene,label,split", *lines]) + "\n")
    ended = geodl(
        "train", "list.csv", "-o", "m.safetensors", "--config", several, "--split", "column"
    )
    assert ended.code == 0, ended.err
    training = read_card("m.safetensors").training
    assert training["split"] == "column 'split' of the list of scenes"
    assert training["labelled pixels"] == "train 16384, validation 4096, test 4096"
    shown = geopandas.read_file("m_run/split.gpkg", layer="split")
    assert {Path(row.scene).name: row.part for row in shown.itertuples()} == {
        f"s{i}.tif": part
        for i, part in enumerate(["train", "train", "train", "train", "validation", "test"])
    }


@pytest.mark.slow
def test_folder_of_labels_and_a_pattern(geodl, several):
    ended = geodl(
        "train", "s*.tif", "labels", "-o", "m.safetensors", "--config", several,
        "--split", "scenes",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    training = read_card("m.safetensors").training
    assert training["split"].startswith("whole scenes")
    assert training["scenes"] == ", ".join(f"s{i}.tif" for i in range(6))


def test_random_split_warns_that_it_leaks(geodl, ground):
    ended = geodl(*TRAIN, "--split", "random", "--epochs", 1)
    assert ended.code == 0, ended.err
    assert "geodl: warning: " in ended.err
    assert "leaks" in ended.err
    assert "leaks" in read_card("m.safetensors").limitations


# --- broken off, and resumed


def running(folder, *extra, epochs=2, **options):
    """A process in the midst of a run, so many epochs done."""
    process = start(
        *TRAIN, "--progress", "json", *extra, cwd=folder, threads=1, stdin=subprocess.PIPE,
        **options,
    )  # fmt: skip
    for line in process.stdout:
        event = json.loads(line)
        assert event["event"] != "error", event
        if event["event"] == "epoch" and event["epoch"] == epochs - 1:
            break
    assert process.poll() is None
    return process


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """Hash of the weights after six epochs that nothing disturbed."""
    folder = tmp_path_factory.mktemp("unbroken")
    write_ground(folder)
    model = folder / "m.safetensors"
    tiny = settings(folder / "tiny.toml", training={"epochs": 6})
    config = read_config(tiny)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train([SceneWithLabels(str(folder / "scene.tif"), folder / "labels.gpkg")], model, config)
    torch.set_num_threads(threads)
    return weights_of(model)


def resumed(geodl, *arguments):
    ended = geodl(*(arguments or TRAIN), "--resume")
    assert ended.code == 0, ended.err
    return weights_of("m.safetensors")


@pytest.mark.slow
def test_killed_run_is_resumed(geodl, ground, unbroken, tmp_path):
    settings(tmp_path / "tiny.toml", training={"epochs": 6})
    process = running(tmp_path)
    process.kill()
    process.communicate(timeout=600)
    assert not Path("m.safetensors").exists()
    assert resumed(geodl) == unbroken
    # All epochs are done, the package is lost: it is made again.
    Path("m.safetensors").unlink()
    assert resumed(geodl) == unbroken


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", ["parent", "Ctrl-C"])
def test_cancelled_run_is_resumed(geodl, ground, unbroken, tmp_path, how):
    settings(tmp_path / "tiny.toml", training={"epochs": 6, "workers": 1})
    process = running(tmp_path, *(["--parent-pipe"] if how == "parent" else []), process_group=0)
    if how == "parent":
        process.stdin.close()
        process.stdin = None
    else:
        os.killpg(process.pid, signal.SIGINT)  # a terminal tells all, the readers of patches too
    out, err = process.communicate(timeout=600)
    assert process.returncode == 130, err
    last = json.loads(out.splitlines()[-1])
    assert (last["event"], last["message"]) == ("error", "cancelled")
    assert err.strip() == "geodl: cancelled"
    assert "finished epochs are kept: go on with --resume" in out
    run = {path.name for path in tmp_path.iterdir() if path.name not in GIVEN}
    assert run == {"m_run"}
    assert {"best.ckpt", "last.ckpt"} == {p.name for p in Path("m_run/checkpoints").iterdir()}
    if how == "Ctrl-C":
        assert resumed(geodl) == unbroken


# --- a disk that gets full


@pytest.mark.slow
def test_full_disk_keeps_the_last_checkpoint(geodl, ground, unbroken, tmp_path, small_disk):
    disk = small_disk(4096)
    settings(tmp_path / "tiny.toml", training={"epochs": 6})
    outputs = [*TRAIN[:4], "disk/m.safetensors", *TRAIN[5:]]
    process = start(*outputs, "--progress", "json", cwd=tmp_path, threads=1, stdin=subprocess.PIPE)
    for line in process.stdout:
        if json.loads(line)["event"] == "epoch":
            break
    while not (disk / "m_run/checkpoints/last.ckpt").exists():
        time.sleep(0.001)
    stuff_with_zeros(disk / "zeros")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 1, err
    said_all(err, "geodl: ", "No space left on device", "--resume")
    assert err.count("\n") == 1
    assert json.loads(out.splitlines()[-1])["event"] == "error"
    assert not (disk / "m.safetensors").exists()
    names = {path.name for path in (disk / "m_run/checkpoints").iterdir()}
    assert "last.ckpt" in names <= {"best.ckpt", "last.ckpt"}
    kept = torch.load(disk / "m_run/checkpoints/last.ckpt", weights_only=False)
    assert 0 <= kept["epoch"] < 5
    (disk / "zeros").unlink()
    ended = geodl(*outputs, "--resume")
    assert ended.code == 0, ended.err
    assert weights_of(disk / "m.safetensors") == unbroken


def stuff_with_zeros(path):
    """Fill the disk."""
    with path.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return


@pytest.mark.parametrize("kib", [4, 40])
def test_disk_too_small_to_begin(geodl, ground, small_disk, kib):
    """For the settings, and for the map of the split."""
    disk = small_disk(kib)
    ended = geodl(*TRAIN[:4], "disk/m.safetensors", *TRAIN[5:], "--quiet")
    assert ended.code == 1
    said_all(ended.err, "geodl: ", "space")
    assert leftovers(disk) == {}


# --- several processes


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes by another backend")
def test_two_processes_make_one_model(geodl, ground, tmp_path):
    settings(tmp_path / "tiny.toml", training={"devices": 2})
    command = Path(sys.executable).with_name("geodl")  # it is started again for the second process
    done = subprocess.run(
        [command, *TRAIN, "--progress", "json"], cwd=tmp_path, capture_output=True, text=True,
        timeout=600, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["event"] for event in events]
    assert (kinds.count("start"), kinds.count("epoch"), kinds.count("done")) == (1, 2, 1)
    last = [event for event in events if event["event"] == "progress"][-1]
    assert last["done"] == last["total"] == 2 * 16 // (2 * 4)
    load_model("m.safetensors")
    assert geodl("segment", "scene.tif", "-m", "m.safetensors").code == 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the second process in /proc")
@pytest.mark.parametrize("victim", ["leader", "other"])
def test_no_process_waits_for_one_that_ended(ground, tmp_path, victim):
    settings(tmp_path / "tiny.toml", training={"devices": 2, "epochs": 500, "patience": 500})
    command = Path(sys.executable).with_name("geodl")
    process = subprocess.Popen(
        [command, *TRAIN, "--progress", "json"], cwd=tmp_path, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    with process:
        for line in process.stdout:
            if json.loads(line)["event"] == "epoch":
                break
        (other,) = children(process.pid)
        try:
            if victim == "leader":
                process.terminate()
            else:
                os.kill(other, signal.SIGKILL)
            _, err = process.communicate(timeout=600)
        finally:
            process.kill()
    assert not Path(f"/proc/{other}").exists()
    if victim == "leader":
        assert (process.returncode, err.strip()) == (130, "geodl: cancelled")
    else:
        assert process.returncode not in (0, 130)


def children(pid):
    """Processes that this one started."""
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# --- bad input


def write_frame(folder, geometry, crs=32631, **columns):
    path = folder / "labels.gpkg"
    path.unlink()
    geopandas.GeoDataFrame(columns, geometry=geometry, crs=crs).to_file(path)


BOXES = [shapely.box(500_100 + x, 4_999_000, 500_300 + x, 4_999_400) for x in (300, 700)]
BOW_TIE = shapely.Polygon([(500_300, 4_999_000), (500_700, 4_999_400), (500_700, 4_999_000),
                           (500_300, 4_999_400)])  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"geometry": [], "class": []}, ["labels.gpkg has no features"]),
        ({"geometry": BOXES, "class": ["a", "a"]}, ["only one class, 'a'", "--background"]),
        ({"geometry": BOXES, "class": ["a", None]}, ["only one class, 'a'"]),
        ({"geometry": BOXES, "class": [None, None]}, ["'class' is empty", "--class-field"]),
        ({"geometry": BOXES, "class": [1.5, 2]}, ["1.5", "whole numbers", "--task regression"]),
        ({"geometry": BOXES, "a": [1, 2], "b": [1, 2]}, ["several fields (a, b)", "--class-field"]),
        ({"geometry": BOXES}, ["no attributes", "add a field"]),
        ({"geometry": [BOXES[0], BOW_TIE], "class": ["a", "b"]}, ["invalid", "fid 2"]),
        ({"geometry": [BOXES[0], None], "class": ["a", "b"]}, ["labels.gpkg", "fid 2"]),
        ({"geometry": BOXES, "class": ["a", "b"], "crs": 4326}, ["labels.gpkg"]),
        (
            {"geometry": BOXES, "class": ["a", "b"], "crs": 32633},
            ["labels.gpkg", "scene", "CRS"],
        ),
        (
            {
                "geometry": [shapely.box(500_000, 4_999_900 + y, 500_200, 4_999_950 + y)
                             for y in (0, 50)],
                "class": ["a", "b"],
            },
            ["No labelled pixel is valid", "nodata", "check --nodata"],
        ),
        (
            {
                "geometry": [BOXES[0], shapely.box(500_000, 4_999_900, 500_200, 4_999_950)],
                "class": ["a", "b"],
            },
            ["Only the class 'a'", "valid"],
        ),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_learnt_from(refused, ground, tmp_path, labels, words):
    write_frame(tmp_path, **labels)
    said_all(refused(*TRAIN), *words)


def test_labels_that_are_no_labels(refused, ground, tmp_path):
    arguments = ["-o", "m.safetensors", "--config", "tiny.toml"]
    line = refused("train", "scene.tif", "no.gpkg", *arguments)
    said_all(line, "no.gpkg do not exist", "check the path")
    (tmp_path / "text.gpkg").write_text("no table\n")
    said_all(refused("train", "scene.tif", "text.gpkg", *arguments), "text.gpkg cannot be read")
    said_all(refused("train", "scene.tif", *arguments), "Only scene.tif was given", "its labels")
    said_all(refused("train", "gone.tif", "labels.gpkg", *arguments), "gone.tif does not exist")
    said_all(refused("train", "s*.jp2", "labels.gpkg", *arguments), "No file matches 's*.jp2'")
    (tmp_path / "folder").mkdir()
    line = refused("train", "scene.tif", "folder", *arguments)
    said_all(line, "folder must hold one label file called scene.*", "none")
    said_all(refused(*TRAIN, "--class-field", "clas"), "no field 'clas'", "it has class", "'class'")


def test_text_and_numbers_in_one_field(refused, ground, tmp_path):
    places = geopandas.GeoSeries(BOXES, crs=32631).to_crs(4326)
    features = [
        {"type": "Feature", "properties": {"class": value}, "geometry": shapely.geometry.mapping(g)}
        for value, g in zip(("wood", 3), places, strict=True)
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    (tmp_path / "mixed.geojson").write_text(text)
    line = refused("train", "scene.tif", "mixed.geojson", *TRAIN[3:])
    said_all(line, "mixes text ('wood', fid 0) and numbers (3, fid 1)", "'class'")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("scene,mask\ns.tif,m.tif\n", ["columns scene and label", "has scene, mask"]),
        ("", ["columns scene and label", "no line"]),
        ("scene,label\nscene.tif,\n", ["Line 2", "lacks"]),
        ("scene,label\nscene.tif,no.gpkg\n", ["Line 2", "no.gpkg", "relative to the list"]),
        ("scene,label\nno.tif,labels.gpkg\n", ["no.tif does not exist"]),
    ],
)
def test_lists(refused, ground, tmp_path, content, words):
    (tmp_path / "list.csv").write_text(content)
    said_all(refused("train", "list.csv", *TRAIN[3:]), *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[training]\nepoch = 3\n", ["tiny.toml", "'training.epoch'", "did you mean 'epochs'"]),
        ("[trainig]\nepochs = 3\n", ["'trainig'", "did you mean 'training'"]),
        ("[training]\nepochs = 0\n", ["training.epochs = 0", "greater than or equal to 1"]),
        ("[training\n", ["tiny.toml is not TOML", "line 1"]),
        ("[patches]\nsize = 40\n", ["patches.size is 40", "multiple of 32", "use 32"]),
        ("[split]\nvalidation = 0.6\ntest = 0.5\n", ["validation (0.6)", "share for training"]),
        ("[patches]\nper_epoch = 2\n", ["per_epoch is 2", "fewer than a batch"]),
    ],
)
def test_settings(refused, ground, tmp_path, text, words):
    (tmp_path / "tiny.toml").write_text(text)
    said_all(refused(*TRAIN), *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "no.toml"], ["no.toml cannot be read", "check the path"]),
        (["-o", "m.pt"], ["m.pt", "end it in .safetensors"]),
        (["-o", "no/m.safetensors"], ["no does not exist", "make it first"]),
        (["-o", "old.safetensors"], ["old.safetensors exists", "--overwrite"]),
        (["-o", "run.safetensors"], ["run_run exists from an earlier run", "--resume"]),
        (["--resume"], ["--resume", "there is none at m_run", "leave --resume out"]),
        (["-o", "run.safetensors", "--resume"], ["finds no checkpoint at run_run", "start anew"]),
        (["--task", "autoencoder"], ["labels.gpkg"]),
        (["--architecture", "unett"], ["'unett'", "did you mean 'unet'", "--architectures"]),
        (["--encoder", "tu-resnet81"], ["'tu-resnet81'", "did you mean 'tu-resnet18'"]),
        (["--init", "no.safetensors"], ["no.safetensors", "geodl models list"]),
        (["--init", "old.safetensors"], ["old.safetensors", "not a model package"]),
        (["--freeze", "encoder"], ["--freeze encoder", "random weights", "--init"]),
        (["--task", "regression"], ["no numbers in the field 'class'", "'", "--class-field"]),
        (["--split", "column"], ["no column 'split'", "it has class", "--split-column"]),
        (["--split", "scenes"], ["3 parts", "1 labelled scene", "--split blocks"]),
        (["--block", 4000], ["blocks"]),
        (["--bands", "B02,B99"], ["B99", "--bands"]),
        (["--priority", "ice"], ["'ice'", "field, water, wood"]),
        (["--epochs", 0], ["epochs = 0"]),
        (["--device", "cuda"], ["cuda"]),
        (["--epochs", "many"], ["--epochs", "'many'"]),
    ],
    ids=lambda value: " ".join(map(str, value)) if str(value[0]).startswith("-") else "",
)
def test_options(refused, ground, tmp_path, arguments, words):
    if arguments[-1] == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    (tmp_path / "old.safetensors").write_text("somebody's")
    (tmp_path / "run_run").mkdir()
    said_all(refused(*TRAIN, *arguments), *words)


def test_pretrained_weights_without_the_internet(refused, ground, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    line = refused(*TRAIN, "--init", "imagenet", "--encoder", "resnet18")
    said_all(line, "'imagenet'", "'resnet18'", "internet", "HF_HOME")


def test_split_column_of_a_raster(refused, several):
    line = refused(
        "train", "s0.tif", "labels/s0.tif", "-o", "m.safetensors", "--config", several,
        "--split", "column",
    )  # fmt: skip
    said_all(line, "'split'", "s0.tif is a raster", "CSV")


def test_numbers_that_never_vary(refused, several, tmp_path):
    with rasterio.open(tmp_path / "labels/s0.tif", "r+") as dataset:
        dataset.write(np.full((1, 64, 64), 7, "uint8"))
    line = refused(
        "train", "s0.tif", "labels/s0.tif", "-o", "m.safetensors", "--config", several,
        "--task", "regression",
    )  # fmt: skip
    said_all(line, "the same number, 7", "nothing to learn")


# --- real scenes


@pytest.mark.realdata
@pytest.mark.slow
def test_hyperspectral_tiles(geodl, real_data, tmp_path):
    """224 bands of which the file calls some bad, nodata, labels in floats."""
    folder = real_data / "enmap_potsdam"
    images = sorted((folder / "images").glob("*.tif"))[:3]
    lines = [f"{p},{folder / 'labels' / p.name}" for p in images]
    (tmp_path / "list.csv").write_text("\n".join(["scene,label", *lines]) + "\n")
    settings(tmp_path / "tiny.toml", training={"epochs": 1})
    ended = geodl(
        "train", "list.csv", "-o", "m.safetensors", "--config", "tiny.toml", "--ignore", 0
    )
    assert ended.code == 0, ended.err
    card = read_card("m.safetensors")
    assert 150 < len(card.bands) <= 224
    assert all(band.wavelength_nm is not None and band.std > 0 for band in card.bands)
    assert 0 not in {c.value for c in card.classes}
    assert geodl("segment", images[0], "-m", "m.safetensors").code == 0
