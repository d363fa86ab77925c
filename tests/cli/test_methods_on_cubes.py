"""Fitted methods on a cube: the values and classes that they give for the same spectra in a table."""

import json

import numpy as np
import pytest
import rasterio

import georaster_dl as gdl
from georaster_dl.models.package.values import Interval, Target
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.package.file import Metadata, load_spectral_model, save_spectral_model
from tests.cli.test_spectral_cubes import SHAPE, WAVELENGTHS, spectra_of, write_cube

SETTINGS = {
    "pls": {"n_components": 5},
    "lwplsr": {"n_components": 4, "n_neighbors": 40, "h": 2.0, "n_global": 6},
    "svm": {"C": 10.0, "gamma": 0.02},
    "rf": {},
}
METADATA = Metadata(
    targets=(Target("sugar", "%", interval=Interval(0.9, 1.6, 0.4)), Target("acid"))
)


def fitted(path, method, *, classes=False):
    """A package of a method that learnt from 200 spectra."""
    table = noisy(1).reshape(len(WAVELENGTHS), -1)[:, :200].T
    sugar = 100 * table.max(axis=1) + np.sin(20 * table[:, 5])
    values = np.stack([sugar, table[:, 3] / table[:, 9]], axis=1)
    names = np.array(["low", "middle", "high"])[np.digitize(sugar, np.quantile(sugar, [0.3, 0.6]))]
    wanted, several = (names, 1) if classes else (values, 2)
    model = FittedMethod.fit(
        method, table, wanted, WAVELENGTHS, [SETTINGS[method]] * several, preprocessing="snv"
    )
    save_spectral_model(path, model, Metadata() if classes else METADATA)
    return load_spectral_model(path)


def noisy(seed=0):
    """(bands, rows, cols) reflectances; without noise, components would be rounding errors of float32."""
    noise = np.random.default_rng(seed + 9).normal(0, 2e-3, (len(WAVELENGTHS), *SHAPE))
    return spectra_of(WAVELENGTHS, seed) - 0.06 + noise.astype("float32")


def pixels(cube):
    return cube.reshape(len(cube), -1).T.astype(float)


METHODS = [pytest.param(name, marks=[pytest.mark.slow] * (name == "rf")) for name in SETTINGS]


@pytest.mark.parametrize("method", METHODS)
def test_values_of_a_cube_are_those_of_a_table(tmp_path, monkeypatch, method):
    monkeypatch.chdir(tmp_path)
    model = fitted(tmp_path / "m.safetensors", method)
    cube = noisy()
    write_cube(tmp_path / "cube.tif", cube, WAVELENGTHS)
    maps = []
    for tile in (16, 512):
        gdl.segment("cube.tif", "m.safetensors", out=f"{tile}.tif", tile=tile)
        with rasterio.open(f"{tile}.tif") as dataset:
            maps.append(dataset.read())
    values = model.predict(pixels(cube)).T.reshape(2, *SHAPE)
    scale = np.array([target.std for target in model.card.targets])[:, None, None]
    np.testing.assert_allclose(maps[0][:2] / scale, values / scale, atol=1e-4)
    np.testing.assert_allclose(maps[0], maps[1], rtol=1e-5)
    # No member disagrees with another, so the half width is the floor's.
    np.testing.assert_allclose(maps[0][2], 1.6 * 0.4, rtol=1e-6)


def test_influences_are_taken_from_a_cube_as_from_a_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pixels(noisy(1))[:200]
    model = FittedMethod.fit(
        "pls", table, table[:, :1] / table[:, 9:10], WAVELENGTHS, [SETTINGS["pls"]],
        preprocessing="snv,epo(2)", groups=np.repeat(np.arange(50), 4).astype(object),
    )  # fmt: skip
    save_spectral_model(tmp_path / "m.safetensors", model, Metadata((Target("sugar"),)))
    cube = noisy()
    write_cube(tmp_path / "cube.tif", cube, WAVELENGTHS)
    gdl.segment("cube.tif", "m.safetensors", out="map.tif", tile=16)
    with rasterio.open("map.tif") as dataset:
        mapped = dataset.read(1)
    values = model.predict(pixels(cube)).reshape(SHAPE)
    np.testing.assert_allclose(mapped, values, atol=1e-4 * model.target_std[0])


@pytest.mark.parametrize("method", METHODS)
def test_classes_of_a_cube_are_those_of_a_table(geodl, tmp_path, method):
    model = fitted(tmp_path / "m.safetensors", method, classes=True)
    cube = noisy()
    write_cube(tmp_path / "cube.tif", cube, WAVELENGTHS)
    # Low precision is for networks: a method would choose other neighbours or branches.
    command = ["segment", "cube.tif", "-m", "m.safetensors", "--precision", "bf16"]
    ended = geodl(*command, "-o", "map.tif")
    assert ended.code == 0, ended.err
    with rasterio.open("map.tif") as dataset:
        found = dataset.read(1).ravel()
    shares = np.sort(model.predict_proba(pixels(cube)), axis=1)
    clear = shares[:, -1] - shares[:, -2] > 1e-4
    expected = np.array(
        [list(model.classes).index(name) + 1 for name in model.predict(pixels(cube))]
    )
    assert clear.mean() > 0.9
    assert (found == expected)[clear].all()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--uncertainty", "mc-dropout"), "m is a model by lwplsr, which has no dropout"),
        (("--uncertainty", "bayesian"), "m holds no distributions of weights"),
        (("--novelty",), "novelty"),
    ],
)
def test_what_a_method_has_not_is_refused_by_name(geodl, tmp_path, option, said):
    fitted(tmp_path / "m.safetensors", "lwplsr", classes=True)
    write_cube(tmp_path / "cube.tif", noisy(), WAVELENGTHS)
    command = ["segment", "cube.tif", "-m", "m.safetensors", "-o", "x.tif"]
    ended = geodl(*command, *option)
    assert ended.code == 1
    assert said in ended.err.splitlines()[-1]
    assert geodl(*command, "--uncertainty", "softmax", "--confidence").code == 0


@pytest.mark.slow
def test_a_batch_maps_cubes_by_a_method(geodl, tmp_path):
    fitted(tmp_path / "m.safetensors", "svm")
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        write_cube(tmp_path / "in" / f"{name}.tif", noisy(), WAVELENGTHS)
    ended = geodl("batch", "in", "-m", "m.safetensors", "-d", "out")
    assert ended.code == 0, ended.err
    assert len(list((tmp_path / "out").glob("*_values.tif"))) == 2


def test_the_package_tells_method_and_library(geodl, tmp_path):
    fitted(tmp_path / "m.safetensors", "lwplsr")
    shown = geodl("models", "show", "m.safetensors").out
    assert "lwplsr" in shown
    assert "n_components 4, n_neighbors 40, h 2" in shown
    assert "200 spectra as" in shown
    card = json.loads(geodl("models", "show", "m.safetensors", "--json").out)
    assert card["architecture"]["options"]["neighbors"] == [40, 40]
