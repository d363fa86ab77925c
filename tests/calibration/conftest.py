"""A model, a scene, and labels drawn from the model's own probabilities at another temperature."""

import numpy as np
import pytest

import georaster_dl as gdl
from georaster_dl.models.package.calibration import Calibration
from georaster_dl.testing import noise, write_labels, write_model, write_scene

TEMPERATURE = 2.5
NAMES = {1: "class 0", 2: "class 1", 3: "class 2", 4: "class 3"}


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "sure.safetensors"
    return write_model(path, calibration=Calibration(temperature=1.0))


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    return write_scene(tmp_path_factory.mktemp("scene") / "scene.tif", noise((160, 192)))


@pytest.fixture(scope="session")
def logits(model, scene):
    """Logarithms (4, rows, cols) of the model's probabilities, and where the scene is valid."""
    raster = gdl.load_model(model).predict(scene, "probabilities", precision="fp32")
    return np.log(np.maximum(raster.array, 1e-12)), raster.valid


def drawn(logits, valid, *, seed=0):
    """Class values (rows, cols) with the probabilities of these logits, 255 where invalid."""
    shares = np.exp(logits - logits.max(axis=0))
    shares /= shares.sum(axis=0)
    rng = np.random.default_rng(seed)
    index = (rng.random(valid.shape) > shares.cumsum(axis=0)).sum(axis=0).clip(0, 3)
    return np.where(valid, index + 1, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def labels(tmp_path_factory, logits):
    """Labels of which the model is too sure: its logits are 2.5 times too large."""
    path = tmp_path_factory.mktemp("labels") / "labels.tif"
    return write_labels(path, drawn(logits[0] / TEMPERATURE, logits[1]), names=NAMES)
