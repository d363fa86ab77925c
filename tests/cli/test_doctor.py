"""``geodl doctor``: a whole report whatever is broken, and nothing private in it."""

import json
import os
import subprocess
import sys

import pytest

from georaster_dl import __version__
from georaster_dl.doctor import report as reporting
from georaster_dl.doctor.ask import Answer
from georaster_dl.doctor.text import as_text
from georaster_dl.qgis.install import install_plugin
from georaster_dl.qgis.profile import Profile
from tests.cli.conftest import WARNINGS
from tests.doctor.test_answers import TORCH
from tests.plugins import write_plugin

SECTIONS = ["geodl", "python", "machine", "torch", "gdal", "vectors", "proj", "packages", "models",
            "caches", "environment", "temporary", "qgis"]  # fmt: skip
PLACE = {"version": "9.5", "east": 500_000.0, "north": 4_982_950.4}
DRIVERS = ["GTiff", "COG", "VRT", "JP2OpenJPEG", "ENVI", "netCDF", "HDF5"]
SOUND = {
    "torch": Answer(TORCH),
    "models": Answer([{"name": "m", "path": "/m", "version": "1.0", "error": None}]),
    "gdal": Answer({"rasterio": "1.4", "path": "/r", "version": "3.10", "brings_data": True, "drivers": DRIVERS}),
    "proj": Answer(PLACE),
    "pyproj": Answer(PLACE),
    "vectors": Answer({"pyogrio": "0.13", "version": "3.12", "drivers": ["GPKG", "GeoJSON", "ESRI Shapefile"]}),
}  # fmt: skip


@pytest.fixture
def answers(monkeypatch, tmp_path):
    """Answers of the probes, to be changed; no process is started."""
    given = dict(SOUND)
    monkeypatch.setattr(reporting, "ask", lambda: given)
    monkeypatch.setenv("QGIS_CUSTOM_CONFIG_PATH", str(tmp_path))
    for name in ("PYTHONPATH", "PROJ_LIB", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    return given


def test_sound(geodl, answers):
    ended = geodl("doctor")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == "geodl doctor: no problems, no warnings"
    assert lines[1] == ""
    assert f"- ok: geodl: geodl {__version__}" in lines
    empty = lines.index("", 2)
    assert all(line.startswith(("- ", "  To do: ")) for line in lines[2:empty])
    # Markdown takes these lines as they are: underscores and tildes stay what they are.
    assert all(line.startswith("    ") for line in lines[empty + 1 :])
    assert f"    torch        2.9.0 for CUDA 12.8  {TORCH['path']}" in lines


def test_json(geodl, answers):
    told = json.loads(geodl("doctor", "--json").out)
    assert list(told) == ["format", "status", "findings", *SECTIONS]
    assert (told["format"], told["status"]) == (1, "ok")
    assert set(told["findings"][0]) == {"topic", "status", "text", "remedy"}
    assert told["gdal"]["drivers"]["COG"] is True
    for section in SECTIONS:
        assert f"``{section}``" in reporting.Report.as_json.__doc__


def test_a_warning_is_no_failure(geodl, answers, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", "/another")
    ended = geodl("doctor")
    assert ended.code == 0
    assert ended.out.startswith("geodl doctor: no problems, 1 warning\n\n- warning: environment: ")


def test_a_problem_comes_first_and_is_the_exit_status(geodl, answers):
    answers["torch"] = Answer(error="ImportError: libcudart.so.12")
    for arguments in (["doctor"], ["doctor", "--json"]):
        assert geodl(*arguments).code == 1
    assert (
        "\n\n- problem: torch: torch cannot be imported: ImportError: libcudart"
        in geodl("doctor").out
    )
    answers |= dict.fromkeys(answers, Answer(error="broken"))
    assert geodl("doctor").out.startswith("geodl doctor: 6 problems, no warnings")


def test_a_section_that_fails_is_a_finding(geodl, answers, monkeypatch):
    def fail(*_):
        raise RuntimeError("no such thing")

    def miss(*_):
        raise ModuleNotFoundError("No module named 'psutil'", name="psutil")

    for name in list(vars(reporting)):
        if name.startswith(("look_at_", "judge_")):
            monkeypatch.setattr(reporting, name, fail)
    monkeypatch.setattr(reporting, "_look_at_qgis", miss)
    told = json.loads(geodl("doctor", "--json").out)
    assert told["machine"] == {"error": "RuntimeError: no such thing"}
    ended = geodl("doctor")
    assert ended.code == 1
    assert ended.out.startswith(f"geodl doctor: {len(SECTIONS)} problems, no warnings")
    assert f"To do: {sys.executable} -m pip install psutil" in ended.out


def run(*arguments, **environment):
    """``geodl`` as a process, with these variables too."""
    code = "from geodl_cli.main import main; main()"
    dropped = ("QGIS_CUSTOM_CONFIG_PATH", "XDG_DATA_HOME", "PYTHONPATH", "HF_HOME", "TORCH_HOME")
    clean = {name: value for name, value in os.environ.items() if name not in dropped}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=clean | {"PYTHONWARNINGS": WARNINGS, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
def test_dirty_environment(tmp_path):
    """As QGIS starts it on Windows, where every variable is that of QGIS's own Python."""
    home = tmp_path / "home"
    profile = Profile(home / ".local/share/QGIS/QGIS3/profiles", "default")
    profile.folder.mkdir(parents=True)
    command = home / "bin" / "geodl"
    command.parent.mkdir()
    command.touch()
    install_plugin(profile, write_plugin(tmp_path / "plugin", version="0.0.1"), command)
    foreign = tmp_path / "site"
    foreign.mkdir()
    done = run(
        "doctor",
        "--json",
        HOME=str(home),
        PYTHONPATH=str(foreign),
        PROJ_LIB="/usr/share/proj",
        PROJ_DATA="/usr/share/proj",
        GDAL_DATA="/usr/share/gdal",
        GDAL_DRIVER_PATH="/usr/lib/gdalplugins",
        VIRTUAL_ENV=str(home / "another"),
        API_TOKEN="s3cret-value",
    )
    told = json.loads(done.stdout)
    assert done.stderr == ""
    problems = [found for found in told["findings"] if found["status"] == "problem"]
    assert (done.returncode, problems) == (0, [])
    variables = told["environment"]["variables"]
    for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"):
        assert variables[name]["ignored"], name
    assert variables["PROJ_LIB"]["value"] == "/usr/share/proj"
    assert variables["PYTHONPATH"]["status"] == "warning"
    assert variables["VIRTUAL_ENV"] == {"value": "~/another", "status": "warning", "ignored": False}
    assert told["proj"]["rasterio"]["east"] == pytest.approx(500_000)
    assert all(model["error"] is None for model in told["models"]["models"])
    assert told["torch"]["computes_on"]
    (seen,) = told["qgis"]["profiles"]
    assert (seen["plugin_version"], seen["geodl"]) == ("0.0.1", "~/bin/geodl")
    text = as_text(told)
    for private in ("s3cret-value", "API_TOKEN", str(home)):
        assert private not in done.stdout
        assert private not in text
    assert (
        f"the plugin in ~/.local/share/QGIS/QGIS3/profiles/default is 0.0.1, the package {__version__}"
        in text
    )


def test_torch_that_cannot_be_imported(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('libtorch_cpu.so: no such file')")
    done = run("doctor", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "- problem: torch: torch cannot be imported: ImportError: libtorch_cpu.so" in done.stdout
    assert "- ok: gdal: rasterio" in done.stdout
    assert f"torch imported from {tmp_path}, which hides those in" in done.stdout
