"""Networks that learn to do without a sensor: told what is there, packaged, and run on scenes without it."""

import numpy as np
import pytest
import rasterio
import torch

from georaster_dl.core.errors import BandMismatchError, OptionError
from georaster_dl.models.package.file import load_model
from georaster_dl.models.runtime.optional_bands import load_narrowed
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import segment
from georaster_dl.testing import checkered
from georaster_dl.training.data.sources import SceneWithLabels
from georaster_dl.training.loop.learner import present_bands
from georaster_dl.training.settings.config import TrainConfig
from georaster_dl.training.settings.resolve import resolve_defaults, with_method
from georaster_dl.training.train import train

BANDS = ("red", "VV", "green", "ndsm")


@pytest.fixture
def write(make_tif):
    """Write a scene of some of the bands."""
    classes, image = checkered()
    planes = np.stack([*image, image[0]])
    planes[:, :20, :30] = 0

    def scene(*names):
        values = planes[[BANDS.index(name) for name in names]]
        n = len(names)
        return make_tif(
            values, f"{'_'.join(names)}.tif", nodata=0, descriptions=names, scales=(1e-4,) * n, offsets=(0.0,) * n
        )  # fmt: skip

    scene.labels = make_tif(np.array((1, 10, 14), np.uint8)[classes], "labels.tif", nodata=255)
    return scene


def trained(write, settings, out, **changes):
    model = {"model.architecture": "fusion_unet", "model.options": {"widths": [8, 12]}}
    quick = {"training.epochs": 2, "augment.modality_dropout": 0.4}
    pair = SceneWithLabels(str(write(*BANDS)), write.labels)
    return train([pair], out, settings.updated(model | quick | changes)).card


def mapped(scene, model, tmp_path, **extras):
    outputs = Outputs(
        map=tmp_path / "map.tif", **{name: tmp_path / f"{name}.tif" for name in extras}
    )
    options = SegmentOptions(device="cpu", precision="fp32", overwrite=True, float32=True)
    return segment(str(scene), model, outputs, options)


@pytest.mark.slow
def test_a_model_of_sensors_maps_scenes_without_some_and_says_which_decided(
    write, settings, tmp_path
):
    model = tmp_path / "model.safetensors"
    card = trained(write, settings, model)
    assert card.modalities == ("optical", "radar", "lidar")
    assert card.required_bands == (BANDS,)
    assert card.required_bands_text == "optical or radar or lidar"
    summary = mapped(write("red", "green", "ndsm"), model, tmp_path, weights=True)
    assert not summary.failed
    with rasterio.open(tmp_path / "weights.tif") as made:
        weights = made.read(masked=True)
        assert made.descriptions == ("optical", "lidar")
    np.testing.assert_allclose(weights.sum(0).compressed(), 1, atol=1e-5)
    narrow, network = load_narrowed(model, ["red", "green", "ndsm"])
    with rasterio.open(write("red", "green", "ndsm")) as given:
        image = given.read() * 1e-4
    mean, std = (np.array([getattr(b, key) for b in narrow.bands]) for key in ("mean", "std"))
    normal = (image - mean[:, None, None]) / std[:, None, None]
    normal[:, (image == 0).any(0)] = 0
    network.gives_weights = True
    with torch.inference_mode():
        expected = network(torch.from_numpy(normal[None]).float())[0].numpy()
    valid = ~weights.mask[0]
    np.testing.assert_allclose(weights.data[:, valid], expected[-2:, valid], atol=1e-4)


@pytest.mark.slow
def test_a_sensor_counts_as_absent_unless_all_its_bands_are_there(write, settings, tmp_path):
    model = tmp_path / "model.safetensors"
    card = trained(write, settings, model, **{"augment.needed_modalities": ["optical"]})
    assert card.required_bands == (("red", "green"),)
    with pytest.raises(BandMismatchError, match="needs optical.* Of optical it lacks green, and"):
        mapped(write("red", "VV", "ndsm"), model, tmp_path)
    _, network = load_model(model)
    image = torch.randn(1, 4, 16, 16)
    told = torch.tensor([[True, False, True, True]])
    with torch.inference_mode():
        torch.testing.assert_close(
            network(image, told),
            load_narrowed(model, ["red", "green", "ndsm"])[1](image[:, [0, 2, 3]]),
        )
    with pytest.raises(OptionError, match="reads optical whole or not at all, but green"):
        load_narrowed(model, ["red", "VV"])


@pytest.mark.slow
def test_without_dropout_a_model_needs_all_sensors(write, settings, tmp_path):
    card = trained(write, settings, tmp_path / "m.safetensors", **{"augment.modality_dropout": 0.0})
    assert card.required_bands == ()


@pytest.mark.slow
def test_weights_of_a_model_without_a_gate_are_refused(write, settings, tmp_path):
    model = tmp_path / "model.safetensors"
    trained(write, settings, model, **{"model.architecture": "spectral_unet"})
    with pytest.raises(OptionError, match="`weights=.*` shows which sensor decided, but model"):
        mapped(write(*BANDS), model, tmp_path, weights=True)
    assert mapped(write("red", "VV", "green"), model, tmp_path).pixels > 0


def test_presence_is_told_by_bands_that_are_zero_everywhere():
    image = torch.randn(3, 4, 8, 8)
    image[0, 2], image[1] = 0, 0
    image[2, :, :4] = 0
    expected = torch.tensor([[True, True, False, True], [True] * 4, [True] * 4])
    assert torch.equal(present_bands(image), expected)


def resolved(**fields):
    fields = {"augment": {"modality_dropout": 0.2}} | fields
    return resolve_defaults(with_method(TrainConfig.of(fields)))


def test_who_drops_modalities_trains_a_network_that_can_do_without_them():
    assert resolved().model.architecture == "fusion_unet"
    made = resolved(model={"architecture": "spectral_unet"})
    assert made.model.options["optional_bands"] is True
    assert made.method is None


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"model": {"architecture": "unet"}}, "unet needs all of its bands; use"),
        ({"task": "autoencoder"}, "an autoencoder gives all bands back"),
        ({"method": "rf"}, "`method='rf'` may give a model that needs all bands"),
        ({"model": {"ensemble": 2}}, "networks of `ensemble=2` need all bands"),
        ({"augment": {"needed_modalities": ["radar"]}}, "leaves out nothing"),
    ],
)
def test_what_needs_all_bands_is_refused(fields, told):
    with pytest.raises(OptionError, match=told):
        resolved(**fields)
