"""Fixtures shared by all tests."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from georaster_dl.testing import noise, write_model, write_raster, write_scene

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch is imported: as many processes as cores, each with as many threads, stand still.
    os.environ["OMP_NUM_THREADS"] = "1"

# Modules are compiled once, not by each of the many processes that tests start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

settings.register_profile("ci", max_examples=200, deadline=None)
settings.register_profile("quick", max_examples=50, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "quick")

REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items):
    """Tests on the real data sets skip where those are absent."""
    if not REAL_DATA.is_dir():
        skip = pytest.mark.skip(reason="the real data sets are not here")
        for item in items:
            if "realdata" in item.keywords:
                item.add_marker(skip)


@pytest.fixture
def real_data():
    return REAL_DATA


@pytest.fixture
def make_tif(tmp_path):
    """Factory of small GeoTIFFs in the test's own folder; returns the path."""

    def make(array, name="scene.tif", *, descriptions=(), scales=None, offsets=None, **more):
        named = {"bands": descriptions, "scale": scales, "offset": offsets}
        return write_raster(tmp_path / name, np.asarray(array), **named, **more)

    return make


@pytest.fixture
def geodl(tmp_path, monkeypatch, capfd):
    """Run ``geodl`` in this process, in the test's own folder."""
    from tests.cli.conftest import run_here

    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run_here(capfd, *arguments)


@pytest.fixture(scope="module")
def scene_and_model(request, tmp_path_factory):
    """Paths of a scene of noise, of the module's ``SHAPE``, and of a model."""
    folder = tmp_path_factory.mktemp("given")
    scene = write_scene(folder / "scene.tif", noise(request.module.SHAPE))
    return scene, write_model(folder / "model.safetensors")
