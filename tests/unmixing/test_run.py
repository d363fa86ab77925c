"""Unmixing from file to file: fractions, error, members, and a model that repeats the map."""

import numpy as np
import pandas as pd
import pytest
import rasterio

import georaster_dl as gdl
from georaster_dl.core.errors import BandMismatchError, GeoRasterWarning, OptionError, SceneError
from georaster_dl.core.events import Warned
from georaster_dl.models.package.file import read_card
from georaster_dl.spectra.table.samples import read_spectra

from .scenes import LENGTHS, smooth_members, write_mixed, write_table


@pytest.fixture
def scene(tmp_path):
    return write_mixed(tmp_path / "cube.tif")


def pixels(path):
    with rasterio.open(path) as dataset:
        stored, nodata = dataset.read(), dataset.nodata
        valid = ~np.isnan(stored[0]) if np.isnan(nodata) else stored[0] != nodata
        return stored * dataset.scales[0], valid, (dataset.descriptions, dataset.dtypes[0])


def matched(fractions, members, path):
    """Fractions of a map in the order of known members."""
    found = pd.read_csv(path).iloc[:, -members.shape[1] :].to_numpy()
    return fractions[np.abs(found[:, None] - members).mean(2).argmin(0)]


def test_fractions_error_and_members_of_a_scene_are_found(scene, tmp_path):
    out, error = tmp_path / "cube_fractions.tif", tmp_path / "error.tif"
    made = gdl.unmix(scene.path, out=out, k=3, error=error, quicklook=tmp_path / "quick.png")
    fractions, valid, described = pixels(out)
    assert described == (("member 1", "member 2", "member 3"), "uint8")
    assert not valid[-1, -1]
    assert valid.sum() == valid.size - 1
    assert np.abs(fractions[:, valid].sum(0) - 1).max() <= 3 / 500 + 1e-9
    off = matched(
        fractions, scene.members, tmp_path / "cube_members.csv"
    ) - scene.fractions.transpose(2, 0, 1)
    assert np.sqrt((off[:, valid] ** 2).mean()) < 0.01
    with rasterio.open(error) as errors:
        left = errors.read(1)
        assert errors.descriptions == ("RMSE of least squares",)
    assert np.isnan(left[-1, -1])
    assert np.sqrt(np.nanmean(left**2)) == pytest.approx(made.rmse, rel=1e-5)
    assert made.rmse == pytest.approx(0.001, rel=0.25)
    assert sum(made.fractions.values()) == pytest.approx(1)
    assert made.files[-1] == out
    names = {path.name for path in made.files}
    assert names == {
        "error.tif",
        "quick.png",
        "cube_members.csv",
        "cube_members.png",
        "cube_fractions.tif",
    }
    assert all(path.stat().st_size > 1000 for path in made.files)


def test_members_found_in_the_scene_say_where_they_are(scene, tmp_path):
    made = gdl.unmix(scene.path, out=tmp_path / "map.tif", k=3)
    table = pd.read_csv(tmp_path / "map_members.csv")
    assert list(table.columns[:5]) == ["name", "row", "col", "x", "y"]
    with rasterio.open(scene.path) as dataset:
        image = dataset.read()
        for row in table.itertuples():
            assert dataset.xy(row.row, row.col) == pytest.approx((row.x, row.y))
    own = image[:, table["row"], table["col"]].T
    assert np.allclose(own, table.iloc[:, 5:])
    assert list(made.places.values()) == list(zip(table["row"], table["col"], strict=True))


def test_a_library_that_shares_the_name_of_the_map_leaves_it_its_style(scene, tmp_path):
    library = write_table(tmp_path / "same.csv", scene.members, material=["a", "b", "c"])
    gdl.unmix(scene.path, out=tmp_path / "same.tif", members=library)
    assert (tmp_path / "same.qml").is_file()


def test_the_number_of_members_is_chosen_and_its_curve_is_given(scene, tmp_path):
    made = gdl.unmix(scene.path, out=tmp_path / "map.tif")
    assert made.curve.chosen == 3 == len(made.fractions)
    assert made.curve.rmse[2] > 2 * made.curve.rmse[3]
    assert (tmp_path / "map_members.png").stat().st_size > 1000


def test_the_model_repeats_the_map_on_the_scene_and_finds_bands_by_wavelength(scene, tmp_path):
    out, model = tmp_path / "map.tif", tmp_path / "mixed.safetensors"
    gdl.unmix(scene.path, out=out, k=3, save_model=model)
    card = read_card(model)
    assert card.task == "fractions"
    assert card.metrics["RMSE"] == pytest.approx(0.001, rel=0.25)
    gdl.segment(scene.path, model, out=tmp_path / "again.tif")
    assert (pixels(tmp_path / "again.tif")[0] == pixels(out)[0]).all()
    turned = write_mixed(tmp_path / "other.tif", lengths=LENGTHS[::-1])
    gdl.segment(turned.path, model, out=tmp_path / "turned.tif")
    fractions, valid, _ = pixels(tmp_path / "turned.tif")
    truth = turned.fractions.transpose(2, 0, 1)
    off = matched(fractions, scene.members, tmp_path / "map_members.csv") - truth
    assert np.abs(off[:, valid]).max() < 0.05


def test_the_table_of_members_is_read_as_spectra_and_taken_again(scene, tmp_path):
    gdl.unmix(scene.path, out=tmp_path / "first.tif", k=3)
    table = read_spectra(tmp_path / "first_members.csv")
    assert np.allclose(table.wavelengths_nm, LENGTHS)
    assert np.allclose(table.fwhm_nm, 30)
    made = gdl.unmix(scene.path, out=tmp_path / "again.tif", members=tmp_path / "first_members.csv")
    assert list(made.fractions) == ["member 1", "member 2", "member 3"]
    assert (
        np.abs(pixels(tmp_path / "first.tif")[0] - pixels(tmp_path / "again.tif")[0]).max()
        <= 0.0041
    )


def test_members_of_a_library_give_their_names_and_exact_fractions(tmp_path):
    scene = write_mixed(tmp_path / "cube.tif", noise=0.0, scale=1e-4)
    fine = np.arange(400, 2451, 5.0)
    library = write_table(
        tmp_path / "library.csv", smooth_members(3, fine), fine, material=["a", "b", "c"]
    )
    said = []
    made = gdl.unmix(
        scene.path, out=tmp_path / "map.tif", members=library, float32=True, report=said.append
    )
    messages = [event.message for event in said if isinstance(event, Warned)]
    assert "9 bands of cube.tif in the absorption of water vapour" in messages[0]
    assert any("were resampled from 411 wavelengths" in message for message in messages)
    fractions, valid, described = pixels(tmp_path / "map.tif")
    assert described == (("a", "b", "c"), "float32")
    assert np.abs(fractions.transpose(1, 2, 0) - scene.fractions)[valid].max() < 0.01
    assert np.abs(fractions[:, valid].sum(0) - 1).max() < 1e-6
    assert made.curve is None


def test_a_library_of_whole_numbers_is_refused_and_scaled_on_request(scene, tmp_path):
    library = write_table(tmp_path / "library.csv", scene.members * 1e4, material=["a", "b", "c"])
    with pytest.raises(OptionError, match="`members_scale=0.0001`"):
        gdl.unmix(scene.path, out=tmp_path / "map.tif", members=library)
    assert not (tmp_path / "map.tif").exists()
    made = gdl.unmix(scene.path, out=tmp_path / "map.tif", members=library, members_scale=1e-4)
    assert made.rmse == pytest.approx(0.001, rel=0.25)


def test_bands_that_a_library_lacks_are_left_out_with_a_warning(scene, tmp_path):
    library = write_table(
        tmp_path / "library.csv", scene.members[:, 5:], LENGTHS[5:], material=["a", "b", "c"]
    )
    with pytest.warns(
        GeoRasterWarning, match="it does not cover 5 bands of cube.tif, which are left out"
    ):
        made = gdl.unmix(scene.path, out=tmp_path / "map.tif", members=library)
    assert made.rmse == pytest.approx(0.001, rel=0.25)


def test_shade_gives_fractions_of_the_lit_part(tmp_path):
    scene = write_mixed(tmp_path / "cube.tif", noise=0.0)
    with rasterio.open(scene.path, "r+") as dataset:
        planes = dataset.read()
        dataset.write(np.where(planes < 0, planes, planes * 0.5))
    library = write_table(tmp_path / "library.csv", scene.members, material=["a", "b", "c"])
    truth = scene.fractions.transpose(2, 0, 1)
    off = {}
    for shade in (False, True):
        out = tmp_path / f"{shade}.tif"
        gdl.unmix(
            scene.path,
            out=out,
            members=library,
            shade=shade,
            save_model=out.with_suffix(".safetensors"),
        )
        fractions, valid, _ = pixels(out)
        off[shade] = np.abs(fractions - truth)[:, valid].max()
    assert off[True] < 0.005
    assert off[False] > 0.2
    gdl.segment(scene.path, tmp_path / "True.safetensors", out=tmp_path / "again.tif")
    again, once = (pixels(tmp_path / name)[0] for name in ("again.tif", "True.tif"))
    assert np.abs(again - once).max() <= 0.0041


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"smoothness": 0.05, "bilinear": True}])
def test_the_autoencoder_starts_from_the_members_and_stands_beside_least_squares(
    scene, tmp_path, options
):
    out, model, error = (tmp_path / name for name in ("map.tif", "ae.safetensors", "error.tif"))
    made = gdl.unmix(
        scene.path, out=out, k=3, method="autoencoder", save_model=model, error=error, **options
    )
    assert made.rmse_fcls == pytest.approx(0.001, rel=0.25)
    assert made.rmse < 0.02
    fractions, valid, _ = pixels(out)
    off = matched(
        fractions, scene.members, tmp_path / "map_members.csv"
    ) - scene.fractions.transpose(2, 0, 1)
    assert np.sqrt((off[:, valid] ** 2).mean()) < 0.1
    with rasterio.open(error) as errors:
        assert errors.descriptions == ("RMSE of the autoencoder", "RMSE of least squares")
    gdl.segment(scene.path, model, out=tmp_path / "again.tif")
    assert np.abs(pixels(tmp_path / "again.tif")[0] - fractions).max() <= 0.0041
    again = gdl.unmix(scene.path, out=tmp_path / "same.tif", k=3, method="autoencoder", **options)
    assert again.rmse == pytest.approx(made.rmse, rel=1e-4)


def test_strips_do_not_change_the_map(scene, tmp_path, monkeypatch):
    gdl.unmix(scene.path, out=tmp_path / "whole.tif", k=3)
    monkeypatch.setattr("georaster_dl.pixels.inputs.strips._STRIP_BYTES", 200_000)
    monkeypatch.setattr("georaster_dl.unmixing.maps._PIECE_VALUES", 1000)
    gdl.unmix(scene.path, out=tmp_path / "strips.tif", k=3)
    assert (pixels(tmp_path / "whole.tif")[0] == pixels(tmp_path / "strips.tif")[0]).all()


def test_a_scene_without_wavelengths_is_unmixed_by_its_own_members(tmp_path):
    scene = write_mixed(tmp_path / "cube.tif", waves=False)
    made = gdl.unmix(scene.path, out=tmp_path / "map.tif", k=3)
    assert made.rmse == pytest.approx(0.001, rel=0.25)
    library = write_table(tmp_path / "library.csv", scene.members, material=["a", "b", "c"])
    with pytest.raises(BandMismatchError, match="`wavelengths=`"):
        gdl.unmix(scene.path, out=tmp_path / "other.tif", members=library)


def test_more_members_than_signal_are_warned_of(scene, tmp_path):
    said = []
    gdl.unmix(scene.path, out=tmp_path / "map.tif", k=6, report=said.append)
    messages = [event.message for event in said if isinstance(event, Warned)]
    assert any(
        "in 3 directions only (HySime), so some of 6 members are noise" in m for m in messages
    )


def test_more_members_than_a_scene_without_noise_holds_are_refused(tmp_path):
    scene = write_mixed(tmp_path / "cube.tif", noise=0.0)
    with pytest.raises(SceneError, match="at most 3 members, but `k=` is 5"):
        gdl.unmix(scene.path, out=tmp_path / "map.tif", k=5)
    assert not list(tmp_path.glob("map*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 1}, "`k=` is 1, but a mixture is of 2"),
        ({"k": 300}, "300 members are more than the 64 bands .*; give fewer with `k=`"),
        ({"k": 42}, "42 members are more than 40 bands of .* can tell apart"),
        ({"k": 41, "shade": True}, "41 members are more than 40 bands"),
        ({"k": 3, "members": "cube.tif"}, "leave one of the two out"),
        ({"class_field": "kind"}, "give it with `members=`"),
        ({"members_scale": 0.1}, "give it with `members=`"),
        ({"k": 3, "smoothness": 0.1}, "`method=autoencoder`"),
        ({"k": 3, "bilinear": True}, "`method=autoencoder`"),
        ({"k": 3, "method": "autoencoder", "shade": True}, "`method=fcls`"),
        ({"k": "four"}, "is no number of members"),
        ({"search": "ppi"}, "choose nfindr or vca"),
    ],
)
def test_options_without_a_meaning_are_refused(scene, tmp_path, options, message):
    with pytest.raises(OptionError, match=message):
        gdl.unmix(scene.path, out=tmp_path / "map.tif", **options)
    assert not list(tmp_path.glob("map*"))


def test_few_bands_take_as_many_members_as_they_tell_apart(tmp_path):
    scene = write_mixed(tmp_path / "few.tif", lengths=LENGTHS[::14])
    assert len(scene.members[0]) == 3
    made = gdl.unmix(scene.path, out=tmp_path / "map.tif", k=3)
    assert len(made.fractions) == 3
    with pytest.raises(OptionError, match="5 members are more than 3 bands"):
        gdl.unmix(scene.path, out=tmp_path / "five.tif", k=5)
