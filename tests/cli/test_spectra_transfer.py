"""``geodl spectra transfer`` makes a package that predicts the other instrument's tables."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.models.package.values import Target
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.package.file import Metadata, save_spectral_model
from tests.spectra.test_transfer import AXIS, other_instrument, samples


def write(path, spectra, values):
    frame = pd.DataFrame(spectra, columns=[f"{nm:g}" for nm in AXIS])
    frame.insert(0, "fat", values)
    frame.insert(0, "sample", [f"s{i}" for i in range(len(frame))])
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def model(tmp_path):
    spectra, values = samples(150, 0)
    fitted = FittedMethod.fit("pls", spectra, values[:, None], AXIS, [{"n_components": 5}])
    save_spectral_model(tmp_path / "m.safetensors", fitted, Metadata((Target("fat", "%"),)))
    return tmp_path / "m.safetensors"


def test_from_two_tables_to_better_predictions(geodl, refused, model, tmp_path):
    spectra, values = samples(30, 2)
    lab = write(tmp_path / "lab.csv", spectra, values)
    field = write(tmp_path / "field.csv", other_instrument(spectra)[::-1], values[::-1])
    frame = pd.read_csv(field)
    frame["sample"] = frame["sample"].to_numpy()[::-1]
    frame.to_csv(field, index=False)
    made = geodl(
        "spectra", "transfer", model, "--method", "pds", "--primary", lab, "--secondary", field,
        "--id-column", "sample", "--window", "2", "-o", "f.safetensors",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert made.out.startswith("fat              ")
    assert "30 samples; f.safetensors" in made.out
    fresh, wanted = samples(100, 3)
    new = write(tmp_path / "new.csv", other_instrument(fresh, 2), wanted)
    assert geodl("spectra", "predict", new, "-m", "f.safetensors", "-o", "p.csv").code == 0
    predicted = pd.read_csv(tmp_path / "p.csv")
    assert np.sqrt(np.mean((predicted["fat_predicted"] - wanted) ** 2)) < 0.1
    shown = geodl("models", "show", "f.safetensors").out
    assert "Transferred to another instrument" in shown
    assert "pds(2)" in shown
    said = refused(
        "spectra",
        "transfer",
        model,
        "--method",
        "ds",
        "--secondary",
        field,
        "-o",
        "x.safetensors",
        "--unit",
        "nm",
    )
    assert "with --primary" in said


def test_programs_get_the_errors_before_and_after(geodl, model, tmp_path):
    spectra, values = samples(30, 2)
    field = write(tmp_path / "field.csv", other_instrument(spectra), values)
    ended = geodl(
        "spectra", "transfer", model, "--method", "slope-bias", "--secondary", field,
        "-o", "f.safetensors", "--progress", "json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    errors = ended.events[-1]["errors"]["fat"]
    assert errors["after"] < errors["before"]
