"""Samples of series: shapes that are refused, clear dates, truncation."""

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.bands import Band
from georaster_dl.core.errors import OptionError
from georaster_dl.timeseries.samples import SensorSamples, SeriesSamples, number_classes

BANDS = (Band("red"), Band("nir"))
DATES = np.array(["2017-03-01", "2017-04-01", "2017-05-01"], "datetime64[D]")


def sensor(values=None, dates=DATES, name="S2", bands=BANDS):
    return SensorSamples(name, bands, np.ones((4, 3, 2)) if values is None else values, dates)


def samples(*sensors, **parts):
    labels, legend = number_classes(["oak", None, "ash", "oak"])
    given = {
        "labels": labels,
        "legend": legend,
        "groups": pd.DataFrame({"parcel": list("abcd")}),
        **parts,
    }
    return SeriesSamples("trees", sensors or (sensor(),), **given)


def test_a_measurement_counts_where_all_bands_and_the_date_are_known():
    values = np.ones((4, 3, 2))
    values[0, 1, 0] = np.nan
    dates = np.tile(DATES, (4, 1))
    dates[1, 2] = "NaT"
    made = sensor(values, dates)
    assert made.valid.tolist() == [[1, 0, 1], [1, 1, 0], [1, 1, 1], [1, 1, 1]]
    assert made.clear_dates.tolist() == [2, 2, 3, 3]


def test_two_measurements_of_one_day_are_one_date():
    assert sensor(dates=DATES[[0, 0, 1]]).clear_dates.tolist() == [2, 2, 2, 2]


def test_a_date_of_a_parcel_counts_with_one_clear_pixel():
    values = np.full((4, 3, 2, 5), np.nan)
    values[:, :2, :, 3] = 1
    made = sensor(values)
    assert made.valid.sum(axis=(1, 2)).tolist() == [2, 2, 2, 2]
    assert made.clear_dates.tolist() == [2, 2, 2, 2]
    assert samples(made).unit == "parcel"


def test_classes_are_numbered_by_name():
    made = samples()
    assert made.legend.names == ["ash", "oak"]
    assert made.labels.tolist() == [1, -1, 0, 1]
    assert made.known.tolist() == [True, False, True, True]
    assert len(made) == 4
    assert made.unit == "pixel"


def test_rows_are_taken_from_all_parts():
    made = samples(lonlat=np.arange(8.0).reshape(4, 2)).rows(np.array([3, 0]))
    assert made.labels.tolist() == [1, 1]
    assert made.groups.parcel.tolist() == ["d", "a"]
    assert made.lonlat.tolist() == [[6, 7], [0, 1]]
    assert len(made.sensors[0].values) == 2


def test_series_end_on_a_day_of_each_samples_own_season():
    dates = np.tile(DATES, (4, 1))
    dates[1] += np.timedelta64(365, "D")
    late = sensor(np.ones((4, 2, 2)), dates[:, 1:], name="S1", bands=(Band("vv"), Band("vh")))
    made = samples(sensor(dates=dates), late).until(60, "03-01")
    assert [s.values.shape[1] for s in made.sensors] == [2, 1]
    assert made.clear_dates.tolist() == [3, 3, 3, 3]
    assert np.datetime_as_string(made.sensors[0].dates[1]).tolist() == ["2018-03-01", "2018-04-01"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sensor(np.ones((4, 3, 3))), "2 bands .* but those of S2 are \\(4, 3, 3\\)"),
        (lambda: sensor(dates=DATES[:2]), r"need dates \(4, 3\) or \(3,\), but got \(2,\)"),
        (lambda: samples(labels=np.zeros(3, int)), "sensor S2 4, labels 3"),
        (lambda: samples(sensor(), sensor(name="again")), "same name \\(nir, red\\)"),
        (lambda: samples(legend=None), "need a legend, or a target's name"),
        (
            lambda: samples(sensor(), sensor(np.ones((4, 3, 2, 5)), bands=(Band("a"), Band("b")))),
            "all be of pixels, of parcels, or of patches",
        ),
        (lambda: number_classes([None, None]), "No sample has a class"),
    ],
)
def test_what_does_not_fit_together_is_refused(make, message):
    with pytest.raises(OptionError, match=message):
        make()
