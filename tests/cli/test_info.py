"""``geodl info``: what a scene holds, and whether a model fits it."""

import json

import numpy as np
import pytest

from georaster_dl.models.novelty.fit import fit_novelty
from georaster_dl.models.package.novelty import AbsentBands
from georaster_dl.testing import BANDS, SHAPE, noise, write_model, write_scene
from tests.networks import save_optional


def test_text(geodl, scene):
    ended = geodl("info", scene)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == str(scene)
    assert lines[1] == "150 x 130 pixels, 3 bands uint16, EPSG:32631, 10 m"
    share = (noise()[0] == 0).mean()
    assert lines[2] == f"nodata {100 * share:.1f} %"
    first = "1  B02  492.4 nm  value = 0.0001 x number  nodata 0"
    assert lines[3].split() == first.split()
    assert lines[6].startswith("geodl segment would take no model: ")
    assert len(lines) == 7


def test_json(geodl, scene):
    facts = json.loads(geodl("info", scene, "--json").out)
    assert (facts["rows"], facts["cols"]) == SHAPE
    assert [band["name"] for band in facts["bands"]] == list(BANDS)
    assert facts["bands"][2]["wavelength_nm"] == pytest.approx(664.6)
    assert facts["nodata_exact"] is True
    assert facts["nodata_share"] == pytest.approx((noise()[0] == 0).mean())
    assert facts["crs"] == "EPSG:32631"


def test_model_that_fits(geodl, model, scene, narrow_memory, monkeypatch):
    monkeypatch.setattr("georaster_dl.core.process.available_memory", lambda: 6_000_000)
    text = geodl("info", scene, "-m", model).out
    assert "test-model fits, reading B02, B03, B04" in text
    facts = json.loads(geodl("info", scene, "-m", model, "--json").out)["model"]
    assert facts["tiles"] > 1
    assert facts["halo"] == 16
    assert facts["memory_mib"] >= 0
    assert facts["cpu_seconds"] >= 0


def test_how_unlike_the_training_the_scene_is(geodl, tmp_path):
    names = ("B02", "B03", "B04", "B08")
    learnt = noise(n_bands=4).reshape(4, -1).T[::7] * 1e-4
    learnt = learnt[learnt.all(axis=1)]
    costs = AbsentBands(bands=("B11", "B12"), figure="macro F1", whole=0.78, without=0.7)
    model = tmp_path / "m.safetensors"
    save_optional(model, novelty=fit_novelty(names, [learnt], []), absent_bands=[costs])
    for path, offset in (("like.tif", 0), ("unlike.tif", 5000)):
        scene = write_scene(
            tmp_path / path, noise(n_bands=4) + np.uint16(offset), bands=names, nodata=offset
        )
        facts = json.loads(geodl("info", scene, "-m", model, "--json").out)["model"]
        text = geodl("info", scene, "-m", model).out
        absent = "the scene has no B11, B12: macro F1 is 0.70 instead of 0.78 without them"
        assert absent in facts["warnings"]
        assert f"warning: {absent}" in text
        assert not facts["fault"]
        assert f"{100 * facts['novelty']:.0f} % of the pixels are unlike its training\n" in text
        if offset:
            assert facts["novelty"] > 0.9
            assert "of the scene's pixels are unlike all that s2-landcover learnt from" in text
        else:
            assert facts["novelty"] < 0.05
            assert "learnt from" not in text


def test_a_fault_of_all_values_is_not_contradicted_by_a_share(geodl, tmp_path):
    """Fields with 0.1 added are still possible ground, pixel by pixel."""
    names = ("B02", "B03", "B04", "B08")
    rng = np.random.default_rng(0)
    dark, bright = np.array([0.04, 0.06, 0.05, 0.3]), np.array([0.2, 0.25, 0.3, 0.4])
    soil = rng.random((20_000, 1))
    learnt = dark + soil * (bright - dark) + rng.normal(0, 0.01, (20_000, 4))
    model = tmp_path / "m.safetensors"
    save_optional(model, novelty=fit_novelty(names, [learnt[::2]], [learnt[1::2]]))
    fields = (dark + rng.normal(0, 0.005, (64, 64, 4)) + 0.1).transpose(2, 0, 1)
    scene = write_scene(tmp_path / "s.tif", (fields * 1e4).astype(np.uint16), bands=names)
    facts = json.loads(geodl("info", scene, "-m", model, "--json").out)["model"]
    assert facts["fault"]
    text = geodl("info", scene, "-m", model).out
    assert "the scene does not fit what s2-landcover learnt from: all bands are brighter" in text
    assert "of the pixels are unlike" not in text


def test_model_that_does_not_fit(geodl, scene, tmp_path):
    """The scene is told all the same: now it is needed most."""
    model = write_model(tmp_path / "m.safetensors", bands=("B02", "B03", "B12"))
    ended = geodl("info", scene, "-m", model)
    assert ended.code == 1
    assert "B04  664.6 nm" in ended.out
    assert "misses B12 (2202 nm)" in ended.err
    assert "B04 (665 nm)" in ended.err
    assert ended.err.count("\n") == 1


def test_unmarked_scene(geodl, tmp_path):
    """No CRS, no names, no scale, no nodata."""
    path = write_scene(
        tmp_path / "s.tif", noise() + np.uint16(1), bands=None, scale=None,
        nodata=None, crs=None, transform=None,
    )  # fmt: skip
    lines = geodl("info", path).out.splitlines()
    assert "no CRS, resolution unknown" in lines[1]
    assert lines[2] == "nodata 0.0 %"
    assert lines[3].split() == ["1", "band_1", "uncalibrated", "numbers"]


def test_what_the_user_knows_better(geodl, scene):
    options = ["--bands", "B04,B03,B02", "--nodata", 5, "--scale", 0.5, "--offset", 1]
    facts = json.loads(geodl("info", scene, *options, "--json").out)
    assert [band["name"] for band in facts["bands"]] == ["B04", "B03", "B02"]
    assert {(b["nodata"], b["scale"], b["offset"]) for b in facts["bands"]} == {(5, 0.5, 1)}


def test_errors(refused, scene, tmp_path):
    assert "missing.tif does not exist" in refused("info", "missing.tif")
    assert "Missing argument" in refused("info")
    (tmp_path / "empty").mkdir()
    assert "empty folder" in refused("info", "empty")
    assert "did you mean" in refused("info", scene, "-m", "landcover-samlpe")
