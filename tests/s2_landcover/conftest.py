"""Modules of the recipe of s2-landcover, which is a script and no package."""

import importlib
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[2] / "benchmarks" / "s2_landcover"


@pytest.fixture(autouse=True)
def _on_path(monkeypatch):
    monkeypatch.syspath_prepend(RECIPE)


def _module(name):
    @pytest.fixture(name=name.rpartition(".")[2])
    def module(_on_path):
        return importlib.import_module(name)

    return module


recipe, canvases, sets, world = (_module(n) for n in ("recipe", "canvases", "sets", "world"))
light, tally = _module("light"), _module("accuracy.tally")
