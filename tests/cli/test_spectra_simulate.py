"""``geodl spectra simulate``: the table that it makes, and what it refuses."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.models.package.file import read_card
from georaster_dl.spectra.table.samples import read_spectra
from georaster_dl.testing import write_raster
from tests.spectra.simulate.made import NM, library


@pytest.fixture
def spectra_file(tmp_path):
    table = library()
    frame = pd.DataFrame(table.spectra, columns=[f"{nm:.6f} nm" for nm in table.wavelengths_nm])
    path = tmp_path / "library.csv"
    frame.assign(cover=table.columns["cover"], protein=table.columns["protein"]).to_csv(
        path, index=False
    )
    return path


def test_mixtures_become_a_table_with_fractions(geodl, spectra_file):
    ran = geodl(
        "spectra", "simulate", spectra_file, "--method", "mixtures", "--class-field", "cover", "-n", 60,
        "--parts", "1=0.5,2=0.5", "--brightness", "1", "--proportions", "tree=2", "-o", "mixed.parquet",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.out.splitlines() == [
        "60 spectra of 12 bands (400 to 1300 nm), with grass, soil, tree",
        "mixed.parquet",
    ]
    table = read_spectra(spectra_file.with_name("mixed.parquet"))
    shares = table.columns[["grass", "soil", "tree"]].to_numpy(float)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-9)
    assert table.columns["synthetic"].all()


def test_classes_and_values_of_other_methods(geodl, spectra_file):
    arguments = ("--class-field", "cover", "--target", "protein", "-n", 9, "-o", "more.csv")
    assert geodl("spectra", "simulate", spectra_file, "--method", "gaussian", *arguments).code == 0
    table = read_spectra(spectra_file.with_name("more.csv"))
    assert sorted(table.classes("cover")) == ["grass"] * 3 + ["soil"] * 3 + ["tree"] * 3
    assert np.isfinite(table.target("protein")).all()


def test_bands_and_noise_of_a_scene(geodl, spectra_file, tmp_path):
    random = np.random.default_rng(0)
    pixels = 0.3 + 0.01 * random.standard_normal((10, 30, 30))
    write_raster(tmp_path / "cube.tif", pixels.astype(np.float32))
    wavelengths = tmp_path / "nm.txt"
    wavelengths.write_text("\n".join(f"{nm}" for nm in NM[1:-1] + 9))
    ran = geodl(
        "spectra", "simulate", spectra_file, "--method", "mixtures", "--class-field", "cover", "-n", 40,
        "--for", "cube.tif", "--noise-of", "cube.tif", "--wavelengths", wavelengths, "-o", "mixed.csv",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "states no widths of its bands" in ran.err
    table = read_spectra(tmp_path / "mixed.csv")
    np.testing.assert_allclose(table.wavelengths_nm, NM[1:-1] + 9)
    asked = (tmp_path / "mixed.csv").read_bytes()

    def again(*more):
        return geodl(
            "spectra", "simulate", spectra_file, "--method", "mixtures", "--class-field", "cover", "-n", 40,
            "--for", "cube.tif", "--wavelengths", wavelengths, "-o", "mixed.csv", "--overwrite", *more,
        )  # fmt: skip

    assert "; noise of cube.tif (--noise 0: none)" in again().out
    assert (tmp_path / "mixed.csv").read_bytes() == asked
    assert "noise of" not in again("--noise", "0").out
    assert (tmp_path / "mixed.csv").read_bytes() != asked


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--method", "mixtures"],
            "with --class-field or columns of values with --target (it has cover, protein)",
        ),
        (
            ["--method", "mixtures", "--class-field", "kind"],
            "has no column 'kind' (it has cover, protein)",
        ),
        (
            ["--method", "mixtures", "--class-field", "cover", "-n", "0"],
            "-n 0 spectra cannot be simulated",
        ),
        (
            ["--method", "gaussian", "--class-field", "cover", "--bilinear"],
            "--bilinear is no option of gaussian",
        ),
        (
            ["--method", "mixtures", "--class-field", "cover", "--brightness", "dark"],
            "no range of factors",
        ),
        (
            ["--method", "mixtures", "--class-field", "cover", "--parts", "two=1"],
            "no number of spectra",
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused(geodl, spectra_file, arguments, message):
    ran = geodl("spectra", "simulate", spectra_file, *arguments, "-o", "out.csv")
    assert ran.code != 0
    assert message in ran.err
    assert not spectra_file.with_name("out.csv").exists()


def test_a_library_without_wavelengths_is_refused(geodl, tmp_path):
    (tmp_path / "plain.csv").write_text("a,b,cover\n1,2,x\n3,4,y\n")
    ran = geodl(
        "spectra",
        "simulate",
        "plain.csv",
        "--method",
        "mixtures",
        "--class-field",
        "cover",
        "-o",
        "out.csv",
    )
    assert ran.code != 0
    assert "headers must be wavelengths" in " ".join(ran.err.split())


def test_canopies_of_a_named_sensor_on_own_soils(geodl, tmp_path):
    soils = pd.DataFrame(
        [np.linspace(0.1, 0.3, 8)] * 2, columns=[f"{nm} nm" for nm in range(400, 2501, 300)]
    )
    soils.to_csv(tmp_path / "soils.csv", index=False)
    ran = geodl(
        "spectra", "simulate", "--method", "prosail", "--for", "sentinel-2", "-n", 30,
        "--traits", "lai=1..2,cover=1,sun_zenith=30", "--soils", tmp_path / "soils.csv", "-o", "lai.parquet",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    table = read_spectra(tmp_path / "lai.parquet")
    assert table.wavelengths_nm.round().tolist() == [
        492,
        560,
        665,
        704,
        740,
        783,
        833,
        865,
        1614,
        2202,
    ]
    assert table.target("lai").min() >= 1
    assert table.target("lai").max() <= 2
    assert (table.target("sun_zenith") == 30).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--traits", "lai=a..b"), "is no NAME=LEAST..LARGEST"),
        (("--traits", "lai=3..1"), "--traits lai=3..1"),
        (("--traits", "lia=1"), "did you mean 'lai'"),
        (("--shade",), "--shade"),
    ],
)
def test_canopies_say_which_options_they_have(geodl, arguments, message):
    ran = geodl("spectra", "simulate", "--method", "prosail", "-n", 5, *arguments, "-o", "x.csv")
    assert ran.code != 0
    assert message in ran.err


def test_noise_of_zero_is_none(geodl, tmp_path):
    arguments = ("--noise", 0, "--traits", "n=1.5,cab=40,car=8,brown=0,cw=0.01,cm=0.005")
    ran = geodl(
        "spectra", "simulate", "--method", "prospect", "-n", 4, *arguments, "-o", "same.csv"
    )
    assert ran.code == 0, ran.err
    spectra = read_spectra(tmp_path / "same.csv").spectra
    assert (spectra == spectra[0]).all()


def test_mixtures_are_learnt_as_fractions_and_mapped_to_a_table(geodl, spectra_file):
    arguments = ("--method", "mixtures", "--class-field", "cover", "-n", 80)
    assert geodl("spectra", "simulate", spectra_file, *arguments, "-o", "mixed.csv").code == 0
    trained = geodl(
        "spectra", "train", "mixed.csv", "--task", "fractions", "--targets", "grass,soil,tree", "--method", "pls",
        "-o", "cover.safetensors",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    assert "say nothing of real spectra" in trained.err
    assert (
        geodl("spectra", "predict", "mixed.csv", "-m", "cover.safetensors", "-o", "p.csv").code == 0
    )
    shares = pd.read_csv(spectra_file.with_name("p.csv"))
    columns = shares[["grass_predicted", "soil_predicted", "tree_predicted"]]
    np.testing.assert_allclose(columns.sum(axis=1), 1, atol=1e-6)
    scored = geodl("spectra", "evaluate", "p.csv", "--target", "tree")
    assert "MAE" in scored.out
    assert "say nothing of real spectra" in scored.err


def test_added_rows_only_learn(geodl, spectra_file):
    arguments = ("--method", "mixtures", "--class-field", "cover", "--within-classes", "-n", 90)
    assert geodl("spectra", "simulate", spectra_file, *arguments, "-o", "more.csv").code == 0
    trained = geodl(
        "spectra", "train", spectra_file, "--class-column", "cover", "--method", "pls", "--add", "more.csv",
        "--folds", 3, "-o", "cover.safetensors",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    assert trained.out.splitlines()[0].startswith("12 learnt from and ")
    assert (
        read_card(spectra_file.with_name("cover.safetensors"))
        .training["simulated"]
        .startswith("90 spectra of more")
    )


def test_the_report_says_in_a_line_whether_it_helped(geodl, spectra_file):
    ran = geodl(
        "spectra", "simulate", spectra_file, "--method", "mixtures", "--class-field", "cover",
        "--within-classes", "-n", 60, "-o", "more.csv", "--report", "more.html",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    line = next(line for line in ran.out.splitlines() if line.startswith("Added to real spectra"))
    page = spectra_file.with_name("more.html").read_text(encoding="utf-8")
    assert line in page
    assert "within classes</th><td>yes</td>" in page


def test_the_report_of_a_method_without_a_library_names_the_option_that_is_missing(geodl, tmp_path):
    ran = geodl("spectra", "simulate", "--method", "prospect", "-n", 5, "-o", "x.csv", "--report", "x.html")  # fmt: skip
    assert ran.code == 0, ran.err
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "with --against." in page
    assert "against=" not in page
