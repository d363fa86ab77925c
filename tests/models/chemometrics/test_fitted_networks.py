"""Fitted methods as networks of the registry."""

import json

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import PLSRegression

from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.models.contract import network_stride
from georaster_dl.models.exchange.onnx import export_onnx
from georaster_dl.models.package.file import CARD_KEY, load_model, save_model
from georaster_dl.models.package.values import Target
from georaster_dl.models.registry import create_model, describe_model, fitted_models, list_models
from georaster_dl.models.zoo.chemometrics.forest import Forest
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.package.file import Metadata, load_spectral_model, save_spectral_model
from georaster_dl.spectra.scoring.scores import ClassScores
from georaster_dl.training.settings.config import ModelSection
from tests.spectra.made import chemistry

AXIS = np.linspace(1100.0, 1690.0, 60)


def package(path, method, **settings):
    """A package of a method, and how it was fitted."""
    spectra, values = chemistry(80)
    return kept(path, method, spectra, values, settings)


def kept(path, method, spectra, values, settings):
    fitted = FittedMethod.fit(method, spectra, values, AXIS, [settings])
    save_spectral_model(path, fitted, Metadata(targets=(Target("value"),)))
    return path, fitted


def test_they_are_listed_apart():
    assert fitted_models(to="tables") == ["lwplsr", "pls", "rf", "svm"]
    assert not set(fitted_models()) & set(list_models())
    assert describe_model("lwplsr")[0].startswith("Locally weighted")
    with pytest.raises(ValueError, match="pls is fitted to tables of spectra .geodl spectra train"):
        ModelSection(architecture="pls")


@pytest.mark.slow
def test_a_pixel_does_not_depend_on_the_image(tmp_path):
    for method in ("pls", "lwplsr", "svm"):
        path, _ = package(tmp_path / f"{method}.safetensors", method)
        _, network = load_model(path)
        assert network_stride(network) == 1
        image = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 60, 9, 7))).float()
        with torch.inference_mode():
            whole = network(image)
            network.pixels_at_once = 5
            assert whole.dtype == torch.float32
            assert whole.shape == (2, 1, 9, 7)
            torch.testing.assert_close(network(image), whole)
            with torch.autocast("cpu", torch.bfloat16):
                torch.testing.assert_close(network(image), whole)


def test_pls_is_that_of_scikit_learn(tmp_path):
    spectra, values = chemistry(80)
    path, fitted = package(tmp_path / "m.safetensors", "pls", n_components=6)
    expected = PLSRegression(6, scale=False).fit(spectra, values).predict(spectra)
    found = load_spectral_model(path).predict(spectra)
    np.testing.assert_allclose(found.ravel(), expected.ravel(), atol=1e-6 * values.std())
    np.testing.assert_allclose(fitted.predict(spectra).ravel(), expected.ravel(), atol=1e-9)


def test_a_library_keeps_the_components_that_predictions_need(tmp_path):
    spectra, values = chemistry(280)
    left, sizes, right = np.linalg.svd(spectra, full_matrices=False)
    # Six parts make the spectra; of noise there is next to none.
    spectra = (left * np.where(np.arange(60) < 6, sizes, 1e-6 * sizes)) @ right
    settings = {"n_components": 4, "n_neighbors": 30, "n_global": 5}
    path, fitted = kept(tmp_path / "m.safetensors", "lwplsr", spectra[:80], values[:80], settings)
    model = load_spectral_model(path)
    spectra = spectra[80:]
    changed = (model.predict(spectra) - fitted.predict(spectra)) / values.std()
    assert np.quantile(np.abs(changed), 0.95) < 1e-4  # the others lie far outside
    sizes = model.card.architecture.options
    assert sizes["spectra"] == [80]
    assert sizes["coordinates"][0] < 20
    assert f"80 spectra as {sizes['coordinates'][0]} components" in model.card.training["library"]


def test_all_neighbours_alike_survive_the_file(tmp_path):
    path, fitted = package(tmp_path / "m.safetensors", "lwplsr", n_components=3, h=np.inf)
    spectra, values = chemistry(50, seed=3)
    found, own = load_spectral_model(path).predict(spectra), fitted.predict(spectra)
    np.testing.assert_allclose(found, own, atol=1e-4 * values.std())


def test_probabilities_are_right_about_how_often_they_are_right():
    spectra, values = chemistry(900, seed=1)
    noisy = values[:, 0] + np.random.default_rng(0).normal(0, 0.3, 900)
    names = np.where(noisy > 0.5, "rich", "poor")
    for method, settings in (("pls", {"n_components": 8}), ("svm", {"C": 10.0, "gamma": 0.01})):
        fitted = FittedMethod.fit(method, spectra[:500], names[:500], AXIS, [settings])
        shares = fitted.predict_proba(spectra[500:])
        scores = ClassScores.of(
            fitted.predict(spectra[500:]).astype(object), names[500:].astype(object)
        )
        assert shares.max(axis=1).mean() == pytest.approx(scores.accuracy, abs=0.05)


def test_pls_leaves_as_onnx(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    path, _ = package(tmp_path / "m.safetensors", "pls")
    assert export_onnx(path, tmp_path / "m.onnx", tile=16) < 1e-3
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
    (taken,) = session.get_inputs()
    image = np.random.default_rng(0).normal(size=(1, 60, 16, 16)).astype("float32")
    (found,) = session.run(None, {taken.name: image})[:1]
    assert np.isfinite(found).all()
    other, _ = package(tmp_path / "o.safetensors", "svm")
    with pytest.raises(OptionError, match="o is a model by svm, of which no ONNX graph is made"):
        export_onnx(other, tmp_path / "o.onnx")


def altered(path, **options):
    """The package with other options on its card."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    head = json.loads(content[8 : 8 + length])
    card = json.loads(head["__metadata__"][CARD_KEY])
    card["architecture"]["options"] |= options
    head["__metadata__"][CARD_KEY] = json.dumps(card)
    text = json.dumps(head).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    return path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"spectra": [1_000_000], "coordinates": [1_000_000]}, "not those of the architecture"),
        ({"neighbors": [81]}, "no .*81.* neighbors"),
        ({"neighbors": [0]}, "whole numbers from 1"),
        ({"components": [3, 3]}, "takes 1 whole"),
        ({"places": "many"}, "whole numbers from 1"),
    ],
)
def test_a_library_that_cannot_be_is_refused(tmp_path, options, said):
    path, _ = package(tmp_path / "m.safetensors", "lwplsr", n_components=3, n_neighbors=20)
    with pytest.raises(ModelPackageError, match=said):
        load_model(altered(path, **options))


@pytest.mark.parametrize(("name", "number"), [("left", 9), ("right", -1), ("band", 60)])
def test_trees_that_lead_nowhere_are_refused(tmp_path, name, number):
    path, _ = package(tmp_path / "m.safetensors", "rf")
    card, network = load_model(path)
    getattr(network.forests[0], name)[0, 0] = number if number != 9 else 10**6
    save_model(tmp_path / "bad.safetensors", card, network)
    with pytest.raises(ModelPackageError, match=f"names {name} .* the file is damaged"):
        load_model(tmp_path / "bad.safetensors")


def test_a_forest_goes_left_at_and_below_its_threshold():
    forest = Forest(2, 1, trees=(1,), nodes=(3,), depth=(1,), classes=False)
    trees = forest.forests[0]
    trees.threshold[0, 0], trees.band[0, 0] = 0.5, 1
    trees.left[0], trees.right[0] = torch.tensor([1, 1, 2]), torch.tensor([2, 1, 2])
    trees.values[0, :, 0] = torch.tensor([0.0, -1.0, 1.0])
    spectra = torch.tensor([[9.0, 0.5], [-9.0, 0.6]])[:, :, None, None]
    assert forest(spectra).flatten().tolist() == [-1, 1]


def test_options_that_do_not_fit():
    with pytest.raises(OptionError, match="takes 2 whole numbers .* as vectors"):
        create_model("svm", in_bands=5, n_classes=2, vectors=(3,))
    with pytest.raises(OptionError, match="do not fit each other"):
        create_model("svm", in_bands=5, n_classes=2, vectors=(3, 3), classes=0)
