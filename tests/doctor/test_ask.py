"""Probes that crash, hang or fail, in processes of their own."""

import sys

import pytest

from georaster_dl.doctor import ask as asking
from georaster_dl.doctor.ask import ask
from georaster_dl.doctor.probes import GROUPS


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """Replace torch and rasterio by modules of this code, in the processes that are started."""

    def write(code):
        for name in ("torch", "rasterio"):
            (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return write


def test_a_module_that_cannot_be_imported(hostile):
    hostile("raise ImportError('libfoo.so:\\n  not found')")
    answers = ask()
    assert set(answers) == {name for group in GROUPS.values() for name in group}
    assert answers["torch"].facts is None
    assert answers["torch"].error == "ImportError: libfoo.so: not found"
    assert "libfoo" in answers["gdal"].error
    assert answers["pyproj"].facts["east"] == pytest.approx(500_000)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_crash(hostile):
    hostile("import os; print('loading'); os.kill(os.getpid(), 11)")
    answers = ask()
    assert answers["torch"].error.startswith("its process was killed by SIGSEGV")
    assert answers["models"].error.startswith("not asked")
    assert answers["gdal"].error.startswith("its process was killed by SIGSEGV")


def test_a_hang(hostile):
    hostile("import time; time.sleep(60)")
    answers = ask(patience_s=1.5)
    assert answers["torch"].error == "no answer within 2 s"
    assert answers["vectors"].facts is None


def test_an_exit(hostile):
    hostile("import sys; print('bye', file=sys.stderr); sys.exit(7)")
    assert ask()["torch"].error == "its process ended with 7: bye"


def test_modules_of_the_working_folder_are_not_taken(tmp_path, monkeypatch):
    (tmp_path / "pyogrio.py").write_text("raise RuntimeError('the wrong one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(asking, "GROUPS", {"files": GROUPS["files"]})
    assert ask()["vectors"].error == ""


def test_a_python_that_cannot_be_started(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/python")
    assert "/no/python cannot be started" in ask()["gdal"].error
