"""Models of tables as packages."""

import numpy as np
import pytest
import torch

from georaster_dl.core.errors import OptionError
from georaster_dl.models.package.file import load_model, read_card
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.models.registry import spectral_models
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.network.networks import new_estimator
from georaster_dl.spectra.package.file import (
    Metadata,
    load_spectral_model,
    save_spectral_model,
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
    written = save_spectral_model(tmp_path / "My model.safetensors", fitted, TWO)
    loaded = load_spectral_model(tmp_path / "My model.safetensors")
    read = loaded.card
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
        np.testing.assert_allclose(own, back, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("members", [1, 3])
def test_classes_come_back_as_they_were(tmp_path, members):
    fitted, spectra = _fitted(task="classification", members=members, preprocessing="none")
    save_spectral_model(tmp_path / "m.safetensors", fitted, Metadata())
    loaded = load_spectral_model(tmp_path / "m.safetensors")
    read = loaded.card
    assert read.preprocessing is None
    assert [(entry.value, entry.name) for entry in read.classes] == [(1, "poor"), (2, "rich")]
    np.testing.assert_allclose(
        loaded.predict_proba(spectra), fitted.predict_proba(spectra), rtol=1e-9
    )
    assert (loaded.predict(spectra) == fitted.predict(spectra)).all()


def test_a_pixel_is_a_spectrum(tmp_path):
    """What a scene's run would do with the package: treat, normalise, run, and turn planes back."""
    fitted, spectra = _fitted(members=3)
    save_spectral_model(tmp_path / "m.safetensors", fitted, TWO)
    read, network = load_model(tmp_path / "m.safetensors")
    image = torch.from_numpy(fitted.normalised(spectra[:6])).float().T.reshape(1, 60, 2, 3)
    with torch.inference_mode():
        planes = network(image)[0].flatten(1).T.double().numpy()
    scale = np.array([target.std for target in read.targets])
    mean = np.array([target.mean for target in read.targets])
    predicted, spread = fitted.predict(spectra[:6], return_std=True)
    np.testing.assert_allclose(planes[:, :2] * scale + mean, predicted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(planes[:, 2:] * scale, spread, rtol=1e-3, atol=1e-5)


def test_only_models_with_wavelengths_are_kept(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(OptionError, match="fit the network with wavelengths_nm"):
        save_spectral_model(path, _fitted(wavelengths_nm=None)[0], TWO)
    with pytest.raises(OptionError, match="gives 1 quantity, but 2 got a name"):
        save_spectral_model(path, _fitted(targets=1)[0], TWO)
    assert not path.exists()


def test_a_model_of_scenes_is_refused(tmp_path):
    from georaster_dl.testing import write_model

    path = write_model(tmp_path / "scene.safetensors")
    assert read_card(path).name == card().name
    with pytest.raises(OptionError, match="architecture unet, which is none of tables"):
        load_spectral_model(path)


def _method(name, task="regression", *, settings=None, n=70, preprocessing="snv", **data):
    """A fitted method and spectra of its kind; of two values, the second is not known of a few."""
    spectra, values = chemistry(n, targets=2, **data)
    values[:6, 1] = np.nan
    names = np.array(["poor", "middling", "rich"])[np.digitize(values[:, 0], [0.3, 1.0])]
    wanted = values if task == "regression" else names
    several = [settings or {}] * (2 if task == "regression" else 1)
    axis = np.linspace(1100.0, 1690.0, spectra.shape[1])
    fitted = FittedMethod.fit(name, spectra, wanted, axis, several, preprocessing=preprocessing)
    return fitted, chemistry(40, targets=2, seed=1, **data)[0]


SETTINGS = {
    "pls": {"n_components": 6},
    "lwplsr": {"n_components": 5, "n_neighbors": 30, "h": 2.0, "n_global": 6},
    "svm": {"C": 10.0, "gamma": 0.01},
    "rf": {},
}
CHANGED = {"lwplsr": 1e-4}  # by leaving out components of its library


@pytest.mark.parametrize("name", SETTINGS)
def test_values_of_a_method_come_back_as_they_were(tmp_path, name):
    fitted, spectra = _method(name, settings=SETTINGS[name])
    written = save_spectral_model(tmp_path / "m.safetensors", fitted, TWO)
    loaded = load_spectral_model(tmp_path / "m.safetensors")
    assert loaded.card == written
    assert written.architecture.name == name
    own, back = fitted.predict(spectra), loaded.predict(spectra)
    np.testing.assert_allclose((own - back) / fitted.target_std, 0, atol=CHANGED.get(name, 1e-5))
    assert not loaded.predict(spectra, return_std=True)[1].any()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "rf")) for n in SETTINGS]
)
def test_classes_of_a_method_come_back_as_they_were(tmp_path, name):
    fitted, spectra = _method(name, "classification", settings=SETTINGS[name])
    save_spectral_model(tmp_path / "m.safetensors", fitted, Metadata())
    loaded = load_spectral_model(tmp_path / "m.safetensors")
    shares = loaded.predict_proba(spectra)
    np.testing.assert_allclose(
        shares, fitted.predict_proba(spectra), atol=3 * CHANGED.get(name, 1e-5)
    )
    assert (loaded.predict(spectra) == fitted.predict(spectra)).all()
    # The regression says nothing of probabilities; the sharpness that was fitted makes them right on average.
    assert 0.5 < shares.max(axis=1).mean() < 1
