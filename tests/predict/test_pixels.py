"""The network's output at single pixels is that of the map there."""

import numpy as np
import pytest

from georaster_dl.core.events import no_report
from georaster_dl.evaluation.metrics.calibration import class_probabilities
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.predict.engine.network_cache import NetworkCache, of_process
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import SegmentRun
from georaster_dl.testing import noise, write_model, write_scene
from georaster_dl.tiling.pixels import PixelPlaces
from tests.predict.predictors.test_predictors import dropout_model

PLACES = PixelPlaces(np.array([3, 60, 60, 149]), np.array([2, 5, 129, 70]))  # the first is nodata


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pixels")
    model = write_model(folder / "m.safetensors", calibration=Calibration(temperature=1.7))
    return write_scene(folder / "scene.tif", noise()), model


def run_of(files, outputs=(), networks=of_process, **options):
    usual = {"precision": "fp32", "halo": "exact", "float32": True, "tile": 256}
    asked = SegmentOptions(**usual | options)
    return SegmentRun(*files, Outputs.in_memory(*outputs), asked, no_report, networks)


@pytest.mark.parametrize(
    ("options", "passes"),
    [({}, 1), ({"predictor": "tta", "symmetries": "flip"}, 4), ({"predictor": "tta"}, 8)],
)
def test_their_mean_is_the_probability_of_the_map(files, options, passes):
    found = run_of(files, **options).at_pixels(PLACES)
    assert found.shape == (4, passes, 4)
    assert np.isnan(found[0]).all()
    probabilities = class_probabilities(found[1:], Calibration(temperature=1.7))
    whole = run_of(files, ["probabilities"], **options).in_memory()["probabilities"].array
    expected = whole[:, PLACES.row[1:], PLACES.col[1:]].T
    assert np.allclose(probabilities, expected, atol=1e-5)


@pytest.mark.parametrize(("predictor", "rho"), [("mc-dropout", None), ("bayesian", -1.0)])
def test_random_passes_are_those_of_the_map(tmp_path, files, predictor, rho):
    model = dropout_model(tmp_path / "random.safetensors", rho=rho)
    options = {"predictor": predictor, "passes": 5, "seed": 3}
    found = run_of((files[0], model), **options).at_pixels(PLACES)
    assert found.shape == (4, 5, 4)
    assert (found[1:].std(axis=1) > 0.01).all()
    whole = run_of((files[0], model), ["probabilities"], **options).in_memory()["probabilities"]
    expected = whole.array[:, PLACES.row[1:], PLACES.col[1:]].T
    assert np.allclose(class_probabilities(found[1:], Calibration()), expected, atol=1e-5)


class Counting(NetworkCache):
    """Counts the tiles that a network sees."""

    tiles = 0

    def get(self, key, make):
        network = super().get(key, make)
        network.register_forward_hook(self.count)
        return network

    def count(self, _network, inputs, _outputs):
        self.tiles += len(inputs[0])


def test_only_tiles_with_pixels_are_computed(files):
    networks = Counting(keeping=False)
    run = run_of(files, networks=networks, tile=64, halo=8)
    run.at_pixels(PixelPlaces(np.array([140, 141]), np.array([100, 101])))
    assert networks.tiles == 1
    assert run.at_pixels(PixelPlaces(np.array([3]), np.array([2]))) is None  # nodata
    assert networks.tiles == 1
