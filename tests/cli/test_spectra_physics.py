"""``geodl spectra train --physics``: files, printed traits, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from rasterio.transform import from_origin

import georaster_dl as gdl
from georaster_dl.models.package.file import read_card
from georaster_dl.models.radiative_transfer.leaf import LeafReflectance
from tests.spectra.physics.test_physics import SWIR, simulated


@pytest.fixture
def leaves_file(tmp_path):
    spectra, traits = simulated(40, noise=0.002)
    frame = pd.DataFrame(spectra, columns=[f"{nm:g} nm" for nm in SWIR])
    frame.assign(ewt=traits[:, 1] * 1e4).to_csv(tmp_path / "leaves.csv", index=False)
    return "leaves.csv"


@pytest.mark.slow
def test_traits_without_labels_are_printed_and_predicted(geodl, leaves_file, tmp_path):
    made = geodl(
        "spectra", "train", leaves_file, "--physics", "prospect", "--epochs", 6, "-o", "leaf.safetensors"
    )  # fmt: skip
    assert made.code == 0, made.err
    assert made.out.splitlines()[0] == "40 spectra, without labels"
    assert "without any label" in made.err
    assert read_card(tmp_path / "leaf.safetensors").architecture.name == "prospect"
    ran = geodl("spectra", "predict", leaves_file, "-m", "leaf.safetensors", "-o", "traits.csv")
    assert ran.code == 0, ran.err
    table = pd.read_csv(tmp_path / "traits.csv")
    assert np.corrcoef(table["ewt"], table["ewt_predicted"])[0, 1] ** 2 > 0.9
    scored = geodl("spectra", "evaluate", "traits.csv", "--target", "ewt")
    assert scored.code == 0, scored.err


@pytest.mark.slow
def test_a_page_shows_how_labels_calibrate(geodl, leaves_file, tmp_path):
    made = geodl(
        "spectra", "train", leaves_file, "--physics", "prospect", "--target", "ewt", "--epochs", 3, "--folds", 4,
        "--html", "page.html", "-o", "leaf.safetensors",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert "4 folds" in made.out
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Calibration of ewt" in page
    assert "prospect" in page
    assert "leaves alone" in read_card(tmp_path / "leaf.safetensors").limitations


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--method", "pls"], "--method says nothing to a training by --physics"),
        (["--add", "leaves.csv"], "--add says nothing"),
        (["--task", "fractions"], "--task says nothing"),
        (["--members", "3"], "--members says nothing"),
        (["--components", "3"], "--components says nothing"),
        (["--select", "ipls"], "--select says nothing"),
        (["--quantity", "absorbance"], "--quantity says nothing"),
        (["--folds", "4"], "--folds is for labels"),
        (["--html", "page.html"], "--html is for labels"),
        (["--group-column", "ewt"], "name it with --target, or leave --group-column out"),
        (["--device", "cuda"], "--device cuda"),
        (["--preprocess", "snv"], "--preprocess snv"),
    ],
)
def test_options_of_other_trainings_are_refused(geodl, leaves_file, tmp_path, more, message):
    ran = geodl(
        "spectra", "train", leaves_file, "--physics", "prospect", *more, "-o", "leaf.safetensors"
    )
    assert ran.code != 0
    assert message in ran.err
    assert not (tmp_path / "leaf.safetensors").exists()


def test_prospect_is_no_method(geodl, leaves_file):
    ran = geodl("spectra", "train", leaves_file, "--method", "prospect", "-o", "leaf.safetensors")
    assert ran.code != 0
    assert "'prospect' is not one of" in ran.err


@pytest.mark.slow
def test_canopies_of_a_cube_are_no_leaves(geodl, leaves_file, tmp_path):
    """Leaves on the left, canopies on the right."""
    nm = SWIR
    law = LeafReflectance(nm, ("n", "cw", "cm", "offset"))
    leaf = law(torch.tensor([1.6, 0.015, 0.005, 0.0], dtype=torch.float64))
    plants = gdl.simulate_spectra(method="prosail", n=64, noise=0.0).table()
    canopies = np.array([np.interp(nm, plants.wavelengths_nm, each) for each in plants.spectra])
    cube = np.empty((len(nm), 8, 16), "float32")
    cube[:, :, :8] = leaf.numpy()[:, None, None]
    cube[:, :, 8:] = canopies.T.reshape(len(nm), 8, 8)
    profile = {"driver": "GTiff", "count": len(nm), "height": 8, "width": 16, "dtype": "float32", "crs": "EPSG:32633",
               "transform": from_origin(5e5, 5e6, 30, 30)}  # fmt: skip
    with rasterio.open(tmp_path / "cube.tif", "w", **profile) as dataset:
        dataset.write(cube)
        for band, length in enumerate(nm, 1):
            dataset.update_tags(band, wavelength=f"{length:g}", wavelength_units="Nanometers")
    made = geodl(
        "spectra", "train", leaves_file, "--physics", "prospect", "--epochs", 6, "-o", "leaf.safetensors"
    )  # fmt: skip
    assert made.code == 0, made.err
    ran = geodl("segment", "cube.tif", "-m", "leaf.safetensors", "--outliers", "-o", "map.tif")
    assert ran.code == 0, ran.err
    assert "leaves alone" in ran.err
    with rasterio.open(tmp_path / "map.tif") as traits:
        assert traits.read(2)[:, :8] == pytest.approx(150, rel=0.15)  # ewt, g/m2
    with rasterio.open(tmp_path / "map_outliers.tif") as outliers:
        largest = outliers.read(1)
    assert (largest[:, 8:] > 1).mean() > 0.9
    assert np.median(largest[:, 8:]) > 10 * np.median(largest[:, :8])
