"""Bad input of every kind: one line that says what came and what to do, and nothing left behind.

The fixture ``refused`` checks the exit code, the one line, and that not a byte of the folder changed.
"""

import json
import os
import subprocess
import sys

import geopandas
import numpy as np
import pytest
import rasterio
import rasterio.shutil
import shapely
import torch
from safetensors.torch import save_file

from georaster_dl.models.package.card import FORMAT
from georaster_dl.testing import BANDS, noise, write_model, write_scene
from tests.cli.conftest import leftovers, run_here, start


def said_all(line, *words):
    assert not [word for word in words if word not in line], line


# --- scenes


def test_missing_file(refused, model):
    said_all(refused("segment", "missing.tif", "-m", model), "missing.tif does not exist", "check")


def test_text_file(refused, model, tmp_path):
    (tmp_path / "text.tif").write_text("no raster\n")
    said_all(refused("segment", "text.tif", "-m", model), "text.tif cannot be opened", "GeoTIFF")


@pytest.mark.parametrize("length", [0, 4, 40, 4000])
def test_cut_within_the_header(refused, model, tmp_path, length):
    whole = write_scene(tmp_path / "s.tif", noise(), compress="deflate")
    (tmp_path / "cut.tif").write_bytes(whole.read_bytes()[:length])
    said_all(refused("segment", "cut.tif", "-m", model), "cut.tif cannot be opened", "again")


@pytest.fixture
def cut_in_the_middle(scene, tmp_path):
    """A tiled GeoTIFF whose header is whole and whose last third is missing."""
    rasterio.shutil.copy(scene, tmp_path / "cut.tif", driver="COG", blocksize=128)
    content = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(content[: len(content) * 2 // 3])
    return tmp_path / "cut.tif"


def test_cut_in_the_middle(refused, model, cut_in_the_middle):
    line = refused("segment", cut_in_the_middle, "-m", model)
    said_all(line, "cut.tif cannot be read", "damaged or incomplete", "again")


@pytest.mark.slow
def test_a_process_of_its_own_says_one_line_too(model, cut_in_the_middle, tmp_path):
    """Loggers and progress bars behave otherwise there."""
    before = leftovers(tmp_path)
    with start("segment", cut_in_the_middle, "-m", model, cwd=tmp_path) as process:
        out, err = process.communicate(timeout=600)
    assert (process.returncode, out) == (1, "")
    assert err.startswith("geodl: Rows 0 to")
    assert err.count("\n") == 1
    assert leftovers(tmp_path) == before


def test_no_band_that_the_model_needs(refused, model, tmp_path):
    path = write_scene(tmp_path / "s.tif", noise(), bands=["B05", "B06", "B07"])
    line = refused("segment", path, "-m", model)
    said_all(line, "misses B02 (492 nm), B03", "B05 (704 nm)", "needs 3 bands", "--bands")


def test_wrong_number_of_bands(refused, model, scene):
    line = refused("segment", scene, "-m", model, "--bands", "B02,B03,B04,B08")
    said_all(line, "--bands gives 4 names", "has 3 bands (B02, B03, B04)", "name all of them")
    said_all(refused("segment", scene, "-m", model, "--bands", "B02,B02,B04"), "a band twice")
    said_all(refused("segment", scene, "-m", model, "--bands", ""), "not at all")


def test_wrong_resolution(refused, model, tmp_path):
    transform = rasterio.transform.from_origin(500_000, 5_000_000, 30, 30)
    path = write_scene(tmp_path / "s.tif", noise(), transform=transform)
    said_all(refused("segment", path, "-m", model), "pixels of 30 m", "trained on 10 m", "gdalwarp")


def test_all_nodata(refused, model, tmp_path):
    path = write_scene(tmp_path / "s.tif", noise() * 0)
    said_all(refused("segment", path, "-m", model), "s.tif has no valid pixel", "--nodata")


def test_nan_everywhere(refused, model, tmp_path):
    path = write_scene(tmp_path / "s.tif", np.full((3, 60, 50), np.nan, "float32"), scale=None)
    outputs = ["--confidence", "--probabilities", "--polygons", "p.gpkg", "--quicklook", "q.png"]
    said_all(refused("segment", path, "-m", model, *outputs), "no valid pixel", "NaN")


def test_complex_numbers(refused, model, tmp_path):
    path = write_scene(tmp_path / "s.tif", np.ones((3, 9, 9), "complex64"), scale=None)
    said_all(refused("segment", path, "-m", model), "complex numbers", "real numbers")


def test_files_that_do_not_fit_together(refused, model, tmp_path):
    paths = [
        write_scene(tmp_path / f"a_{name}.tif", noise((40 + 5 * i, 30), 1), bands=None, crs=None)
        for i, name in enumerate(BANDS)
    ]
    said_all(refused("segment", *paths, "-m", model), "another grid", "no CRS")


# --- areas of interest


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.gpkg", ["missing.gpkg cannot be read", "GeoPackage"]),
        ("text.gpkg", ["text.gpkg cannot be read"]),
        ("table.csv", ["has no polygons", "give polygons"]),
        ("points.gpkg", ["no polygons among its 1 feature"]),
        ("plain.gpkg", ["has no CRS"]),
        ("far.gpkg", ["does not touch the scene", "check the polygons' CRS"]),
        ("nodata.gpkg", ["no valid pixel in the area of interest"]),
    ],
)
@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_area_of_interest(refused, model, scene, tmp_path, name, words):
    box = shapely.box(500_410, 4_999_000, 500_900, 4_999_900)
    frames = {
        "points.gpkg": ([box.centroid], 32631),
        "plain.gpkg": ([box], None),
        "far.gpkg": ([shapely.box(0, 0, 1, 1)], 32631),
        "nodata.gpkg": ([shapely.box(500_011, 4_999_900, 500_090, 4_999_990)], 32631),
    }
    if name in frames:
        geometry, crs = frames[name]
        geopandas.GeoDataFrame(geometry=geometry, crs=crs).to_file(tmp_path / name)
    (tmp_path / "text.gpkg").write_text("no table\n")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    said_all(refused("segment", scene, "-m", model, "--aoi", name), *words)


def test_area_of_interest_without_a_place(refused, model, tmp_path):
    path = write_scene(tmp_path / "s.tif", noise(), crs=None)
    geopandas.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1)], crs=4326).to_file(
        tmp_path / "a.gpkg"
    )
    line = refused("segment", path, "-m", model, "--aoi", "a.gpkg")
    said_all(line, "--aoi a.gpkg", "without a CRS", "gdalwarp")


# --- outputs


def test_folder_that_is_missing(refused, model, scene):
    line = refused("segment", scene, "-m", model, "-o", "no/such/map.tif")
    said_all(line, "no/such does not exist", "create it")


def test_file_in_the_place_of_a_folder(refused, model, scene, tmp_path):
    (tmp_path / "file").write_text("")
    said_all(refused("segment", scene, "-m", model, "-o", "file/map.tif"), "output folder", "file")
    (tmp_path / "map.tif").mkdir()
    said_all(refused("segment", scene, "-m", model, "-o", "map.tif"), "map.tif is a folder")


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere"
)
def test_folder_that_is_read_only(refused, model, scene, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    line = refused("segment", scene, "-m", model, "-o", "locked/map.tif")
    said_all(line, "not writable", "another folder")


@pytest.mark.parametrize(
    ("option", "path", "ending"),
    [("-o", "map.png", ".tif"), ("-o", "map", ".tif"), ("--polygons", "p.shp", ".gpkg"),
     ("--quicklook", "q.jpg", ".png")],
)  # fmt: skip
def test_name_that_promises_another_format(refused, model, scene, option, path, ending):
    said_all(
        refused("segment", scene, "-m", model, option, path), option, path, f"end it in {ending}"
    )


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_output_that_is_an_input(refused, model, scene, tmp_path, overwrite):
    (tmp_path / "link.tif").symlink_to(scene)
    os.link(scene, tmp_path / "hard.tif")
    (tmp_path / "folder").symlink_to(tmp_path)
    for out in ("scene.tif", "./scene.tif", "link.tif", "hard.tif", "folder/scene.tif"):
        line = refused("segment", scene, "-m", model, "-o", out, *overwrite)
        said_all(line, out.removeprefix("./"), "also an input", "another name")


def test_output_that_is_an_input_in_disguise(refused, model, scene, tmp_path):
    rasterio.shutil.copy(scene, tmp_path / "mosaic.vrt", driver="VRT")
    for source in ("mosaic.vrt", f"GTIFF_DIR:1:{scene}"):
        line = refused("segment", source, "-m", model, "-o", "scene.tif", "--overwrite")
        said_all(line, "also an input")


def test_extra_output_that_is_an_input_or_the_map(refused, model, scene, tmp_path):
    area = tmp_path / "area.gpkg"
    frame = geopandas.GeoDataFrame(geometry=[shapely.box(5e5, 4.99e6, 6e5, 5e6)], crs=32631)
    frame.to_file(area)
    arguments = ["segment", scene, "-m", model, "--overwrite"]
    line = refused(*arguments, "--aoi", area, "--polygons", "area.gpkg")
    said_all(line, "area.gpkg is also an input")
    scene.rename(tmp_path / "x_confidence.tif")
    line = refused("segment", "x_confidence.tif", "-m", model, "--confidence", "-o", "x.tif")
    said_all(line, "x_confidence.tif", "also an input")


FULL = ["--confidence", "--quicklook", "disk/q.png", "-o", "disk/m.tif"]


def last_line(stderr):
    """The line that the command said, without those that libtiff itself prints on a full disk."""
    (line,) = [line for line in stderr.splitlines() if not line.startswith("_tiff")]
    return line


def test_full_disk(geodl, model, tmp_path, small_disk):
    scene = write_scene(tmp_path / "s.tif", noise())
    disk = small_disk(100)
    ended = geodl("segment", scene, "-m", model, *FULL, "--polygons", "disk/p.gpkg")
    assert (ended.code, ended.out) == (1, "")
    said_all(last_line(ended.err), "geodl: Cannot write", "free", "space")
    assert leftovers(disk) == {}


@pytest.mark.parametrize("kib", [360, 400, 500, 700])
def test_a_disk_with_room_for_the_map_alone(geodl, model, tmp_path, small_disk, kib):
    """Too little for another raster, for polygons, for a picture."""
    scene = write_scene(tmp_path / "s.tif", noise())
    disk = small_disk(kib)
    assert geodl("segment", scene, "-m", model, "-o", "alone.tif").code == 0
    ended = geodl("segment", scene, "-m", model, *FULL, "--polygons", "disk/p.gpkg")
    assert ended.code == 4
    assert "was not made: " in ended.err
    with rasterio.open("alone.tif") as alone, rasterio.open("disk/m.tif") as made:
        np.testing.assert_array_equal(made.read(), alone.read())
    assert not [name for name in leftovers(disk) if name.startswith(".")]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes")
@pytest.mark.parametrize("kib", [130])
def test_file_that_may_not_grow(model, tmp_path, kib):
    scene = write_scene(tmp_path / "s.tif", noise())
    (tmp_path / "disk").mkdir()
    before = leftovers(tmp_path)
    code = (
        f"import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({kib * 1024},) * 2);"
        f"from geodl_cli.main import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "segment", scene, "-m", model, *FULL],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    said_all(last_line(done.stderr), "geodl: Cannot write", "disk")
    assert leftovers(tmp_path) == before


# --- models


def altered(model, path, **changes):
    """The model with another card, written as somebody else's program would."""
    content = model.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    card = json.loads(header["__metadata__"]["georaster_dl_card"])
    for key, value in changes.items():
        place, *rest = key.split("__")
        if rest:
            target = card[place][int(rest[0])] if rest[0].isdigit() else card[place]
            target[rest[-1]] = value
        else:
            card[place] = value
    header["__metadata__"]["georaster_dl_card"] = json.dumps(card)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("text", ["not a model package", "models list"]),
        ("empty", ["not a model package"]),
        ("plain", ["holds weights but no model card"]),
        ("cut", ["is cut short", "again"]),
        ("flipped", ["was damaged or altered"]),
        ("folder", ["no model file and no bundled model"]),
    ],
)
def test_model_file_that_is_none(refused, model, scene, tmp_path, kind, words):
    path = tmp_path / "m.safetensors"
    content = bytearray(model.read_bytes())
    if kind == "folder":
        path.mkdir()
    elif kind == "plain":
        save_file({"weight": torch.zeros(3)}, path)
    elif kind == "flipped":
        content[-9] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes({"text": b"no model\n" * 9, "empty": b"", "cut": content[:-99]}[kind])
    said_all(refused("segment", scene, "-m", path), str(path), *words)


def test_card_of_a_newer_format(refused, model, scene, tmp_path):
    path = altered(model, tmp_path / "m.safetensors", format=FORMAT + 1, unheard={"a": 1})
    said = refused("segment", scene, "-m", path)
    said_all(said, f"has format {FORMAT + 1}", f"reads up to {FORMAT}", "upgrade")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"halo__default": 10**9}, ["halo.default = 1000000000"]),
        ({"halo__default": 13}, ["halo.default is 13", "multiple of stride"]),
        ({"name": "../../etc/passwd"}, ["name = ../../etc/passwd"]),
        ({"name": "a\x1b[2Jb"}, ["name = a\\u001b[2Jb"]),
        ({"stride": 10**6}, ["stride = 1000000"]),
        ({"architecture__encoder": "../evil"}, ["architecture.encoder = ../evil"]),
        ({"architecture__name": "os.system"}, ["cannot be built", "os.system"]),
        ({"architecture__options": {"decoder_channels": [10**9] * 3}}, ["decoder_channels"]),
        ({"architecture__options": {"decoder_channels": [4096] * 3, "encoder_depth": 3}}, ["m.saf"]),
        ({"bands__0__std": float("nan")}, ["bands.0.std = nan"]),
        ({"bands__0__std": 0}, ["bands.0.std = 0"]),
        ({"bands__0__mean": float("inf")}, ["bands.0.mean = inf"]),
        ({"bands__0__mean": 10**400}, ["bands.0.mean"]),
        ({"cost__bytes_per_pixel": 1e9}, ["MiB are free", "smaller --halo"]),
        ({"classes__0__value": 10**6}, ["classes.0.value"]),
        ({"classes__0__color": "red; DROP"}, ["classes.0.color"]),
        ({"classes__0__name": "a\nb"}, ["classes.0.name", "control character"]),
        ({"bands": []}, ["bands"]),
        ({"stride": 4, "halo__default": 12}, ["stride"]),
    ],
    ids=lambda value: ",".join(f"{k}={v}"[:40] for k, v in value.items()) if isinstance(value, dict) else "",
)  # fmt: skip
def test_hostile_card(refused, model, scene, tmp_path, change, words):
    path = altered(model, tmp_path / "m.safetensors", **change)
    line = refused("segment", scene, "-m", path)
    said_all(line, *words)
    assert len(line) < 1000


def test_unknown_model_offers_the_nearest(refused, scene, tmp_path, monkeypatch):
    from georaster_dl.models.package import file as package

    bundled = tmp_path / "builtin"
    bundled.mkdir()
    write_model(bundled / "s2-landcover.safetensors")
    monkeypatch.setattr(package, "_BUILTIN", bundled)
    line = refused("segment", scene, "-m", "s2-landcovr")
    said_all(line, "'s2-landcovr'", "did you mean 's2-landcover'", "models list")


# --- the command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frobnicate"], ["No such option", "--frobnicate", "--help"]),
        (["--overwrit"], ["No such option", "--overwrite"]),
        (["--precision", "fp8"], ["--precision", "'fp8'", "bf16"]),
        (["--progress", "none"], ["--progress", "json"]),
        (["--scale", "tiny"], ["--scale", "'tiny'"]),
        (["-m"], ["-m", "argument"]),
    ],
)
def test_options(refused, scene, arguments, words):
    said_all(refused("segment", scene, *arguments), *words)


def test_commands(refused):
    said_all(refused("segmnt"), "No such command", "segmnt")
    said_all(refused("segment"), "Missing argument", "SCENE")


def test_debug_shows_the_traceback(model, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match=r"missing\.tif does not exist"):
        run_here(capfd, "segment", "missing.tif", "-m", model, "--debug")
    done = subprocess.run(
        [sys.executable, "-c", "from geodl_cli.main import main; main()",
         "info", "missing.tif", "--debug"],
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "SceneError" in done.stderr


def test_what_the_system_refuses_is_one_line(geodl, tmp_path):
    ended = geodl("evaluate", "x" * 300 + ".tif", "y.tif")
    assert ended.code == 1
    assert ended.err.count("\n") == 1
    assert "unexpected" not in ended.err
