"""Texture about a pixel, and classifiers of it as networks."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier

from georaster_dl.core.errors import OptionError
from georaster_dl.models.registry import create_model, fitted_models
from georaster_dl.models.runtime.halo import probe_halo
from georaster_dl.models.zoo.texture.features import Texture
from georaster_dl.training.rivals.classifiers import Learnt, fit_machine, forest_network

WINDOWS = (3, 5)


@pytest.fixture
def texture():
    """Texture of the two components of four bands, (16 planes)."""
    made = Texture(4, WINDOWS, 2)
    made.axes.copy_(torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.5, -0.5, 0.5, -0.5]]))
    made.centre.copy_(torch.tensor([0.1, -0.2]))
    return made


@pytest.fixture
def image():
    """An image (1, 4, 20, 24)."""
    return torch.randn(1, 4, 20, 24, generator=torch.Generator().manual_seed(0))


def labelled_planes(texture, seed=0):
    """Planes (600, planes) of a random image, and classes that hang on brightness and texture."""
    rng = np.random.default_rng(seed)
    picture = rng.normal(size=(1, 4, 30 + 2 * texture.reach, 20 + 2 * texture.reach))
    planes = texture(torch.from_numpy(picture.astype(np.float32)))[0].flatten(1).T.numpy()
    classes = (planes[:, 0] + planes[:, -1] > 0.5).astype(int) + 2 * (planes[:, 5] > 1)
    return planes, np.minimum(classes, 2)


def classifier_input(planes):
    """Planes (n, planes) as an image (1, planes, 1, n)."""
    return torch.from_numpy(planes).T[None, :, None]


def test_means_spreads_and_edges_are_those_of_scipy(texture, image):
    planes = texture(image)[0].double().numpy()
    values = image[0].double().numpy()
    axes, centre = texture.axes.double().numpy(), texture.centre.double().numpy()
    components = np.einsum("kb,brc->krc", axes, values) - centre[:, None, None]
    inner = (slice(3, -3), slice(3, -3))
    down, across = (ndimage.correlate1d(components[0], [-1, 0, 1], axis) for axis in (0, 1))
    edges = np.hypot(down, across)
    expected = [*values, *components, edges]
    for side in WINDOWS:
        means = [ndimage.uniform_filter(each, side) for each in components]
        squares = [ndimage.uniform_filter(each**2, side) for each in components]
        spreads = [np.sqrt(s - m**2) for s, m in zip(squares, means, strict=True)]
        expected += [*means, *spreads, ndimage.uniform_filter(edges, side)]
    assert len(expected) == texture.planes == 17
    np.testing.assert_allclose(planes, np.stack(expected)[:, *inner], atol=1e-6)


def test_invalid_pixels_add_to_no_texture(texture, image):
    image[..., :12] = 0
    means = texture(image)[0, 7:9]
    components = (image.movedim(1, 3) @ texture.axes.T - texture.centre).movedim(3, 1)[0]
    # In a window of 3 x 3 about the first valid column, two columns are valid.
    expected = components[:, 9:12, 12:14].mean(dim=(1, 2))
    torch.testing.assert_close(means[:, 10 - 3, 12 - 3], expected)
    assert not texture(torch.zeros(1, 4, 9, 9))[:, :4].any()


def test_a_forests_network_gives_the_probabilities_of_scikit_learn(texture):
    planes, classes = labelled_planes(texture)
    forest = RandomForestClassifier(20, random_state=0).fit(planes, classes)
    architecture, network = forest_network(forest, texture, 4)
    assert architecture.name == "pixel_rf"
    others = np.concatenate([labelled_planes(texture, seed=1)[0], planes])
    logits = network.classifier(classifier_input(others))[0, :, 0].T
    found = logits.double().exp().numpy()
    expected = forest.predict_proba(others).clip(1e-6)  # whose logarithm is finite
    np.testing.assert_allclose(found[:, :3], expected, atol=1e-6)
    assert found[:, 3].max() < 2e-6  # a class without training pixels


def test_a_machines_network_gives_the_classes_of_scikit_learn(texture):
    from georaster_dl.spectra.methods.baselines import baseline

    planes, classes = labelled_planes(texture)
    weights = np.where(classes == 1, 2.0, 1.0)
    _, network = fit_machine(Learnt(planes, classes, weights, 3), texture, 10.0)
    machine = baseline("svm", "classification", {"C": 10.0})
    machine.fit(planes, classes, svc__sample_weight=weights)
    others, _ = labelled_planes(texture, seed=1)
    found = network.classifier(classifier_input(others))[0, :, 0].argmax(0).numpy()
    assert (found == machine.predict(others)).mean() > 0.995


def test_a_tile_with_its_halo_gives_the_bits_of_the_whole(texture):
    planes, classes = labelled_planes(texture)
    forest = RandomForestClassifier(5, random_state=0).fit(planes, classes)
    _, network = forest_network(forest, texture, 3)
    reach = texture.reach
    assert probe_halo(network, in_bands=4, stride=1).exact == reach == 3
    image = torch.randn(1, 4, 40, 50)
    image[..., 10:14, 20:40] = 0
    whole = network(image)
    tile = network(image[..., 12 - reach : 30 + reach, 7 - reach : 29 + reach])
    assert torch.equal(tile[..., reach:-reach, reach:-reach], whole[..., 12:30, 7:29])
    network._pixels_at_once = 60
    assert torch.equal(network(image), whole)


def test_they_are_listed_apart_and_refuse_windows_that_cannot_be():
    assert fitted_models(to="pixels") == ["pixel_rf", "pixel_svm"]
    for options in ({"windows": (4,)}, {"windows": (1,)}, {"components": 5}):
        with pytest.raises(OptionError, match="odd sides from 3 to 255"):
            create_model("pixel_rf", in_bands=4, n_classes=2, **options)
