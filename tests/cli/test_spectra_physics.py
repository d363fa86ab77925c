"""``geodl spectra train --physics``: files, printed traits, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.models.package.file import read_card
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


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--method", "pls"], "--method pls says nothing to a training by --physics"),
        (["--html", "page.html"], "--html says nothing to a training by --physics"),
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
