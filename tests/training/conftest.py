"""A scene whose classes a small network learns in seconds."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from georaster_dl.testing import checkered
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.settings.config import TrainConfig

CLASSES = (1, 10, 14)


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small spend their time on handing work from thread to thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def pair(make_tif):
    """A scene and a label raster with the class values 1, 10 and 14."""
    classes, image = checkered()
    image[:, :20, :30] = 0
    scene = make_tif(
        image, "scene.tif", nodata=0, descriptions=("B02", "B03", "B04"), scales=(1e-4,) * 3,
        offsets=(0.0,) * 3,
    )  # fmt: skip
    labels = np.array(CLASSES, np.uint8)[classes]
    labels[-16:] = 255
    return SceneWithLabels(str(scene), make_tif(labels, "labels.tif", nodata=255))


@pytest.fixture
def settings():
    """A small network and few steps."""
    return TrainConfig.of(
        {
            "method": "network",
            "model": {
                "encoder": "tu-test_resnet",
                "options": {"encoder_depth": 2, "decoder_channels": [16, 8]},
            },
            "split": {"block": 16, "buffer": 0},
            "patches": {"size": 32, "per_epoch": 16},
            "training": {
                "epochs": 4, "batch": 4, "workers": 0, "device": "cpu", "precision": "fp32",
                "learning_rate": 1e-2,
            },
        }
    )  # fmt: skip


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty Hugging Face cache, offline; the function puts a file into it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    def put(repository, weights, revision=None):
        folder = tmp_path / f"models--{repository.replace('/', '--')}"
        commit = revision or "0" * 40
        snapshot = folder / "snapshots" / commit
        snapshot.mkdir(parents=True)
        if revision is None:
            (folder / "refs").mkdir()
            (folder / "refs" / "main").write_text(commit)
        (snapshot / "config.json").write_text("{}")
        save_file(weights, snapshot / "model.safetensors")

    return put
