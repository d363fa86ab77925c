"""The card of a trained model knows what the training pixels were like."""

import numpy as np
import rasterio

from georaster_dl.models.novelty.detector import Detector
from georaster_dl.training.data.cache import CacheFolder
from georaster_dl.training.data.training_data import load_training_data
from georaster_dl.training.result.novelty import training_novelty


def test_the_scene_itself_is_ordinary_and_a_brighter_one_is_not(pair, settings, tmp_path):
    with CacheFolder(tmp_path / "model.safetensors") as cache:
        data = load_training_data([pair], settings, cache, lambda _: None)
        statistics = training_novelty(data)
        assert training_novelty(data) == statistics
    assert statistics.bands == ("B02", "B03", "B04")
    with rasterio.open(pair.scene) as dataset:
        values = dataset.read()[:, 20:].reshape(3, -1).T * 1e-4
    detector = Detector.of(statistics, statistics.bands)
    assert np.mean(detector.novelty(values) > 1) < 0.03
    assert np.mean(detector.novelty(values + 0.3) > 1) > 0.97
