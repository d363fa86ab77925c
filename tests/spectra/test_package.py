"""Networks of tables as model packages."""

import numpy as np
import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.models.registry import spectral_models
from georaster_dl.spectra.methods.estimators import PLSRegressor
from georaster_dl.spectra.network.networks import new_estimator
from georaster_dl.spectra.package.file import (
    Metadata,
    load_network,
    save_network,
)
from tests.cards import card
from tests.spectra.made import chemistry

AXIS = tuple(np.linspace(1100.0, 1690.0, 60).tolist())
TWO = Metadata(targets=(Target("dry matter", "%", interval=Interval(0.9, 1.7, 0.2)), Target("pH")))


def _fitted(name="cnn1d", task="regression", targets=2, **changes):
    spectra, values = chemistry(50, targets=targets)
    quick = {"epochs": 2, "random_state": 0, "wavelengths_nm": AXIS, "preprocessing": "snv,msc"}
    made = new_estimator(name, task, **quick | changes)
    wanted = values if task == "regression" else np.where(values[:, 0] > 0.5, "rich", "poor")
    return made.fit(spectra, wanted), spectra


@pytest.mark.slow
@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("name", spectral_models())
def test_values_come_back_as_they_were(tmp_path, name, members):
    fitted, spectra = _fitted(name, members=members)
    written = save_network(tmp_path / "My model.safetensors", fitted, TWO)
    read, loaded = load_network(tmp_path / "My model.safetensors")
    assert read == written
    assert read.name == "my-model"
    assert read.bands[0].name == "1100 nm"
    assert [target.label for target in read.targets] == ["dry matter (%)", "pH"]
    assert tuple(target.interval for target in read.targets) == (Interval(0.9, 1.7, 0.2), None)
    for own, back in zip(
        fitted.predict(spectra, return_std=True),
        loaded.predict(spectra, return_std=True),
        strict=True,
    ):
        np.testing.assert_array_equal(own, back)


@pytest.mark.parametrize("members", [1, 3])
def test_classes_come_back_as_they_were(tmp_path, members):
    fitted, spectra = _fitted(task="classification", members=members, preprocessing="none")
    save_network(tmp_path / "m.safetensors", fitted, Metadata())
    read, loaded = load_network(tmp_path / "m.safetensors")
    assert read.preprocessing is None
    assert [(entry.value, entry.name) for entry in read.classes] == [(1, "poor"), (2, "rich")]
    np.testing.assert_array_equal(loaded.predict_proba(spectra), fitted.predict_proba(spectra))
    assert (loaded.predict(spectra) == fitted.predict(spectra)).all()


def test_a_pixel_is_a_spectrum(tmp_path):
    """What a scene's run would do with the package: treat, normalise, run, and turn planes back."""
    fitted, spectra = _fitted(members=3)
    save_network(tmp_path / "m.safetensors", fitted, TWO)
    read, network = load_model(tmp_path / "m.safetensors")
    image = torch.from_numpy(fitted.normalised(spectra[:6])).float().T.reshape(1, 60, 2, 3)
    with torch.inference_mode():
        planes = network(image)[0].flatten(1).T.double().numpy()
    scale = np.array([target.std for target in read.targets])
    mean = np.array([target.mean for target in read.targets])
    predicted, spread = fitted.predict(spectra[:6], return_std=True)
    np.testing.assert_allclose(planes[:, :2] * scale + mean, predicted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(planes[:, 2:] * scale, spread, rtol=1e-3, atol=1e-5)


def test_only_networks_with_wavelengths_are_kept(tmp_path):
    path = tmp_path / "m.safetensors"
    spectra, values = chemistry(20)
    with pytest.raises(OptionError, match="Only networks are kept .* got a PLSRegressor"):
        save_network(path, PLSRegressor().fit(spectra, values), TWO)
    with pytest.raises(OptionError, match="fit the network with wavelengths_nm"):
        save_network(path, _fitted(wavelengths_nm=None)[0], TWO)
    with pytest.raises(OptionError, match="gives 1 quantity, but 2 got a name"):
        save_network(path, _fitted(targets=1)[0], TWO)
    assert not path.exists()


def test_a_model_of_scenes_is_refused(tmp_path):
    from georaster_dl.testing import write_model

    path = write_model(tmp_path / "scene.safetensors")
    assert read_card(path).name == card().name
    with pytest.raises(OptionError, match="architecture unet, which is none of tables"):
        load_network(path)
