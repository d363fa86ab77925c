"""Variables, packages, caches, disk and QGIS."""

import os
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from georaster_dl import __version__
from georaster_dl.doctor import machine, packages
from georaster_dl.doctor.environment import look_at_environment
from georaster_dl.doctor.machine import (
    look_at_caches,
    look_at_geodl,
    look_at_machine,
    look_at_python,
    look_at_temporary,
)
from georaster_dl.doctor.packages import hidden_packages, look_at_packages
from georaster_dl.doctor.qgis import look_at_qgis
from georaster_dl.qgis.install import install_plugin
from georaster_dl.qgis.profile import Profile
from tests.plugins import write_plugin

LEAKS = ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH", "PYTHONHOME", "PYTHONPATH",
         "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV", "CONDA_PREFIX")  # fmt: skip


@pytest.fixture
def clean(monkeypatch):
    for name in LEAKS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def statuses(part):
    return [finding.status for finding in part.findings]


def test_nothing_leaks(clean):
    clean.setenv("VIRTUAL_ENV", sys.prefix)
    clean.setenv("CONDA_PREFIX", "/opt/conda")  # its base is active beneath; pip goes to the other
    clean.setenv("MY_TOKEN", "s3cret")
    part = look_at_environment({})
    assert statuses(part) == ["ok"]
    assert part.facts["variables"]["VIRTUAL_ENV"]["status"] == "ok"
    assert "MY_TOKEN" not in part.facts["variables"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GDAL_DATA", "/usr/share/gdal"),
        ("PYTHONHOME", "/opt/python"),
        ("PYTHONPATH", "/usr/lib/python3/dist-packages"),
        ("VIRTUAL_ENV", "/another/one"),
        ("CONDA_PREFIX", "/opt/conda"),
    ],
)
def test_leaks(clean, name, value):
    clean.setenv(name, value)
    part = look_at_environment({})
    assert statuses(part) == ["warning"]
    assert f"{name}={value}" in part.findings[0].text
    assert part.facts["variables"][name] == {"value": value, "status": "warning", "ignored": False}


def test_dropped_variables_are_told(clean):
    part = look_at_environment({"PROJ_LIB": "/usr/share/proj"})
    assert "geodl ignores it" in part.findings[0].text
    assert part.facts["variables"]["PROJ_LIB"] == {
        "value": "/usr/share/proj",
        "status": "warning",
        "ignored": True,
    }


def test_own_data_do_not_leak(clean):
    clean.setenv("PROJ_DATA", f"{sys.prefix}/share/proj")
    assert statuses(look_at_environment({})) == ["ok"]


def test_libraries(clean, tmp_path):
    clean.setenv("LD_LIBRARY_PATH", f"{tmp_path}{os.pathsep}/not/there")
    assert statuses(look_at_environment({})) == ["ok"]
    (tmp_path / "libproj.so.25").touch()
    part = look_at_environment({})
    assert statuses(part) == ["warning"]
    assert "puts libproj before" in part.findings[0].text


def test_packages():
    part = look_at_packages()
    assert part.facts["required"]["numpy"] == metadata.version("numpy")
    assert set(part.facts["extras"]) == {"dask", "export", "tables"}
    assert "problem" not in statuses(part)
    assert "pytest" not in part.facts["required"]


def test_packages_missing_and_old(monkeypatch):
    versions = {"numpy": "1.24.2", "dask": None, "rasterio": None}
    whole = packages._version
    monkeypatch.setattr(packages, "_version", lambda name: versions.get(name, whole(name)))
    needed = {r.name: r.specifier for r in map(Requirement, metadata.requires("georaster_dl"))}
    found = [(f.status, f.text, f.remedy) for f in look_at_packages().findings]
    assert found[0][:2] == ("problem", "missing: rasterio")
    assert found[0][2].endswith(f"-m pip install 'rasterio{needed['rasterio']}'")
    assert found[1][1] == f"of the wrong version: numpy 1.24.2 ({needed['numpy']} is needed)"
    assert ("ok", "Dask clusters: dask not installed") in [f[:2] for f in found]


def test_hidden_packages(monkeypatch, tmp_path):
    assert "numpy" not in hidden_packages()
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").touch()
    (tmp_path / "shapely.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert hidden_packages()["numpy"][0] == str(tmp_path)
    text = f"numpy, shapely imported from {tmp_path}, which hides those in"
    first = look_at_packages().findings[0]
    assert (first.status, first.text[: len(text)]) == ("warning", text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    first = look_at_packages().findings[0]
    assert (first.status, first.remedy) == ("problem", "Unset PYTHONPATH and run this again.")


def test_machine(monkeypatch):
    facts = look_at_machine().facts
    assert facts["cores"] >= 1
    assert 0 < facts["memory_free_bytes"] <= facts["memory_bytes"]
    monkeypatch.setattr("georaster_dl.core.process.available_memory", lambda: 2**30)
    assert statuses(look_at_machine()) == ["warning"]
    assert look_at_python().facts["prefix"] == sys.prefix
    assert look_at_geodl(None).findings[0].status == "warning"


def test_temporary(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.tempfile, "tempdir", str(tmp_path))
    assert look_at_temporary().facts["path"] == str(tmp_path)
    monkeypatch.setattr(machine, "_LITTLE_DISK", 2**80)
    assert statuses(look_at_temporary()) == ["warning"]
    monkeypatch.setattr(machine.tempfile, "tempdir", str(tmp_path / "gone"))
    assert statuses(look_at_temporary()) == ["problem"]


def test_caches(monkeypatch, tmp_path):
    for name in ("TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert look_at_caches().findings[0].text == "none kept"
    blob = tmp_path / "huggingface" / "hub" / "blobs" / "abc"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(bytes(3 * 2**20))
    (blob.parent / "link").symlink_to(blob)
    facts = look_at_caches().facts
    assert not facts["torch_hub"]["exists"]
    assert facts["huggingface"]["files"] == 2
    assert 3 * 2**20 <= facts["huggingface"]["bytes"] < 4 * 2**20
    assert look_at_caches().findings[0].text == "3 MiB of pretrained encoders kept"


def test_no_qgis(monkeypatch, tmp_path):
    monkeypatch.setenv("QGIS_CUSTOM_CONFIG_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    part = look_at_qgis(None)
    assert part.facts["profiles"] == []
    assert part.findings[0].text == "no QGIS found; only its plugin needs it"


def test_plugin_in_qgis(monkeypatch, tmp_path):
    monkeypatch.setenv("QGIS_CUSTOM_CONFIG_PATH", str(tmp_path))
    profile = Profile(tmp_path / "profiles", "default")
    profile.folder.mkdir(parents=True)
    part = look_at_qgis(None)
    assert "without the plugin" in part.findings[0].text
    assert part.findings[0].remedy.endswith("geodl qgis install")

    command = tmp_path / "geodl"
    command.touch()
    install_plugin(profile, write_plugin(tmp_path / "source"), command)
    part = look_at_qgis(command)
    assert statuses(part) == ["ok"]
    assert part.facts["profiles"] == [
        {
            "name": "default",
            "path": str(profile.folder),
            "plugin_version": __version__,
            "enabled": True,
            "geodl": str(command),
            "flatpak": False,
        }
    ]

    other = tmp_path / "other"
    other.touch()
    assert "starts another geodl" in look_at_qgis(other).findings[0].text
    command.unlink()
    text = profile.settings[0].read_text().replace("=true", "=false")
    profile.settings[0].write_text(text)
    metadata_file = profile.plugin / "metadata.txt"
    metadata_file.write_text(metadata_file.read_text().replace(__version__, "0.0.1"))
    part = look_at_qgis(other)
    assert statuses(part) == ["warning"] * 3
    said = " ".join(finding.text for finding in part.findings)
    assert f"is 0.0.1, the package {__version__}" in said
    assert "is switched off" in said
    assert "which is not there" in said
    assert all(f.remedy == "geodl qgis install --profile default" for f in part.findings)
