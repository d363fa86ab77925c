"""A model of spectra on a cube: treated as in training, on its own wavelengths, with intervals."""

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin

from georaster_dl.models.package.card import Architecture, Card, CardPreprocessing, Cost, ModelHalo
from georaster_dl.models.package.file import load_model, save_model
from georaster_dl.models.package.values import InputBand, Interval, Target
from georaster_dl.models.registry import create_model
from georaster_dl.spectra.preprocess.chain import Preprocessing

WAVELENGTHS = np.arange(500.0, 900.0, 20.0)
SHAPE = (30, 40)


def spectra_of(wavelengths, seed=0):
    """(bands, rows, cols) smooth reflectances."""
    rng = np.random.default_rng(seed)
    centres, heights = rng.uniform(550, 850, SHAPE), rng.uniform(0.1, 0.3, SHAPE)
    peaks = np.exp(-(((wavelengths[:, None, None] - centres) / 120) ** 2))
    return (0.1 + heights * peaks).astype("float32")


def write_cube(path, array, wavelengths):
    profile = {"driver": "GTiff", "count": len(array), "height": SHAPE[0], "width": SHAPE[1],
               "dtype": "float32", "crs": "EPSG:32633", "nodata": np.nan,
               "transform": from_origin(5e5, 5e6, 30, 30)}  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(array)
        for band, length in enumerate(wavelengths, 1):
            dataset.update_tags(band, wavelength=f"{length:g}", wavelength_units="Nanometers")
    return path


@pytest.fixture
def chain():
    table = spectra_of(WAVELENGTHS, seed=1).reshape(len(WAVELENGTHS), -1).T
    return Preprocessing("snv,savgol(5,2,1)").fit(table)


@pytest.fixture
def model(tmp_path, chain):
    """Two quantities of a treated spectrum; the interval of the first is known."""
    treated = chain.transform(spectra_of(WAVELENGTHS, 1).reshape(len(WAVELENGTHS), -1).T)
    card = Card(
        name="sugar",
        version="1",
        task="regression",
        architecture=Architecture(name="dense_classifier", options={"code": 6}),
        bands=[
            InputBand(name=f"{nm:g} nm", wavelength_nm=nm, mean=mean, std=std)
            for nm, mean, std in zip(WAVELENGTHS, treated.mean(0), treated.std(0), strict=True)
        ],
        preprocessing=CardPreprocessing(**chain.to_json()),
        targets=[
            Target(
                name="sugar",
                unit="%",
                mean=12,
                std=2,
                interval=Interval(level=0.9, factor=2, floor=0.3),
            ),
            Target(name="water", unit="%", mean=80, std=5),
        ],
        stride=1,
        halo=ModelHalo(default=0, exact=0),
        cost=Cost(macs_per_pixel=300, bytes_per_pixel=200),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create_model("dense_classifier", in_bands=20, n_classes=2, code=6).eval()
    save_model(tmp_path / "sugar.safetensors", card, network)
    return tmp_path / "sugar.safetensors"


def by_hand(model, spectra, chain):
    """(2, rows, cols) values of spectra (bands, rows, cols)."""
    card, network = load_model(model)
    treated = chain.transform(spectra.reshape(len(spectra), -1).T)
    normal = (treated - [b.mean for b in card.bands]) / [b.std for b in card.bands]
    with torch.inference_mode():
        planes = network(torch.from_numpy(normal.astype("float32"))[..., None, None])
    values = planes[..., 0, 0].numpy() * [2, 5] + [12, 80]
    return values.T.reshape(2, *SHAPE)


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.descriptions, dataset.units


def test_spectra_are_treated_as_in_training(geodl, model, chain, tmp_path):
    array = spectra_of(WAVELENGTHS)
    array[:, 3, 4] = np.nan
    array[:, 5, 6] = 0.2  # flat: snv divides by its deviation
    cube = write_cube(tmp_path / "cube.tif", array, WAVELENGTHS)
    ended = geodl("segment", cube, "-m", model)
    assert ended.code == 0, ended.err
    assert "takes 20 bands: band_1 (500 nm) for 500 nm to band_20 (880 nm) for 880 nm" in ended.err
    result, names, units = read("cube_values.tif")
    assert names == ("sugar", "water", "sugar, half width of the 90% interval")
    assert units == ("%",) * 3
    usable = np.ones(SHAPE, bool)
    usable[3, 4] = usable[5, 6] = False
    np.testing.assert_array_equal(np.isfinite(result[0]), usable)
    array[:, ~usable] = spectra_of(WAVELENGTHS)[:, ~usable]
    expected = by_hand(model, array, chain)
    np.testing.assert_allclose(result[:2, usable], expected[:, usable], rtol=1e-4)
    np.testing.assert_allclose(result[2, usable], 2 * 0.3, rtol=1e-6)
    assert "sugar (%): mean" in ended.out
    assert "water (%): mean" in ended.out


def test_another_sensor_is_resampled_only_when_asked(geodl, refused, model, chain, tmp_path):
    finer = np.arange(490.0, 905.0, 5.0)
    cube = write_cube(tmp_path / "fine.tif", spectra_of(finer)[::-1], finer[::-1])
    coarse = write_cube(tmp_path / "coarse.tif", spectra_of(WAVELENGTHS)[::2], WAVELENGTHS[::2])
    said = refused("segment", coarse, "-m", model, "-o", "x.tif")
    assert "coarse.tif has 10 wavelengths from 500 to 860 nm, but sugar needs 20" in said
    ended = geodl("segment", cube, "-m", model, "--resample", "-o", "r.tif")
    assert ended.code == 0, ended.err
    assert "resampled to the wavelengths of sugar" in ended.err
    # The spectra are smooth, so a finer sensor makes nearly the same of them.
    expected = by_hand(model, spectra_of(WAVELENGTHS), chain)
    result = read("r.tif")[0][:2]
    spread = expected.std(axis=(1, 2))[:, None, None]
    assert np.abs((result - expected) / spread).mean() < 0.1
    short = write_cube(tmp_path / "short.tif", spectra_of(finer)[:40], finer[:40])
    said = refused("segment", short, "-m", model, "--resample", "-o", "x.tif")
    assert "nothing is extrapolated, and 685 to 880 nm are missing" in said
    assert "train it with --range 500-685" in said


def test_another_sensor_is_refused_in_two_lines_that_say_what_to_do(refused, model, tmp_path):
    folder = f"{tmp_path}/"
    others = np.arange(400.0, 1300.0, 40.0)
    other = write_cube(tmp_path / "other.tif", spectra_of(others), others)
    said = refused("segment", other, "-m", model, "-o", "x.tif")
    assert "make the model's bands from the scene's with --resample" in said
    assert len(said.replace(folder, "")) < 180
    others_and_none = np.append(others, 1300.0)
    array = spectra_of(others_and_none)
    array[-1] = np.nan  # a band that is left out, which is not worth a word here
    other = write_cube(tmp_path / "left_out.tif", array, others_and_none)
    assert len(refused("segment", other, "-m", model, "-o", "x.tif").replace(folder, "")) < 180
    plain = write_cube(tmp_path / "plain.tif", spectra_of(WAVELENGTHS), [])
    said = refused("segment", plain, "-m", model, "-o", "x.tif")
    assert "state the wavelengths of the scene's bands in a file, with --wavelengths" in said
    assert len(said.replace(folder, "")) < 180


def test_wavelengths_of_a_file_that_states_none(geodl, refused, model, tmp_path):
    plain = write_cube(tmp_path / "plain.tif", spectra_of(WAVELENGTHS), [])
    stated = write_cube(tmp_path / "stated.tif", spectra_of(WAVELENGTHS), WAVELENGTHS)
    (tmp_path / "w.csv").write_text(
        "wavelength (um)\n" + "\n".join(f"{nm / 1000:g}" for nm in WAVELENGTHS)
    )
    assert geodl("segment", plain, "-m", model, "--wavelengths", "w.csv", "-o", "p.tif").code == 0
    assert geodl("segment", stated, "-m", model, "-o", "s.tif").code == 0
    np.testing.assert_array_equal(read("p.tif")[0], read("s.tif")[0])
    (tmp_path / "w.csv").write_text("500\n520\n")
    said = refused("segment", plain, "-m", model, "--wavelengths", "w.csv", "-o", "x.tif")
    assert "--wavelengths states 2 wavelengths, but" in said


def test_the_model_tells_its_preprocessing_and_intervals(geodl, refused, model):
    shown = geodl("models", "show", model).out
    assert "snv,savgol(5,2,1)" in shown
    assert "sugar (%), in training 12 +/- 2, with 90% intervals; water (%)" in shown
    pytest.importorskip("onnxruntime")
    said = refused("models", "export", model, "--format", "onnx", "-o", "m.onnx")
    assert "preprocesses spectra (snv,savgol(5,2,1))" in said
