"""``gdl.simulate_spectra``: the functions behind ``geodl spectra simulate``."""

import numpy as np
import pytest

import georaster_dl as gdl
from georaster_dl.testing import write_raster
from tests.spectra.simulate.made import NM, library


def test_spectra_for_a_scene_are_returned_and_written(tmp_path):
    random = np.random.default_rng(0)
    pixels = (0.3 + 0.01 * random.standard_normal((10, 30, 30))).astype(np.float32)
    path = write_raster(tmp_path / "cube.tif", pixels)
    scene = gdl.open_scene(path, wavelengths=tuple(NM[1:-1]))
    warnings = []
    made = gdl.simulate_spectra(
        library(), method="mixtures", n=50, for_=scene, noise_of=scene, class_field="cover",
        out=tmp_path / "mixed.csv", report=warnings.append,
    )  # fmt: skip
    np.testing.assert_allclose(made.wavelengths_nm, NM[1:-1])
    assert any("resampled" in event.message for event in warnings)
    read = gdl.read_spectra(tmp_path / "mixed.csv")
    np.testing.assert_array_equal(read.spectra.astype(np.float32), made.spectra)
    alike, plain = (
        gdl.simulate_spectra(
            library(), method="mixtures", n=50, for_=scene, class_field="cover", noise=noise,
            report=warnings.append,
        )
        for noise in (None, 0)
    )  # fmt: skip
    np.testing.assert_array_equal(alike.spectra, made.spectra)
    assert (plain.spectra != made.spectra).any()
    with pytest.raises(gdl.OutputError, match="overwrite"):
        gdl.simulate_spectra(
            library(), method="gaussian", n=9, class_field="cover", out=tmp_path / "mixed.csv"
        )


def test_unknown_keywords_and_names_of_tables_are_refused(tmp_path):
    with pytest.raises(gdl.OptionError, match="did you mean 'shade'"):
        gdl.simulate_spectra(library(), method="mixtures", n=9, class_field="cover", shades=True)
    with pytest.raises(gdl.OptionError, match=r"end it in .csv, .xlsx, .parquet"):
        gdl.simulate_spectra(
            library(), method="mixtures", n=9, class_field="cover", out=tmp_path / "mixed.json"
        )
    assert list(tmp_path.iterdir()) == []
