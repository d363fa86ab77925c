"""Warnings of runs are Python warnings, everything else is logged, and a callback takes all."""

import logging
import warnings

import pytest

import georaster_dl as gdl
from georaster_dl.core.events import Finished, PixelsProgressed, SceneStarted, Warned
from georaster_dl.testing import noise, write_model, write_scene


@pytest.fixture
def placeless(tmp_path):
    """A scene without CRS, of which a run warns, and a model."""
    scene = write_scene(tmp_path / "scene.tif", noise((64, 80)), crs=None)
    return scene, write_model(tmp_path / "model.safetensors")


def test_warnings_are_python_warnings_of_the_users_line(placeless, tmp_path):
    scene, model = placeless
    with pytest.warns(gdl.GeoRasterWarning, match="has no CRS") as caught:
        gdl.segment(scene, model, out=tmp_path / "map.tif")
    ours = [warning for warning in caught if warning.category is gdl.GeoRasterWarning]
    assert {warning.filename for warning in ours} == {__file__}


def test_a_callback_takes_all_events(placeless, tmp_path):
    scene, model = placeless
    events = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", gdl.GeoRasterWarning)
        gdl.segment(scene, model, out=tmp_path / "map.tif", report=events.append)
    assert any(isinstance(event, Warned) and "no CRS" in event.message for event in events)
    assert any(isinstance(event, SceneStarted) for event in events)
    assert not any(isinstance(event, Finished) for event in events)  # the result says it


def test_all_else_is_logged(tmp_path, caplog):
    scene = write_scene(tmp_path / "scene.tif", noise((64, 80)))
    model = gdl.load_model(write_model(tmp_path / "model.safetensors"))
    with caplog.at_level(logging.DEBUG, "georaster_dl"):
        model.predict(scene)
    levels = {record.levelno for record in caplog.records if record.name == "georaster_dl"}
    assert levels == {logging.INFO, logging.DEBUG}
    assert any("100 %" in record.getMessage() for record in caplog.records)


def test_a_bar_is_shown_when_asked(tmp_path, capsys):
    scene = write_scene(tmp_path / "scene.tif", noise((64, 80)))
    model = gdl.load_model(write_model(tmp_path / "model.safetensors"))
    model.predict(scene)
    assert capsys.readouterr().err == ""
    model.predict(scene, progress=True)
    assert "100%" in capsys.readouterr().err


def test_a_bar_follows_a_run_that_starts_over(capsys):
    from georaster_dl.api.reporting import reporting

    with reporting(lambda _event: None, progress=True) as report:
        for total in (100, 40):
            for done in (10, total):
                report(PixelsProgressed(done, total, 0.0, 1.0))
    assert "40/40" in capsys.readouterr().err.replace(".0", "")


def test_limitations_of_the_model_are_warned_of(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise((64, 80)))
    model = write_model(tmp_path / "m.safetensors", limitations="Only for tests.")
    with pytest.warns(gdl.GeoRasterWarning, match=r"m: Only for tests\."):
        gdl.segment(scene, model, out=tmp_path / "map.tif")
