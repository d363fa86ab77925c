"""Consoles of any encoding, closed or left alone; commands that can be pasted; tables that are whole."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from geodl_cli.terminal import console

from georaster_dl.core.wording import command_line

unix = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
GEODL = f"{shlex.quote(sys.executable)} -c 'from geodl_cli.main import main; main()'"


def shell(line, cwd, **environment):
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("geodl ", f"{GEODL} ")],
        cwd=cwd, env=os.environ | environment, capture_output=True, check=False,
    )  # fmt: skip


@pytest.fixture
def named(make_tif, tmp_path):
    """A map and a reference of classes that hardly any console can print."""
    path = make_tif(np.ones((1, 40, 40), "uint8"), "map.tif", nodata=255)
    (tmp_path / "classes.csv").write_text("value,name\n1,水体\n2,Łąka é\n", encoding="utf-8")
    frame = geopandas.GeoDataFrame(
        {"class": ["水体", "Łąka é"]},
        geometry=[shapely.box(500_000, 4_999_800 + d, 500_400, 5_000_000 + d) for d in (0, -200)],
        crs=32631,
    )
    frame.to_file(tmp_path / "l.gpkg")
    return path


COMMAND = "geodl evaluate map.tif l.gpkg --classes classes.csv"


@pytest.mark.slow
@unix
def test_names_that_the_console_lacks(named, tmp_path):
    ended = shell(f"{COMMAND} --html r.html", tmp_path, PYTHONIOENCODING="cp1252")
    assert ended.returncode == 0, ended.stderr
    assert b"\\u6c34\\u4f53" in ended.stdout
    assert "é".encode("cp1252") in ended.stdout
    assert "水体" in (tmp_path / "r.html").read_text(encoding="utf-8")


@unix
def test_json_is_json_where_there_is_no_locale(named, tmp_path):
    nothing = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    ended = shell(f"{COMMAND} --json", tmp_path, **nothing)
    assert ended.returncode == 0, ended.stderr
    assert "水体" in json.loads(ended.stdout)["classes"][0].values()


@unix
def test_a_reader_that_goes_away_and_outputs_that_are_closed(tmp_path):
    ended = shell(
        "geodl models list --architectures | head -1; geodl models list 1>&- 2>&-", tmp_path
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.count(b"\n") == 1


@unix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_table_that_a_full_disk_swallows_is_told(tmp_path):
    ended = shell("geodl models list > /dev/full", tmp_path)
    assert ended.returncode == 4
    assert b"geodl: standard output could not be written (No space left" in ended.stderr


def test_a_reader_that_goes_away_in_the_middle(tmp_path):
    read, write = os.pipe()
    with os.fdopen(write, "wb") as pipe:
        stream = console._Lasting(pipe, encoding="cp1252", errors="backslashreplace")
        print("水", file=stream, flush=True)
        assert os.read(read, 100) == b"\\u6c34\n"
        os.close(read)
        for _ in range(3):
            print("more", file=stream, flush=True)
        assert stream.lost == ""


def test_commands_can_be_pasted(geodl, model, make_tif, tmp_path):
    make_tif(np.repeat([[1, 2]], 40, axis=0).repeat(20, axis=1)[None].astype("uint8"), "my map.tif")
    ended = geodl("sample-points", "my map.tif", "-n", 100, "-o", "my points.gpkg")
    assert ended.code == 0, ended.err
    assert shlex.split(ended.out.splitlines()[-1]) == [
        "geodl", "evaluate", "my map.tif", "my points.gpkg", "--class-field", "class",
    ]  # fmt: skip
    shutil.copy(model, tmp_path / "my model.safetensors")
    shown = geodl("models", "show", "my model.safetensors")
    assert shown.code == 0, shown.err
    assert shown.out.endswith("next: geodl segment SCENE -m 'my model.safetensors'\n")


@pytest.mark.parametrize(("option", "shown"), [("--quiet", False), ("--debug", True)])
def test_warnings_of_libraries_are_for_debugging(option, shown):
    code = (
        "import sys, warnings, logging; from geodl_cli.terminal.console import prepare_console;"
        "prepare_console(sys.argv[1:]); warnings.warn('of a library');"
        "logging.getLogger('rasterio').warning('of GDAL')"
    )
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONWARNINGS"}
    ended = subprocess.run(
        [sys.executable, "-c", code, option], env=clean, capture_output=True, text=True, check=True
    )
    assert ("of a library" in ended.stderr, "of GDAL" in ended.stderr) == (shown, shown)


@pytest.mark.parametrize(("option", "shown"), [("--quiet", False), ("--debug", True)])
def test_tracebacks_of_failed_extra_outputs_are_for_debugging(option, shown):
    code = (
        "import sys, pathlib; from geodl_cli.terminal.console import prepare_console;"
        "from georaster_dl.io.output.staging import Extras; prepare_console(sys.argv[1:])\n"
        "with Extras(print).making(pathlib.Path('a.png')): int('red')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, option], capture_output=True, text=True, check=True
    )
    assert "a.png was not made: ValueError: " in ended.stdout
    assert ("Traceback" in ended.stderr) == shown


@unix
def test_a_command_line():
    words = ["geodl", "info", "a b.tif", "$HOME", "it's"]
    assert shlex.split(command_line(*words)) == words


def test_tables_are_whole_when_piped(geodl, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    whole = geodl("models", "list").out
    assert "landcover-sample  1.0" in whole
    assert "segmentation" in whole
