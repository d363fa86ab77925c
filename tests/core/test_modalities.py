"""Modalities by wavelength and name."""

import pytest

from georaster_dl.core.bands import Band
from georaster_dl.core.modalities import known_modality, with_modality


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        *(
            ("B04", ""),
            ("red", "optical"),
            ("Red edge", "optical"),
            ("NIR", "optical"),
            ("red2", "optical"),
        ),
        *(("VV", "radar"), ("Sigma0_VH_db", "radar"), ("hh", "radar"), ("vvs", "")),
        *(("ndsm", "lidar"), ("return ratio", "lidar"), ("above_2m", "lidar")),
        *(("DEM", "terrain"), ("slope", "terrain"), ("band_1", ""), ("elevation error", "")),
    ],
)
def test_modality_by_name(name, modality):
    assert known_modality(Band(name)) == modality


def test_what_a_file_states_comes_before_what_a_name_tells():
    assert with_modality(Band("x", 665.0)).modality == "optical"
    assert with_modality(Band("dem", modality="lidar")).modality == "lidar"
    assert with_modality(Band("x"), "a" * 80).modality == "a" * 64
    assert with_modality(Band("dem"), "other").modality == "terrain"
