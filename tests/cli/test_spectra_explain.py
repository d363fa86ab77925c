"""``geodl spectra explain`` prints, writes and draws what a PLS makes of its bands."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.spectra.made import chemistry
from tests.spectra.test_explain import saved

OF = " (PLS of all targets)"


@pytest.fixture
def model(tmp_path):
    saved(tmp_path / "m.safetensors", chemistry(120, targets=2)[1], "fat", "water")
    return tmp_path / "m.safetensors"


def test_ranges_table_and_picture(geodl, model, tmp_path):
    ended = geodl("spectra", "explain", model, "-o", "bands.csv", "--plot", "bands.png")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("fat              VIP above 1 at ")
    assert "VIP and selectivity ratio are of a PLS of all targets" in ended.out
    frame = pd.read_csv(tmp_path / "bands.csv")
    assert list(frame) == [
        "wavelength_nm",
        *(
            f"{name}_{what}"
            for name in ("fat", "water")
            for what in ("coefficient", f"VIP{OF}", f"selectivity_ratio{OF}")
        ),
    ]
    assert frame["wavelength_nm"].tolist() == pytest.approx(np.linspace(1100, 1690, 60))
    first = float(ended.out.split(" at ")[1].split("-")[0].split(" ")[0])
    assert frame.loc[(frame["wavelength_nm"] - first).abs() < 1e-3, f"fat_VIP{OF}"].item() > 1
    with Image.open(tmp_path / "bands.png") as picture:
        assert picture.size[0] > 1000


def test_programs_get_the_ranges(geodl, model):
    ended = geodl("spectra", "explain", model, "--progress", "json")
    assert ended.code == 0, ended.err
    assert set(ended.events[-1]["important_nm"]) == {"fat", "water"}


def test_a_network_is_refused_in_words(refused, tmp_path):
    from georaster_dl.models.package.values import Target
    from georaster_dl.spectra.network.networks import new_estimator
    from georaster_dl.spectra.package.file import Metadata, save_spectral_model

    spectra, values = chemistry(40)
    network = new_estimator(
        "cnn1d", "regression", epochs=1, wavelengths_nm=tuple(np.linspace(1100.0, 1690.0, 60))
    )
    save_spectral_model(
        tmp_path / "n.safetensors", network.fit(spectra, values[:, 0]), Metadata((Target("fat"),))
    )
    assert "no PLS but cnn1d" in refused("spectra", "explain", "n.safetensors")
