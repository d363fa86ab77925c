"""Histograms of certainty: passes that agree fall into one bin; points become a table and a picture."""

import geopandas
import numpy as np
import pytest
from PIL import Image

import georaster_dl as gdl
from georaster_dl.calibration.histogram_grid import histograms_png
from georaster_dl.calibration.histograms import BINS, Histograms, certainty_histograms
from georaster_dl.core.errors import OptionError
from tests.predict.predictors.test_predictors import dropout_model

pytestmark = pytest.mark.slow

PASSES = 8


def test_passes_that_agree_fall_into_one_bin():
    one = np.array([[0.13, 0.87], [1.0, 0.0]])
    counts = certainty_histograms(np.repeat(one[:, None], 30, axis=1))
    assert counts.shape == (2, 2, BINS)
    assert (np.count_nonzero(counts, axis=2) == 1).all()
    assert counts[0, 0, 2] == counts[0, 1, 17] == counts[1, 0, 19] == counts[1, 1, 0] == 30


def test_a_worked_example():
    passes = np.array([0.0, 0.04, 0.05, 0.5, 0.99])[None, :, None]
    assert certainty_histograms(passes)[0, 0, [0, 1, 10, 19]].tolist() == [2, 1, 1, 1]


@pytest.fixture(scope="module")
def points(tmp_path_factory, scene):
    """Five points: three on the scene, one of them nodata; one beside it; one more on it."""
    geobox = gdl.open_scene(scene).geobox
    rows, cols = np.array([100, 5, 150, 500, 60]), np.array([20, 5, 180, 10, 90])
    x, y = geobox.affine * (cols + 0.5, rows + 0.5)
    frame = geopandas.GeoDataFrame(
        {"name": list("abcde")}, geometry=geopandas.points_from_xy(x, y), crs=geobox.crs.to_wkt()
    )
    path = tmp_path_factory.mktemp("points") / "points.gpkg"
    frame.to_crs("EPSG:4326").to_file(path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory, scene, labels, points):
    folder = tmp_path_factory.mktemp("made")
    model = dropout_model(folder / "model.safetensors", dropout=0.5)
    with pytest.warns(gdl.GeoRasterWarning, match="no histogram of 2 points of "):
        return gdl.calibrate(
            model, scene, labels, out=folder / "new.safetensors", histograms=points,
            predictor="mc-dropout", passes=PASSES, precision="fp32",
        )  # fmt: skip


def test_the_table_has_a_column_a_class_and_bin(made):
    table, picture, package = made.files
    assert [path.name for path in made.files] == [
        "new_histograms.gpkg", "new_histograms.png", "new.safetensors",
    ]  # fmt: skip
    frame = geopandas.read_file(table)
    assert frame["name"].tolist() == ["a", "c", "e"]
    for name in made.card.legend.names:
        columns = [f"{name.replace(' ', '-')}_{number:02d}" for number in range(BINS)]
        assert (frame[columns].sum(axis=1) == PASSES).all()
    assert set(frame["mapped"]) <= set(made.card.legend.names)
    assert set(frame["certainty"]) <= {"sure", "undecided"}
    with Image.open(picture) as image:
        assert image.size[1] > 300
    assert package == made.model


def test_the_probability_is_that_of_the_map_with_the_new_calibration(made, scene):
    frame = geopandas.read_file(made.files[0])
    shares = gdl.load_model(made.model).predict(
        scene, "probabilities", predictor="mc-dropout", passes=PASSES, precision="fp32"
    )
    expected = shares.array[:, [100, 150, 60], [20, 180, 90]].max(axis=0)
    assert np.allclose(frame["probability"], expected, atol=1e-3)


def test_sure_yes_sure_no_and_undecided_have_colours_of_their_own():
    frame = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy([0], [0]))
    counts = np.zeros((1, 3, BINS), np.int64)
    counts[0, 0, 19] = counts[0, 1, 0] = counts[0, 2, 10] = 10
    mean = np.array([[0.98, 0.02, 0.5]])
    drawn = Histograms(frame, ("a", "b", "c"), counts, mean, np.array([[1, -1, 0]]), 0)
    other = Histograms(frame, ("a", "b", "c"), counts, mean, np.array([[0, 0, 0]]), 0)
    assert histograms_png(drawn) != histograms_png(other)
    assert drawn.table()["certainty"].tolist() == ["sure"]
    assert other.table()["certainty"].tolist() == ["undecided"]


def test_one_pass_has_no_histogram(model, scene, labels, points, tmp_path):
    with pytest.raises(OptionError, match="predictor='mc-dropout'"):
        gdl.calibrate(model, scene, labels, out=tmp_path / "new.safetensors", histograms=points)
    assert not list(tmp_path.iterdir())
