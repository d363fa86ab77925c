"""Tables of series: wide, long and archives, with labels beside them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from georaster_dl.core.errors import OptionError
from georaster_dl.timeseries.tables.options import SeriesTableOptions
from georaster_dl.timeseries.tables.read import read_series

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def written(tmp_path, text, name="series.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def read(path, **options):
    return read_series(path, SeriesTableOptions(**options))


def days(samples, sensor=0):
    return np.datetime_as_string(samples.sensors[sensor].dates).tolist()


WIDE = """id,crop,red_2017-03-01,red_2017-04-01,nir_20170301,nir_20170401,lon,lat
a,oak,.1,.2,.3,.4,10,50
b,ash,.5,NA,.7,.8,11,51
c,,.9,,1,1.1,12,52
"""


def test_wide_columns_with_dates_in_their_headers(tmp_path):
    made = read(written(tmp_path, WIDE), class_column="crop")
    assert [band.name for band in made.bands] == ["red", "nir"]
    assert days(made) == [["2017-03-01", "2017-04-01"]] * 3
    np.testing.assert_allclose(made.sensors[0].values[0], [[0.1, 0.3], [0.2, 0.4]], rtol=1e-6)
    assert made.sensors[0].valid.tolist() == [[True, True], [True, False], [True, False]]
    assert made.legend.names == ["ash", "oak"]
    assert made.labels.tolist() == [1, 0, -1]
    assert list(made.groups) == ["id", "crop", "lon", "lat"]
    assert made.lonlat.tolist() == [[10, 50], [11, 51], [12, 52]]


def test_dates_may_stand_before_the_band(tmp_path):
    made = read(written(tmp_path, "2017-03-01_NDVI,2017-03-17_NDVI\n1,2\n3,4\n"))
    assert [band.name for band in made.bands] == ["NDVI"]
    assert days(made)[0] == ["2017-03-01", "2017-03-17"]
    assert made.labels is None


def test_numbered_columns_take_the_dates_that_are_given(tmp_path):
    path = written(tmp_path, "evi_2,evi_1,evi_10,y\n2,1,10,0.5\n2,1,10,7\n")
    made = read(path, target="y", dates=["2017-01-05", "2017-02-05", "2017-03-05"])
    assert made.sensors[0].values[0, :, 0].tolist() == [1, 2, 10]
    assert days(made)[0] == ["2017-01-05", "2017-02-05", "2017-03-05"]
    assert made.labels.tolist() == [0.5, 7]
    assert made.target == "y"
    with pytest.raises(OptionError, match="2 dates, but the columns are numbered 1, 2, 10"):
        read(path, dates=["2017-01-05", "2017-02-05"])


def test_days_of_the_year_belong_to_each_samples_year(tmp_path):
    path = written(tmp_path, "year,ndvi_doy_1,ndvi_doy_60\n2016,.1,.2\n2017,.3,.4\n")
    assert days(read(path)) == [["2016-01-01", "2016-02-29"], ["2017-01-01", "2017-03-01"]]
    with pytest.raises(OptionError, match="no column 'season'"):
        read(path, year_column="season")


def test_headers_of_any_form_are_read_by_a_pattern(tmp_path):
    path = written(
        tmp_path, "OPT-B02-ts0-10m,OPT-B02-ts1-10m,SAR-VV-ts0-20m,SAR-VV-ts1-20m\n1,2,65535,-9\n"
    )
    made = read(
        path,
        column_pattern=r"\w+-(?P<band>\w+)-ts(?P<number>\d+)-\d+m",
        dates=["2017-01-05", "2017-02-05"],
        sensor_bands={"S1": ["VV"], "S2": ["B02"]},
        nodata=65535,
    )
    assert [sensor.name for sensor in made.sensors] == ["S1", "S2"]
    assert made.sensors[0].valid.tolist() == [[False, True]]
    assert made.bands[1].wavelength_nm == pytest.approx(492.4)


LONG = """id,date,VV,B04,B08,crop,region
7,2017-04-01,,.3,.4,oak,north
7,2017-03-01,,.1,.2,oak,north
8,2017-03-05,,.5,.6,ash,south
7,2017-03-02,-11,,,oak,north
8,2017-03-02,-12,,,ash,south
"""


def test_long_rows_become_series_in_the_order_of_time(tmp_path):
    made = read(
        written(tmp_path, LONG),
        class_column="crop",
        sensor_bands={"S1": ["VV"], "S2": ["B04", "B08"]},
    )
    assert len(made) == 2
    assert [sensor.name for sensor in made.sensors] == ["S1", "S2"]
    assert days(made, 0) == [["2017-03-02"], ["2017-03-02"]]
    assert days(made, 1) == [["2017-03-01", "2017-04-01"], ["2017-03-05", "NaT"]]
    np.testing.assert_allclose(made.sensors[1].values[0], [[0.1, 0.2], [0.3, 0.4]], rtol=1e-6)
    assert made.clear_dates.tolist() == [3, 2]
    assert made.groups.to_dict("list") == {
        "id": ["7", "8"],
        "crop": ["oak", "ash"],
        "region": ["north", "south"],
    }
    assert made.labels.tolist() == [1, 0]


def test_bands_of_a_long_table_are_the_numbers_that_change(tmp_path):
    text = "plot,when,ndvi,height,note\n1,20170301,.1,4,a\n1,20170302,.2,4,b\n2,20170301,.3,5,a\n"
    made = read(written(tmp_path, text), id_column="plot", date_column="when", target="height")
    assert [band.name for band in made.bands] == ["ndvi"]
    assert made.labels.tolist() == [4, 5]
    assert list(made.groups) == ["plot", "height"]


@pytest.mark.parametrize("text", [WIDE, LONG])
def test_parquet_reads_as_csv_does(tmp_path, text):
    path = written(tmp_path, text)
    pd.read_csv(path).to_parquet(tmp_path / "series.parquet")
    sensors = {} if text is WIDE else {"sensor_bands": {"S1": ["VV"], "S2": ["B04", "B08"]}}
    first, second = (
        read(p, class_column="crop", **sensors) for p in (path, tmp_path / "series.parquet")
    )
    for a, b in zip(first.sensors, second.sensors, strict=True):
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.dates, b.dates)
    np.testing.assert_array_equal(first.labels, second.labels)


@pytest.mark.parametrize("series", ["wide", "long", "npz"])
def test_labels_may_be_in_a_second_file(tmp_path, series):
    if series == "npz":
        path = tmp_path / "series.npz"
        np.savez(
            path, X=np.ones((3, 2, 1)), dates=np.array(["2017-03-01", "2017-04-01"]), id=list("abc")
        )
    elif series == "wide":
        path = written(tmp_path, WIDE.replace(",crop", ",was"))
    else:
        path = written(
            tmp_path, LONG.replace("\n7,", "\na,").replace("\n8,", "\nb,").replace(",crop", ",was")
        )
    labels = written(tmp_path, "id,crop\nb,beech\na,oak\n", "labels.csv")
    sensors = {"sensor_bands": {"S1": ["VV"], "S2": ["B04", "B08"]}} if series == "long" else {}
    made = read([path, labels], class_column="crop", id_column="id", **sensors)
    names = [None if i < 0 else made.legend.names[i] for i in made.labels]
    assert names == (["oak", "beech"] if series == "long" else ["oak", "beech", None])
    assert bool(made.remarks) == (series != "long")


def test_archives_of_several_sensors(tmp_path):
    path = tmp_path / "both.npz"
    np.savez(
        path,
        X_S1=np.ones((2, 3, 1)),
        bands_S1=["VV"],
        dates_S1=np.array(["2017-03-01", "2017-03-13", "2017-03-25"], "datetime64[D]"),
        X_S2=np.ones((2, 2)),
        bands_S2=["NDVI"],
        days_since_1970_S2=np.array([[17226, 17227], [17228, 17229]]),
        y=["oak", "ash"],
    )
    made = read(path, class_column="y")
    assert [sensor.name for sensor in made.sensors] == ["S1", "S2"]
    assert days(made, 1) == [["2017-03-01", "2017-03-02"], ["2017-03-03", "2017-03-04"]]
    assert made.legend.names == ["ash", "oak"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (WIDE, {"class_column": "corp"}, r"no column 'corp' \(did you mean 'crop'\?\)"),
        (WIDE, {"class_column": "crop", "target": "lon"}, "one of them"),
        (WIDE, {"target": "crop"}, "holds the text 'oak' in row 2"),
        (WIDE.replace(".2,", "wet,"), {}, "text 'wet' in row 2, column red_2017-04-01"),
        (WIDE.replace("nir_20170401", "red_20170401"), {}, "two columns of red at 2017-04-01"),
        (WIDE, {"sensor_bands": {"S2": ["red", "green"]}}, "no band 'green'"),
        (WIDE, {"sensor_bands": {"S2": ["red"], "S1": ["red"]}}, "names red twice"),
        (WIDE, {"column_pattern": "(.*"}, "no regular expression"),
        (WIDE, {"column_pattern": "(?P<band>.*)_.*"}, "must have the group"),
        ("a,b\n1,2\n", {}, "nor, as a long table, a column 'id'"),
        (LONG, {"date_column": "day"}, "a column 'day'"),
        (
            LONG.replace("2017-03-05", "5 March"),
            {"sensor_bands": {"S1": ["VV"]}},
            "'5 March', a date of series.csv, is no date",
        ),
        (LONG, {}, "No date of series.csv has values of all bands of images"),
        ("id,date,k\n1,2017-03-01,a\n", {}, "no series"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, text, options, message):
    with pytest.raises(OptionError, match=message):
        read(written(tmp_path, text), **options)


def test_archives_that_hold_no_series_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    for arrays, message in (
        ({"Y": [1]}, "no series but Y"),
        ({"X": np.ones((2, 3, 1))}, "no dates for X"),
        ({"X": np.ones((2, 3, 1)), "dates": ["x", "y", "z"]}, "dates of a.npz cannot be read"),
        ({"X": np.ones((2, 3, 1)), "dates": np.arange(3), "bands": ["a", "b"]}, "names 2 bands"),
        ({"X": np.array([None, 1])}, "pickled"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(OptionError, match=message):
            read(path)


@pytest.mark.realdata
def test_real_tables_of_series():
    if not DATA.exists():
        pytest.skip("no shared data")
    mato = read(DATA / "sits_matogrosso/samples_mt_9classes.npz", class_column="y")
    assert (len(mato), len(mato.bands), len(mato.legend.classes)) == (2115, 6, 9)
    assert mato.sensors[0].dates.shape == (2115, 23)
    assert mato.lonlat is not None
    asia = read(DATA / "sits_central_asia/CAWa_joined.csv", class_column="label_1")
    values = asia.sensors[0].values
    assert values.shape == (8435, 23, 1)
    assert np.isnan(values).mean() == pytest.approx(0.26, abs=0.01)
    assert set(asia.groups.region) == {"Dushanbe", "Fergana", "Kashkadarya", "Khorezm", "Samarkand"}
    months = [f"2020-{month:02d}-15" for month in range(1, 13)]
    cereal = read(
        DATA / "multimodal_worldcereal/worldcereal_testdf.parquet",
        class_column="LANDCOVER_LABEL",
        column_pattern=r"(?:OPTICAL|SAR)-(?P<band>\w+)-ts(?P<number>\d+)-\d+m",
        dates=months,
        sensor_bands={"S1": ["VV", "VH"], "S2": ["B02", "B03", "B04", "B08", "B11", "B12"]},
        nodata=65535,
    )
    assert len(cereal) == 500
    assert 0 < cereal.sensors[0].clear_dates.mean() <= 12


def test_bands_of_an_archive_are_chosen_by_name(tmp_path):
    path = tmp_path / "points.npz"
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    days = np.array(["2017-03-01", "2017-04-01", "2017-05-01"], "datetime64[D]")
    np.savez(path, X=values, bands=["red", "nir", "evi", "ndvi"], dates=days, y=["a", "b"])
    some = SeriesTableOptions(class_column="y", sensor_bands={"modis": ["ndvi", "red"]})
    (sensor,) = read_series(path, some).sensors
    assert (sensor.name, [band.name for band in sensor.bands]) == ("modis", ["ndvi", "red"])
    np.testing.assert_array_equal(sensor.values, values[:, :, [3, 0]])
    with pytest.raises(OptionError, match="has no band 'swir'"):
        read_series(path, SeriesTableOptions(sensor_bands={"modis": ["swir"]}))
