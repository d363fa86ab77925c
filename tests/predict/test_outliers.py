"""A cube is compared with the calibration of its model: pixel by pixel, and before the run."""

import numpy as np
import pytest
import rasterio
from geodl_cli.commands.models import card_facts

from georaster_dl.core.errors import ModelPackageError, OptionError
from georaster_dl.core.events import Warned
from georaster_dl.models.package.card import Card
from georaster_dl.models.package.file import load_model, read_card, save_model
from georaster_dl.models.package.values import Target
from georaster_dl.predict.options import Outputs, SegmentOptions
from georaster_dl.predict.segment import segment
from georaster_dl.spectra.methods.domain import domain_distances, fit_domain, limit_ratios
from georaster_dl.spectra.methods.fitted import FittedMethod
from georaster_dl.spectra.package.file import Metadata, save_spectral_model
from tests.cli.test_spectral_cubes import (  # noqa: F401 - fixtures
    WAVELENGTHS,
    chain,
    model,
    spectra_of,
    write_cube,
)


def dark(seed):
    """Reflectances (bands, rows, cols) without an offset, which would be warned of first."""
    return spectra_of(WAVELENGTHS, seed) - 0.08


def table(seed):
    return dark(seed).reshape(len(WAVELENGTHS), -1).T


@pytest.fixture
def calibrated(model, chain, tmp_path):  # noqa: F811
    """The model of the tests of cubes, with the domain of its training spectra."""
    treated = chain.transform(table(1))
    domain = fit_domain(treated, treated @ np.arange(20.0), 6)
    card, network = load_model(model)
    fields = card.model_dump() | {"domain": domain, "name": "known", "weights_sha256": ""}
    save_model(tmp_path / "known.safetensors", Card.from_fields(fields), network)
    return tmp_path / "known.safetensors"


def mapped(cube, model, out, *extras, **options):  # noqa: F811
    events = []
    outputs = Outputs(out, **{name: out.with_name(f"{out.stem}_{name}.tif") for name in extras})
    summary = segment(
        [cube], model, outputs, SegmentOptions(device="cpu", **options), events.append
    )
    return summary, [event.message for event in events if isinstance(event, Warned)]


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read(), dataset.descriptions


def cube_with_stripe(tmp_path):
    cube = dark(2)
    cube[5, :10] += 0.1  # a band of the upper third is wrong
    cube[:, 20:, :5] = np.nan
    return write_cube(tmp_path / "cube.tif", cube, WAVELENGTHS), cube


def test_bands_are_the_distances_of_the_pixels_spectra(calibrated, chain, tmp_path):  # noqa: F811
    path, cube = cube_with_stripe(tmp_path)
    mapped(path, calibrated, tmp_path / "m.tif", "outliers")
    found, names = read(tmp_path / "m_outliers.tif")
    assert names == tuple(
        f"{name} (1: limit)"
        for name in ("largest of the ratios", "T2", "Q residuals", "nearest calibration spectrum")
    )
    assert np.isnan(found[:, 20:, :5]).all()
    domain = read_card(calibrated).domain
    spectra = np.nan_to_num(cube, nan=0.1).reshape(20, -1).T + np.linspace(0, 1e-9, 20)
    ratios = limit_ratios(domain, domain_distances(domain, chain.transform(spectra)))
    valid = np.isfinite(cube[0]).ravel()
    for band, name in zip(found[1:], ("T2", "Q", "nn_distance"), strict=True):
        np.testing.assert_allclose(band.ravel()[valid], ratios[name][valid], rtol=1e-2, atol=1e-3)
    np.testing.assert_array_equal(found[0], found[1:].max(axis=0))
    assert (found[0, :10] > 1).all()
    assert (found[0, 10:20] > 1).mean() < 0.15
    assert (tmp_path / "m_outliers.qml").is_file()


def test_tiles_change_nothing_and_the_map_is_that_without(calibrated, tmp_path):
    path, _ = cube_with_stripe(tmp_path)
    mapped(path, calibrated, tmp_path / "whole.tif", "outliers")
    mapped(path, calibrated, tmp_path / "tiled.tif", "outliers", tile=16)
    mapped(path, calibrated, tmp_path / "alone.tif")
    whole, tiled = (read(tmp_path / f"{name}_outliers.tif")[0] for name in ("whole", "tiled"))
    np.testing.assert_allclose(whole, tiled, rtol=1e-5)
    np.testing.assert_array_equal(read(tmp_path / "whole.tif")[0], read(tmp_path / "alone.tif")[0])


def test_a_cube_unlike_the_calibration_is_warned_of(calibrated, tmp_path):
    path, _ = cube_with_stripe(tmp_path)
    summary, (warning,) = mapped(path, calibrated, tmp_path / "m.tif")
    assert summary.novelty > 0.3
    assert warning.startswith(f"{100 * summary.novelty:.0f} % of the scene's pixels are unlike all")
    assert "T2" in warning
    assert "`outliers=` maps where" in warning


def test_an_ordinary_cube_is_mapped_without_a_word(calibrated, tmp_path):
    path = write_cube(tmp_path / "cube.tif", dark(2), WAVELENGTHS)
    summary, warnings = mapped(path, calibrated, tmp_path / "m.tif")
    assert not warnings
    assert summary.novelty < 0.15


def test_models_without_a_calibration_are_refused_in_words(model, tmp_path):  # noqa: F811
    path, _ = cube_with_stripe(tmp_path)
    with pytest.raises(OptionError, match="`outliers=...` compares spectra"):
        mapped(path, model, tmp_path / "m.tif", "outliers")


def test_novelty_of_a_model_of_spectra_points_to_outliers(calibrated, tmp_path):
    path, _ = cube_with_stripe(tmp_path)
    with pytest.raises(
        OptionError, match="table of spectra; its pixels are compared by `outliers="
    ):
        mapped(path, calibrated, tmp_path / "m.tif", "novelty")


def test_pixels_that_cannot_be_preprocessed_are_counted_before_the_run(calibrated, tmp_path):
    cube = dark(2)
    cube[:, :3] = 0.0  # three of thirty rows
    path = write_cube(tmp_path / "cube.tif", cube, WAVELENGTHS)
    _, warnings = mapped(path, calibrated, tmp_path / "m.tif")
    (said,) = [each for each in warnings if "no value" in each]
    assert said == (
        "about 10.0 % of the scene's pixels have no value: snv is not defined for the same value in all bands"
    )
    assert np.isnan(read(tmp_path / "m.tif")[0][0]).mean() == pytest.approx(0.1)


def test_the_card_is_shown_with_the_limits(calibrated):
    card = read_card(calibrated)
    shown = dict(card_facts(card))["outliers"]
    assert f"T2 below {card.domain.t2_limits[0]:.4g} and {card.domain.t2_limits[1]:.4g}" in shown
    assert f"Q below {card.domain.q_limits[0]:.4g} and {card.domain.q_limits[1]:.4g}" in shown
    assert shown.endswith("with 6 components of 1,200 spectra")


def test_a_domain_of_other_bands_is_refused(calibrated):
    card = read_card(calibrated)
    fields = card.model_dump()
    with pytest.raises(ModelPackageError, match="domain is of 20 bands, but bands are 19"):
        Card.from_fields(fields | {"bands": fields["bands"][:-1], "preprocessing": None})


def test_a_cube_of_another_size_than_the_table_is_told(tmp_path):
    spectra = table(1)
    fitted = FittedMethod.fit(
        "pls", 10_000 * spectra, spectra @ np.arange(20.0), WAVELENGTHS, [{"n_components": 4}]
    )
    domain = fit_domain(10_000 * spectra, spectra @ np.arange(20.0), 4)
    metadata = Metadata((Target("fat"),), domain=domain)
    save_spectral_model(tmp_path / "fat.safetensors", fitted, metadata)
    cube = write_cube(tmp_path / "cube.tif", dark(2), WAVELENGTHS)
    _, warned = mapped(cube, tmp_path / "fat.safetensors", tmp_path / "m.tif")
    (said,) = [text for text in warned if "as large as" in text]
    assert "0.0001 times" in said
    assert "multiply these by 10,000" in said
