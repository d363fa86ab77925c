"""The bundled model of the leaf area index: what its card says, and a map of the sample scene."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

import georaster_dl as gdl
from georaster_dl.models.package.file import builtin_models, read_card
from tests.conftest import REAL_DATA

TILES = Path(__file__).parents[1] / "sample_tiles"
WINDOW = Window(330, 130, 128, 128)


@pytest.fixture(scope="module")
def card():
    return read_card(builtin_models()["lai-s2"])


def test_the_card_says_what_taught_it_and_how_far_it_goes(card):
    assert [band.name for band in card.bands][-3:] == ["B8A", "B11", "B12"]
    assert card.targets[0].interval.level == 0.9
    assert "simulations" in card.description
    assert "forests" in card.limitations
    assert builtin_models()["lai-s2"].stat().st_size < 500_000


@pytest.mark.filterwarnings("ignore::georaster_dl.GeoRasterWarning")  # of its limitations
def test_leaves_are_where_plants_are_and_water_is_unsure(tmp_path):
    with rasterio.open(TILES / "s2_west.tif") as scene:
        profile = scene.profile | {"width": WINDOW.width, "height": WINDOW.height, "tiled": False}
        profile["transform"] = scene.window_transform(WINDOW)
        with rasterio.open(tmp_path / "tile.tif", "w", **profile) as part:
            part.write(scene.read(window=WINDOW))
            part.descriptions, part.scales = scene.descriptions, scene.scales
            part.offsets = scene.offsets
    with rasterio.open(TILES / "s2_west_truth.tif") as truth:
        cover = truth.read(1, window=WINDOW)
    gdl.segment(tmp_path / "tile.tif", "lai-s2", out=tmp_path / "lai.tif")
    with rasterio.open(tmp_path / "lai.tif") as made:
        assert made.descriptions == ("lai", "lai, half width of the 90% interval")
        lai, half = made.read()
    water, crops, soil = (cover == number for number in (1, 4, 5))
    assert np.nanmedian(lai[soil]) < 0.6
    assert np.nanmedian(lai[crops]) > 1.2
    assert np.nanmedian(half[water]) > 1.3 * np.nanmedian(half[crops])


def test_cloud_and_snow_are_unlike_what_taught_it(card):
    from georaster_dl.spectra.methods.domain import unlike_calibration

    cloud = [0.55, 0.52, 0.5, 0.52, 0.54, 0.55, 0.55, 0.56, 0.4, 0.3]
    snow = [0.85, 0.8, 0.8, 0.8, 0.78, 0.75, 0.74, 0.7, 0.08, 0.06]
    crop = [0.04, 0.07, 0.05, 0.11, 0.28, 0.34, 0.36, 0.38, 0.2, 0.11]
    flags = unlike_calibration(card.domain, np.array([cloud, snow, crop])).flags
    assert [bool(flag) for flag in flags] == [True, True, False]


@pytest.mark.realdata
def test_fields_of_three_countries_are_met_as_the_card_says():
    import sys

    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "lai"))
    try:
        from plots import read_plots
    finally:
        sys.path.pop(0)
    from georaster_dl.spectra.methods.domain import unlike_calibration
    from georaster_dl.spectra.package.file import load_spectral_model

    plots = read_plots(REAL_DATA / "physics_lai")
    model = load_spectral_model(builtin_models()["lai-s2"])
    lai, spread = (np.ravel(v) for v in model.predict(plots.spectra, return_std=True))
    interval = model.card.targets[0].interval
    error = lai - plots.lai
    covered = np.abs(error) <= interval.factor * np.hypot(spread, interval.floor)
    assert unlike_calibration(model.card.domain, plots.spectra).count < 0.1 * len(error)
    assert np.sqrt(np.mean(error**2)) < 1.3
    assert np.corrcoef(lai, plots.lai)[0, 1] ** 2 > 0.45
    assert 0.82 < covered.mean() < 0.95
