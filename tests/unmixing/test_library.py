"""Members from tables of spectra: on the scene's bands, in its unit, with names."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import BandMismatchError, OptionError
from georaster_dl.spectra.table.samples import SpectraTable
from georaster_dl.unmixing.library import bands_within, check_size, library_members

FINE = np.arange(400.0, 1001.0, 2.0)


def table(spectra=None, lengths=FINE, fwhm=None, **columns):
    lines = np.stack([lengths / 1000, 1 - lengths / 1000]) if spectra is None else spectra
    return SpectraTable(
        "library", lengths, lines, pd.DataFrame(columns, index=range(len(lines))), fwhm_nm=fwhm
    )


def bands(lengths, fwhm=10.0):
    return [Band(f"b{i}", length, fwhm) for i, length in enumerate(lengths)]


def made(table, bands, class_field=None, scale=None):
    return library_members(table, bands, "scene.tif", class_field=class_field, scale=scale)


def test_spectra_are_averaged_over_the_bands_of_the_scene():
    wanted = [450.0, 500.0, 620.0, 900.0]
    members, doubts = made(table(name=["up", "down"]), bands(wanted))
    assert members.names == ("up", "down")
    assert np.abs(members.spectra[0] - np.array(wanted) / 1000).max() < 1e-9
    assert doubts == [
        "library: spectra were resampled from 301 wavelengths from 400 to 1000 nm to 4 wavelengths from 450 to 900 nm."
    ]


def test_bands_keep_the_order_of_the_scene():
    members, _ = made(table(), bands([900.0, 450.0, 620.0]))
    assert np.allclose(members.spectra[0], [0.9, 0.45, 0.62])


def test_a_narrow_line_is_as_shallow_as_the_bands_are_wide():
    spectrum = np.where(FINE == 700, 0.0, 1.0)[None].repeat(2, 0)
    narrow = made(table(spectrum), bands([600.0, 700.0], 4.0))[0].spectra[0, 1]
    wide = made(table(spectrum), bands([600.0, 700.0], 40.0))[0].spectra[0, 1]
    assert narrow < 0.7
    assert wide > 0.9


def test_the_means_of_classes_are_members():
    spectra = np.stack([FINE * 0 + level for level in (0.1, 0.3, 0.6)])
    rows = table(spectra, kind=["soil", "soil", "tree"])
    members, _ = made(rows, bands([500.0, 600.0]), class_field="kind")
    assert members.names == ("soil", "tree")
    assert np.allclose(members.spectra, [[0.2, 0.2], [0.6, 0.6]])


def test_one_class_is_no_mixture():
    with pytest.raises(OptionError, match="1 class, but"):
        made(table(kind=["soil", "soil"]), bands([500.0, 600.0]), class_field="kind")


def test_names_that_repeat_are_numbered_and_absent_ones_are_made():
    assert made(table(kind=["soil", "soil"]), bands([500.0, 600.0]))[0].names == (
        "soil 1",
        "soil 2",
    )
    assert made(table(), bands([500.0, 600.0]))[0].names == ("member 1", "member 2")


def test_a_scene_without_widths_is_warned_of_where_bands_touch():
    _, doubts = made(table(), bands(np.arange(450.0, 950.0, 5.5), None))
    assert any("scene.tif states no widths of its bands" in doubt for doubt in doubts)


def test_a_scene_of_few_bands_without_widths_is_refused():
    with pytest.raises(OptionError, match="about 150 nm apart and state no widths"):
        made(table(), bands([450.0, 600.0, 750.0], None))


def test_the_scene_s_own_bands_need_no_widths():
    lengths = np.array([450.0, 600.0, 750.0])
    own = table(np.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]), lengths)
    members, doubts = made(own, bands(lengths, None))
    assert np.allclose(members.spectra[0], [0.1, 0.2, 0.3])
    assert doubts == []


def test_a_library_that_is_coarser_than_the_scene_is_warned_of():
    own = np.arange(400.0, 1001.0, 14.0)
    spectra = np.stack([own / 1000, 1 - own / 1000])
    _, doubts = made(table(spectra, own), bands([452.0, 603.0, 751.0]))
    assert any("its spacing is wider than 3 bands of scene.tif" in doubt for doubt in doubts)
    _, doubts = made(table(spectra, own, np.full(len(own), 30.0)), bands([452.0, 603.0, 751.0]))
    assert any("its bands are wider than 3 bands of scene.tif" in doubt for doubt in doubts)


def test_bands_outside_the_table_are_left_out_and_none_within_is_refused():
    inside, notes = bands_within(table(), bands([350.0, 450.0, 700.0, 1400.0]), "scene")
    assert inside == [1, 2]
    assert notes == [
        "library: it does not cover 2 bands of scene, which are left out (350 nm, 1400 nm)."
    ]
    with pytest.raises(BandMismatchError, match="from 400 to 1000 nm, but scene has 2 bands"):
        bands_within(table(), bands([1200.0, 1400.0]), "scene")


def test_bands_in_a_gap_of_the_table_are_left_out_and_those_at_its_edges_stay():
    lengths = FINE[(FINE <= 600) | (FINE >= 700)]
    gapped = table(lengths=lengths)
    inside, notes = bands_within(gapped, bands([700.0, 500.0, 650.0, 600.0, 801.0]), "scene")
    assert inside == [0, 1, 3, 4]
    assert notes == ["library: it does not cover 1 band of scene, which is left out (650 nm)."]


def test_bands_of_water_vapour_are_left_out_unless_the_table_is_on_the_scene_s_own():
    fine, wanted = np.arange(400.0, 2500.0, 5.0), np.arange(1302.0, 1602.0, 50.0)
    inside, notes = bands_within(table(lengths=fine), bands(wanted), "scene")
    assert wanted[inside].tolist() == [1302, 1502, 1552]
    assert notes == [
        "3 bands of scene in the absorption of water vapour (1330 to 1500 and 1780 to 2000 nm) were left out"
    ]
    assert bands_within(table(lengths=wanted), bands(wanted), "scene") == (list(range(6)), [])


def test_a_scene_without_wavelengths_is_refused():
    with pytest.raises(BandMismatchError, match="scene states none of b0.*`wavelengths=`"):
        bands_within(table(), [Band("b0"), Band("b1", 500.0)], "scene")


@pytest.mark.parametrize(("factor", "cure"), [(1e4, "0.0001"), (100, "0.01"), (1e-4, "10000")])
def test_members_of_another_unit_are_refused_with_the_factor(factor, cure):
    members, _ = made(table(), bands([500.0, 600.0]))
    mean, std = members.spectra.mean(0), members.spectra.std(0)
    check_size(members, mean, std, "library")
    other, _ = made(table(), bands([500.0, 600.0]), scale=factor)
    with pytest.raises(OptionError, match=f"`members_scale={cure}`"):
        check_size(other, mean, std, "library")
