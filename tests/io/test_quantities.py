"""Backscatter in dB or as power, heights above sea level or ground."""

import numpy as np
import pytest

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import BandMismatchError
from georaster_dl.io.scenes.checks.quantities import (
    absolute_heights,
    check_alike,
    quantities_of,
    quantity_of_moments,
)
from georaster_dl.io.scenes.reader import open_scene

RANDOM = np.random.default_rng(0)
DB = RANDOM.normal(-11, 4, (64, 64))
NDSM = np.maximum(RANDOM.normal(2, 5, (64, 64)), 0)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        *(("VV", DB, "dB"), ("VH", 10 ** (DB / 10), "power"), ("VV", DB + 200, "")),
        *(("ndsm", NDSM, "above ground"), ("height", NDSM, "above ground")),
        *(("height", 130 + NDSM, "above sea level"), ("ndsm", 130 + NDSM, "above sea level")),
        *(("dtm", NDSM, ""), ("dem", 900 + 300 * NDSM, "above sea level"), ("ndsm", NDSM + 15, "")),
    ],
)
def test_quantity_of_values(make_tif, name, values, kind):
    scene = open_scene(make_tif(values[None].astype("float32"), descriptions=[name]))
    assert quantities_of(scene)[name].kind == kind


@pytest.mark.parametrize(
    ("band", "mean", "deviation", "kind"),
    [
        *((Band("VV"), -11, 4, "dB"), (Band("VV"), 0.1, 0.2, "power"), (Band("VV"), 150, 40, "")),
        (Band("s1", modality="radar", unit="dB"), 1, 4, "dB"),
        *((Band("ndsm"), 3, 5, "above ground"), (Band("ndsm"), 140, 12, "above sea level")),
        *(
            (Band("dsm"), 3, 5, ""),
            (Band("dem"), 900, 300, "above sea level"),
            (Band("red"), 3, 5, ""),
        ),
    ],
)
def test_quantity_of_a_models_statistics(band, mean, deviation, kind):
    assert quantity_of_moments(band, mean, deviation).kind == kind


def test_other_quantities_are_refused_with_what_to_do(make_tif):
    power = open_scene(make_tif((10 ** (DB / 10))[None].astype("float32"), descriptions=["VV"]))
    learnt = quantity_of_moments(Band("VV"), -11, 4)
    cure = r"VV of .* is backscatter as linear power .*, but m has backscatter in dB .*10 \* log10"
    with pytest.raises(BandMismatchError, match=cure):
        check_alike(quantities_of(power), [("VV", learnt)], power.name, "m")
    high = open_scene(make_tif((130 + NDSM)[None].astype("float32"), descriptions=["ndsm"]))
    learnt = quantity_of_moments(Band("ndsm"), 3, 5)
    with pytest.raises(
        BandMismatchError, match=r"above sea level .*subtract the ground: geodl lidar raster"
    ):
        check_alike(quantities_of(high), [("ndsm", learnt)], high.name, "m")
    check_alike(
        quantities_of(high), [("ndsm", quantity_of_moments(Band("x"), 0, 1))], high.name, "m"
    )


def test_heights_above_sea_level_are_no_good_to_learn_from(make_tif):
    both = np.stack([130 + NDSM, NDSM]).astype("float32")
    alone = open_scene(make_tif(both[:1], "dsm.tif", descriptions=["dsm"]))
    [said] = absolute_heights(alone, quantities_of(alone))
    assert "dsm holds heights above sea level" in said
    beside = open_scene(make_tif(both, "both.tif", descriptions=["dsm", "ndsm"]))
    assert list(absolute_heights(beside, quantities_of(beside))) == []
