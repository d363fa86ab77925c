"""Tables of spectra from Python: the same as the commands."""

import numpy as np
import pandas as pd
import pytest

import georaster_dl as gdl

NM = np.arange(1100.0, 1500.0, 10)


@pytest.fixture(scope="module")
def grain():
    """Data frame of 90 spectra whose peak at 1300 nm is as high as the protein, with two classes."""
    rng = np.random.default_rng(0)
    protein = rng.uniform(8, 16, 90)
    peak = np.exp(-(((NM - 1300) / 40) ** 2))
    spectra = 0.4 + 0.02 * protein[:, None] * peak + rng.normal(0, 0.002, (90, len(NM)))
    frame = pd.DataFrame(spectra, columns=[f"{nm:g} nm" for nm in NM])
    return frame.assign(protein=protein, kind=np.where(protein > 12, "high", "low"))


def test_a_data_frame_is_a_table_and_stays_as_it_was(grain):
    before = grain.copy()
    table = gdl.read_spectra(grain)
    assert table.spectra.shape == (90, 40)
    assert table.wavelengths_nm[0] == 1100
    assert list(table.columns) == ["protein", "kind"]
    pd.testing.assert_frame_equal(grain, before)


def test_a_file_and_a_data_frame_are_read_alike(grain, tmp_path):
    grain.to_csv(tmp_path / "grain.csv", index=False)
    of_file, of_frame = gdl.read_spectra(tmp_path / "grain.csv"), gdl.read_spectra(grain)
    np.testing.assert_allclose(of_file.spectra, of_frame.spectra)
    assert of_file.classes("kind").tolist() == of_frame.classes("kind").tolist()


def test_repairs_are_warnings(grain):
    turned = grain[[*grain.columns[:40][::-1], "protein"]]
    with pytest.warns(gdl.GeoRasterWarning, match="turned round"):
        table = gdl.read_spectra(turned)
    assert table.wavelengths_nm[0] == 1100


def test_a_calibration_is_made_and_predicts(grain, tmp_path):
    out = tmp_path / "protein.safetensors"
    trained = gdl.train_spectra(
        grain, out=out, target="protein", method="pls", preprocess="center", components=2, folds=4,
        html=tmp_path / "protein.html",
    )  # fmt: skip
    assert "Calibration of protein" in (tmp_path / "protein.html").read_text(encoding="utf-8")
    assert trained.choice.kept == "pls"
    assert trained.options.folding.n_folds == 4
    assert trained.kept.cross_validated.settings[0]["n_components"] == 2
    with pytest.warns(gdl.GeoRasterWarning, match="unlike the calibration"):
        predicted = gdl.predict_spectra(grain, out)
    assert np.abs(predicted["protein_predicted"] - grain["protein"]).mean() < 0.3
    assert gdl.load_model(out).card.targets[0].name == "protein"
    said = []
    again = gdl.predict_spectra(gdl.read_spectra(grain), gdl.load_model(out), report=said.append)
    pd.testing.assert_frame_equal(predicted, again)
    assert len(said) == 1


@pytest.mark.slow
def test_traits_of_leaves_need_no_labels(tmp_path):
    made = gdl.simulate_spectra(method="prospect", n=40, noise=0.002).table().within([(1300, 2400)])
    leaves = pd.DataFrame(made.spectra, columns=[f"{w:g} nm" for w in made.wavelengths_nm])
    out = tmp_path / "leaf.safetensors"
    trained = gdl.train_spectra(
        leaves, out=out, physics="prospect", epochs=3, report=lambda _: None
    )
    assert trained.values["ewt"].shape == (40,)
    predicted = gdl.predict_spectra(leaves, out, report=lambda _: None)
    np.testing.assert_allclose(predicted["ewt_predicted"], trained.values["ewt"], rtol=1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"members": 3}, "`members=` says nothing"),
        ({"add": ["b.csv"]}, "`add=` says nothing"),
        ({"html": "page.html"}, "`html=` is for labels"),
        ({"physics": "prosail"}, "known is prospect"),
    ],
)
def test_what_says_nothing_to_physics_is_refused(grain, tmp_path, wrong, message):
    with pytest.raises(gdl.OptionError, match=message):
        gdl.train_spectra(
            grain, **{"out": tmp_path / "m.safetensors", "physics": "prospect", **wrong}
        )


def test_an_output_that_exists_is_kept(grain, tmp_path):
    out = tmp_path / "protein.safetensors"
    out.write_bytes(b"mine")
    with pytest.raises(gdl.OutputError, match="exists"):
        gdl.train_spectra(grain, out=out, target="protein", method="pls")
    assert out.read_bytes() == b"mine"


@pytest.mark.slow
def test_methods_are_compared(grain):
    scores = gdl.compare_spectra(grain, target="protein", methods=["pls", "svm"], seeds=1)
    assert scores["method"].tolist() == ["pls", "svm"]
    assert (scores["rmsep"] < 0.5).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"preproces": "snv"}, "preprocess"),
        ({"split": "kennard"}, "kennard-stone"),
        ({"folds": 1}, "2 folds"),
        ({"method": "plss"}, "pls"),
    ],
)
def test_a_wrong_keyword_is_refused_with_what_is_known(grain, tmp_path, wrong, message):
    with pytest.raises(gdl.OptionError, match=message):
        gdl.train_spectra(grain, out=tmp_path / "m.safetensors", target="protein", **wrong)


def test_another_object_is_no_table(grain, tmp_path):
    with pytest.raises(gdl.OptionError, match="path of a file"):
        gdl.read_spectra(np.zeros((3, 3)))
